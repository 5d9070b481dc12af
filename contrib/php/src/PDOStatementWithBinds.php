<?php
// Not strict: scalar arguments are converted as PDO converts them for a page without strict types.

namespace Pulse;

/** A {@see PDOStatement} that sends the values of its parameters: the option `binds`. */
class PDOStatementWithBinds extends PDOStatement
{
    /** @var array<int|string, mixed> */
    private array $pulseValues = [];

    public function bindValue(mixed ...$args): bool
    {
        try {
            $done = parent::bindValue(...$args);
        } catch (\Throwable $error) {
            throw Frames::hide($error);
        }
        $this->pulseValues[$args[0] ?? $args['param']] = $args[1] ?? $args['value'] ?? null;
        return $done;
    }

    public function bindParam(
        $param,
        mixed &$var,
        $type = \PDO::PARAM_STR,
        $maxLength = 0,
        $driverOptions = null,
    ): bool {
        try {
            $done = parent::bindParam($param, $var, $type, $maxLength, $driverOptions);
        } catch (\Throwable $error) {
            throw Frames::hide($error);
        }
        $this->pulseValues[$param] = &$var;
        return $done;
    }

    protected function pulseBinds(array $args): array
    {
        return parent::pulseBinds($args) ?: $this->pulseValues;
    }
}
