<?php
// Not strict: scalar arguments are converted as mysqli converts them for a page without strict types.

namespace Pulse;

/** A prepared statement of {@see mysqli}. */
class mysqli_stmt extends \mysqli_stmt
{
    private ?Database $pulseDatabase = null;

    private ?string $pulseText = null;

    /** The result that next_result() returned last. The first one is 1. */
    private int $pulseRowset = 1;

    /**
     * @param \mysqli $mysql
     * @param string|null $query
     */
    public function __construct($mysql = null, $query = null)
    {
        $this->pulseForward(match (\func_num_args()) {
            0 => fn () => parent::__construct(),
            1 => fn () => parent::__construct($mysql),
            default => fn () => parent::__construct($mysql, $query),
        });
        $this->pulseText = \is_string($query) ? $query : null;
        $this->pulseDatabase = $mysql instanceof mysqli
            ? $mysql->pulseDatabase() : new Database('mysql', '', Sender::shared()->options->binds);
    }

    public function prepare(mixed ...$args): bool
    {
        $text = $args[0] ?? $args['query'] ?? null;
        $begun = \hrtime(true);
        $this->pulseText = null;
        try {
            $done = parent::prepare(...$args);
        } catch (\Throwable $error) {
            $this->pulseDatabase?->unprepared($text, $error->getMessage(), $begun);
            throw Frames::hide($error);
        }
        if ($done) {
            $this->pulseText = \is_string($text) ? $text : null;
        } else {
            $this->pulseDatabase?->unprepared($text, "{$this->errno} {$this->error}", $begun);
        }
        return $done;
    }

    public function execute(mixed ...$args): bool
    {
        $binds = $this->pulseDatabase?->binds ? $this->pulseBinds($args) : null;
        $this->pulseRowset = 1;
        return $this->pulseTrack(fn () => parent::execute(...$args), $binds, null);
    }

    public function next_result(mixed ...$args): bool
    {
        $call = fn () => parent::next_result(...$args);
        if ($this->pulseText === null || !parent::more_results()) {
            return $this->pulseForward($call);
        }
        return $this->pulseTrack($call, null, ++$this->pulseRowset);
    }

    /**
     * The values that an execution binds.
     *
     * @param array<mixed> $args those of execute()
     * @return array<mixed>
     */
    protected function pulseBinds(array $args): array
    {
        $values = $args[0] ?? $args['params'] ?? null;
        return \is_array($values) ? $values : [];
    }

    /** @param array<mixed>|null $binds */
    private function pulseTrack(\Closure $call, ?array $binds, ?int $rowset): bool
    {
        $database = $this->pulseDatabase;
        $text = $this->pulseText;
        if ($database === null || $text === null) {
            return $this->pulseForward($call);
        }
        $open = $database->begin($text, $binds, $rowset);
        try {
            $done = $call();
        } catch (\Throwable $error) {
            // Only mysqli::prepare() would have kept the text for this message.
            Frames::replaceEnd($error, 'prepared statement (null)', "prepared statement $text");
            throw $open->thrown($error, $database, true);
        }
        if ($done) {
            $open->end($this->field_count === 0 ? $this->affected_rows : null);
        } else {
            $open->fail($database->errorText("{$this->errno} {$this->error}", $text, true));
        }
        return $done;
    }

    private function pulseForward(\Closure $call): mixed
    {
        try {
            return $call();
        } catch (\Throwable $error) {
            throw Frames::hide($error);
        }
    }
}
