<?php
var_dump(error_get_last());
var_dump(@file_get_contents('/nonexistent/file'));
var_dump(error_get_last());
echo $undefined, [1][5] ?? 'none', "\n";
echo [1][5];
$text = 'abc';
echo "$text[9]";
trigger_error('a warning', E_USER_WARNING);
trigger_error('old', E_USER_DEPRECATED);
trigger_error("two\nlines", E_USER_NOTICE);
error_reporting(E_ALL & ~E_WARNING);
echo $undefined;
var_dump(error_reporting(), error_get_last());
