<?php
header('X-Page: finished');
echo "sent\n";
if (function_exists('fastcgi_finish_request')) {
    fastcgi_finish_request();
}
if (PHP_SAPI !== 'cli') {
    echo "too late\n";
}
usleep(2000);
