<?php
foreach (['display_errors', 'log_errors', 'error_reporting', 'memory_limit', 'max_execution_time',
    'precision', 'serialize_precision', 'default_socket_timeout', 'html_errors', 'ignore_user_abort',
    'output_buffering', 'implicit_flush', 'include_path', 'open_basedir', 'date.timezone'] as $name) {
    echo $name, '=', var_export(ini_get($name), true), "\n";
}
echo setlocale(LC_ALL, '0'), ' ', date_default_timezone_get(), ' ', sprintf('%o', umask()), ' ', getcwd(), "\n";
var_dump(error_reporting(), ignore_user_abort(), connection_status());
ini_set('precision', '5');
ini_set('date.timezone', 'Asia/Tokyo');
setlocale(LC_ALL, 'C.UTF-8');
umask(077);
chdir('/');
echo 1 / 3, ' ', date('T', 0), "\n";
