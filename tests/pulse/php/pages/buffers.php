<?php
var_dump(ob_get_level(), ob_list_handlers(), headers_sent());
ob_start(static fn(string $text, int $phase): string => "[$phase " . strrev($text) . "]\n", 8);
echo 'abc';
ob_flush();
echo 'defghijklmnop';
ob_end_flush();
var_dump(ob_get_status());
