<?php
declare(strict_types=1);

namespace Pulse;

/**
 * Calls functions that warn, without a trace: the error handler of the page is not called, and error_get_last() stays as it
 * was. The operator `@` does neither.
 */
final class Silent
{
    /**
     * @template T
     * @param callable(): T $call
     * @return T
     */
    public static function call(callable $call): mixed
    {
        \set_error_handler(static fn (): bool => true);
        try {
            return $call();
        } finally {
            \restore_error_handler();
        }
    }
}
