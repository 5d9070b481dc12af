<?php
declare(strict_types=1);

namespace Pulse;

/**
 * Turns any PHP value into fields: bounded in number, size, depth and time. Never calls code of the page: no `__toString`,
 * `jsonSerialize`, `__get`, iterator or `__debugInfo`.
 */
final class Values
{
    /** The fields of one event, without those of the request. The agent keeps 64 in all. */
    public const FIELDS_MAX = 48;

    /** How deep nested arrays are flattened, as in the agent. */
    public const DEPTH_MAX = 8;

    /** How many values of nested arrays are looked at. */
    public const VISITS_MAX = 256;

    /** The length of a string in a field, in bytes. */
    public const STRING_MAX = 4096;

    /** The length of all strings in the fields of an event, in bytes. */
    public const TOTAL_MAX = 12288;

    /** The length of a field's name, in bytes, as in the agent. */
    public const NAME_MAX = 64;

    /**
     * Makes a message and fields of arguments that have other types.
     *
     * @return array{string, array<mixed>}
     */
    public static function arguments(mixed $message, mixed $fields): array
    {
        if (!\is_string($message)) {
            $message = \is_array($message) ? '[array]' : (string) self::scalar($message);
        }
        if (!\is_array($fields)) {
            $fields = $fields === null ? [] : ['value' => $fields];
        }
        return [$message, $fields];
    }

    /**
     * Flattens an array as the agent does: `['a' => ['b' => 1]]` is `a.b`.
     *
     * @param array<mixed> $fields
     * @param list<string> $cut receives `name=LENGTH` of each string that was cut
     * @return array<string, string|int|float|bool|null>
     */
    public static function flatten(array $fields, array &$cut): array
    {
        $flat = [];
        $room = self::TOTAL_MAX;
        $visits = self::VISITS_MAX;
        $left = self::walk($fields, '', 1, $flat, $cut, $room, $visits);
        if ($left > 0) {
            $flat['more'] = $left;
        }
        return $flat;
    }

    /**
     * Returns how many values were left out.
     *
     * @param array<mixed> $values
     * @param array<string, string|int|float|bool|null> $flat
     * @param list<string> $cut
     */
    private static function walk(
        array $values,
        string $prefix,
        int $depth,
        array &$flat,
        array &$cut,
        int &$room,
        int &$visits,
    ): int {
        $seen = 0;
        $left = 0;
        foreach ($values as $name => $value) {
            if (\count($flat) >= self::FIELDS_MAX || --$visits < 0) {
                return $left + \count($values) - $seen;
            }
            $seen++;
            $name = $prefix . $name;
            if (\strlen($name) > self::NAME_MAX) {
                $name = self::cut($name, self::NAME_MAX);
            }
            if ($value instanceof \Throwable) {
                $value = self::throwable($value);
            }
            if (\is_array($value)) {
                if ($depth < self::DEPTH_MAX) {
                    $left += self::walk($value, $name . '.', $depth + 1, $flat, $cut, $room, $visits);
                    continue;
                }
                $value = '[array of ' . \count($value) . ']';
            }
            $value = self::scalar($value);
            if (\is_string($value)) {
                $length = \strlen($value);
                $limit = \min(self::STRING_MAX, $room);
                if ($length > $limit) {
                    $value = self::cut($value, $limit);
                    $cut[] = $name . '=' . $length;
                }
                $room -= \strlen($value);
            }
            $flat[$name] = $value;
        }
        return $left;
    }

    /** Makes any value one that JSON has. */
    public static function scalar(mixed $value): string|int|float|bool|null
    {
        if (\is_float($value)) {
            if (\is_finite($value)) {
                return $value;
            }
            return \is_nan($value) ? 'NAN' : ($value > 0 ? 'INF' : '-INF');
        }
        if (\is_string($value) || \is_int($value) || \is_bool($value) || $value === null) {
            return $value;
        }
        if (\is_object($value)) {
            return self::object($value);
        }
        if (\is_array($value)) {
            return '[array of ' . \count($value) . ']';
        }
        return '[' . \get_debug_type($value) . ']';
    }

    private static function object(object $value): string|int
    {
        if ($value instanceof \BackedEnum) {
            return $value->value;
        }
        if ($value instanceof \UnitEnum) {
            return $value->name;
        }
        if ($value instanceof \DateTimeInterface) {
            try {
                // A copy of the built-in class, because a subclass may have a `format` of its own.
                return \DateTimeImmutable::createFromInterface($value)->format('Y-m-d\TH:i:s.uP');
            } catch (\Throwable) {
                // Its constructor did not run.
            }
        }
        return '[' . self::className($value) . ']';
    }

    /** The name of an object's class. That of an anonymous class ends before its path. */
    public static function className(object $value): string
    {
        $name = \get_class($value);
        $end = \strpos($name, "\0");
        return $end === false ? $name : \substr($name, 0, $end);
    }

    /** @return array<string, string|int> */
    private static function throwable(\Throwable $thrown): array
    {
        $code = $thrown->getCode();
        return [
            'class' => self::className($thrown),
            'message' => $thrown->getMessage(),
            'at' => $thrown->getFile() . ':' . $thrown->getLine(),
        ] + (\is_int($code) && $code !== 0 ? ['code' => $code] : []);
    }

    /** The first bytes of a text, without a part of a character at the end. */
    public static function cut(string $text, int $length): string
    {
        if (\strlen($text) <= $length) {
            return $text;
        }
        for ($end = $length; $end > \max(0, $length - 4); $end--) {
            if ((\ord($text[$end]) & 0xC0) !== 0x80) {
                return \substr($text, 0, $end);
            }
        }
        return \substr($text, 0, $length);
    }
}
