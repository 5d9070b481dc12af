<?php
try {
    include __DIR__ . '/parse_error.php';
} catch (ParseError $e) {
    echo get_class($e), ': ', $e->getMessage(), "\n";
}
require __DIR__ . '/parse_error.php';
