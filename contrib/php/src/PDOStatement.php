<?php
// Not strict: scalar arguments are converted as PDO converts them for a page without strict types.

namespace Pulse;

/** A prepared statement of {@see PDO}. Derive the page's own class from it to track that one. */
class PDOStatement extends \PDOStatement
{
    /** `null` until {@see PDO} has prepared it. */
    private ?Database $pulseDatabase = null;

    /** The rowset that nextRowset() returned last. The first one is 1. */
    private int $pulseRowset = 1;

    /** @internal */
    public function pulseAttach(?Database $database): void
    {
        $this->pulseDatabase = $database;
    }

    /**
     * The rows that were returned or changed. Calls no methods of a derived class.
     *
     * @internal
     */
    public function pulseRows(): ?int
    {
        return $this->pulseDatabase?->rows(parent::rowCount(), parent::columnCount());
    }

    public function execute(mixed ...$args): bool
    {
        $database = $this->pulseDatabase;
        if ($database === null) {
            return parent::execute(...$args);
        }
        $this->pulseRowset = 1;
        $open = $database->begin($this->queryString, $database->binds ? $this->pulseBinds($args) : null);
        try {
            $done = parent::execute(...$args);
        } catch (\Throwable $error) {
            throw $open->thrown($error, $database, true);
        }
        $done ? $open->end($this->pulseRows()) : $this->pulseFail($open, $database);
        return $done;
    }

    public function nextRowset(mixed ...$args): bool
    {
        $database = $this->pulseDatabase;
        if ($database === null) {
            return parent::nextRowset(...$args);
        }
        $open = $database->begin($this->queryString, null, ++$this->pulseRowset);
        try {
            $done = parent::nextRowset(...$args);
        } catch (\Throwable $error) {
            throw $open->thrown($error, $database, true);
        }
        // Without an error there was no further rowset.
        $done || parent::errorCode() === '00000'
            ? $open->end($done ? $this->pulseRows() : null)
            : $this->pulseFail($open, $database);
        return $done;
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

    private function pulseFail(Statement $open, Database $database): void
    {
        $open->fail($database->errorText(Database::infoText(parent::errorInfo()), $this->queryString, true));
    }
}
