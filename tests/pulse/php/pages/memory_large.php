<?php
ini_set('memory_limit', '16M');
$text = 'x';
while (true) {
    $text .= $text;
}
