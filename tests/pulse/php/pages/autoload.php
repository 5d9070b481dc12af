<?php
spl_autoload_register(static function (string $class): void {
    echo "asked for $class\n";
    if ($class === 'Broken') {
        throw new RuntimeException('the loader failed');
    }
});
var_dump(class_exists('Absent'), class_exists('Pulse\Absent'));
try {
    new Absent();
} catch (Error $e) {
    echo $e->getMessage(), "\n";
}
new Broken();
