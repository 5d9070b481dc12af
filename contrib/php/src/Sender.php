<?php
declare(strict_types=1);

namespace Pulse;

/**
 * Collects lines and writes them: at once for begins of runs, else when 64 KiB have gathered, with the next event once the
 * oldest line is 50 ms old, and at the end of the request.
 */
final class Sender
{
    /** Lines are written before they are longer than this, in bytes. More is not held while the agent is away. */
    public const BATCH_MAX = 65536;

    /** Lines are written with the next event once the oldest is this old, in nanoseconds. */
    public const AGE_MAX = 50_000_000;

    /** How many runs of a request are open at most. A begin beyond that is an event without a run. */
    public const OPEN_MAX = 100;

    /** How much of the message of an open run is kept for its end, in bytes. */
    public const OPENED_MAX = 128;

    /** How often a script of cli, which may run for days, gets half of the budget again, in nanoseconds. */
    private const REFILL = 1_000_000_000;

    /** What is given back to PHP at a fatal error, so that the end of the request can be sent: bytes. */
    private const RESERVE = 16384;

    /** @internal */
    public static ?self $shared = null;

    public Options $options;

    /**
     * Called when the request ends: with `false` after the page, and with `true` after its shutdown functions.
     *
     * @var (\Closure(bool): void)|null
     */
    public ?\Closure $atEnd = null;

    /** @var array<mixed> the options of all calls */
    private array $given = [];

    private Connection $connection;
    private ?Request $request = null;
    private string $pending = '';

    /** When the oldest pending line came, as hrtime(true). */
    private int $oldest = 0;

    private int $lost = 0;

    /** When answers were last read, as hrtime(true). */
    private int $drained = 0;

    /** When the budget was last refilled, as hrtime(true). */
    private int $refilled;
    private int $pid;
    private int $severity = 7;

    /** Whether a line did not fit any more after a failure. */
    private bool $full = false;

    private bool $writing = false;
    private bool $hasSignals;

    /** Whether this may be a child process of the one that began. */
    private bool $forks;

    /** Whether the request has ended, so that each further event is written at once. */
    private bool $ended = false;

    private bool $ending = false;
    private bool $registered = false;
    private string $reserve = '';
    private string $prefix = '';
    private int $runs = 0;

    /** @var array<string, array{int, string, string}> when each open run began, its tag and its message */
    private array $open = [];

    private function __construct()
    {
        $this->options = new Options();
        $this->connection = new Connection($this->options);
        $this->refilled = \hrtime(true);
        $this->pid = self::pid();
        $this->prefix = self::prefix($this->pid);
        $this->forks = \function_exists('pcntl_fork');
        $this->hasSignals = \function_exists('pcntl_async_signals');
    }

    public static function shared(): self
    {
        return self::$shared ??= new self();
    }

    /**
     * Sets options. Those of earlier calls stay.
     *
     * @param array<mixed> $given
     */
    public function configure(array $given): void
    {
        try {
            $this->flush();
            $this->given = $given + $this->given;
            $options = new Options($this->given);
            if (!$options->hasSameAgent($this->options)) {
                Silent::call($this->connection->close(...));
                $this->connection = new Connection($options);
            }
            $this->options = $options;
            $this->connection->options = $options;
            $this->severity = Options::severity($options->level);
            if (isset($given['user'])) {
                $this->request?->setUser($options->user);
            }
            foreach ($options->problems as $name) {
                unset($this->given[$name]);
                $this->event("unknown or invalid option: $name", [], $options->tag . '.pulse', 'warning');
            }
        } catch (\Throwable $thrown) {
            $this->caught($thrown);
        }
    }

    /**
     * Sends an event. With `$run` and `$took`, it ends that run.
     *
     * @param array<mixed> $fields
     */
    public function event(
        string $message,
        array $fields = [],
        ?string $tag = null,
        ?string $level = null,
        ?float $took = null,
        ?string $run = null,
    ): void {
        try {
            if ($run !== null) {
                unset($this->open[$run]);
            }
            if ($level !== null && $this->severity < 7 && $run === null && Options::severity($level) > $this->severity) {
                return;
            }
            if ($this->full && !$this->connection->isOpen()) {
                $this->lost++;
                return;
            }
            if ($this->forks && self::pid() !== $this->pid) {
                $this->forked();
            }
            $request = $this->request ?? $this->request();
            $tag ??= $this->options->tag;
            $this->append(Line::encode($tag, $level, $message, $fields, $request->common($fields), $took, $run));
        } catch (\Throwable $thrown) {
            $this->caught($thrown);
        }
    }

    /**
     * Begins a run, and writes its begin at once. Returns its name, or null if it is not tracked.
     *
     * @param array<mixed> $fields
     */
    public function begin(string $message, array $fields = [], ?string $tag = null, ?string $level = null): ?string
    {
        try {
            if (\count($this->open) >= self::OPEN_MAX || $this->full && !$this->connection->isOpen()) {
                $this->event($message, $fields, $tag, $level);
                return null;
            }
            if ($this->forks && self::pid() !== $this->pid) {
                $this->forked();
            }
            $request = $this->request ?? $this->request();
            $tag ??= $this->options->tag;
            $run = $this->prefix . ++$this->runs;
            $line = Line::encode($tag, $level, $message, $fields, $request->common($fields), null, $run);
            $this->open[$run] = [\hrtime(true), $tag, Values::cut($message, self::OPENED_MAX)];
            $this->append($line);
            $this->flush();
            return $run;
        } catch (\Throwable $thrown) {
            $this->caught($thrown);
            return null;
        }
    }

    /** The message of an open run. Null if it is not open, or is one of the parent process. */
    public function opened(string $run): ?string
    {
        if ($this->forks && self::pid() !== $this->pid) {
            $this->forked();
        }
        return $this->open[$run][2] ?? null;
    }

    /** The request, which begins with the first event if nothing began it. */
    public function request(): Request
    {
        if ($this->request === null) {
            $this->request = new Request(self::server(), $this->options->user);
            $this->register();
        }
        return $this->request;
    }

    /** @param array<mixed>|null $server */
    public function beginRequest(?array $server): void
    {
        try {
            $this->endRequest();
            $this->ended = false;
            $this->request = new Request($server ?? self::server(), $this->options->user);
            $this->connection->refill();
            Silent::call($this->connection->wake(...));
            $this->register();
        } catch (\Throwable $thrown) {
            $this->caught($thrown);
        }
    }

    public function endRequest(): void
    {
        try {
            $this->reserve = '';
            if ($this->forks && self::pid() !== $this->pid) {
                $this->forked();
            }
            $this->end(true);
            $this->ending = true;
            foreach ($this->open as $run => [$begun, $tag, $message]) {
                $took = (\hrtime(true) - $begun) / 1e9;
                $this->event($message, ['left_open' => true], $tag, 'warning', $took, $run);
            }
            $this->ending = false;
            $this->connection->refillForEnd();
            $this->connection->reopen();
            $this->flush();
            if ($this->pending !== '') {
                $dropped = $this->pending;
                $this->pending = '';
                $this->lost += \substr_count($dropped, "\n");
                $this->connection->reopen();
                $this->flush();
            }
            $this->full = false;
            $this->rest();
            if (!$this->ended) {
                $this->request = null;
            }
        } catch (\Throwable $thrown) {
            $this->caught($thrown);
        }
    }

    /** Writes what is pending. */
    public function flush(): void
    {
        if ($this->writing) {
            return;
        }
        // A signal handler of the page that throws must not interrupt a write. It runs before or after it.
        $async = $this->hasSignals && \pcntl_async_signals();
        $silent = false;
        $this->writing = true;
        try {
            if ($async) {
                \pcntl_async_signals(false);
            }
            $silent = true;
            \set_error_handler(static fn (): bool => true);
            $now = \hrtime(true);
            if ($now - $this->refilled > self::REFILL && !$this->options->persistent) {
                $this->refilled = $now;
                $this->connection->refill();
            }
            if ($now - $this->drained > self::AGE_MAX) {
                $this->drained = $now;
                $this->connection->drain();
            }
            $lines = $this->pending;
            $this->pending = '';
            if ($lines !== '') {
                $this->connection->write($lines);
            }
            if ($lines === '') {
                $this->full = false;
                if ($this->lost > 0 || $this->connection->answers->refused > 0 || $this->connection->inherited > 0) {
                    $this->tell();
                }
            } else {
                // Lines that a signal handler sent meanwhile follow.
                $this->pending = $lines . $this->pending;
            }
        } catch (\Throwable $thrown) {
            $this->caught($thrown);
        } finally {
            if ($silent) {
                \restore_error_handler();
            }
            $this->writing = false;
            if ($async) {
                \pcntl_async_signals(true);
                \pcntl_signal_dispatch();
            }
        }
    }

    /** Runs last of all shutdown functions: the first time it is called, it registers itself again. */
    public static function shutdown(bool $last = false): void
    {
        $sender = self::$shared;
        if ($sender === null) {
            return;
        }
        if (!$last) {
            $sender->reserve = '';
            \register_shutdown_function([self::class, 'shutdown'], true);
            $sender->end(false);
            return;
        }
        $sender->endLast();
    }

    /** Ends the request if the shutdown function did not run: another one called `exit`. */
    public function __destruct()
    {
        if (!$this->ended || $this->open || $this->pending !== '') {
            $this->endLast();
        }
    }

    /** Ends the request, and remembers it for events of other shutdown functions and of destructors. */
    private function endLast(): void
    {
        $this->ended = true;
        $this->endRequest();
    }

    private function end(bool $last): void
    {
        $atEnd = $this->atEnd;
        if ($last) {
            $this->atEnd = null;
        }
        if ($atEnd !== null) {
            $atEnd($last);
        }
    }

    /** A signal handler may call this while it runs: `pending` only grows here. */
    private function append(string $line): void
    {
        $now = \hrtime(true);
        if ($this->pending === '') {
            $this->oldest = $now;
        } elseif (\strlen($this->pending) + \strlen($line) > self::BATCH_MAX) {
            $this->flush();
            if (\strlen($this->pending) + \strlen($line) > self::BATCH_MAX) {
                $this->full = true;
                $this->lost++;
                return;
            }
            $this->oldest = $now;
        }
        $this->pending .= $line;
        if ($this->ended && !$this->ending) {
            $this->flush();
            $this->rest();
        } elseif ($now - $this->oldest > self::AGE_MAX) {
            $this->flush();
            $this->oldest = $now;
        }
    }

    /** Ends the request's use of the connection, unless runs are open: the next request then ends them by a new connection. */
    private function rest(): void
    {
        if (!$this->open) {
            Silent::call(fn () => $this->connection->rest($this->lost));
        }
    }

    /** Reports what was lost, as an event of its own. */
    private function tell(): void
    {
        $connection = $this->connection;
        $lost = $this->lost + $connection->inherited;
        $refused = $connection->answers->refused;
        $message = $lost > 0 ? "$lost events were not sent" : "$refused events were refused";
        $fields = \array_filter(['lost' => $lost, 'refused' => $refused]);
        if ($lost > 0 && $connection->trouble !== '') {
            $fields['why'] = $connection->trouble;
        }
        $common = $this->request()->common($fields);
        $line = Line::encode($this->options->tag . '.pulse', 'warning', $message, $fields, $common, null, null);
        $connection->write($line);
        if ($line === '') {
            $this->lost = $connection->inherited = $connection->answers->refused = 0;
            $connection->trouble = '';
        }
    }

    private function register(): void
    {
        $this->reserve = \str_repeat("\0", self::RESERVE);
        if (!$this->registered) {
            $this->registered = true;
            \register_shutdown_function([self::class, 'shutdown']);
        }
    }

    /** Begins anew in a child process: pending lines, open runs and the connection are those of its parent. */
    private function forked(): void
    {
        $this->pid = self::pid();
        $this->prefix = self::prefix($this->pid);
        $this->runs = 0;
        $this->open = [];
        $this->pending = '';
        $this->lost = 0;
        $this->full = false;
        $this->writing = false;
        Silent::call($this->connection->forget(...));
    }

    /** @return array<mixed> `$_SERVER`, unless the page has removed it */
    private static function server(): array
    {
        return \is_array($_SERVER ?? null) ? $_SERVER : [];
    }

    private static function pid(): int
    {
        // Some hosts disable it.
        return \function_exists('getmypid') ? (int) \getmypid() : 0;
    }

    /** The beginning of the names of runs: unique on this machine, also after a restart of the worker. */
    private static function prefix(int $pid): string
    {
        return \base_convert((string) $pid, 10, 36) . '-' . \base_convert((string) (int) (\microtime(true) * 1e6), 10, 36) . '-';
    }

    /**
     * A fault of this library must not reach the page, and is a lost event. An exception from elsewhere was thrown by a signal
     * handler or a tick function of the page, and goes on.
     */
    private function caught(\Throwable $thrown): void
    {
        if (\strncmp($thrown->getFile(), __DIR__, \strlen(__DIR__)) !== 0) {
            throw $thrown;
        }
        $this->lost++;
    }
}
