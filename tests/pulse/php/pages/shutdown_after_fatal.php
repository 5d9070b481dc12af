<?php
ini_set('display_errors', '0');
register_shutdown_function(static function (): void {
    $error = error_get_last();
    http_response_code(502);
    echo 'replaced: ', $error['type'], ' ', strtok($error['message'], "\n"), "\n";
    error_clear_last();
    echo $undefined;
});
undefined_function();
