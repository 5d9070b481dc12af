<?php
echo "before\n";
undefined_function(1, 'two');
