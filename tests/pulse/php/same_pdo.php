<?php
// Runs the operations of PDO. $argv[3] is the DSN, $argv[4] the user.

require __DIR__ . '/same.inc.php';

class Row
{
    public $a;
    public $b;
    public function __construct(public string $made = 'no')
    {
    }
}

class OwnStatement extends PDOStatement
{
    protected function __construct(public string $given)
    {
    }
}

class OwnConnection extends PDO
{
    public function query(string $query, ?int $fetchMode = null, mixed ...$fetchModeArgs): PDOStatement|false
    {
        return parent::query("$query -- own", $fetchMode, ...$fetchModeArgs);
    }
}

$class = tracked() ? Pulse\PDO::class : PDO::class;
[, , , $dsn, $user] = $argv;
$mysql = str_starts_with($dsn, 'mysql');
$connect = fn (array $options = []): PDO => new $class($dsn, $user, 'geheim', $options);

op('connect', fn () => $connect());
op('connect without arguments', fn () => new $class());
op('connect to nothing', fn () => new $class('nothing:x', 'u', 'geheim'));
op('connect with a wrong argument', fn () => new $class([], 'u'));
op('connect in vain', fn () => new $class($mysql ? $dsn : 'sqlite:/nowhere/x', 'nobody', 'geheim'));
op('connect by names', fn () => new $class(dsn: $dsn, username: $user, password: 'geheim', options: []));
op('drivers', fn () => in_array('sqlite', $class::getAvailableDrivers(), true));

foreach ([PDO::ERRMODE_SILENT, PDO::ERRMODE_WARNING, PDO::ERRMODE_EXCEPTION] as $mode) {
    echo "=== error mode $mode\n";
    $db = $connect([PDO::ATTR_ERRMODE => $mode]);
    op('get mode', fn () => $db->getAttribute(PDO::ATTR_ERRMODE));
    op('drop', fn () => $db->exec('DROP TABLE IF EXISTS t'));
    op('create', fn () => $db->exec('CREATE TABLE t (a INTEGER PRIMARY KEY, b VARCHAR(40))'));
    op('insert', fn () => $db->exec("INSERT INTO t VALUES (1, 'one'), (2, 'two'), (3, 'three')"));
    op('update', fn () => $db->exec("UPDATE t SET b = 'x' WHERE a > 1"));
    op('error code', fn () => [$db->errorCode(), $db->errorInfo()]);
    op('insert twice', fn () => $db->exec("INSERT INTO t VALUES (1, 'one')"));
    op('error code', fn () => [$db->errorCode(), $db->errorInfo()]);
    op('exec nonsense', fn () => $db->exec('SELEC'));
    op('exec nothing', fn () => $db->exec(''));
    op('exec null', fn () => $db->exec(null));
    op('exec a number', fn () => $db->exec(5));
    op('exec an array', fn () => $db->exec([]));
    op('exec without arguments', fn () => $db->exec());
    op('exec by name', fn () => $db->exec(statement: 'DELETE FROM t WHERE a = 3'));
    op('exec by a wrong name', fn () => $db->exec(sql: 'DELETE FROM t'));
    op('exec too much', fn () => $db->exec('DELETE FROM t', 1));
    op('query', fn () => $db->query('SELECT * FROM t ORDER BY a')->fetchAll());
    op('query statement', fn () => $db->query('SELECT a FROM t'));
    op('query for a mode', fn () => $db->query('SELECT * FROM t ORDER BY a', PDO::FETCH_NUM)->fetchAll());
    op('query for a column', fn () => $db->query('SELECT * FROM t ORDER BY a', PDO::FETCH_COLUMN, 1)->fetchAll());
    op('query for a class', fn () => $db->query('SELECT * FROM t ORDER BY a', PDO::FETCH_CLASS, Row::class, ['yes'])->fetchAll());
    op('query into', fn () => $db->query('SELECT * FROM t ORDER BY a', PDO::FETCH_INTO, new Row())->fetch());
    op('query by name', fn () => $db->query(query: 'SELECT a FROM t', fetchMode: PDO::FETCH_ASSOC)->fetchAll());
    op('query a wrong mode', fn () => $db->query('SELECT a FROM t', 4711));
    op('query nonsense', fn () => $db->query('SELEC'));
    op('query nothing', fn () => $db->query(''));
    op('query in a function of PHP', fn () => array_map([$db, 'query'], ['SELECT a FROM t', 'SELEC']));
    op('query again', function () use ($db) {
        $rows = $db->query('SELECT a FROM t ORDER BY a');
        return [$rows->fetchAll(), $rows->execute(), $rows->fetchAll(), $rows->nextRowset()];
    });
    op('iterate', function () use ($db) {
        foreach ($db->query('SELECT a, b FROM t ORDER BY a') as $i => $row) {
            echo "  $i ", show($row), "\n";
        }
    });
    op('iterator', fn () => iterator_to_array($db->query('SELECT a FROM t ORDER BY a')->getIterator()));
    op('prepare', fn () => $db->prepare('SELECT * FROM t WHERE a = ?'));
    op('prepare nonsense', fn () => $db->prepare('SELEC ?'));
    op('prepare nothing', fn () => $db->prepare(''));
    op('prepare wrong options', fn () => $db->prepare('SELECT 1', 5));
    op('execute', function () use ($db) {
        $one = $db->prepare('SELECT b FROM t WHERE a = ?');
        return [$one->execute([1]), $one->fetchColumn(), $one->rowCount() >= 0, $one->columnCount(), $one->queryString];
    });
    op('execute with names', function () use ($db) {
        $one = $db->prepare('SELECT b FROM t WHERE a = :a');
        return [$one->execute(['a' => 1]), $one->fetchObject(Row::class, ['yes'])];
    });
    op('execute bound values', function () use ($db) {
        $one = $db->prepare('SELECT b FROM t WHERE a = :a');
        $a = 7;
        $bound = [$one->bindParam('a', $a, PDO::PARAM_INT), $one->bindColumn(1, $b)];
        $a = 1;
        return [$bound, $one->execute(), $one->fetch(PDO::FETCH_BOUND), $b, $one->bindValue(':a', 2), $one->execute()];
    });
    op('execute with too few values', fn () => $db->prepare('SELECT b FROM t WHERE a = ? AND b = ?')->execute([1]));
    op('execute with too many values', fn () => $db->prepare('SELECT b FROM t WHERE a = ?')->execute([1, 2]));
    op('execute with no array', fn () => $db->prepare('SELECT b FROM t WHERE a = ?')->execute(5));
    op('execute with null', fn () => $db->prepare('SELECT b FROM t')->execute(null));
    op('execute twice', function () use ($db) {
        $insert = $db->prepare('INSERT INTO t VALUES (?, ?)');
        return [$insert->execute([10, 'ten']), $insert->rowCount(), $insert->execute([10, 'ten'])];
    });
    op('error of a statement', function () use ($db) {
        $insert = $db->prepare('INSERT INTO t VALUES (?, ?)');
        try {
            $insert->execute([10, 'ten']);
        } catch (PDOException) {
        }
        return [$insert->errorCode(), $insert->errorInfo(), $db->errorCode(), $db->errorInfo()];
    });
    op('dump', fn () => $db->prepare('SELECT b FROM t WHERE a = ?')->debugDumpParams());
    op('fetch lazily', function () use ($db) {
        $row = $db->query('SELECT a, b FROM t ORDER BY a')->fetch(PDO::FETCH_LAZY);
        return [$row->a, $row->b, $row->queryString];
    });
    op('fetch groups', fn () => $db->query('SELECT b, a FROM t ORDER BY a')->fetchAll(PDO::FETCH_GROUP | PDO::FETCH_COLUMN));
    op('fetch pairs', fn () => $db->query('SELECT a, b FROM t ORDER BY a')->fetchAll(PDO::FETCH_KEY_PAIR));
    op('fetch by a function', fn () => $db->query('SELECT a, b FROM t ORDER BY a')->fetchAll(PDO::FETCH_FUNC, fn ($a, $b) => "$a-$b"));
    op('fetch by a function that throws', fn () => $db->query('SELECT a FROM t ORDER BY a')->fetchAll(PDO::FETCH_FUNC, fn () => throw new LogicException('mine', 3)));
    op('set a mode', function () use ($db) {
        $rows = $db->prepare('SELECT a FROM t ORDER BY a');
        return [$rows->setFetchMode(PDO::FETCH_NUM), $rows->execute(), $rows->fetch(), $rows->closeCursor(), $rows->fetch()];
    });
    op('column', fn () => $db->query('SELECT a FROM t')->getColumnMeta(0)['name']);
    op('transaction', fn () => [
        $db->inTransaction(), $db->beginTransaction(), $db->inTransaction(),
        $db->exec("INSERT INTO t VALUES (20, 'twenty')"), $db->lastInsertId(), $db->rollBack(), $db->inTransaction(),
        $db->beginTransaction(), $db->exec("INSERT INTO t VALUES (20, 'twenty')"), $db->commit(),
    ]);
    op('begin twice', fn () => [$db->beginTransaction(), $db->beginTransaction()]);
    op('roll back', fn () => $db->rollBack());
    op('roll back nothing', fn () => $db->rollBack());
    op('commit nothing', fn () => $db->commit());
    op('commit with an argument', fn () => $db->commit(1));
    op('quote', fn () => $db->quote("it's"));
    op('statement class', fn () => $db->getAttribute(PDO::ATTR_STATEMENT_CLASS));
    op('set a statement class', fn () => [
        $db->setAttribute(PDO::ATTR_STATEMENT_CLASS, [OwnStatement::class, ['x']]),
        $db->getAttribute(PDO::ATTR_STATEMENT_CLASS),
        $db->query('SELECT a FROM t'),
        $db->prepare('SELECT a FROM t'),
    ]);
    op('set a wrong statement class', fn () => $db->setAttribute(PDO::ATTR_STATEMENT_CLASS, [Row::class]));
    op('set no statement class', fn () => $db->setAttribute(PDO::ATTR_STATEMENT_CLASS, 5));
    op('reset the statement class', fn () => [
        $db->setAttribute(PDO::ATTR_STATEMENT_CLASS, ['PDOStatement']),
        $db->getAttribute(PDO::ATTR_STATEMENT_CLASS),
        $db->query('SELECT a FROM t'),
    ]);
    op('own class for one', fn () => $db->prepare('SELECT a FROM t', [PDO::ATTR_STATEMENT_CLASS => [OwnStatement::class, ['y']]]));
    op('set an attribute', fn () => [$db->setAttribute(PDO::ATTR_CASE, PDO::CASE_UPPER), $db->query('SELECT a FROM t')->fetch()]);
    op('set a wrong attribute', fn () => $db->setAttribute(PDO::ATTR_CASE, 77));
    op('set without a value', fn () => $db->setAttribute(PDO::ATTR_CASE));
    op('get a wrong attribute', fn () => $db->getAttribute(4711));
    op('driver', fn () => $db->getAttribute(PDO::ATTR_DRIVER_NAME));
    op('serialize', function () use ($db) {
        try {
            serialize($db);
        } catch (Throwable $e) {
            return str_replace('Pulse\\', '', $e->getMessage());
        }
    });
    op('clone', function () use ($db) {
        try {
            return clone $db;
        } catch (Throwable $e) {
            return str_replace('Pulse\\', '', $e->getMessage());
        }
    });
    op('invalid UTF-8', fn () => $db->query("SELECT '\xff\xfe'")->fetchColumn() === "\xff\xfe");
    op('a megabyte', fn () => strlen($db->query("SELECT '" . str_repeat('x', 1 << 20) . "'")->fetchColumn()));
    if ($mysql) {
        op('many statements', function () use ($db) {
            $rows = $db->query('SELECT 1; SELECT 2; SELEC');
            $all = [];
            do {
                $all[] = $rows->fetchAll(PDO::FETCH_NUM);
            } while ($rows->nextRowset());
            return [$all, $rows->errorInfo()];
        });
        op('not buffered', function () use ($db) {
            $db->setAttribute(PDO::MYSQL_ATTR_USE_BUFFERED_QUERY, false);
            $rows = $db->query('SELECT a FROM t');
            $first = $rows->fetch(PDO::FETCH_NUM);
            try {
                $second = $db->query('SELECT 2');
            } catch (PDOException $e) {
                $second = $e->getMessage();
            }
            return [$first, $second, $rows->fetchAll(PDO::FETCH_NUM)];
        });
        op('native prepares', function () use ($connect) {
            $db = $connect([PDO::ATTR_EMULATE_PREPARES => false]);
            $one = $db->prepare('SELECT a FROM t WHERE a = ?');
            return [$one->execute([1]), $one->fetchAll(PDO::FETCH_NUM), $db->prepare('SELEC')];
        });
    } else {
        op('a function of its own', function () use ($db) {
            $db->sqliteCreateFunction('twice', fn ($x) => 2 * $x);
            $db->sqliteCreateFunction('fails', fn () => throw new LogicException('mine', 3));
            return [$db->query('SELECT twice(a) FROM t ORDER BY a')->fetchColumn(), $db->query('SELECT fails()')->fetchColumn()];
        });
    }
}

echo "=== further connections\n";
op('persistent', function () use ($connect) {
    $db = $connect([PDO::ATTR_PERSISTENT => true]);
    $one = $db->prepare('SELECT 1 WHERE 1 = ?');
    return [
        $db->getAttribute(PDO::ATTR_PERSISTENT), $db->query('SELECT 1')->fetchColumn(), $one, $one->execute([1]),
        $one->fetchColumn(), $db->getAttribute(PDO::ATTR_STATEMENT_CLASS),
    ];
});
op('persistent with a statement class', function () use ($connect) {
    return $connect([PDO::ATTR_PERSISTENT => true])->setAttribute(PDO::ATTR_STATEMENT_CLASS, [OwnStatement::class, ['x']]);
});
op('statement class at connect', function () use ($connect) {
    $db = $connect([PDO::ATTR_STATEMENT_CLASS => [OwnStatement::class, ['x']]]);
    return [$db->query('SELECT 1'), $db->getAttribute(PDO::ATTR_STATEMENT_CLASS)];
});
op('warnings as exceptions', function () use ($connect) {
    // The line of a warning is among the arguments of its handler.
    ini_set('zend.exception_ignore_args', '1');
    set_error_handler(fn (int $level, string $text) => throw new ErrorException($text, 0, $level));
    try {
        return $connect([PDO::ATTR_ERRMODE => PDO::ERRMODE_WARNING])->query('SELEC');
    } finally {
        restore_error_handler();
        ini_restore('zend.exception_ignore_args');
    }
});
op('closed by null', function () use ($connect, $mysql) {
    $db = $connect();
    $seen = WeakReference::create($db);
    $db->prepare('SELECT 1')->execute();
    $db = null;
    return $seen->get();
});
op('own class', function () use ($dsn, $user) {
    if (tracked()) {
        eval('class TrackedOwn extends Pulse\PDO {
            public function query(mixed ...$args): PDOStatement|false {
                $args[0] .= " -- own";
                return parent::query(...$args);
            }
        }');
    }
    $class = tracked() ? 'TrackedOwn' : OwnConnection::class;
    $rows = (new $class($dsn, $user, 'geheim'))->query('SELECT 1');
    return [$rows->queryString, $rows->fetchAll()];
});
op('preg_last_error stays', function () use ($connect) {
    preg_match('/(?:\D+|<\d+>)*[!?]/', 'foobar foobar foobar');
    $connect()->query("SELECT 'x', 5")->fetchAll();
    return [preg_last_error() !== 0, json_last_error(), error_get_last()];
});
op('strtok goes on', function () use ($connect) {
    $first = strtok('a b c', ' ');
    $connect()->query("SELECT 'x y', 5")->fetchAll();
    return [$first, strtok(' ')];
});
