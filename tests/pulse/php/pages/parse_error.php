<?php
echo "not reached";
$x = = 1;
