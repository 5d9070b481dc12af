<?php
set_exception_handler(static function (Throwable $e): void {
    http_response_code(503);
    echo 'sorry: ', $e->getMessage(), "\n";
});
throw new Exception('uncaught');
