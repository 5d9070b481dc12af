<?php
function steps(): Generator
{
    try {
        yield 1;
        yield 2;
    } finally {
        echo "closed\n";
    }
}
foreach (steps() as $step) {
    echo $step, "\n";
    break;
}
$open = steps();
$open->current();
echo "end\n";
