<?php
$names = array_keys(get_defined_vars());
sort($names);
echo implode(' ', $names), "\n";
unset($names);
var_dump($argc ?? null, get_required_files() === get_included_files(), debug_backtrace(), __FILE__ === $_SERVER['SCRIPT_FILENAME'] || PHP_SAPI === 'cli');
(static function (): void {
    debug_print_backtrace();
    echo (new Exception('trace'))->getTraceAsString(), "\n";
})();
