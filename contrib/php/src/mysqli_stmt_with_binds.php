<?php
// Not strict: scalar arguments are converted as mysqli converts them for a page without strict types.

namespace Pulse;

/** A {@see mysqli_stmt} that sends the values of its parameters: the option `binds`. */
class mysqli_stmt_with_binds extends mysqli_stmt
{
    /** @var array<mixed> references to the bound variables */
    private array $pulseValues = [];

    public function bind_param($types, mixed &...$vars): bool
    {
        try {
            $done = parent::bind_param($types, ...$vars);
        } catch (\Throwable $error) {
            throw Frames::hide($error);
        }
        $this->pulseValues = $vars;
        return $done;
    }

    protected function pulseBinds(array $args): array
    {
        return parent::pulseBinds($args) ?: $this->pulseValues;
    }
}
