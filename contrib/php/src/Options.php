<?php
declare(strict_types=1);

namespace Pulse;

/** The options, checked once. An option that is wrong has its default and is listed in `problems`. */
final class Options
{
    /** Where the system's agent listens. */
    public const SYSTEM_SOCKET = '/run/pulsed/pulsed.sock';

    private const SEVERITIES = [
        'emerg' => 0, 'emergency' => 0, 'alert' => 1, 'crit' => 2, 'critical' => 2, 'err' => 3, 'error' => 3,
        'warning' => 4, 'warn' => 4, 'notice' => 5, 'info' => 6, 'debug' => 7,
    ];

    /** The only socket to use. Default: `$PULSED_SOCKET`, else the own agent's, else the system's. */
    public ?string $socket = null;

    /** `HOST[:PORT]` of a TCP bridge, instead of a socket. */
    public ?string $server = null;

    /** The token for the server. Default: `$PULSED_TOKEN`. */
    public ?string $token = null;

    /** A file with the certificates to trust, in PEM format. Default: those of the machine. */
    public ?string $ca = null;

    /** The tag of events that have none, and the beginning of `TAG.query` and so on. Default: `$PULSED_TAG`, else `php`. */
    public string $tag = 'php';

    /** Less severe events are not sent. */
    public string $level = 'debug';

    /** How long all waits for the agent in one request take at most, in milliseconds. */
    public float $budget = 2.0;

    /** The user, or a callable that returns the user: called with each event until it returns one. */
    public mixed $user = null;

    /** Whether statements are sent with the values of their parameters. */
    public bool $binds = false;

    /** A request or statement that takes at least this many seconds is slow. 0: none is. */
    public float $slow = 1.0;

    /** `fatal`, or `all`: warnings and notices too, with the error handler of {@see Errors::observe()}. */
    public string $errors = 'fatal';

    /** Whether the connection stays open for the next request. Default: not in cli, where there is none. */
    public bool $persistent;

    /** @var list<string> what is wrong with the given options */
    public array $problems = [];

    /** @param array<mixed> $given */
    public function __construct(array $given = [])
    {
        $this->socket = self::env('PULSED_SOCKET');
        $this->token = self::env('PULSED_TOKEN');
        $this->tag = self::env('PULSED_TAG') ?? 'php';
        $this->persistent = !\in_array(\PHP_SAPI, ['cli', 'phpdbg', 'embed'], true);
        foreach ($given as $name => $value) {
            if (!$this->set((string) $name, $value)) {
                $this->problems[] = Values::cut((string) $name, Values::NAME_MAX);
            }
        }
        $this->problems = \array_slice($this->problems, 0, 8);
    }

    /** Whether both are about the same connection. */
    public function hasSameAgent(self $other): bool
    {
        return $this->socket === $other->socket && $this->server === $other->server && $this->token === $other->token
            && $this->ca === $other->ca && $this->persistent === $other->persistent;
    }

    /** The severity of a level by name. An unknown one is as `info`. */
    public static function severity(string $level): int
    {
        return self::SEVERITIES[$level] ?? self::SEVERITIES[\strtolower($level)] ?? 6;
    }

    /** The value of an environment variable. Null if it is empty. */
    public static function env(string $name): ?string
    {
        // Some hosts disable getenv().
        $value = \function_exists('getenv') ? \getenv($name) : ($_SERVER[$name] ?? null);
        return \is_string($value) && $value !== '' ? $value : null;
    }

    private function set(string $name, mixed $value): bool
    {
        switch ($name) {
            case 'socket':
            case 'server':
            case 'token':
            case 'ca':
                if ($value !== null && (!\is_string($value) || $value === '' || \strpbrk($value, "\r\n\0") !== false)) {
                    return false;
                }
                $this->$name = $value;
                return true;
            case 'tag':
                if (!\is_string($value) || $value === '') {
                    return false;
                }
                $this->tag = $value;
                return true;
            case 'level':
                if (!\is_string($value) || !isset(self::SEVERITIES[\strtolower($value)])) {
                    return false;
                }
                $this->level = \strtolower($value);
                return true;
            case 'errors':
                if ($value !== 'fatal' && $value !== 'all') {
                    return false;
                }
                $this->errors = $value;
                return true;
            case 'budget':
            case 'slow':
                if (!(\is_int($value) || \is_float($value)) || !($value >= 0 && $value <= 60000)) {
                    return false;
                }
                $this->$name = (float) $value;
                return true;
            case 'user':
                if ($value !== null && !\is_string($value) && !\is_int($value) && !\is_callable($value)) {
                    return false;
                }
                $this->user = $value;
                return true;
            case 'binds':
            case 'persistent':
                if (!\is_bool($value)) {
                    return false;
                }
                $this->$name = $value;
                return true;
        }
        return false;
    }
}
