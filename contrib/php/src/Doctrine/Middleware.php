<?php
declare(strict_types=1);

namespace Pulse\Doctrine;

use Doctrine\DBAL\Driver as DriverInterface;
use Doctrine\DBAL\Driver\Middleware as MiddlewareInterface;

/** Makes the statements of Doctrine DBAL 3 visible: `$configuration->setMiddlewares([new Pulse\Doctrine\Middleware()])`. */
final class Middleware implements MiddlewareInterface
{
    public function wrap(DriverInterface $driver): DriverInterface
    {
        return new Driver($driver);
    }
}
