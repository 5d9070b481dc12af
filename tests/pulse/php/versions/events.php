<?php
declare(strict_types=1);

// Uses the library without an agent, and prints the lines that it would send, without what differs from one run to the next.
// Every error and every deprecated feature is printed too: there is none.

set_error_handler(static function (int $type, string $text, string $file, int $line): bool {
    echo "error $type: $text in $file:$line\n";
    return true;
});

$library = $_SERVER['LIBRARY'];
require $library . '/pulse.php';

// Those of frameworks need classes that are not there: only their syntax is checked.
$files = new RecursiveIteratorIterator(new RecursiveDirectoryIterator($library, FilesystemIterator::SKIP_DOTS));
foreach ($files as $file) {
    if ($file->getExtension() === 'php') {
        token_get_all(file_get_contents($file->getPathname()), TOKEN_PARSE);
    }
}
foreach (glob($library . '/src/*.php') as $file) {
    $class = 'Pulse\\' . basename($file, '.php');
    if (!class_exists($class) && !interface_exists($class) && !trait_exists($class)) {
        echo "not loaded: $class\n";
    }
}

enum Suit: string { case Hearts = 'H'; }
enum State { case Open; }

Pulse::configure(['socket' => '/nonexistent/pulsed.sock', 'persistent' => false, 'tag' => 'shop', 'user' => static fn (): string => 'anna']);
Pulse::configure(['socket' => '/nonexistent/pulsed.sock', 'persistent' => false, 'tag' => 'shop', 'colour' => 1, 'slow' => -1]);
Pulse::send('plain');
Pulse::send('User 123 has logged in', ['user' => 123], tag: 'shop.login', level: 'notice');
Pulse::send("bad \xff \u{1F600} \0 \"text\"", ["k\xff" => "v\xff"]);
$cycle = ['deep' => [[[[[[[[[[1]]]]]]]]]]];
$cycle['self'] = &$cycle;
Pulse::send('values', [
    'float' => 0.1, 'nan' => NAN, 'inf' => -INF, 'int' => PHP_INT_MAX, 'null' => null, 'true' => true,
    'enum' => Suit::Hearts, 'state' => State::Open, 'closure' => static fn () => 1, 'object' => new ArrayObject([1]),
    'date' => new DateTimeImmutable('2026-01-02 03:04:05 UTC'), 'anonymous' => new class {}, 'stream' => fopen('php://memory', 'r'),
    'list' => [1, 'two', [3]], 'error' => new LogicException('inner', 7), 'generator' => (static fn () => yield 1)(),
]);
Pulse::send('cycle', $cycle);
Pulse::send(str_repeat('é', 10000), array_fill(0, 100, str_repeat('x', 5000)));
Pulse::send(null, 'no array', 1, [], 'text');
$run = Pulse::begin('import of 300 files', ['files' => 300]);
$run->end('done', ['files' => 299], 'warning');
$run->end();
function pay(string $card): never
{
    throw new DomainException('no credit', 3, new Exception('inner'));
}
try {
    pay('4111 1111');
} catch (DomainException $e) {
    Pulse\Errors::report($e);
}
$log = new Pulse\Logger();
$log->warning('{user} left {place}', ['user' => 'ben', 'place' => ['a' => 1], 'exception' => $e]);
foreach (['SELECT 1', "SELECT 'a''b', 12, x'ff' FROM t WHERE a IN (1, 2,3) -- c", '/* c */ INSERT INTO t VALUES (?, :n)', ''] as $sql) {
    Pulse::send('shape', ['key' => Pulse\Shape::key($sql)]);
}
$db = new Pulse\PDO('sqlite::memory:');
$db->exec('CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)');
$insert = $db->prepare('INSERT INTO t (b) VALUES (?)');
$db->beginTransaction();
foreach (['one', 'two'] as $value) {
    $insert->execute([$value]);
}
$db->commit();
echo json_encode($db->query('SELECT a, b FROM t ORDER BY a')->fetchAll(PDO::FETCH_ASSOC)), "\n";
try {
    $db->query('SELECT nothing FROM nowhere');
} catch (PDOException $e) {
    echo get_class($e), "\n";
}

$pending = new ReflectionProperty(Pulse\Sender::class, 'pending');
foreach (explode("\n", $pending->getValue(Pulse\Sender::shared())) as $line) {
    $line = str_replace($library, 'LIBRARY', preg_replace('~(?<=["( ])[^"( ]*/events\.php~', 'events.php', $line));
    $line = preg_replace('/"run":"[^"]*"/', '"run":""', preg_replace('/"req":"[^"]*"/', '"req":""', $line));
    $line = preg_replace('~"page":"[^"]*"(,"method":"GET")?~', '"page":""', $line);
    echo preg_replace('/"took":[0-9.]+/', '"took":0', $line), "\n";
}
