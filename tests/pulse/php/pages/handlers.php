<?php
// What was set before must not show.
var_dump(set_error_handler(static function (int $type, string $text): bool {
    echo "handled: $text\n";
    return true;
}));
var_dump(set_exception_handler(static function (Throwable $e): void {
    echo get_class($e), ': ', $e->getMessage(), "\n";
}));
echo $undefined;
trigger_error('a notice', E_USER_NOTICE);
var_dump(restore_error_handler(), restore_exception_handler());
var_dump(restore_error_handler(), restore_exception_handler());
var_dump(set_error_handler(null), set_exception_handler(null));
echo $undefined;
throw new Exception('uncaught');
