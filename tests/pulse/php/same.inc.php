<?php
// What the scripts share that run the same operations with a class of PHP and with the tracking one, and print all that a
// page can see. $argv[1] is the library, $argv[2] `plain` or `tracked`.

require $argv[1];

error_reporting(E_ALL);
set_error_handler(function (int $level, string $text): bool {
    // The file and line of a warning are those of the library; see the README.
    echo "  warning $level: ", str_replace('Pulse\\', '', $text), "\n";
    return true;
});

function tracked(): bool
{
    return $GLOBALS['argv'][2] === 'tracked';
}

/** Prints a value in full. Only the names of the tracking classes are replaced. */
function show(mixed $value): string
{
    if (is_object($value)) {
        $class = str_replace(['Pulse\\', '_with_binds', 'WithBinds'], '', get_class($value));
        if ($value instanceof mysqli_result) {
            return $class . ' ' . json_encode($value->fetch_all(MYSQLI_ASSOC));
        }
        $properties = $value instanceof mysqli || $value instanceof mysqli_stmt ? [] : get_object_vars($value);
        return $class . ' ' . json_encode($properties, JSON_PARTIAL_OUTPUT_ON_ERROR);
    }
    if (is_array($value)) {
        $items = [];
        foreach ($value as $key => $item) {
            $items[] = var_export($key, true) . ' => ' . show($item);
        }
        return '[' . implode(', ', $items) . ']';
    }
    return is_resource($value) ? 'resource' : var_export($value, true);
}

/** Runs one operation and prints its result or its exception, with place and trace. */
function op(string $name, callable $do): void
{
    static $count = 0;
    printf("%d %s\n", ++$count, $name);
    try {
        echo '  ', show($do()), "\n";
    } catch (Throwable $e) {
        for (; $e !== null; $e = $e->getPrevious()) {
            printf("  %s(%s) at %s:%d: %s\n", get_class($e), show($e->getCode()), basename($e->getFile()), $e->getLine(), $e->getMessage());
            if ($e instanceof PDOException) {
                echo '  ', show($e->errorInfo), "\n";
            }
            if ($e instanceof mysqli_sql_exception) {
                echo '  ', $e->getSqlState(), "\n";
            }
            echo str_replace([__DIR__ . '/', 'Object(Pulse\\'], ['', 'Object('], preg_replace('/^/m', '    ', $e->getTraceAsString())), "\n";
        }
    }
}
