<?php
register_shutdown_function(static function (): void {
    echo "leaves\n";
    exit(7);
});
register_shutdown_function(static function (): void {
    echo "not reached\n";
});
throw new Exception('uncaught');
