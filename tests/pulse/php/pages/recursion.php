<?php
ini_set('memory_limit', '16M');
function down(int $n): int
{
    return down($n + 1) + 1;
}
down(0);
