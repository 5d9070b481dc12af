<?php
set_time_limit(1);
register_shutdown_function(static function (): void {
    echo "shutdown\n";
});
for ($i = 0; ; ) {
}
