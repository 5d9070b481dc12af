<?php
ini_set('memory_limit', '16M');
register_shutdown_function(static function (): void {
    echo "shutdown\n";
});
class Node { public ?Node $next = null; }
$first = null;
while (true) {
    $node = new Node();
    $node->next = $first;
    $first = $node;
}
