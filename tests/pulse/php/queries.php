<?php
// Statements for the tests of the tracking classes. $argv: the library, the case, and what the case needs.

require $argv[1];
error_reporting(E_ALL);

/** Tells the test how far the script is. */
function at(string $place): void
{
    echo $place, "\n";
    flush();
}

function pdo(array $options = []): Pulse\PDO
{
    return new Pulse\PDO($GLOBALS['argv'][3], $GLOBALS['argv'][4] ?? null, 'geheim', $options);
}

function mysqli(): Pulse\mysqli
{
    return new Pulse\mysqli('localhost', 'web', 'geheim', 'shop', 0, $GLOBALS['argv'][3]);
}

/** Runs something that may throw. */
function attempt(callable $do): void
{
    try {
        $do();
    } catch (Exception) {
    }
}

$cases = [
    // Blocks in a function of the database until the test writes a line.
    'blocks' => function () {
        $db = pdo();
        $db->sqliteCreateFunction('block', fn () => fgets(STDIN));
        at('blocks');
        $statement = $db->prepare('SELECT block() WHERE 1 = ?');
        $statement->execute([1]);
        at('done');
        fgets(STDIN);
    },
    'errors' => function () {
        $db = pdo([PDO::ATTR_ERRMODE => PDO::ERRMODE_SILENT]);
        $db->exec('CREATE TABLE t (a INTEGER PRIMARY KEY, b VARCHAR(40))');
        $db->query('SELEC 1');
        $db->exec('SELEC 2');
        $db->prepare('SELEC ?');
        $insert = $db->prepare('INSERT INTO t VALUES (?, ?)');
        $insert->execute([1, 'anna']);
        $insert->execute([1, 'anna']);
        $db->setAttribute(PDO::ATTR_ERRMODE, PDO::ERRMODE_EXCEPTION);
        attempt(fn () => $db->query('SELEC 3'));
        attempt(fn () => $insert->execute([1, 'anna']));
        attempt(fn () => $db->commit());
    },
    'rows' => function () {
        $db = pdo();
        $db->exec('CREATE TABLE t (a INTEGER PRIMARY KEY)');
        $db->exec('INSERT INTO t VALUES (1), (2), (3)');
        $db->prepare('UPDATE t SET a = a + ?')->execute([10]);
        $db->query('SELECT a FROM t')->fetchAll();
        $db->beginTransaction();
        $db->rollBack();
        $db->beginTransaction();
        $db->commit();
    },
    'thousand' => function () {
        $db = pdo();
        $wait = 0;
        $db->sqliteCreateFunction('wait', function () use (&$wait) {
            usleep($wait);
            return 1;
        });
        $select = $db->prepare('SELECT wait(), ?');
        for ($i = 0; $i < 1000; $i++) {
            // Long enough to be no fast one.
            $wait = $i === 500 ? 5000 : 0;
            $select->execute([$i]);
        }
        // Their numbers differ in value alone, their texts altogether.
        for ($i = 0; $i < 20; $i++) {
            $db->query("SELECT 'text $i', " . (100 + $i));
        }
        $db->query('SELECT 1 AS never_seen_before');
    },
    'sizes' => function () {
        $db = pdo();
        $db->query("SELECT '" . str_repeat('x', 1 << 20) . "'");
        $db->query("SELECT 'abc" . str_repeat('é', 4096) . "'");
        $db->query("SELECT '\xff\xfe'");
        $db->query("\n  SELECT 1,\n    2\n");
        $db->query("SELECT '{\"msg\":1}\t\"'");
    },
    'binds' => function () {
        Pulse::configure(['binds' => ($GLOBALS['argv'][4] ?? '') === 'binds']);
        $GLOBALS['argv'][4] = null;
        $db = pdo();
        $one = $db->prepare('SELECT 1 WHERE 1 = ? OR 2 = ? OR 3 = ?');
        $one->execute(['anna', 2, null]);
        $one->bindValue(1, 'anna');
        $name = 'berta';
        $one->bindParam(2, $name);
        $one->bindValue(3, 3);
        $name = 'anna';
        $one->execute();
    },
    'persistent' => function () {
        $db = pdo([PDO::ATTR_PERSISTENT => true]);
        $db->exec('SELECT 1');
        $db->query('SELECT 2');
        $db->prepare('SELECT 3')->execute();
    },
    'own class' => function () {
        class OwnStatement extends PDOStatement
        {
        }
        class DerivedStatement extends Pulse\PDOStatement
        {
        }
        $db = pdo();
        $db->setAttribute(PDO::ATTR_STATEMENT_CLASS, [OwnStatement::class]);
        $db->prepare('SELECT 1')->execute();
        $db->query('SELECT 2');
        $db->setAttribute(PDO::ATTR_STATEMENT_CLASS, [DerivedStatement::class]);
        $db->prepare('SELECT 3')->execute();
        $db->setAttribute(PDO::ATTR_STATEMENT_CLASS, ['PDOStatement']);
        $db->prepare('SELECT 4')->execute();
    },
    // They fail, and a database quotes them in its error.
    'passwords' => function () {
        $db = pdo([PDO::ATTR_ERRMODE => PDO::ERRMODE_SILENT]);
        $db->exec("CREATE USER x IDENTIFIED BY \"geheim\"");
        $db->query("SELECT * FROM \"users\" WHERE password = 'geheim'");
        $db->query("ALTER USER x\n  IDENTIFIED BY 'it\\'s geheim'");
    },
    'connect' => function () {
        attempt(fn () => new Pulse\PDO('mysql:host=127.0.0.1;port=1;dbname=shop;user=x;password=geheim', 'web', 'geheim'));
        attempt(fn () => new Pulse\PDO('pgsql:host=127.0.0.1;port=1;dbname=postgresql://web:geheim@x/shop'));
    },
    // The same with MariaDB.
    'sleeps' => function () {
        $db = pdo();
        at('sleeps');
        $db->query('SELECT SLEEP(1000)');
    },
    'many' => function () {
        $db = pdo();
        $all = $db->query('SELECT 1; SELECT SLEEP(0.01); SELECT 3');
        do {
            $all->fetchAll();
        } while ($all->nextRowset());
    },
    'mysqli' => function () {
        $db = mysqli();
        $db->query('DROP TABLE IF EXISTS q');
        $db->query('CREATE TABLE q (a INTEGER PRIMARY KEY, b VARCHAR(40))');
        $db->query("INSERT INTO q VALUES (1, 'x'), (2, 'y')");
        $db->query('SELECT a FROM q');
        attempt(fn () => $db->query('SELEC 1'));
        $db->multi_query('SELECT 1; SELECT 2');
        do {
            $db->store_result();
        } while ($db->next_result());
        $insert = $db->prepare('INSERT INTO q VALUES (?, ?)');
        $a = 3;
        $b = 'anna';
        $insert->bind_param('is', $a, $b);
        $insert->execute();
        attempt(fn () => $insert->execute());
        attempt(fn () => $db->prepare('SELEC ?'));
        $db->execute_query('SELECT b FROM q WHERE a = ?', [3]);
        $db->begin_transaction();
        $db->commit();
        $db->begin_transaction();
        $db->rollback();
        $db->query('SELECT 7', MYSQLI_ASYNC);
        $links = $errors = $reject = [$db];
        Pulse\mysqli::poll($links, $errors, $reject, 10);
        $db->reap_async_query();
        // Not seen: functions call no methods.
        mysqli_query($db, 'SELECT 8');
        $nine = $db->prepare('SELECT 9');
        mysqli_stmt_execute($nine);
        mysqli_stmt_get_result($nine);
        $db->select_db('mysql');
        $db->query('SELECT 10');
    },
    'async' => function () {
        $db = mysqli();
        $db->query('SELECT SLEEP(1000)', MYSQLI_ASYNC);
        at('async');
        fgets(STDIN);
    },
    'mysqli sleeps' => function () {
        $db = mysqli();
        at('sleeps');
        $db->execute_query('SELECT SLEEP(?)', [1000]);
    },
    'mysqli binds' => function () {
        Pulse::configure(['binds' => true]);
        $db = mysqli();
        $name = 'berta';
        $one = $db->prepare('SELECT ?');
        $one->bind_param('s', $name);
        $name = 'anna';
        $one->execute();
        $one->get_result();
        $two = $db->prepare('SELECT ?');
        $two->execute(['anna']);
        $two->get_result();
        $db->execute_query('SELECT ?', ['anna']);
    },
];
$cases[$argv[2]]();
// The test waits for it.
Pulse::send('end of the script', [], 'test');
