<?php
declare(strict_types=1);

namespace Pulse;

/** An open run: something that takes a while. {@see \Pulse::begin()}. */
final class Run
{
    /** The name of the run in the event line. Empty if its begin was not accepted; then `end` does nothing. */
    public readonly string $id;

    private int $begun;
    private ?string $tag;

    /** @internal */
    public function __construct(?string $id, ?string $tag)
    {
        $this->id = $id ?? '';
        $this->tag = $tag;
        $this->begun = \hrtime(true);
    }

    /**
     * Ends the run. Its duration is measured. A second call does nothing.
     *
     * @param string|null $message default: that of the begin
     * @param array<mixed> $fields
     * @param string|null $level
     */
    public function end(mixed $message = null, mixed $fields = [], mixed $level = null): void
    {
        $took = (\hrtime(true) - $this->begun) / 1e9;
        if ($this->id === '') {
            return;
        }
        $sender = Sender::shared();
        $opened = $sender->opened($this->id);
        if ($opened === null) {
            return;
        }
        $message ??= $opened;
        if (!\is_string($message) || !\is_array($fields)) {
            [$message, $fields] = Values::arguments($message, $fields);
        }
        $sender->event($message, $fields, $this->tag, \is_string($level) ? $level : null, $took, $this->id);
    }
}
