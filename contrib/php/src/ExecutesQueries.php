<?php
// Not strict: scalar arguments are converted as mysqli converts them for a page without strict types.

namespace Pulse;

// The methods that not every version of PHP has exist only where the parents have them, so that method_exists() is right.

if (\PHP_VERSION_ID >= 80200) {
    /** mysqli::execute_query(). */
    trait ExecutesQueries
    {
        public function execute_query(mixed ...$args): \mysqli_result|bool
        {
            $text = $args[0] ?? $args['query'] ?? null;
            if (!\is_string($text)) {
                return $this->pulseForward(fn () => parent::execute_query(...$args));
            }
            $database = $this->pulseDatabase();
            $binds = $args[1] ?? $args['params'] ?? null;
            $open = $database->begin($text, \is_array($binds) ? $binds : null);
            try {
                $result = parent::execute_query(...$args);
            } catch (\Throwable $error) {
                throw $open->thrown($error, $database, true);
            }
            if ($result === false) {
                $open->fail($database->errorText("{$this->errno} {$this->error}", $text, true));
            } else {
                $open->end($result instanceof \mysqli_result ? $result->num_rows : $this->affected_rows);
            }
            return $result;
        }
    }
} else {
    /** PHP before 8.2 has no mysqli::execute_query(). */
    trait ExecutesQueries
    {
    }
}
