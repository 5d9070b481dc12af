<?php
set_exception_handler(static function (Throwable $e): void {
    throw new LogicException('from the handler', 0, $e);
});
throw new Exception('uncaught');
