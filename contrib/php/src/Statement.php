<?php
declare(strict_types=1);

namespace Pulse;

/** A statement that executes. Made by {@see Statements::begin()}. */
final class Statement
{
    /** When it began, in nanoseconds of hrtime(). */
    private int $begun;

    /**
     * @param array<string, mixed> $fields
     * @param string|null $run the run of its begin, if one was sent
     * @param int|null $shape if it was computed already
     */
    public function __construct(
        private string $text,
        private array $fields,
        private string $tag,
        private ?string $run,
        private ?int $shape,
    ) {
        // Last, because the time that the begin took is not the statement's.
        $this->begun = \hrtime(true);
    }

    /** Sends its end. `$rows` is null or negative if the number of rows is not known. */
    public function end(int|string|null $rows): void
    {
        $ns = \hrtime(true) - $this->begun;
        if ($rows !== null && $rows >= 0) {
            $this->fields['rows'] = (int) $rows;
        }
        $took = $ns / 1e9;
        $statements = Statements::$shared ?? Statements::shared();
        $level = $statements->level($took, $this->fields);
        (Sender::$shared ?? Sender::shared())
            ->event($this->text, $this->fields, $this->tag, $level, $took, $this->run);
        $statements->ran($this->shape ?? Shape::key($this->text), $ns);
    }

    /** Sends its end with an error. */
    public function fail(string $error): void
    {
        $ns = \hrtime(true) - $this->begun;
        $this->fields['error'] = $error;
        Sender::shared()->event($this->text, $this->fields, $this->tag, 'error', $ns / 1e9, $this->run);
        Statements::shared()->ran($this->shape ?? Shape::key($this->text), Statements::FAST_NS);
    }

    /** The same with the error of an exception, which is returned as the page would see it without this library. */
    public function thrown(\Throwable $error, Database $database, bool $prepared): \Throwable
    {
        $text = $error->getMessage();
        if ($error instanceof \mysqli_sql_exception) {
            $text = $error->getCode() . " $text";
        }
        $this->fail($database->errorText($text, $this->text, $prepared));
        return Frames::hide($error);
    }
}
