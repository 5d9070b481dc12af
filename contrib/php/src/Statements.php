<?php
declare(strict_types=1);

namespace Pulse;

/**
 * Sends the begin and the end of database statements.
 *
 * A begin is written before its statement executes, so that a statement that hangs is visible while it hangs. After
 * {@see BEGINS_MAX} statements in a request, the begin of a statement whose shape was fast lately is left out: then its
 * end is an event with `took` and without a run.
 */
final class Statements
{
    /** The bytes of a statement's text that are sent. A longer text is cut, and the field `sql_bytes` has its length. */
    public const TEXT_MAX = 4096;

    /** The statements of a request whose begin is always written. */
    public const BEGINS_MAX = 100;

    /** A statement that takes less is fast, in nanoseconds. */
    public const FAST_NS = 1_000_000;

    /** The number of fast runs in a row after which the begins of a shape may be left out. */
    public const FAST_RUNS = 10;

    /** The number of shapes that are counted. The oldest one makes room for a new one. */
    public const SHAPES_MAX = 256;

    public static ?self $shared = null;

    /** The number of statements in this request. */
    private int $count = 0;

    /** @var array<int, int> the fast runs in a row, by shape, at most {@see FAST_RUNS} */
    private array $fast = [];

    public static function shared(): self
    {
        return self::$shared ??= new self();
    }

    /** Counts from zero again. Called at the begin of a request. */
    public static function beginRequest(): void
    {
        if (self::$shared !== null) {
            self::$shared->count = 0;
        }
    }

    /**
     * Sends the begin of a statement.
     *
     * @param array<string, mixed> $fields
     */
    public function begin(string $text, array $fields): Statement
    {
        $length = \strlen($text);
        if ($length > self::TEXT_MAX) {
            $text = self::cut($text, self::TEXT_MAX);
            $fields['sql_bytes'] = $length;
        }
        $shape = null;
        $sends = ++$this->count <= self::BEGINS_MAX;
        if (!$sends) {
            $shape = Shape::key($text);
            $sends = ($this->fast[$shape] ?? 0) < self::FAST_RUNS;
        }
        $sender = Sender::$shared ?? Sender::shared();
        $tag = $sender->statementTag();
        $run = $sends ? $sender->begin($text, $fields, $tag) : null;
        return new Statement($text, $fields, $tag, $run, $shape);
    }

    /** Counts a run of a shape, which took this many nanoseconds. */
    public function ran(int $shape, int $ns): void
    {
        $runs = $this->fast[$shape] ?? null;
        if ($ns >= self::FAST_NS) {
            if ($runs !== null) {
                $this->fast[$shape] = 0;
            }
            return;
        }
        if ($runs === null) {
            if (\count($this->fast) >= self::SHAPES_MAX) {
                unset($this->fast[\array_key_first($this->fast)]);
            }
            $this->fast[$shape] = 1;
        } elseif ($runs < self::FAST_RUNS) {
            $this->fast[$shape] = $runs + 1;
        }
    }

    /** The first bytes of a text, at most `$max`, without a character of UTF-8 that is cut in two. */
    public static function cut(string $text, int $max): string
    {
        if (\strlen($text) <= $max) {
            return $text;
        }
        $end = $max;
        // A character has at most three continuation bytes; more of them are no UTF-8.
        while ($end > $max - 4 && (\ord($text[$end]) & 0xC0) === 0x80) {
            $end--;
        }
        return \substr($text, 0, $end > $max - 4 ? $end : $max);
    }

    /**
     * Bound values as one text.
     *
     * @param array<mixed> $values
     */
    public static function bindsText(array $values): string
    {
        $pieces = [];
        foreach ($values as $name => $value) {
            if (\count($pieces) === 32) {
                $pieces[] = '…';
                break;
            }
            $text = match (true) {
                $value === null => 'NULL',
                \is_bool($value) => $value ? 'true' : 'false',
                \is_int($value), \is_float($value) => (string) $value,
                \is_string($value) => "'" . self::cut($value, 128) . (\strlen($value) > 128 ? '…' : '') . "'",
                default => '(' . \get_debug_type($value) . ')',
            };
            $pieces[] = \is_int($name) ? $text : self::cut($name, 64) . '=' . $text;
        }
        return \implode(', ', $pieces);
    }
}
