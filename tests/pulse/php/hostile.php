<?php
// Passes to the library what a page should not, and prints `clean` if the page did not notice.
declare(strict_types=1);

error_reporting(-1);
ini_set('display_errors', '1');
set_error_handler(function ($code, $text) {
    echo "the page's error handler was called: $text\n";
    return true;
});
require __DIR__ . '/../../../contrib/php/pulse.php';

final class Throws implements JsonSerializable, Stringable, IteratorAggregate, Countable, ArrayAccess
{
    public $property = 'x';
    public function jsonSerialize(): mixed { echo "called: jsonSerialize\n"; throw new Exception('no'); }
    public function __toString(): string { echo "called: __toString\n"; throw new Exception('no'); }
    public function getIterator(): Iterator { echo "called: getIterator\n"; throw new Exception('no'); }
    public function count(): int { echo "called: count\n"; throw new Exception('no'); }
    public function offsetExists(mixed $k): bool { echo "called: offsetExists\n"; throw new Exception('no'); }
    public function offsetGet(mixed $k): mixed { echo "called: offsetGet\n"; throw new Exception('no'); }
    public function offsetSet(mixed $k, mixed $v): void { echo "called: offsetSet\n"; }
    public function offsetUnset(mixed $k): void { echo "called: offsetUnset\n"; }
    public function __get($name) { echo "called: __get\n"; throw new Exception('no'); }
    public function __debugInfo() { echo "called: __debugInfo\n"; return []; }
}

final class OwnDate extends DateTimeImmutable
{
    public function format($format): string { echo "called: format\n"; throw new Exception('no'); }
}

final class UnfinishedDate extends DateTimeImmutable
{
    public function __construct() {}
}

enum Suit: string { case Hearts = 'H'; }
enum Plain { case One; }

$cycle = ['name' => 'cycle'];
$cycle['self'] = &$cycle;
$object = new stdClass();
$object->self = $object;
$deep = 'bottom';
for ($n = 0; $n < 10000; $n++) {
    $deep = [$deep];
}
$wide = array_fill(0, 100000, 'x');
$bush = [];
for ($n = 0; $n < 48; $n++) {
    $bush = array_fill(0, 48, $bush);
    if ($n >= 8) {
        break;
    }
}
$value = 'by reference';
$closed = fopen('php://memory', 'r');
fclose($closed);

$fields = [
    'invalid' => "a\xFF\xFEb\xC3",
    "name\xFF" => 'invalid name',
    'controls' => "\0\x01\x1B[31m\r\n\t\x7F",
    'long' => str_repeat('long', 1000000),
    'closure' => fn () => print("called: a closure\n"),
    'object' => $object,
    'throws' => new Throws(),
    'cycle' => $cycle,
    'deep' => $deep,
    'reference' => &$value,
    'resource' => STDIN,
    'closed' => $closed,
    'nan' => NAN,
    'inf' => -INF,
    'big' => PHP_INT_MIN,
    'small' => 1e-310,
    'suit' => Suit::Hearts,
    'plain' => Plain::One,
    'date' => new OwnDate('2026-11-22 17:32:05 UTC'),
    'unfinished' => new UnfinishedDate(),
    'generator' => (function () { echo "called: a generator\n"; yield 1; })(),
    'anonymous' => new class {},
    'error' => new ErrorException('a message', 5),
    'null' => null,
    '' => 'no name',
    '_private' => 'underscore',
    'wide' => $wide,
];

$begun = hrtime(true);
Pulse::send('hostile', $fields);
foreach ($fields + ['bush' => $bush] as $name => $value) {
    Pulse::send("field $name", ['value' => $value]);
    Pulse::send($value, $value, $value, $value, $value);
    Pulse::begin($value, $value, $value, $value)->end($value, $value, $value);
    Pulse::user($value);
}
Pulse::send(str_repeat("\x01", 10000000), array_fill(0, 1000, str_repeat("\x01", 10000)), str_repeat('tag', 100000), str_repeat('level', 100000));
Pulse::send(str_repeat("\xFF", 10000000), ['field' => str_repeat("\xFE", 1000000)], "tag\n\xFF", "level\n\"}");
Pulse::send("line\nSEND forged\n", ["a\nSEND" => "b\nSEND forged"], "t\nSEND forged", "l\nSEND forged");
Pulse::send('reserved', ['req' => 1, 'user' => [2], 'page' => null, 'method' => 'x', 'cut' => 'y', 'took' => '40ms', 'more' => 1]);

Pulse::configure('no array');
Pulse::configure(['unknown' => 1, 'socket' => 5, 'budget' => NAN, 'user' => new Throws(), 'level' => 'loud', 'tag' => [], 7 => 8]);
Pulse::configure(['user' => function () { Pulse::send('from the callback'); throw new Exception('no user'); }]);
Pulse::send('with a callback that throws');
Pulse::beginRequest('no array');
Pulse::beginRequest(['HTTP_TRACEPARENT' => [], 'HTTP_X_REQUEST_ID' => "a\nb", 'REQUEST_METHOD' => "GET\n", 'REQUEST_URI' => new Throws(), 'REMOTE_USER' => []]);
Pulse::endRequest();
Pulse::endRequest();
Pulse::flush();
Pulse::send('the last one');
Pulse::flush();
$took = (hrtime(true) - $begun) / 1e9;

restore_error_handler();
if (error_get_last() !== null) {
    echo 'error_get_last(): ', error_get_last()['message'], "\n";
}
if (json_last_error() !== JSON_ERROR_NONE || preg_last_error() !== PREG_NO_ERROR) {
    echo "json_last_error() or preg_last_error() is set\n";
}
if ($took > 10) {
    echo "took $took s\n";
}
echo "clean\n";
