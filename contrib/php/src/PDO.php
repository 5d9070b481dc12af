<?php
// Not strict: scalar arguments are converted as PDO converts them for a page without strict types.

namespace Pulse;

/**
 * PDO whose statements are visible in Pulse: `new Pulse\PDO(...)` for `new PDO(...)`.
 *
 * Methods forward their arguments as they are, so that PDO checks them: its errors and defaults stay its own, in all
 * versions of PHP. The class of statements is {@see PDOStatement}, unless the page sets another one.
 */
class PDO extends \PDO
{
    use Connects;

    /** `null` until it is connected. */
    private ?Database $pulseDatabase = null;

    /** Whether the class of statements is this library's. */
    private bool $pulseStatements = false;

    /** A persistent connection has no statement class of its own: each prepare() asks for it. */
    private bool $pulsePersistent = false;

    /**
     * @param string $dsn
     * @param string|null $username
     * @param string|null $password
     * @param array<int, mixed>|null $options
     */
    public function __construct(
        $dsn = null,
        $username = null,
        #[\SensitiveParameter]
        $password = null,
        #[\SensitiveParameter]
        $options = null,
    ) {
        $database = Database::fromDsn(\is_string($dsn) ? $dsn : '', Sender::shared()->options->binds);
        $open = \is_string($dsn) ? $database->beginConnect() : null;
        try {
            // Those that were given: the parent reports missing ones, and a trace contains them.
            parent::__construct(...\func_get_args());
        } catch (\Throwable $error) {
            throw $open === null ? Frames::hide($error) : $open->thrown($error, $database, false);
        }
        $open?->end(null);
        // A DSN may be an alias or the URI of a file.
        $driver = parent::getAttribute(\PDO::ATTR_DRIVER_NAME);
        if (\is_string($driver) && $driver !== $database->driver) {
            $database = new Database($driver, '', $database->binds);
        }
        $this->pulseDatabase = $database;
        $this->pulsePersistent = parent::getAttribute(\PDO::ATTR_PERSISTENT) === true;
        if (!isset($options[\PDO::ATTR_STATEMENT_CLASS])) {
            $this->pulseStatements = true;
            if (!$this->pulsePersistent) {
                parent::setAttribute(\PDO::ATTR_STATEMENT_CLASS, [$this->pulseStatementClass()]);
            }
        }
    }

    public function exec(mixed ...$args): int|false
    {
        $text = $args[0] ?? $args['statement'] ?? null;
        $open = \is_string($text) ? $this->pulseDatabase?->begin($text) : null;
        if ($open === null) {
            return $this->pulseForward(fn () => parent::exec(...$args));
        }
        try {
            $rows = parent::exec(...$args);
        } catch (\Throwable $error) {
            throw $open->thrown($error, $this->pulseDatabase, false);
        }
        $rows === false ? $this->pulseFail($open, $text) : $open->end($rows);
        return $rows;
    }

    public function query(mixed ...$args): \PDOStatement|false
    {
        $text = $args[0] ?? $args['query'] ?? null;
        $open = \is_string($text) ? $this->pulseDatabase?->begin($text) : null;
        if ($open === null) {
            return $this->pulseForward(fn () => parent::query(...$args));
        }
        try {
            $statement = parent::query(...$args);
        } catch (\Throwable $error) {
            throw $open->thrown($error, $this->pulseDatabase, false);
        }
        if ($statement === false) {
            $this->pulseFail($open, $text);
            return false;
        }
        if ($statement instanceof PDOStatement) {
            $statement->pulseAttach($this->pulseDatabase);
            $open->end($statement->pulseRows());
        } else {
            // A class of the page may have methods of its own.
            $isPlain = \get_class($statement) === \PDOStatement::class;
            $open->end($isPlain ? $this->pulseDatabase->rows($statement->rowCount(), $statement->columnCount()) : null);
        }
        return $statement;
    }

    /** A statement that cannot be prepared is reported as one that failed. */
    public function prepare(mixed ...$args): \PDOStatement|false
    {
        $begun = \hrtime(true);
        try {
            if ($this->pulsePersistent && $this->pulseStatements) {
                $key = isset($args['options']) ? 'options' : 1;
                $options = $args[$key] ?? [];
                if (\is_array($options)) {
                    $args[$key] = $options + [\PDO::ATTR_STATEMENT_CLASS => [$this->pulseStatementClass()]];
                }
            }
            $statement = parent::prepare(...$args);
        } catch (\Throwable $error) {
            $this->pulseDatabase?->unprepared($args[0] ?? $args['query'] ?? null, $error->getMessage(), $begun);
            throw Frames::hide($error);
        }
        if ($statement instanceof PDOStatement) {
            $statement->pulseAttach($this->pulseDatabase);
        } elseif ($statement === false) {
            $text = $args[0] ?? $args['query'] ?? null;
            $this->pulseDatabase?->unprepared($text, Database::infoText(parent::errorInfo()), $begun);
        }
        return $statement;
    }

    public function beginTransaction(mixed ...$args): bool
    {
        return $this->pulseTransaction('BEGIN', fn () => parent::beginTransaction(...$args));
    }

    public function commit(mixed ...$args): bool
    {
        return $this->pulseTransaction('COMMIT', fn () => parent::commit(...$args));
    }

    public function rollBack(mixed ...$args): bool
    {
        return $this->pulseTransaction('ROLLBACK', fn () => parent::rollBack(...$args));
    }

    public function setAttribute(mixed ...$args): bool
    {
        $done = $this->pulseForward(fn () => parent::setAttribute(...$args));
        if ($done && ($args[0] ?? $args['attribute'] ?? null) == \PDO::ATTR_STATEMENT_CLASS) {
            $class = ($args[1] ?? $args['value'] ?? null)[0] ?? null;
            $this->pulseStatements = \is_string($class) && \strcasecmp($class, 'PDOStatement') === 0;
            if ($this->pulseStatements) {
                parent::setAttribute(\PDO::ATTR_STATEMENT_CLASS, [$this->pulseStatementClass()]);
            }
        }
        return $done;
    }

    /** The class of statements is what the page has set. */
    public function getAttribute(mixed ...$args): mixed
    {
        $value = $this->pulseForward(fn () => parent::getAttribute(...$args));
        if ($this->pulseStatements && ($args[0] ?? $args['attribute'] ?? null) == \PDO::ATTR_STATEMENT_CLASS) {
            return ['PDOStatement'];
        }
        return $value;
    }

    /** @return class-string<PDOStatement> */
    private function pulseStatementClass(): string
    {
        return $this->pulseDatabase?->binds ? PDOStatementWithBinds::class : PDOStatement::class;
    }

    private function pulseTransaction(string $text, \Closure $call): bool
    {
        $open = $this->pulseDatabase?->begin($text);
        if ($open === null) {
            return $this->pulseForward($call);
        }
        try {
            $done = $call();
        } catch (\Throwable $error) {
            throw $open->thrown($error, $this->pulseDatabase, false);
        }
        $done ? $open->end(null) : $this->pulseFail($open, $text);
        return $done;
    }

    private function pulseFail(Statement $open, string $text): void
    {
        $open->fail($this->pulseDatabase->errorText(Database::infoText(parent::errorInfo()), $text, false));
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
