<?php
register_shutdown_function(static function (): void {
    echo "in the shutdown function\n";
    undefined_function();
});
register_shutdown_function(static function (): void {
    echo "not reached\n";
});
echo "page\n";
