<?php
declare(strict_types=1);

namespace Pulse\Doctrine;

use Doctrine\DBAL\Driver\Middleware\AbstractStatementMiddleware;
use Doctrine\DBAL\Driver\Result;
use Doctrine\DBAL\Driver\Statement as StatementInterface;
use Doctrine\DBAL\ParameterType;
use Pulse\Database;

/** @internal */
final class Statement extends AbstractStatementMiddleware
{
    /** @var array<int|string, mixed> the bound values, if they may be sent */
    private array $values = [];

    public function __construct(
        private StatementInterface $statement,
        private Database $database,
        private string $text,
    ) {
        parent::__construct($statement);
    }

    /**
     * @param int|string $param
     * @param mixed $value
     * @param int $type
     */
    public function bindValue($param, $value, $type = ParameterType::STRING): bool
    {
        if ($this->database->binds) {
            $this->values[$param] = $value;
        }
        // With as many arguments as there were, because Doctrine deprecates a missing type.
        return $this->statement->bindValue(...\func_get_args());
    }

    /**
     * @param int|string $param
     * @param mixed $variable
     * @param int $type
     * @param int|null $length
     */
    public function bindParam($param, &$variable, $type = ParameterType::STRING, $length = null): bool
    {
        if ($this->database->binds) {
            $this->values[$param] = &$variable;
        }
        return $this->statement->bindParam($param, $variable, ...\array_slice([$type, $length], 0, \func_num_args() - 2));
    }

    /** @param array<mixed>|null $params */
    public function execute($params = null): Result
    {
        $open = $this->database->begin($this->text, $this->database->binds ? $params ?? $this->values : null);
        try {
            $result = parent::execute($params);
        } catch (\Throwable $error) {
            $open->fail($this->database->errorText($error->getMessage(), $this->text, true));
            throw $error;
        }
        $open->end($this->rowsOf($result));
        return $result;
    }

    /** The rows that were changed. Those of a result are not known before they are fetched. */
    private function rowsOf(Result $result): ?int
    {
        try {
            return $result->columnCount() === 0 ? $result->rowCount() : null;
        } catch (\Throwable) {
            return null;
        }
    }
}
