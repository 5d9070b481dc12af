<?php
ob_start(static function (string $text): string {
    throw new Exception('from the callback');
});
echo "lost\n";
