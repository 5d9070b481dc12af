<?php
header_register_callback(static function (): void {
    header('X-Callback: ' . http_response_code());
});
echo "body\n";
