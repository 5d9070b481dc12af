<?php
declare(strict_types=1);

namespace Pulse;

/**
 * The methods of PSR-3. Their signatures fit psr/log 1, 2 and 3: parameters without types accept all that typed ones do, and
 * `void` may be added to a method that declares no type.
 *
 * @internal
 */
trait LogMethods
{
    private ?string $tag;

    /** @param string|null $tag default: the option `tag` */
    public function __construct(?string $tag = null)
    {
        $this->tag = $tag;
    }

    /** @param array<mixed> $context */
    public function emergency($message, array $context = []): void
    {
        $this->log('emergency', $message, $context);
    }

    /** @param array<mixed> $context */
    public function alert($message, array $context = []): void
    {
        $this->log('alert', $message, $context);
    }

    /** @param array<mixed> $context */
    public function critical($message, array $context = []): void
    {
        $this->log('critical', $message, $context);
    }

    /** @param array<mixed> $context */
    public function error($message, array $context = []): void
    {
        $this->log('error', $message, $context);
    }

    /** @param array<mixed> $context */
    public function warning($message, array $context = []): void
    {
        $this->log('warning', $message, $context);
    }

    /** @param array<mixed> $context */
    public function notice($message, array $context = []): void
    {
        $this->log('notice', $message, $context);
    }

    /** @param array<mixed> $context */
    public function info($message, array $context = []): void
    {
        $this->log('info', $message, $context);
    }

    /** @param array<mixed> $context */
    public function debug($message, array $context = []): void
    {
        $this->log('debug', $message, $context);
    }

    /**
     * Sends the message, with `{name}` replaced by the value of that name in the context. The context becomes the fields. An
     * unknown level is kept as a field.
     *
     * @param array<mixed> $context
     */
    public function log($level, $message, array $context = []): void
    {
        if ($message instanceof \Stringable) {
            // PSR-3 asks for this call into the page's code.
            try {
                $message = (string) $message;
            } catch (\Throwable) {
                // The name of its class is sent.
            }
        }
        if (\is_string($message) && \str_contains($message, '{')) {
            $message = self::interpolate($message, $context);
        }
        \Pulse::send($message, $context, $this->tag, Values::scalar($level));
    }

    /** @param array<mixed> $context */
    private static function interpolate(string $message, array $context): string
    {
        $message = Values::cut($message, Line::MESSAGE_MAX + 4);
        return \preg_replace_callback(
            '/\{([A-Za-z0-9_.]{1,64})\}/',
            static function (array $found) use ($context): string {
                if (!\array_key_exists($found[1], $context)) {
                    return $found[0];
                }
                $value = $context[$found[1]];
                $value = $value instanceof \Throwable ? $value->getMessage() : Values::scalar($value);
                return Values::cut(\is_bool($value) ? ($value ? 'true' : 'false') : (string) $value, Values::STRING_MAX);
            },
            $message,
            Values::FIELDS_MAX,
        ) ?? $message;
    }
}
