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
    /** The bytes of a statement's text that are sent. A longer one is cut, and its length is in the field `cut`. */
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

    /** The request whose statements are counted. */
    private ?Request $request = null;

    /** The number of statements in it. */
    private int $count = 0;

    /** @var array<int, int> the fast runs in a row, by shape, at most {@see FAST_RUNS} */
    private array $fast = [];

    public static function shared(): self
    {
        return self::$shared ??= new self();
    }

    /**
     * Sends the begin of a statement.
     *
     * @param array<string, mixed> $fields
     */
    public function begin(string $text, array $fields): Statement
    {
        $text = self::text($text, $fields);
        $sender = Sender::$shared ?? Sender::shared();
        $request = $sender->request();
        if ($request !== $this->request) {
            $this->request = $request;
            $this->count = 0;
        }
        $shape = null;
        $sends = ++$this->count <= self::BEGINS_MAX;
        if (!$sends) {
            $shape = Shape::key($text);
            $sends = ($this->fast[$shape] ?? 0) < self::FAST_RUNS;
        }
        $tag = $sender->options->tag . '.query';
        $run = $sends ? $sender->begin($text, $fields, $tag) : null;
        return new Statement($text, $fields, $tag, $run, $shape);
    }

    /**
     * Sends a statement that has executed, without a begin. It took this many seconds, and failed if there is an error.
     *
     * @param array<string, mixed> $fields
     */
    public function executed(string $text, array $fields, float $took, ?string $error = null): void
    {
        $text = self::text($text, $fields);
        if ($error !== null) {
            $fields['error'] = $error;
        }
        $sender = Sender::shared();
        $level = $error === null ? $this->level($took, $fields) : 'error';
        $sender->event($text, $fields, $sender->options->tag . '.query', $level, $took);
    }

    /**
     * The level of a statement that did not fail. One that is slow gets a field for that.
     *
     * @param array<string, mixed> $fields
     */
    public function level(float $took, array &$fields): ?string
    {
        $slow = (Sender::$shared ?? Sender::shared())->options->slow;
        if ($took < $slow || $slow <= 0) {
            return null;
        }
        $fields['slow'] = true;
        return 'warning';
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

    /**
     * The text of a statement in one line: line breaks, with the spaces around them, become a space. The quoted texts of one
     * about passwords are replaced, unless the option `binds` is set.
     *
     * @param array<string, mixed> $fields
     */
    private static function text(string $text, array &$fields): string
    {
        $length = \strlen($text);
        if ($length > self::TEXT_MAX) {
            $text = Values::cut($text, self::TEXT_MAX);
            $fields['cut'] = "msg=$length";
        }
        if (\strpbrk($text, "'\"") !== false && self::namesPassword($text) && !Sender::shared()->options->binds) {
            $text = Shape::withoutTexts($text, \stripos($text, 'passw') === false ? "'\"" : "'");
        }
        if (\str_contains($text, "\n")) {
            $text = \trim(\implode(' ', \array_map('trim', \explode("\n", $text))));
        }
        return $text;
    }

    /** Whether a statement may contain a password: of a user of the database, or one that an application compares. */
    public static function namesPassword(string $text): bool
    {
        return \stripos($text, 'passw') !== false || \stripos($text, 'identified') !== false;
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
                \is_string($value) => "'" . Values::cut($value, 128) . (\strlen($value) > 128 ? '…' : '') . "'",
                default => '(' . \get_debug_type($value) . ')',
            };
            $pieces[] = \is_int($name) ? $text : Values::cut($name, 64) . '=' . $text;
        }
        return \implode(', ', $pieces);
    }
}
