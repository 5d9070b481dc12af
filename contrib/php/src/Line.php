<?php
declare(strict_types=1);

namespace Pulse;

/** Encodes an event as one line of pulse-protocol(7): `SEND {…}\n`. Pure, and bounded. */
final class Line
{
    /** The length of a message, in bytes. A longer one is cut, and its length is in the field `cut`. */
    public const MESSAGE_MAX = 8192;

    /** The length of a message as JSON, in bytes. Control characters take six bytes each. */
    public const ENCODED_MAX = 12288;

    /** The length of the fields of an event as JSON, in bytes. With all other bounds, a line is shorter than 64 KiB. */
    public const FIELDS_ENCODED_MAX = 16384;

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
     */
    public static function encode(
        string $tag,
        ?string $level,
        string $message,
        array $fields,
        string $common,
        ?float $took,
        ?string $run,
    ): string {
        $line = 'SEND {"tag":' . (self::$tags[$tag] ?? self::tag($tag));
        if ($level !== null) {
            $line .= self::LEVELS[$level] ?? ',"level":' . self::text(Values::cut($level, 64));
        }
        $cut = [];
        $length = \strlen($message);
        if ($length > self::MESSAGE_MAX) {
            $message = Values::cut($message, self::MESSAGE_MAX);
            $cut[] = 'msg=' . $length;
        }
        $text = self::text($message);
        if (\strlen($text) > self::ENCODED_MAX) {
            $cut = ['msg=' . $length];
            $text = self::text(Values::cut($message, \intdiv(self::ENCODED_MAX, 6) - 1));
        }
        $line .= ',"msg":' . $text;
        if ($run !== null) {
            $line .= ',"run":"' . $run . '"';
        }
        if ($took !== null && \is_finite($took)) {
            $line .= ',"took":' . \sprintf('%.6F', \max(0.0, $took));
        }
        $own = $fields ? self::fields($fields, $cut) : '';
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
        return $line;
    }

    /**
     * The members of an object, without braces.
     *
     * @param array<mixed> $fields
     * @param list<string> $cut
     */
    private static function fields(array $fields, array &$cut): string
    {
        $room = \count($fields) <= Values::FIELDS_MAX ? Values::STRING_MAX : -1;
        foreach ($fields as $name => $value) {
            if (\is_string($value)) {
                $room -= \strlen($value);
            } elseif (!\is_int($value) && !\is_bool($value) && $value !== null
                && !(\is_float($value) && \is_finite($value))) {
                $room = -1;
            }
            if (\is_string($name)) {
                $room -= \strlen($name);
            }
            if ($room < 0) {
                return self::anyFields($fields, $cut);
            }
        }
        try {
            return \substr(\json_encode($fields, self::JSON), 1, -1);
        } catch (\JsonException) {
            return self::anyFields($fields, $cut);
        }
    }

    /**
     * @param array<mixed> $fields
     * @param list<string> $cut
     */
    private static function anyFields(array $fields, array &$cut): string
    {
        $own = '';
        $left = 0;
        foreach (Values::flatten($fields, $cut) as $name => $value) {
            $name = self::text((string) $name);
            $text = \is_string($value) ? self::text($value) : \json_encode($value, self::JSON);
            $room = self::FIELDS_ENCODED_MAX - \strlen($own) - \strlen($name) - 2;
            if (\strlen($text) > $room) {
                // The control characters of a shorter text fit.
                $text = self::text(Values::cut((string) $value, \max(0, \intdiv($room, 6) - 1)));
                $left++;
            }
            if (\strlen($text) <= $room) {
                $own .= ($own === '' ? '' : ',') . $name . ':' . $text;
            }
        }
        if ($left > 0) {
            $cut[] = "fields=$left";
        }
        return $own;
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
