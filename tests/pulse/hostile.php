<?php
// A hostile client: php hostile.php MODE ADDRESS COUNT, with ADDRESS as in stream_socket_client(). Opens COUNT
// connections, prints `ready` and the number of refused ones, and holds the others until the end of its stdin.
[, $mode, $address, $count] = $argv;
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
        case 'leave': // closes within a line
            fwrite($socket, "SEND {\"tag\":\"hostile\",\"msg\":\"cut o");
            fclose($socket);
            continue 2;
    }
    $held[] = $socket;
}
echo "ready $refused\n";
stream_get_contents(STDIN);
