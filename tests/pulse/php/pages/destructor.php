<?php
final class Last
{
    public function __destruct()
    {
        echo "destructor\n";
        throw new Exception('from the destructor');
    }
}
$last = new Last();
echo "page\n";
