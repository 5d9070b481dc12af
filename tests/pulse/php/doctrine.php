<?php
// Statements by Doctrine DBAL. $argv: the library, `plain` or `tracked`, the path of a SQLite file. Prints what the
// application sees.

require $argv[1];
require '/usr/share/php/Doctrine/DBAL/autoload.php';

use Doctrine\DBAL\Configuration;
use Doctrine\DBAL\DriverManager;
use Doctrine\DBAL\ParameterType;

$configuration = new Configuration();
if ($argv[2] === 'tracked') {
    $configuration->setMiddlewares([new Pulse\Doctrine\Middleware()]);
}
$db = DriverManager::getConnection(['driver' => 'pdo_sqlite', 'path' => $argv[3], 'user' => 'web', 'password' => 'geheim'], $configuration);
$show = fn (mixed $value) => print(json_encode($value) . "\n");
$fails = function (callable $do) use ($show) {
    try {
        $show($do());
    } catch (Exception $e) {
        $show([get_class($e), $e->getMessage(), $e->getCode()]);
    }
};

$show($db->executeStatement('CREATE TABLE d (a INTEGER PRIMARY KEY, b VARCHAR(20))'));
$show($db->insert('d', ['a' => 1, 'b' => 'anna']));
$fails(fn () => $db->insert('d', ['a' => 1, 'b' => 'anna']));
$db->transactional(fn () => $show($db->update('d', ['b' => 'berta'], ['a' => 1])));
$fails(fn () => $db->transactional(fn () => throw new LogicException('mine')));
$show($db->fetchAllAssociative('SELECT * FROM d WHERE b = :b', ['b' => 'berta']));
$statement = $db->prepare('SELECT a FROM d WHERE a = ?');
$statement->bindValue(1, 1, ParameterType::INTEGER);
$show($statement->executeQuery()->fetchOne());
$show($db->executeQuery('SELECT a FROM d WHERE a IN (?)', [[1, 2]], [Doctrine\DBAL\Connection::PARAM_INT_ARRAY])->fetchAllNumeric());
$show($db->createQueryBuilder()->select('b')->from('d')->where('a = ?')->setParameter(0, 1)->fetchFirstColumn());
$show($db->lastInsertId());
$show($db->quote("it's"));
$fails(fn () => $db->executeQuery('SELEC'));
$fails(fn () => $db->executeStatement('SELEC'));
$fails(fn () => $db->prepare('SELEC ?'));
$fails(fn () => $db->executeQuery('SELECT a FROM d WHERE a = ?', []));
// The test waits for it.
Pulse::send('end of the script', [], 'test');
