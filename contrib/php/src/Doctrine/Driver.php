<?php
declare(strict_types=1);

namespace Pulse\Doctrine;

use Doctrine\DBAL\Driver\Connection as ConnectionInterface;
use Doctrine\DBAL\Driver\Middleware\AbstractDriverMiddleware;
use Doctrine\DBAL\Platforms\AbstractMySQLPlatform;
use Doctrine\DBAL\Platforms\PostgreSQLPlatform;
use Doctrine\DBAL\Platforms\SqlitePlatform;
use Pulse\Database;
use Pulse\Sender;

/** @internal */
final class Driver extends AbstractDriverMiddleware
{
    /** @param array<string, mixed> $params */
    public function connect(#[\SensitiveParameter] array $params): ConnectionInterface
    {
        $database = $this->database($params);
        $open = $database->beginConnect();
        try {
            $connection = parent::connect($params);
        } catch (\Throwable $error) {
            $open?->fail($database->errorText($error->getMessage(), '', false));
            throw $error;
        }
        $open?->end(null);
        return new Connection($connection, $database);
    }

    /** @param array<string, mixed> $params */
    private function database(array $params): Database
    {
        $platform = $this->getDatabasePlatform();
        $driver = match (true) {
            $platform instanceof SqlitePlatform => 'sqlite',
            $platform instanceof AbstractMySQLPlatform => 'mysql',
            $platform instanceof PostgreSQLPlatform => 'pgsql',
            default => 'other',
        };
        $name = ($params['memory'] ?? false) ? 'memory' : $params['dbname'] ?? $params['path'] ?? '';
        return new Database($driver, \is_string($name) ? $name : '', Sender::shared()->options->binds);
    }
}
