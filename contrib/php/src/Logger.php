<?php
declare(strict_types=1);

namespace Pulse;

if (\interface_exists(\Psr\Log\LoggerInterface::class)) {
    /** A logger for PSR-3: `new Pulse\Logger('shop')`. */
    final class Logger implements \Psr\Log\LoggerInterface
    {
        use LogMethods;
    }
} else {
    /** The same, where psr/log is not installed. */
    final class Logger
    {
        use LogMethods;
    }
}
