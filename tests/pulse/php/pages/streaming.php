<?php
header('X-Accel-Buffering: no');
for ($i = 0; $i < 5; $i++) {
    echo "part $i\n";
    flush();
    usleep(1000);
}
var_dump(headers_sent());
