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
        // An exception of a signal handler must not leave this handler behind.
        $async = \function_exists('pcntl_async_signals') && \pcntl_async_signals();
        $silent = false;
        try {
            if ($async) {
                \pcntl_async_signals(false);
            }
            $silent = true;
            \set_error_handler(static fn (): bool => true);
            return $call();
        } finally {
            if ($silent) {
                \restore_error_handler();
            }
            if ($async) {
                \pcntl_async_signals(true);
                \pcntl_signal_dispatch();
            }
        }
    }
}
