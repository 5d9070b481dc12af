<?php
echo "before\n";
trigger_error('given up', E_USER_ERROR);
echo "not reached\n";
