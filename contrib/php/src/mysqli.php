<?php
// Not strict: scalar arguments are converted as mysqli converts them for a page without strict types.

namespace Pulse;

/**
 * mysqli whose statements are visible in Pulse: `new Pulse\mysqli(...)` for `new mysqli(...)`.
 *
 * The functions mysqli_query() and so on accept it, but call no methods: their statements are not seen.
 */
class mysqli extends \mysqli
{
    use ExecutesQueries;

    /** `null` if it is not connected, or was connected by mysqli_real_connect(). */
    private ?Database $pulseDatabase = null;

    /** The statement that was begun with MYSQLI_ASYNC, and whose result was not reaped yet. */
    private ?Statement $pulseAsync = null;

    /** Whether the number of its rows is known when it is reaped. */
    private bool $pulseAsyncStored = true;

    /** The text of the last multi_query(). */
    private ?string $pulseMulti = null;

    /** The result of it that next_result() returned last. The first one is 1. */
    private int $pulseRowset = 1;

    /**
     * @param string|null $hostname
     * @param string|null $username
     * @param string|null $password
     * @param string|null $database
     * @param int|null $port
     * @param string|null $socket
     */
    public function __construct(
        $hostname = null,
        $username = null,
        #[\SensitiveParameter]
        $password = null,
        $database = null,
        $port = null,
        $socket = null,
    ) {
        if (\func_num_args() === 0) {
            // It is not connected yet.
            parent::__construct();
            return;
        }
        $args = \func_get_args();
        $this->pulseConnect($database, function () use ($args): bool {
            parent::__construct(...$args);
            return \mysqli_connect_errno() === 0;
        });
    }

    public function connect(#[\SensitiveParameter] mixed ...$args): bool
    {
        $database = $args[3] ?? $args['database'] ?? null;
        return $this->pulseConnect($database, fn () => parent::connect(...$args));
    }

    public function real_connect(#[\SensitiveParameter] mixed ...$args): bool
    {
        $database = $args[3] ?? $args['database'] ?? null;
        return $this->pulseConnect($database, fn () => parent::real_connect(...$args));
    }

    public function select_db(mixed ...$args): bool
    {
        $done = $this->pulseForward(fn () => parent::select_db(...$args));
        $name = $args[0] ?? $args['database'] ?? null;
        if ($done && $this->pulseDatabase !== null && \is_string($name)) {
            $this->pulseDatabase = new Database('mysql', $name, $this->pulseDatabase->binds);
        }
        return $done;
    }

    public function query(mixed ...$args): \mysqli_result|bool
    {
        $text = $args[0] ?? $args['query'] ?? null;
        $open = \is_string($text) ? $this->pulseDatabase()->begin($text) : null;
        if ($open === null) {
            return $this->pulseForward(fn () => parent::query(...$args));
        }
        $this->pulseMulti = null;
        try {
            $result = parent::query(...$args);
        } catch (\Throwable $error) {
            throw $open->thrown($error, $this->pulseDatabase, false);
        }
        $mode = (int) ($args[1] ?? $args['result_mode'] ?? \MYSQLI_STORE_RESULT);
        if ($result !== false && ($mode & \MYSQLI_ASYNC) !== 0) {
            $this->pulseAsync?->end(null);
            $this->pulseAsync = $open;
            $this->pulseAsyncStored = ($mode & \MYSQLI_USE_RESULT) === 0;
        } elseif ($result instanceof \mysqli_result) {
            $open->end($mode === \MYSQLI_STORE_RESULT ? $result->num_rows : null);
        } else {
            $this->pulseEnd($open, $result, $text);
        }
        return $result;
    }

    public function reap_async_query(mixed ...$args): \mysqli_result|bool
    {
        $open = $this->pulseAsync;
        if ($open === null) {
            return $this->pulseForward(fn () => parent::reap_async_query(...$args));
        }
        $this->pulseAsync = null;
        try {
            $result = parent::reap_async_query(...$args);
        } catch (\Throwable $error) {
            throw $open->thrown($error, $this->pulseDatabase(), false);
        }
        if ($result instanceof \mysqli_result) {
            $open->end($this->pulseAsyncStored ? $result->num_rows : null);
        } else {
            $this->pulseEnd($open, $result, '');
        }
        return $result;
    }

    public function real_query(mixed ...$args): bool
    {
        $text = $args[0] ?? $args['query'] ?? null;
        $this->pulseMulti = null;
        return $this->pulseTrack($text, fn () => parent::real_query(...$args));
    }

    /** Its first statement. The others execute while the page calls next_result(). */
    public function multi_query(mixed ...$args): bool
    {
        $text = $args[0] ?? $args['query'] ?? null;
        $done = $this->pulseTrack($text, fn () => parent::multi_query(...$args));
        $this->pulseMulti = $done && \is_string($text) ? $text : null;
        $this->pulseRowset = 1;
        return $done;
    }

    public function next_result(mixed ...$args): bool
    {
        $text = $this->pulseMulti;
        if ($text !== null && !parent::more_results()) {
            $this->pulseMulti = $text = null;
        }
        return $this->pulseTrack($text, fn () => parent::next_result(...$args), ++$this->pulseRowset);
    }

    /** A statement that cannot be prepared is reported as one that failed. */
    public function prepare(mixed ...$args): \mysqli_stmt|false
    {
        $text = $args[0] ?? $args['query'] ?? null;
        if (\count($args) !== 1 || !\is_string($text)) {
            return $this->pulseForward(fn () => parent::prepare(...$args));
        }
        $begun = \hrtime(true);
        $mode = (new \mysqli_driver())->report_mode;
        \mysqli_report(\MYSQLI_REPORT_OFF);
        try {
            $statement = $this->pulseStatement($text);
            $error = $statement->errno === 0 ? null : "{$statement->errno} {$statement->error}";
        } catch (\Throwable $thrown) {
            $statement = null;
            $error = $thrown->getMessage();
        } finally {
            \mysqli_report($mode);
        }
        if ($error === null) {
            return $statement;
        }
        unset($statement);
        $this->pulseDatabase()->unprepared($text, $error, $begun);
        // Fails once more, and reports it as the page expects.
        return $this->pulseForward(fn () => parent::prepare($text));
    }

    public function stmt_init(mixed ...$args): \mysqli_stmt|false
    {
        return $this->pulseForward(fn () => $args === [] ? $this->pulseStatement() : parent::stmt_init(...$args));
    }

    public function begin_transaction(mixed ...$args): bool
    {
        return $this->pulseTransaction('BEGIN', fn () => parent::begin_transaction(...$args));
    }

    public function commit(mixed ...$args): bool
    {
        return $this->pulseTransaction('COMMIT', fn () => parent::commit(...$args));
    }

    public function rollback(mixed ...$args): bool
    {
        return $this->pulseTransaction('ROLLBACK', fn () => parent::rollback(...$args));
    }

    public function savepoint(mixed ...$args): bool
    {
        return $this->pulseTransaction('SAVEPOINT', fn () => parent::savepoint(...$args));
    }

    public function release_savepoint(mixed ...$args): bool
    {
        return $this->pulseTransaction('RELEASE SAVEPOINT', fn () => parent::release_savepoint(...$args));
    }

    /** @internal */
    public function pulseDatabase(): Database
    {
        return $this->pulseDatabase ??= new Database('mysql', '', Sender::shared()->options->binds);
    }

    private function pulseStatement(?string $text = null): mysqli_stmt
    {
        $class = $this->pulseDatabase()->binds ? mysqli_stmt_with_binds::class : mysqli_stmt::class;
        return $text === null ? new $class($this) : new $class($this, $text);
    }

    private function pulseConnect(mixed $name, \Closure $connect): bool
    {
        $database = new Database('mysql', \is_string($name) ? $name : '', Sender::shared()->options->binds);
        $open = $database->beginConnect();
        try {
            $done = $connect();
        } catch (\Throwable $error) {
            throw $open?->thrown($error, $database, false) ?? Frames::hide($error);
        }
        $done ? $open?->end(null) : $open?->fail(\mysqli_connect_errno() . ' ' . \mysqli_connect_error());
        $this->pulseDatabase = $database;
        return $done;
    }

    private function pulseTrack(mixed $text, \Closure $call, ?int $rowset = null): bool
    {
        if (!\is_string($text)) {
            return $this->pulseForward($call);
        }
        $open = $this->pulseDatabase()->begin($text, null, $rowset);
        try {
            $done = $call();
        } catch (\Throwable $error) {
            throw $open->thrown($error, $this->pulseDatabase(), false);
        }
        $this->pulseEnd($open, $done, $text);
        return $done;
    }

    private function pulseTransaction(string $text, \Closure $call): bool
    {
        $open = $this->pulseDatabase()->begin($text);
        try {
            $done = $call();
        } catch (\Throwable $error) {
            throw $open->thrown($error, $this->pulseDatabase(), false);
        }
        $done ? $open->end(null) : $this->pulseEnd($open, false, $text);
        return $done;
    }

    private function pulseEnd(Statement $open, bool $done, string $text): void
    {
        if ($done) {
            $open->end($this->field_count === 0 ? $this->affected_rows : null);
        } else {
            $open->fail($this->pulseDatabase()->errorText("{$this->errno} {$this->error}", $text, false));
        }
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
