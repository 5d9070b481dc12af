<?php
declare(strict_types=1);

namespace Pulse;

/**
 * Two small numbers that outlive a request of a worker: until when the agent is not tried again, and how many events were
 * lost.
 *
 * PHP forgets all variables at the end of a request, but not its persistent streams. This is one that is never written to, a
 * UDP socket to the discard port of the loopback interface, and the numbers are in its chunk size. It is closed while both are
 * 0. If it cannot be opened, the numbers are 0 in each request.
 */
final class Worker
{
    /** The largest count of lost events that is kept. */
    public const LOST_MAX = 0x1FFFF;

    /** Until is kept in seconds modulo this. */
    private const CLOCK = 4096;

    /** The chunk size of a stream that was not used before. */
    private const UNUSED = 8192;

    private const MARK = 1 << 29;

    /** @var resource|null */
    private $stream = null;

    /** @param string $name of the agent: the numbers are per agent */
    public function __construct(private readonly string $name)
    {
    }

    /** Keeps both. `$until` is seconds of time(), at most an hour from now. */
    public function keep(int $until, int $lost): void
    {
        if ($until === 0 && $lost === 0) {
            $this->close();
            return;
        }
        $number = ($until % self::CLOCK) << 17 | \min($lost, self::LOST_MAX);
        if ($this->open()) {
            \stream_set_chunk_size($this->stream, self::MARK | $number);
        }
    }

    /**
     * Returns until when the agent is not tried again, and how many events were lost.
     *
     * @return array{int, int}
     */
    public function kept(): array
    {
        if (!$this->open()) {
            return [0, 0];
        }
        $number = \stream_set_chunk_size($this->stream, self::UNUSED);
        if (!\is_int($number) || ($number & self::MARK) === 0) {
            $this->close();
            return [0, 0];
        }
        \stream_set_chunk_size($this->stream, $number);
        $now = \time();
        $ahead = (($number >> 17 & (self::CLOCK - 1)) - $now % self::CLOCK + self::CLOCK) % self::CLOCK;
        return [$ahead <= Connection::SLOW_RETRY ? $now + $ahead : 0, $number & self::LOST_MAX];
    }

    private function close(): void
    {
        // The stream may be there from an earlier request.
        if ($this->open()) {
            \fclose($this->stream);
            $this->stream = null;
        }
    }

    private function open(): bool
    {
        if ($this->stream === null) {
            $flags = \STREAM_CLIENT_CONNECT | \STREAM_CLIENT_PERSISTENT;
            $stream = \stream_socket_client('udp://127.0.0.1:9/' . $this->name, $code, $why, 0.01, $flags);
            $this->stream = $stream === false ? null : $stream;
        }
        return $this->stream !== null;
    }
}
