<?php
register_shutdown_function(static function (): void {
    echo "first\n";
    register_shutdown_function(static function (): void {
        echo "third, registered by the first\n";
        register_shutdown_function(static function (): void {
            echo "fourth, registered by the third\n";
        });
    });
});
register_shutdown_function(static function (string $word): void {
    echo "$word\n";
    var_dump(error_get_last());
}, 'second');
echo "page\n";
