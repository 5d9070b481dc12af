<?php
declare(strict_types=1);

namespace Pulse;

/**
 * The agent's answers: one for each refused event, up to 100 between two SYNCs. They are read so that they do not fill the
 * socket, and dropped.
 */
final class Answers
{
    /** How often answers are read in a row. */
    private const READS_MAX = 32;

    /** The answers that the agent sends before it only counts refusals. */
    private const ANSWERS_MAX = 100;

    /** Events that were refused, by their tag or over the rate. */
    public int $refused = 0;

    /** Refusals that were answered since the last SYNC. */
    private int $answered = 0;

    /** Whether a SYNC was not answered yet. */
    private bool $syncing = false;

    /** The beginning of an answer of which the end was not read yet. */
    private string $part = '';

    /** @param resource $stream */
    public function read($stream): void
    {
        for ($reads = 0; $reads < self::READS_MAX; $reads++) {
            $data = \fread($stream, 8192);
            if ($data === false || $data === '') {
                return;
            }
            $lines = \explode("\n", $this->part . $data);
            $this->part = \substr(\array_pop($lines), 0, 64);
            foreach ($lines as $line) {
                $this->take($line);
            }
        }
    }

    private function take(string $line): void
    {
        if (\preg_match('/^(?:OK |ERR \d+ (\d+) refused, rest )/', $line, $found) === 1) {
            // The answer to our SYNC counts all since the one before.
            $this->refused += $this->syncing ? \max(0, (int) ($found[1] ?? 0) - $this->answered) : 0;
            $this->answered = 0;
            $this->syncing = false;
        } elseif (\str_starts_with($line, 'ERR ')) {
            $this->answered++;
            $this->refused++;
        }
    }

    /** Whether a SYNC is due: at the end of a request after any refusal, else before the agent only counts them. */
    public function needSync(bool $atEnd): bool
    {
        return !$this->syncing && $this->answered >= ($atEnd ? 1 : self::ANSWERS_MAX);
    }

    /** A SYNC was written. */
    public function synced(): void
    {
        $this->syncing = true;
    }

    /** The connection is another one. */
    public function reset(): void
    {
        $this->answered = 0;
        $this->syncing = false;
        $this->part = '';
    }
}
