<?php
set_error_handler(static function (int $type, string $text, string $file, int $line): bool {
    throw new ErrorException($text, 0, $type, $file, $line);
});
try {
    echo [][1];
} catch (ErrorException $e) {
    echo 'caught: ', $e->getMessage(), "\n";
}
echo $undefined;
