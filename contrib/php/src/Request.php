<?php
declare(strict_types=1);

namespace Pulse;

/** What all events of one request have in common: `req`, `page`, `method` and `user`. */
final class Request
{
    /** The length of a page, in bytes. */
    public const PAGE_MAX = 512;

    /** The length of a user, in bytes. */
    public const USER_MAX = 128;

    public readonly string $req;
    public readonly string $page;

    /** Empty outside of HTTP. */
    public readonly string $method;

    /** When the request began, in seconds, as in `REQUEST_TIME_FLOAT`. */
    public readonly float $begun;

    private mixed $user;

    /** Members of the object `fields`, as JSON. Null if they must be encoded anew. */
    private ?string $common = null;

    /** Whether the callback is running: it may itself send events. */
    private bool $asking = false;

    /**
     * @param array<mixed> $server as `$_SERVER`
     * @param mixed $user as the option `user`
     */
    public function __construct(array $server, mixed $user)
    {
        $this->req = self::reqFrom($server);
        $this->method = \preg_match('/^[A-Z]{1,16}$/D', self::text($server, 'REQUEST_METHOD')) === 1
            ? $server['REQUEST_METHOD'] : '';
        $this->page = Values::cut($this->method === '' ? self::script($server) : self::path($server), self::PAGE_MAX);
        $begun = $server['REQUEST_TIME_FLOAT'] ?? null;
        $this->begun = \is_float($begun) ? $begun : \microtime(true);
        $this->user = $user ?? (self::text($server, 'REMOTE_USER') ?: null);
    }

    /** Sets the user, or what returns the user. */
    public function setUser(mixed $user): void
    {
        $this->user = \is_callable($user) && !\is_string($user) ? $user : Values::scalar($user);
        $this->common = null;
    }

    /** The user, if it is known. */
    public function user(): ?string
    {
        $user = $this->user;
        if ($user !== null && !\is_scalar($user)) {
            if ($this->asking) {
                return null;
            }
            $this->asking = true;
            try {
                $user = $user();
            } catch (\Throwable) {
                // It is asked again with the next event.
                $user = null;
            } finally {
                $this->asking = false;
            }
            if ($user === null) {
                return null;
            }
            $this->user = $user = Values::scalar($user);
        }
        return $user === null ? null : Values::cut((string) $user, self::USER_MAX);
    }

    /**
     * Members of the object `fields`, as JSON, without those that the event itself has.
     *
     * @param array<mixed> $fields those of the event
     */
    public function common(array $fields): string
    {
        if (isset($fields['req']) || isset($fields['user']) || isset($fields['page']) || isset($fields['method'])) {
            return $this->encode($fields);
        }
        return $this->common ?? $this->encode([]);
    }

    /** @param array<mixed> $without */
    private function encode(array $without): string
    {
        $user = $this->user();
        $common = '';
        $values = ['req' => $this->req, 'page' => $this->page, 'method' => $this->method, 'user' => $user ?? ''];
        foreach ($values as $name => $value) {
            if ($value !== '' && !isset($without[$name])) {
                $common .= ($common === '' ? '"' : ',"') . $name . '":' . Line::text($value);
            }
        }
        if (!$without && ($user !== null || $this->user === null)) {
            $this->common = $common;
        }
        return $common;
    }

    /** @param array<mixed> $server */
    private static function reqFrom(array $server): string
    {
        $trace = self::text($server, 'HTTP_TRACEPARENT');
        if (\preg_match('/^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}/', $trace, $part) === 1
            && \strspn($part[1], '0') < 32) {
            return $part[1];
        }
        $given = self::text($server, 'HTTP_X_REQUEST_ID');
        if (\preg_match('/^[A-Za-z0-9_.:\/+=@-]{1,64}$/D', $given) === 1) {
            return $given;
        }
        try {
            return \bin2hex(\random_bytes(8));
        } catch (\Throwable) {
            return \dechex(\hrtime(true)) . \dechex((int) \getmypid());
        }
    }

    /** @param array<mixed> $server */
    private static function path(array $server): string
    {
        // Without the query string, which may contain secrets.
        $uri = self::text($server, 'REQUEST_URI') ?: self::text($server, 'SCRIPT_NAME');
        return \substr($uri, 0, \strcspn($uri, '?#'));
    }

    /** @param array<mixed> $server */
    private static function script(array $server): string
    {
        $name = self::text($server, 'SCRIPT_FILENAME') ?: self::text($server, 'SCRIPT_NAME');
        return \substr((string) \strrchr('/' . $name, '/'), 1);
    }

    /** @param array<mixed> $server */
    private static function text(array $server, string $name): string
    {
        $value = $server[$name] ?? '';
        return \is_string($value) ? $value : '';
    }
}
