<?php
namespace Shop;

final class Refused extends \RuntimeException {}

function pay(string $card): void
{
    throw new Refused("no credit\nin two lines");
}

echo "before\n";
pay('4111 1111 1111 1111');
