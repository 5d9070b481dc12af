<?php
ob_start(static fn(string $text): string => strtoupper($text));
ob_start();
echo "in two buffers\n";
function leave(): never
{
    try {
        die("died\n");
    } finally {
        echo "finally is not reached\n";
    }
}
leave();
