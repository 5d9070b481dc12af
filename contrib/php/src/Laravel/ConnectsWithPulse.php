<?php
declare(strict_types=1);

namespace Pulse\Laravel;

use Pulse\PDO;

/** A connector that makes tracking connections. */
trait ConnectsWithPulse
{
    /**
     * @param string $dsn
     * @param string|null $username
     * @param string|null $password
     * @param array<int, mixed> $options
     */
    protected function createPdoConnection($dsn, $username, #[\SensitiveParameter] $password, $options): \PDO
    {
        return new PDO($dsn, $username, $password, $options);
    }
}
