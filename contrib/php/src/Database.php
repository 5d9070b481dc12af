<?php
declare(strict_types=1);

namespace Pulse;

/** What is known of a connection to a database. Refers to nothing that would keep the connection open. */
final class Database
{
    /** The bytes of a database's name that are sent. */
    private const NAME_MAX = 128;

    /** The bytes of an error that are sent. */
    private const ERROR_MAX = 1024;

    /** The field `db`: `mysql:shop`. */
    public readonly string $name;

    /**
     * @param string $driver as PDO names it
     * @param string $database its name or file, without credentials
     * @param bool $binds whether bound values may be sent
     */
    public function __construct(public readonly string $driver, string $database, public readonly bool $binds)
    {
        $this->name = Values::cut(\rtrim("$driver:$database", ':'), self::NAME_MAX);
    }

    /** Of a DSN of PDO. What follows `dbname=` is all that is taken from it, because a DSN can contain a password. */
    public static function fromDsn(string $dsn, bool $binds): self
    {
        [$driver, $rest] = \explode(':', $dsn, 2) + ['', ''];
        if ($driver === 'sqlite' || $driver === 'sqlite2') {
            return new self($driver, $rest === ':memory:' ? 'memory' : $rest, $binds);
        }
        $database = '';
        foreach (\explode(';', $rest) as $pair) {
            [$key, $value] = \explode('=', $pair, 2) + ['', ''];
            if (\in_array(\strtolower(\trim($key)), ['dbname', 'database'], true)) {
                $database = \trim($value, " '\"");
            }
        }
        // Some drivers accept a whole connection string as a name, with a password.
        $isName = \strspn($database, 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.$')
            === \strlen($database);
        return new self($driver, $isName ? $database : '', $binds);
    }

    /**
     * Sends the begin of a statement.
     *
     * @param array<mixed>|null $binds the bound values, which are sent only if the option `binds` is set
     */
    public function begin(string $text, ?array $binds = null, ?int $rowset = null): Statement
    {
        $fields = $this->fields($binds);
        if ($rowset !== null) {
            $fields['rowset'] = $rowset;
        }
        return (Statements::$shared ?? Statements::shared())->begin($text, $fields);
    }

    /**
     * The fields of a statement.
     *
     * @param array<mixed>|null $binds
     * @return array<string, mixed>
     */
    public function fields(?array $binds): array
    {
        $fields = ['db' => $this->name];
        if ($this->binds && $binds !== null && $binds !== []) {
            $fields['binds'] = Statements::bindsText($binds);
        }
        return $fields;
    }

    /** Sends the begin of a connection attempt, if the driver uses a network. */
    public function beginConnect(): ?Statement
    {
        return \str_starts_with($this->driver, 'sqlite') ? null : $this->begin('connect to ' . $this->name);
    }

    /**
     * An error that may be sent.
     *
     * Databases quote values in their errors: `Duplicate entry 'anna@example.org' for key 'email'`. Those of a prepared
     * statement are bound values, unless the text of the statement contains them.
     */
    public function errorText(string $error, string $statement, bool $prepared): string
    {
        if (($prepared || Statements::namesPassword($statement)) && !$this->binds) {
            $error = match ($this->driver) {
                'mysql', 'pgsql' => self::withoutValues($error, $statement),
                // It names columns and tables only.
                'sqlite' => $error,
                default => \substr($error, 0, \strcspn($error, " \n")),
            };
        }
        return Values::cut($error, self::ERROR_MAX);
    }

    /**
     * The error of errorInfo(), as PDO's exceptions have it.
     *
     * @param array<mixed> $info
     */
    public static function infoText(array $info): string
    {
        $texts = \array_map(static fn (mixed $value): string => \is_scalar($value) ? (string) $value : '', $info);
        [$state, $code, $text] = $texts + ['', '', ''];
        return \rtrim("SQLSTATE[$state]: $code $text");
    }

    /** Sends that a statement could not be prepared. `$begun` is when that began, as hrtime(true). */
    public function unprepared(mixed $text, string $error, int $begun): void
    {
        if (\is_string($text)) {
            $took = (\hrtime(true) - $begun) / 1e9;
            Statements::shared()->executed($text, $this->fields(null), $took, $this->errorText($error, $text, false));
        }
    }

    /** The rows that a statement of PDO returned or changed. Null if they are not known. */
    public function rows(int $rowCount, int $columnCount): ?int
    {
        // SQLite returns rows one by one. Other drivers count zero rows for a result that is not buffered.
        return $columnCount > 0 && ($rowCount === 0 || $this->driver === 'sqlite') ? null : $rowCount;
    }

    private static function withoutValues(string $error, string $statement): string
    {
        // What follows quotes a part of the statement, in which a driver may have inserted the values.
        foreach (["\nDETAIL:", "\nCONTEXT:", "\nLINE "] as $start) {
            $at = \strpos($error, $start);
            if ($at !== false) {
                $error = \substr($error, 0, $at);
            }
        }
        $near = \strpos($error, "near '");
        if ($near !== false) {
            $error = \substr($error, 0, $near) . "near '?'";
        }
        foreach (["'", '"'] as $quote) {
            $pieces = \explode($quote, $error);
            for ($i = 1, $last = \count($pieces) - 1; $i <= $last; $i += 2) {
                if ($i === $last || !\str_contains($statement, $pieces[$i])) {
                    $pieces[$i] = '?';
                }
            }
            $error = \implode($quote, $pieces);
        }
        return $error;
    }
}
