<?php
// A hostile client: php hostile.php MODE ADDRESS COUNT [LINE], with ADDRESS as in stream_socket_client(). Opens COUNT
// connections, prints `ready` and the number of refused ones, and holds the others until the end of its stdin.
[, $mode, $address, $count] = $argv;
$line = ($argv[4] ?? '') . "\n";
$held = [];
$refused = 0;
for ($n = 0; $n < $count; $n++) {
    $socket = @stream_socket_client($address, $code, $why, 5);
    if ($socket === false) {
        $refused++;
        continue;
    }
    stream_set_blocking($socket, false);
    switch ($mode) {
        case 'silent': // writes nothing
            break;
        case 'half': // an unfinished line
            fwrite($socket, 'SEND half of a mess');
            break;
        case 'deaf': // follows, and never reads
            fwrite($socket, "TAIL {\"follow\":true}\n");
            break;
        case 'hello': // an unfinished TLS handshake
            fwrite($socket, "\x16\x03\x01\x02\x00\x01\x00");
            break;
        case 'once': // sends LINE once
            fwrite($socket, $line);
            break;
        case 'ask': // sends as much of LINE again and again as is taken in 40 ms, and never reads
            write_for($socket, str_repeat($line, intdiv(520000, strlen($line))), 0.04);
            break;
        case 'chat': // follows, and later sends LINE again and again
            fwrite($socket, "TAIL {\"match\":\"tag=never\",\"follow\":true}\n");
            break;
        case 'gone': // follows, and closes
            fwrite($socket, "TAIL {\"follow\":true}\n");
            fclose($socket);
            continue 2;
        case 'half-gone': // follows, sends no more, and closes later
            fwrite($socket, "TAIL {\"follow\":true}\n");
            stream_socket_shutdown($socket, STREAM_SHUT_WR);
            break;
        case 'leave': // closes within a line
            fwrite($socket, "SEND {\"tag\":\"hostile\",\"msg\":\"cut o");
            fclose($socket);
            continue 2;
    }
    $held[] = $socket;
}
echo "ready $refused\n";
if ($mode === 'chat') {
    $text = str_repeat($line, intdiv(65536, strlen($line)));
    stream_set_blocking(STDIN, false);
    while (!feof(STDIN)) {
        fread(STDIN, 1);
        foreach ($held as $socket) {
            @fwrite($socket, $text);
        }
    }
}
stream_get_contents(STDIN);

function write_for($socket, $text, $seconds) {
    $end = microtime(true) + $seconds;
    while ($text !== '' && microtime(true) < $end) {
        $written = @fwrite($socket, $text);
        $text = substr($text, (int) $written);
        if (!$written) {
            usleep(2000);
        }
    }
}
