<?php
declare(strict_types=1);

namespace Pulse\Doctrine;

use Doctrine\DBAL\Driver\Connection as ConnectionInterface;
use Doctrine\DBAL\Driver\Middleware\AbstractConnectionMiddleware;
use Doctrine\DBAL\Driver\Result;
use Doctrine\DBAL\Driver\Statement as StatementInterface;
use Pulse\Database;

/** @internal */
final class Connection extends AbstractConnectionMiddleware
{
    public function __construct(ConnectionInterface $connection, private Database $database)
    {
        parent::__construct($connection);
    }

    /** A statement that cannot be prepared is reported as one that failed. */
    public function prepare(string $sql): StatementInterface
    {
        $begun = \hrtime(true);
        try {
            return new Statement(parent::prepare($sql), $this->database, $sql);
        } catch (\Throwable $error) {
            $this->database->unprepared($sql, $error->getMessage(), $begun);
            throw $error;
        }
    }

    public function query(string $sql): Result
    {
        return $this->track($sql, fn (): Result => parent::query($sql));
    }

    public function exec(string $sql): int
    {
        return $this->track($sql, fn (): int => parent::exec($sql));
    }

    public function beginTransaction(): bool
    {
        return $this->track('BEGIN', fn () => parent::beginTransaction());
    }

    public function commit(): bool
    {
        return $this->track('COMMIT', fn () => parent::commit());
    }

    public function rollBack(): bool
    {
        return $this->track('ROLLBACK', fn () => parent::rollBack());
    }

    /**
     * @template T
     * @param \Closure(): T $call
     * @return T
     */
    private function track(string $text, \Closure $call): mixed
    {
        $open = $this->database->begin($text);
        try {
            $result = $call();
        } catch (\Throwable $error) {
            $open->fail($this->database->errorText($error->getMessage(), $text, false));
            throw $error;
        }
        $open->end(\is_int($result) ? $result : null);
        return $result;
    }
}
