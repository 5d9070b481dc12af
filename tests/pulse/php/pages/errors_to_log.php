<?php
ini_set('display_errors', '0');
echo $undefined;
error_log('by the page');
trigger_error('logged', E_USER_WARNING);
throw new LogicException('logged too');
