<?php
// A rude client, for the tests: php rude.php MODE ADDRESS COUNT, with ADDRESS as stream_socket_client
// takes it. It says `ready` when it has done its worst, and holds what it has until its stdin ends.
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
        case 'silent': // says nothing, for ever
            break;
        case 'half': // a beginning, and never its end
            fwrite($socket, 'SEND half of a mess');
            break;
        case 'deaf': // wants to see everything, and never looks
            fwrite($socket, "TAIL {\"follow\":true}\n");
            break;
        case 'hello': // the beginning of a TLS handshake
            fwrite($socket, "\x16\x03\x01\x02\x00\x01\x00");
            break;
        case 'leave': // hangs up within a line
            fwrite($socket, "SEND {\"tag\":\"rude\",\"msg\":\"cut o");
            fclose($socket);
            continue 2;
    }
    $held[] = $socket;
}
echo "ready $refused\n";
stream_get_contents(STDIN);
