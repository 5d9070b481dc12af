<?php
declare(strict_types=1);

namespace Pulse;

/**
 * Sends fatal errors and uncaught exceptions, and, if asked, warnings and notices.
 *
 * Fatal errors and uncaught exceptions are read from error_get_last() when the request ends. There is no exception
 * handler: PHP returns it from the page's set_exception_handler(), and frameworks behave differently if there was one
 * (Symfony's would call it instead of showing its own page). An exception that the page's own handler takes is
 * therefore not seen here. Its handler can call {@see Errors::report()}.
 */
final class Errors
{
    /** Most events for warnings and notices in one request. The others are counted. */
    public const EVENTS_MAX = 100;

    /** The length of the message of an error, in bytes. */
    public const MESSAGE_MAX = 4096;

    /** The frames of a stack trace. */
    public const FRAMES_MAX = 50;

    /** The length of a stack trace, in bytes. */
    public const TRACE_MAX = 4096;

    /** Errors that end the page. */
    private const FATAL = \E_ERROR | \E_PARSE | \E_CORE_ERROR | \E_COMPILE_ERROR | \E_USER_ERROR | \E_RECOVERABLE_ERROR;

    private const WARNING = \E_WARNING | \E_CORE_WARNING | \E_COMPILE_WARNING | \E_USER_WARNING;

    /** Warnings and notices of this request. */
    private static int $seen = 0;

    /** @var array<mixed>|null the fatal error that was sent last */
    private static ?array $sent = null;

    /** Whether an event for an error is being sent: it may itself cause one, in the callback for the user. */
    private static bool $sending = false;

    /** Forgets the errors of the last request. */
    public static function begin(): void
    {
        self::$seen = 0;
        self::$sent = \error_get_last();
        self::$sending = false;
    }

    /**
     * Sends warnings and notices from now on in this request. The page shows and logs them as without it, because the
     * handler declines all of them. One thing shows: the page's first set_error_handler() returns this handler instead
     * of null. If the page has a handler already, that one stays, and none is sent.
     */
    public static function observe(): void
    {
        if (\set_error_handler(self::handle(...)) !== null) {
            \restore_error_handler();
        }
    }

    /** The number of warnings and notices in this request. */
    public static function seen(): int
    {
        return self::$seen;
    }

    /** Sends the fatal error that ended the page or a shutdown function, once. Returns whether there is one. */
    public static function atEnd(): bool
    {
        $error = \error_get_last();
        if ($error === null || ($error['type'] & self::FATAL) === 0) {
            return false;
        }
        if ($error !== self::$sent) {
            self::$sent = $error;
            self::sendFatal($error['message'], $error['file'], $error['line']);
        }
        return true;
    }

    /**
     * Sends an exception: for an exception handler, or for one that was caught.
     *
     * @param string|null $level default: err
     */
    public static function report(\Throwable $e, ?string $level = null): void
    {
        try {
            $text = Values::className($e) . ': ' . $e->getMessage();
            self::send($text, $e->getFile(), $e->getLine(), $level ?? 'err', self::trace($e));
        } catch (\Throwable) {
            // Subclasses cannot override these methods, so only memory can be short.
        }
    }

    /** Always declines, so that PHP does with the error what it would do without a handler. */
    private static function handle(int $type, string $text, string $file, int $line): bool
    {
        // An error that `@` or error_reporting() suppresses is not shown either.
        if ((\error_reporting() & $type) !== 0 && ++self::$seen <= self::EVENTS_MAX && !self::$sending) {
            self::send($text, $file, $line, ($type & self::WARNING) !== 0 ? 'warning' : 'notice', null);
        }
        return false;
    }

    /**
     * The message of an uncaught exception contains its trace, after those of the exceptions that it wraps:
     * "First: … in FILE:LINE\nStack trace:\n#0 …\n\nNext Second: … in FILE:LINE\nStack trace:\n#0 …\n  thrown".
     */
    private static function sendFatal(string $text, string $file, int $line): void
    {
        $trace = null;
        if (\strncmp($text, 'Uncaught ', 9) === 0 && ($at = \strrpos($text, "\nStack trace:\n")) !== false) {
            $trace = \substr($text, $at + 14, self::TRACE_MAX * 4);
            $trace = self::withoutArguments(\str_ends_with($trace, "\n  thrown") ? \substr($trace, 0, -9) : $trace);
            $next = \strrpos(\substr($text, 0, $at), "\n\nNext ");
            $text = $next === false ? \substr($text, 0, $at) : 'Uncaught ' . \substr($text, $next + 7, $at - $next - 7);
            // The line is in the message, and once more in the error.
            $place = " in $file:$line";
            $text = \str_ends_with($text, $place) ? \substr($text, 0, -\strlen($place)) : $text;
        }
        self::send($text, $file, $line, 'err', $trace);
    }

    private static function send(string $text, string $file, int $line, string $level, ?string $trace): void
    {
        $fields = ['file' => $file, 'line' => $line];
        if ($trace !== null && $trace !== '' && $trace !== '#0 {main}') {
            $fields['trace'] = $trace;
        }
        $sender = Sender::shared();
        self::$sending = true;
        try {
            $text = Values::cut($text, self::MESSAGE_MAX) . " in $file:$line";
            $sender->event($text, $fields, $sender->options->tag . '.error', $level);
        } finally {
            self::$sending = false;
        }
    }

    /** Without arguments, which may be secrets. PHP writes a frame in one line: "#1 FILE(LINE): CLASS->METHOD('…')". */
    private static function withoutArguments(string $trace): string
    {
        $frames = [];
        foreach (\explode("\n", $trace, self::FRAMES_MAX + 1) as $frame) {
            $call = \strpos($frame, '): ') ?: \strpos($frame, ']: ');
            $arguments = $call === false ? false : \strpos($frame, '(', $call + 3);
            $frames[] = $arguments === false ? $frame : \substr($frame, 0, $arguments) . '()';
        }
        return Values::cut(\implode("\n", \array_slice($frames, 0, self::FRAMES_MAX)), self::TRACE_MAX);
    }

    /** As getTraceAsString(), which has no bound. */
    private static function trace(\Throwable $e): string
    {
        $text = '';
        foreach ($e->getTrace() as $n => $frame) {
            if ($n === self::FRAMES_MAX) {
                break;
            }
            $place = isset($frame['file']) ? $frame['file'] . '(' . ($frame['line'] ?? 0) . ')' : '[internal function]';
            $call = ($frame['class'] ?? '') . ($frame['type'] ?? '') . $frame['function'];
            $text .= ($n === 0 ? '' : "\n") . "#$n $place: $call()";
        }
        return Values::cut($text, self::TRACE_MAX);
    }
}
