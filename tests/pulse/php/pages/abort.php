<?php
ignore_user_abort(false);
register_shutdown_function(static function (): void {
    file_put_contents($_SERVER['ABORT_FILE'] ?? '/dev/null', connection_status() . "\n", FILE_APPEND);
});
for ($i = 0; $i < 200; $i++) {
    echo str_repeat('x', 65536);
    flush();
}
