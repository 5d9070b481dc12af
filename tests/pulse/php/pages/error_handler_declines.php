<?php
set_error_handler(static function (int $type, string $text): bool {
    echo "seen: $text\n";
    return false;
}, E_WARNING);
echo $undefined;
trigger_error('not for the handler', E_USER_NOTICE);
var_dump(error_get_last());
error_clear_last();
var_dump(error_get_last());
