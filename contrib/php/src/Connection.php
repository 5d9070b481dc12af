<?php
declare(strict_types=1);

namespace Pulse;

/**
 * The connection to the agent. Writes without blocking, and waits only within a budget for each request. After a failure it
 * does nothing for a while.
 *
 * All methods run inside of {@see Silent::call()}.
 */
final class Connection
{
    /** How long the agent is not tried again after the first failure, in seconds. Doubles with each further one. */
    public const RETRY_MIN = 0.02;

    /** The longest time that the agent is not tried again, in seconds. */
    public const RETRY_MAX = 2.0;

    /** How long it is not tried again if an attempt to connect took longer than 20 ms, in seconds. */
    public const SLOW_RETRY = 30;

    /** How long a TCP or TLS connection may take to establish, including its token, in seconds. */
    public const TCP_MAX = 0.25;

    /** In nanoseconds. */
    private const SLOW = 20_000_000;

    /** How much is written at once in further attempts, and to TLS, in bytes. */
    private const RECORD = 8192;

    /** The chunk sizes of a persistent stream: what the worker's last request knew of it. */
    private const IN_USE = 8193;
    private const IDLE = 8194;
    private const IDLE_LOST = 8195;

    public readonly Answers $answers;

    /** Why the last attempt failed. */
    public string $trouble = '';

    /** Events that earlier requests of this worker lost, and lines that broke with their connection. */
    public int $inherited = 0;

    /** @var resource|null */
    private $stream = null;

    /** The rest of a line of which the agent has the beginning. */
    private string $rest = '';

    private bool $tls = false;

    /** Whether the last write found the connection closed. */
    private bool $broken = false;
    private bool $checksEnd = false;
    private int $failures = 0;

    /** As hrtime(true). */
    private int $closedUntil = 0;

    /** What is left of the budget, in nanoseconds. */
    private int $budget = 0;

    private Worker $worker;
    private bool $consulted = false;

    /** @var list<resource> TLS streams of the parent process, which must stay open: closing one would end its session */
    private array $foreign = [];

    public function __construct(public Options $options)
    {
        $this->answers = new Answers();
        $this->worker = new Worker(\substr(\md5($options->server ?? $options->socket ?? ''), 0, 8));
        $this->refill();
    }

    /** Gives the next request the first half of its budget. The other half is for its end. */
    public function refill(): void
    {
        $this->budget = (int) ($this->options->budget * 5e5);
    }

    /** Gives the end of the request the other half. */
    public function refillForEnd(): void
    {
        $this->budget = \max(0, $this->budget) + (int) ($this->options->budget * 5e5);
    }

    /** Makes the next attempt possible at once if there is a connection. */
    public function reopen(): void
    {
        if ($this->stream !== null) {
            $this->closedUntil = 0;
        }
    }

    /** Whether an attempt would be made. */
    public function isOpen(): bool
    {
        return $this->closedUntil === 0 || \hrtime(true) >= $this->closedUntil;
    }

    /** Writes whole lines. Leaves those that the agent does not have: all, or the last ones. */
    public function write(string &$lines): void
    {
        if (!$this->isOpen()) {
            return;
        }
        $retried = false;
        while (true) {
            if ($this->stream === null) {
                $begun = \hrtime(true);
                if (!$this->connect()) {
                    if ($this->isOpen()) {
                        $this->fail(\hrtime(true) - $begun > self::SLOW);
                    }
                    return;
                }
            }
            if ($this->checksEnd && $this->hasEnded() || !$this->push($lines)) {
                $this->close();
                if ($retried) {
                    $this->trouble = 'the connection is closed again and again';
                    $this->fail();
                    return;
                }
                $retried = true;
                continue;
            }
            if ($lines === '' && $this->rest === '') {
                $this->failures = 0;
                $this->closedUntil = 0;
            } else {
                $this->trouble = 'the agent does not read';
                $this->fail();
            }
            return;
        }
    }

    /**
     * Writes as much as the budget permits, and removes from `$lines` what needs no further attempt. `false` if the connection
     * is closed.
     */
    private function push(string &$lines): bool
    {
        if ($this->rest !== '') {
            $done = $this->put($this->rest);
            $this->rest = \substr($this->rest, $done);
            if ($this->broken) {
                $this->inherited++;
                return false;
            }
            if ($this->rest !== '') {
                return true;
            }
        }
        $done = $this->put($lines);
        if ($done === \strlen($lines)) {
            $lines = '';
            return true;
        }
        $end = $done === 0 ? false : \strrpos($lines, "\n", $done - 1 - \strlen($lines));
        $begin = $end === false ? 0 : $end + 1;
        if ($this->broken || $this->tls) {
            // What the agent has of a line is worthless without its rest. A record of TLS must be repeated as it was, or not
            // at all.
            $lines = \substr($lines, $begin);
            if (!$this->broken) {
                $this->close();
            }
            return !$this->broken;
        }
        if ($begin < $done) {
            $begin = (int) \strpos($lines, "\n", $done) + 1;
            $this->rest = \substr($lines, $done, $begin - $done);
        }
        $lines = \substr($lines, $begin);
        return true;
    }

    /** Writes as much as the budget permits. Returns how many bytes. Sets `broken` if the connection is closed. */
    private function put(string $data): int
    {
        $this->broken = false;
        $total = \strlen($data);
        $done = 0;
        while ($done < $total) {
            // Usually the first piece is the last one.
            $piece = $done === 0 && !$this->tls ? $data : \substr($data, $done, self::RECORD);
            do {
                $written = \fwrite($this->stream, $piece);
            } while ($written === 0 && $this->wait());
            if ($written === false) {
                $this->broken = true;
                return $done;
            }
            if ($written === 0) {
                return $done;
            }
            $done += $written;
        }
        return $done;
    }

    /** Waits until the stream takes more. `false` if the budget is used up. */
    private function wait(): bool
    {
        if (!$this->consulted && $this->options->persistent) {
            $this->consult();
            if ($this->closedUntil !== 0) {
                return false;
            }
        }
        if ($this->budget <= 0) {
            return false;
        }
        $begun = \hrtime(true);
        $none = [];
        $streams = [$this->stream];
        $ready = \stream_select($none, $streams, $none, 0, \intdiv($this->budget, 1000));
        $this->budget -= \hrtime(true) - $begun;
        return $ready !== 0 && $this->budget > 0;
    }

    /** Reads the agent's answers. */
    public function drain(): void
    {
        if ($this->stream !== null) {
            $this->answers->read($this->stream);
            $this->sync(false);
        }
    }

    /** Asks how many events were refused, so that the agent answers further refusals. */
    private function sync(bool $atEnd): void
    {
        if ($this->stream !== null && $this->rest === '' && $this->answers->needSync($atEnd)) {
            $written = (int) \fwrite($this->stream, "SYNC\n");
            if ($written > 0) {
                $this->answers->synced();
                $this->rest = \substr("SYNC\n", $written);
            }
        }
    }

    /** Ends the use of the connection by a request. */
    public function rest(int $lost): void
    {
        if (!$this->options->persistent) {
            return;
        }
        $this->sync(true);
        if ($this->checksEnd && $this->failures > 0 && $this->rest === '') {
            // The machine may be gone, and the kernel notices it after a quarter of an hour.
            $this->close();
        }
        if ($this->rest !== '') {
            // The next request does not know the rest of this line.
            $this->inherited++;
            $this->close();
        }
        $wait = $this->closedUntil - \hrtime(true);
        if (($lost + $this->inherited > 0 || $wait > 0) && !$this->consulted) {
            $until = $this->closedUntil;
            $this->consult();
            $this->closedUntil = $until;
        }
        $lost += $this->inherited;
        if ($this->consulted) {
            $this->worker->keep($wait > 0 ? \time() + (int) \ceil($wait / 1e9) : 0, $lost);
        }
        if ($this->stream !== null) {
            \stream_set_chunk_size($this->stream, $lost > 0 ? self::IDLE_LOST : self::IDLE);
        }
    }

    /** Begins the use of the connection by the next request. */
    public function wake(): void
    {
        if ($this->options->persistent && $this->stream !== null) {
            \stream_set_chunk_size($this->stream, self::IN_USE);
        }
    }

    /** Forgets the connection of the parent process, without ending it. */
    public function forget(): void
    {
        if ($this->stream !== null && $this->tls) {
            $this->foreign[] = $this->stream;
        } elseif ($this->stream !== null) {
            \fclose($this->stream);
        }
        $this->stream = null;
        $this->rest = '';
        $this->answers->reset();
        $this->answers->refused = 0;
    }

    /** Closes the connection: the agent ends its open runs. */
    public function close(): void
    {
        if ($this->stream !== null) {
            \fclose($this->stream);
        }
        $this->stream = null;
        $this->rest = '';
        $this->answers->reset();
    }

    private function fail(bool $slow = false): void
    {
        $delay = $slow ? self::SLOW_RETRY : \min(self::RETRY_MAX, self::RETRY_MIN * 2 ** \min(16, $this->failures++));
        $this->closedUntil = \hrtime(true) + (int) ($delay * 1e9);
    }

    /** Asks what earlier requests of this worker kept. */
    private function consult(): void
    {
        $this->consulted = true;
        [$until, $lost] = $this->worker->kept();
        $this->inherited += $lost;
        $ahead = $until - \time();
        if ($ahead > 0) {
            $this->closedUntil = \hrtime(true) + $ahead * 1_000_000_000;
            $this->failures = \max($this->failures, (int) \ceil(\log($ahead / self::RETRY_MIN, 2)) + 1);
        }
    }

    private function hasEnded(): bool
    {
        $this->drain();
        return $this->stream === null || \feof($this->stream);
    }

    private function connect(): bool
    {
        if ($this->options->server !== null) {
            if ($this->options->persistent && !$this->consulted) {
                $this->consult();
                if (!$this->isOpen()) {
                    return false;
                }
            }
            $this->checksEnd = true;
            $bridge = Bridge::fromOptions($this->options);
            if ($bridge === null) {
                $this->trouble = 'the option server is not HOST[:PORT]';
                return false;
            }
            $this->tls = $bridge->context !== null;
            return $this->open($bridge->address, self::TCP_MAX, $bridge->context);
        }
        foreach ($this->sockets() as $path) {
            // The length of sun_path with its NUL is 108.
            if (\strlen($path) < 108 && $this->open('unix://' . $path, 0.01, null)) {
                return true;
            }
        }
        return false;
    }

    /** @return list<string> */
    private function sockets(): array
    {
        if ($this->options->socket !== null) {
            return [$this->options->socket];
        }
        $sockets = [];
        $uid = \function_exists('posix_geteuid') ? \posix_geteuid() : null;
        if ($uid !== 0) {
            $directory = Options::env('XDG_RUNTIME_DIR');
            if ($directory === null && $uid !== null && \fileowner("/run/user/$uid") === $uid) {
                $directory = "/run/user/$uid";
            }
            if ($directory !== null) {
                $sockets[] = $directory . '/pulsed/pulsed.sock';
            }
        }
        $sockets[] = Options::SYSTEM_SOCKET;
        return $sockets;
    }

    /** @param resource|null $context */
    private function open(string $address, float $timeout, $context): bool
    {
        $flags = \STREAM_CLIENT_CONNECT | ($this->options->persistent ? \STREAM_CLIENT_PERSISTENT : 0);
        for ($again = 0; $again < 2; $again++) {
            $stream = $context === null
                ? \stream_socket_client($address, $code, $why, $timeout, $flags)
                : \stream_socket_client($address, $code, $why, $timeout, $flags, $context);
            if ($stream === false) {
                $this->trouble = "cannot connect: $why";
                return false;
            }
            $before = $this->options->persistent ? \stream_set_chunk_size($stream, self::IN_USE) : 0;
            if ($before !== self::IN_USE) {
                break;
            }
            // The last request was cut off: what it left open ends with its connection.
            \fclose($stream);
        }
        if (!$this->options->persistent && !$this->tls) {
            $stream = CloseOnExec::stream($stream);
        }
        \stream_set_blocking($stream, false);
        $this->stream = $stream;
        $reused = $before === self::IDLE || $before === self::IDLE_LOST;
        if ($this->options->persistent && $before !== self::IDLE && !$this->consulted) {
            $until = $this->closedUntil;
            $this->consult();
            $this->closedUntil = $until;
        }
        if ($reused) {
            $this->drain();
        }
        if ($reused || $this->options->server === null) {
            return true;
        }
        $refusal = Bridge::authenticate($stream, (string) $this->options->token, $timeout);
        if ($refusal !== null) {
            $this->trouble = $refusal;
            $this->close();
        }
        return $refusal === null;
    }
}
