<?php
// Compares the public interface of each tracking class with that of its parent, and prints the differences.

require $argv[1];

$classes = [
    PDO::class => [Pulse\PDO::class],
    PDOStatement::class => [Pulse\PDOStatement::class, Pulse\PDOStatementWithBinds::class],
    mysqli::class => [Pulse\mysqli::class],
    mysqli_stmt::class => [Pulse\mysqli_stmt::class, Pulse\mysqli_stmt_with_binds::class],
];
$count = 0;
foreach ($classes as $parent => $children) {
    foreach ($children as $child) {
        $ours = new ReflectionClass($child);
        $theirs = new ReflectionClass($parent);
        $public = fn (ReflectionClass $class): array => array_map(
            fn (ReflectionMethod $method): string => $method->getName(),
            $class->getMethods(ReflectionMethod::IS_PUBLIC),
        );
        foreach (array_diff($public($ours), $public($theirs)) as $name) {
            if (!str_starts_with($name, 'pulse')) {
                echo "$child::$name is new\n";
            }
        }
        foreach ($theirs->getMethods() as $method) {
            $own = $ours->getMethod($method->getName());
            $what = "$child::{$method->getName()}";
            $count++;
            foreach (['isStatic', 'isPublic', 'isFinal', 'isAbstract', 'returnsReference'] as $property) {
                if ($own->$property() !== $method->$property()) {
                    echo "$what: $property\n";
                }
            }
            // A type that PHP gives only in a comment is a real one here, which must be the same.
            $type = $method->getReturnType() ?? $method->getTentativeReturnType();
            $ownType = $own->getReturnType() ?? $own->getTentativeReturnType();
            if ((string) $type !== (string) $ownType) {
                echo "$what: returns $ownType, not $type\n";
            }
            $parameters = $own->getParameters();
            $last = end($parameters);
            foreach ($method->getParameters() as $i => $parameter) {
                $ownParameter = $parameters[$i] ?? ($last !== false && $last->isVariadic() ? $last : null);
                if ($ownParameter === null) {
                    echo "$what: no parameter {$parameter->getName()}\n";
                } elseif ($ownParameter->isPassedByReference() !== $parameter->isPassedByReference()) {
                    echo "$what: reference {$parameter->getName()}\n";
                }
            }
            // Dependency injection passes the arguments of a constructor by their names.
            if ($method->isConstructor() && array_map(fn ($p) => $p->getName(), $parameters)
                !== array_map(fn ($p) => $p->getName(), $method->getParameters())) {
                echo "$what: names of parameters\n";
            }
        }
        $names = fn (ReflectionClass $class, string $what): array => array_map(fn ($member) => $member->getName(), $class->$what());
        if ($ours->getConstants() !== $theirs->getConstants() || array_diff($ours->getInterfaceNames(), $theirs->getInterfaceNames())) {
            echo "$child: constants or interfaces\n";
        }
        foreach ($ours->getProperties() as $property) {
            if (!$property->isPrivate() && !$theirs->hasProperty($property->getName())) {
                echo "$child: {$property->getName()} is not private\n";
            }
        }
    }
}
echo "$count methods\n";
