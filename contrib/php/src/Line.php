<?php
declare(strict_types=1);

namespace Pulse;

/** Encodes an event as one line of pulse-protocol(7): `SEND {…}\n`. Pure, and bounded. */
final class Line
{
    /** The length of a line, in bytes. The agent cuts what follows `SEND` at 64 KiB. */
    public const LINE_MAX = 60000;

    /** The length of a message, in bytes. A longer one is cut, and its length is in the field `cut`. */
    public const MESSAGE_MAX = 8192;

    /** The length of a tag, in bytes, as in the agent. */
    public const TAG_MAX = 128;

    /** Throws instead of setting json_last_error(), which belongs to the page. */
    private const JSON = \JSON_THROW_ON_ERROR | \JSON_UNESCAPED_UNICODE | \JSON_UNESCAPED_SLASHES | \JSON_FORCE_OBJECT;

    /** How many encoded tags are kept. */
    private const TAGS_MAX = 64;

    private const LEVELS = [
        'info' => '', 'debug' => ',"level":"debug"', 'notice' => ',"level":"notice"', 'warning' => ',"level":"warning"',
        'error' => ',"level":"err"', 'err' => ',"level":"err"', 'critical' => ',"level":"crit"', 'crit' => ',"level":"crit"',
        'alert' => ',"level":"alert"', 'emergency' => ',"level":"emerg"', 'emerg' => ',"level":"emerg"',
    ];

    /** @var array<string, string> */
    private static array $tags = [];

    /** @var array<string, string>|null */
    private static ?array $escapes = null;

    /**
     * @param array<mixed> $fields
     * @param string $common members of `fields` that every event of the request has, as JSON; a key in `$fields` must not be in it
     * @param int $share divides the bounds of texts
     */
    public static function encode(
        string $tag,
        ?string $level,
        string $message,
        array $fields,
        string $common,
        ?float $took,
        ?string $run,
        int $share = 1,
    ): string {
        $line = 'SEND {"tag":' . (self::$tags[$tag] ?? self::tag($tag));
        if ($level !== null) {
            $line .= self::LEVELS[$level] ?? ',"level":' . self::text(Values::cut($level, 64));
        }
        $cut = [];
        $length = \strlen($message);
        if ($length > self::MESSAGE_MAX / $share) {
            $message = Values::cut($message, \intdiv(self::MESSAGE_MAX, $share));
            $cut[] = 'msg=' . $length;
        }
        $line .= ',"msg":' . self::text($message);
        if ($run !== null) {
            $line .= ',"run":"' . $run . '"';
        }
        if ($took !== null && \is_finite($took)) {
            $line .= ',"took":' . \sprintf('%.6F', \max(0.0, $took));
        }
        $own = $fields ? self::fields($fields, $cut, $share) : '';
        if ($cut) {
            $own .= ($own === '' ? '' : ',') . '"cut":' . self::text(Values::cut(\implode(' ', $cut), 512));
        }
        if ($own !== '') {
            $line .= ',"fields":{' . $own . ($common === '' ? '' : ',' . $common) . "}}\n";
        } elseif ($common !== '') {
            $line .= ',"fields":{' . $common . "}}\n";
        } else {
            $line .= "}\n";
        }
        if (\strlen($line) > self::LINE_MAX && $share === 1) {
            // Control characters take six bytes each.
            return self::encode($tag, $level, $message, $fields, $common, $took, $run, 16);
        }
        return $line;
    }

    /**
     * The members of an object, without braces.
     *
     * @param array<mixed> $fields
     * @param list<string> $cut
     */
    private static function fields(array $fields, array &$cut, int $share): string
    {
        $simple = $share === 1 && \count($fields) <= Values::FIELDS_MAX;
        $room = Values::STRING_MAX;
        if ($simple) {
            foreach ($fields as $value) {
                if (\is_string($value)) {
                    if (($room -= \strlen($value)) < 0) {
                        $simple = false;
                        break;
                    }
                } elseif (!\is_int($value) && !\is_bool($value) && $value !== null
                    && !(\is_float($value) && \is_finite($value))) {
                    $simple = false;
                    break;
                }
            }
        }
        if (!$simple) {
            $fields = Values::flatten($fields, $cut, $share);
        }
        try {
            return \substr(\json_encode($fields, self::JSON), 1, -1);
        } catch (\JsonException) {
            $own = '';
            foreach ($fields as $name => $value) {
                $value = \is_string($value) ? self::text($value) : \json_encode($value, self::JSON);
                $own .= ($own === '' ? '' : ',') . self::text((string) $name) . ':' . $value;
            }
            return $own;
        }
    }

    /**
     * Encodes a string. Bytes that are not UTF-8 are left as they are: the agent replaces them by U+FFFD and lists `utf8` in
     * the field `repaired`, which only it may set.
     */
    public static function text(string $text): string
    {
        try {
            return \json_encode($text, self::JSON);
        } catch (\JsonException) {
            if (self::$escapes === null) {
                // 0xFF would begin a command of telnet. 0xFE is no UTF-8 either.
                self::$escapes = ['"' => '\\"', '\\' => '\\\\', "\xFF" => "\xFE"];
                for ($code = 0; $code < 32; $code++) {
                    self::$escapes[\chr($code)] = \sprintf('\\u%04x', $code);
                }
            }
            return '"' . \strtr($text, self::$escapes) . '"';
        }
    }

    private static function tag(string $tag): string
    {
        if (\count(self::$tags) >= self::TAGS_MAX) {
            self::$tags = [];
        }
        return self::$tags[$tag] = self::text(Values::cut($tag, self::TAG_MAX));
    }
}
