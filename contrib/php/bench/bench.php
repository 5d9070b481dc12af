#!/usr/bin/env php
<?php
declare(strict_types=1);

// Measures the library against what PHP programs use to log, and prints one table: bench.php [PULSED]
// PULSED is the agent's program; default: pulsed. It is started in a directory of its own, and nothing is left running.

require __DIR__ . '/../pulse.php';

const CALLS = 20000; // measured calls of each row
const BATCH = 40;    // calls between two pauses
const PAUSE = 500;   // the length of a pause, in µs: a page does other things between its events

$pulsed = $argv[1] ?? 'pulsed';
$dir = sys_get_temp_dir() . '/pulse-bench-' . getmypid();
mkdir($dir);
$children = [];
register_shutdown_function(function () use ($dir, &$children): void {
    foreach ($children as $pid) {
        posix_kill($pid, SIGTERM);
        pcntl_waitpid($pid, $status);
    }
    exec('rm -r ' . escapeshellarg($dir));
});

/** Runs a function in a child process. */
function child(callable $run): int
{
    global $children;
    $pid = pcntl_fork();
    if ($pid === 0) {
        $children = [];
        $run();
        posix_kill(getmypid(), SIGKILL);
    }
    return $children[] = $pid;
}

/** @return array{float, float} the median and the 99th percentile of one call, in µs */
function measure(callable $call): array
{
    $times = [];
    for ($n = -BATCH * 10; $n < CALLS; $n++) {
        $begun = hrtime(true);
        $call($n);
        $time = hrtime(true) - $begun;
        if ($n >= 0) {
            $times[] = $time;
        }
        if ($n % BATCH === 0) {
            usleep(PAUSE);
        }
    }
    sort($times);
    return [$times[intdiv(CALLS, 2)] / 1e3, $times[(int) (CALLS * 0.99)] / 1e3];
}

function row(string $what, ?array $times, string $note = ''): void
{
    $cells = $times === null ? ['–', '–'] : array_map(fn ($time) => sprintf('%.1f', $time), $times);
    echo "| $what" . ($note === '' ? '' : " ($note)") . " | $cells[0] | $cells[1] |\n";
}

/** Sends 1,000 events in a request of a new process. @return array{float, float} ms in all: the median and the longest of 21 */
function request(string $socket): array
{
    $code = 'require ' . var_export(__DIR__ . '/../pulse.php', true) . ';'
        . 'Pulse::configure(["socket" => ' . var_export($socket, true) . ']); Pulse::send("warm"); Pulse::begin("warm")->end();'
        . 'Pulse::beginRequest(); $begun = hrtime(true);'
        . 'for ($n = 0; $n < 1000; $n++) { Pulse::send("User $n has logged in", ["user_id" => $n, "name" => "anna", "rows" => 40]); }'
        . 'Pulse::endRequest(); echo (hrtime(true) - $begun) / 1e6;';
    $times = [];
    for ($n = 0; $n < 21; $n++) {
        $times[] = (float) shell_exec(escapeshellarg(PHP_BINARY) . ' -r ' . escapeshellarg($code));
    }
    sort($times);
    return [$times[10], $times[20]];
}

// The agent.
file_put_contents("$dir/pulsed.toml", "socket.path = \"$dir/up\"\nhistory.dir = \"$dir/history\"\nweb.listen = false\n");
child(fn () => pcntl_exec('/bin/sh', ['-c', 'exec "$0" --config "$1" > "$2" 2>&1', $pulsed, "$dir/pulsed.toml", "$dir/output"]));
for ($n = 0; $n < 500 && !file_exists("$dir/up"); $n++) {
    usleep(10000);
}
file_exists("$dir/up") or exit("bench: cannot start $pulsed\n");

// /dev/log, if there is none and we may create it.
$hasLog = file_exists('/dev/log');
if (!$hasLog && posix_geteuid() === 0) {
    $server = stream_socket_server('udg:///dev/log', $code, $why, STREAM_SERVER_BIND);
    child(function () use ($server): void {
        while (stream_socket_recvfrom($server, 65536) !== false);
    });
    register_shutdown_function(fn () => unlink('/dev/log'));
    $hasLog = true;
}

printf("PHP %s, %d cores, load %.2f\n\n", PHP_VERSION, substr_count(file_get_contents('/proc/cpuinfo'), 'processor'), sys_getloadavg()[0]);
echo "| one call | median, µs | 99 %, µs |\n|---|---:|---:|\n";
Pulse::configure(['socket' => "$dir/up"]);
$fields = ['user_id' => 123, 'name' => 'anna', 'rows' => 40];
row('`Pulse::send`, three fields', measure(fn ($n) => Pulse::send("User $n has logged in", $fields, 'shop.login')));
row('`Pulse::send`, no fields', measure(fn ($n) => Pulse::send("User $n has logged in")));
row('`Pulse::begin` and `end`', measure(function ($n) {
    Pulse::begin("select * from orders where id = $n", ['db' => 'shop'])->end(null, ['rows' => 3]);
}));
Pulse::flush();
$stream = stream_socket_client("unix://$dir/up");
row('`fwrite` to an open socket of the agent', measure(fn ($n) => fwrite($stream, "SEND User $n has logged in\n")));
row('connect, `fwrite`, close', measure(function ($n) use ($dir) {
    $stream = stream_socket_client("unix://$dir/up");
    fwrite($stream, "SEND User $n has logged in\n");
    fclose($stream);
}));
row('`error_log` to a file', measure(fn ($n) => error_log("User $n has logged in\n", 3, "$dir/log")));
openlog('bench', 0, LOG_USER);
row('`syslog`', $hasLog ? measure(fn ($n) => syslog(LOG_INFO, "User $n has logged in")) : null, $hasLog ? '' : 'no /dev/log');
if (is_file('/usr/share/php/Monolog/autoload.php')) {
    require '/usr/share/php/Psr/Log/autoload.php';
    require '/usr/share/php/Monolog/autoload.php';
    $monolog = new Monolog\Logger('bench', [new Monolog\Handler\StreamHandler("$dir/monolog")]);
    row('Monolog to a file', measure(fn ($n) => $monolog->info("User $n has logged in", $fields)), 'version ' . Monolog\Logger::API);
} else {
    row('Monolog to a file', null, 'not installed');
}
$stats = stream_socket_client("unix://$dir/up");
fwrite($stats, "STATS\n");
$events = json_decode((string) fgets($stats), true)['events'];
$expected = 6 * (CALLS + BATCH * 10);
echo "\n", $events >= $expected ? 'The agent has every event.' : 'The agent misses ' . ($expected - $events) . ' events.', "\n\n";

echo "| a request with 1,000 events | median, ms | longest, ms |\n|---|---:|---:|\n";
row('the agent is up', request("$dir/up"));
row('away', request("$dir/away"));
$hung = stream_socket_server("unix://$dir/hung");
child(function () use ($hung): void {
    while (true) {
        $held[] = stream_socket_accept($hung, 3600);
    }
});
row('hung: it accepts, and reads nothing', request("$dir/hung"));
$full = stream_socket_server("unix://$dir/full", $code, $why, STREAM_SERVER_BIND | STREAM_SERVER_LISTEN, stream_context_create(['socket' => ['backlog' => 0]]));
$first = stream_socket_client("unix://$dir/full");
row('full: it accepts nothing', request("$dir/full"));
child(function () use ($dir): void {
    while (true) {
        $server = stream_socket_server("unix://$dir/restarting");
        for ($n = 0; $n < 3; $n++) {
            $stream = @stream_socket_accept($server, 0.002);
            if ($stream) {
                fread($stream, 8192);
                fclose($stream);
            }
        }
        fclose($server);
        unlink("$dir/restarting");
        usleep(500);
    }
});
row('restarting all the time', request("$dir/restarting"));

// Memory: of the data in a request, and of the code where no opcache shares it.
$memory = 'memory_reset_peak_usage(); $before = memory_get_usage(); ';
$after = ' echo (memory_get_peak_usage() - $before) >> 10;';
$load = 'require ' . var_export(__DIR__ . '/../pulse.php', true) . '; Pulse::send("warm"); Pulse::begin("warm")->end(); Pulse::flush(); ';
$many = 'for ($n = 0; $n < 3000; $n++) { Pulse::send("User $n has logged in", ["rows" => 40]); }';
$run = fn (string $code) => shell_exec('PULSED_SOCKET=' . escapeshellarg("$dir/hung") . ' ' . escapeshellarg(PHP_BINARY) . ' -r ' . escapeshellarg($code));
printf("\nPeak memory with a hung agent, 3,000 events: %d KiB; the library's code without opcache: %d KiB.\n", $run($load . $memory . $many . $after), $run($memory . $load . $after));
