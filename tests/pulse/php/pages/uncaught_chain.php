<?php
try {
    try {
        intdiv(1, 0);
    } catch (DivisionByZeroError $e) {
        throw new LogicException('second', 2, $e);
    }
} catch (LogicException $e) {
    throw new DomainException('third', 3, $e);
}
