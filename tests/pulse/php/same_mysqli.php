<?php
// Runs the operations of mysqli. $argv[3] is the socket of the server, $argv[4] the user.

require __DIR__ . '/same.inc.php';

$class = tracked() ? Pulse\mysqli::class : mysqli::class;
$statementClass = tracked() ? Pulse\mysqli_stmt::class : mysqli_stmt::class;
[, , , $socket, $user] = $argv;
$connect = fn (): mysqli => new $class('localhost', $user, 'geheim', 'shop', 0, $socket);

op('connect', fn () => $connect()->stat() !== false);
op('connect in vain', fn () => new $class('localhost', 'nobody', 'geheim', 'shop', 0, $socket));
op('connect with a wrong argument', fn () => new $class([]));
op('connect by names', fn () => (new $class(hostname: 'localhost', username: $user, password: 'geheim', socket: $socket))->server_version > 0);
op('not connected', fn () => (new $class())->query('SELECT 1'));
op('connect later', function () use ($class, $user, $socket) {
    $db = new $class();
    return [
        $db->options(MYSQLI_OPT_CONNECT_TIMEOUT, 5), $db->real_connect('localhost', $user, 'geheim', 'shop', 0, $socket),
        $db->query('SELECT DATABASE()'), $db->connect_errno,
    ];
});
op('connect once more', function () use ($connect, $user, $socket) {
    $db = $connect();
    return [$db->connect('localhost', $user, 'geheim', 'shop', 0, $socket), $db->query('SELECT 1')];
});

$modes = [
    MYSQLI_REPORT_OFF, MYSQLI_REPORT_ERROR, MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT,
    MYSQLI_REPORT_ALL, MYSQLI_REPORT_INDEX | MYSQLI_REPORT_ERROR,
];
foreach ($modes as $mode) {
    echo "=== report mode $mode\n";
    mysqli_report($mode);
    $db = $connect();
    $error = fn () => [$db->errno, $db->error, $db->sqlstate, $db->error_list, $db->affected_rows, $db->field_count, $db->info];
    op('connect in vain', fn () => [(new $class('localhost', 'nobody', 'geheim', 'shop', 0, $socket))->connect_errno]);
    op('drop', fn () => $db->query('DROP TABLE IF EXISTS m'));
    op('create', fn () => $db->query('CREATE TABLE m (a INTEGER PRIMARY KEY AUTO_INCREMENT, b VARCHAR(40))'));
    op('insert', fn () => [$db->query("INSERT INTO m VALUES (1, 'one'), (2, 'two'), (3, 'three')"), $db->affected_rows, $db->insert_id, $db->info]);
    op('insert twice', fn () => $db->query("INSERT INTO m VALUES (1, 'one')"));
    op('its error', $error);
    op('query', fn () => $db->query('SELECT * FROM m WHERE a > 1 ORDER BY a'));
    op('query without an index', fn () => $db->query("SELECT * FROM m WHERE b = 'one'"));
    op('query nonsense', fn () => $db->query('SELEC'));
    op('its error', $error);
    op('query nothing', fn () => $db->query(''));
    op('query null', fn () => $db->query(null));
    op('query an array', fn () => $db->query([]));
    op('query without arguments', fn () => $db->query());
    op('query too much', fn () => $db->query('SELECT 1', 0, 1));
    op('query by name', fn () => $db->query(query: 'SELECT a FROM m WHERE a = 1', result_mode: MYSQLI_STORE_RESULT));
    op('query in a wrong mode', fn () => $db->query('SELECT 1', 4711));
    op('not stored', fn () => $db->query('SELECT a FROM m WHERE a = 1', MYSQLI_USE_RESULT));
    op('out of sync', function () use ($db) {
        $rows = $db->query('SELECT a FROM m WHERE a = 1', MYSQLI_USE_RESULT);
        try {
            return $db->query('SELECT 2');
        } finally {
            $rows->free();
        }
    });
    op('real_query', fn () => [$db->real_query('SELECT a FROM m WHERE a = 1'), $db->field_count, $db->store_result()]);
    op('real_query nonsense', fn () => $db->real_query('SELEC'));
    op('its error', $error);
    op('multi_query', function () use ($db) {
        $all = [$db->multi_query("SELECT 1; UPDATE m SET b = 'x' WHERE a = 3; SELECT a FROM m WHERE a = 1")];
        do {
            $all[] = $db->store_result();
            $all[] = [$db->affected_rows, $db->more_results()];
        } while ($db->next_result());
        return $all;
    });
    op('next_result at the end', fn () => [$db->next_result(), $db->more_results()]);
    op('multi_query with a mistake', function () use ($db) {
        $all = [$db->multi_query('SELECT 1; SELEC')];
        $all[] = $db->store_result();
        $all[] = $db->next_result();
        return $all;
    });
    op('its error', $error);
    op('multi_query that fails', fn () => $db->multi_query('SELEC; SELECT 1'));
    op('prepare', function () use ($db) {
        $one = $db->prepare('SELECT b FROM m WHERE a = ?');
        $a = 2;
        $all = [$one, $one->param_count, $one->field_count, $one->bind_param('i', $a), $one->execute(), $one->get_result()];
        $one->execute();
        $one->bind_result($b);
        return [$all, $one->store_result(), $one->num_rows, $one->fetch(), $b, $one->fetch(), $one->affected_rows];
    });
    op('prepare nonsense', fn () => $db->prepare('SELEC ?'));
    op('its error', $error);
    op('after that', fn () => [$db->query('SELECT 1'), $db->errno, $db->error_list]);
    op('prepare nothing', fn () => $db->prepare(''));
    op('prepare an array', fn () => $db->prepare([]));
    op('prepare without arguments', fn () => $db->prepare());
    op('execute with values', function () use ($db) {
        $one = $db->prepare('SELECT b FROM m WHERE a = ?');
        return [$one->execute([1]), $one->get_result(), $one->execute(params: [2]), $one->get_result()];
    });
    op('execute without values', fn () => $db->prepare('SELECT b FROM m WHERE a = ?')->execute());
    op('execute with too many', fn () => $db->prepare('SELECT b FROM m WHERE a = ?')->execute([1, 2]));
    op('execute with no array', fn () => $db->prepare('SELECT b FROM m WHERE a = ?')->execute(5));
    op('bind too few', fn () => $db->prepare('SELECT b FROM m WHERE a = ?')->bind_param('ii', $mode));
    op('execute twice', function () use ($db) {
        $insert = $db->prepare('INSERT INTO m VALUES (?, ?)');
        $all = [$insert->execute([10, 'ten']), $insert->affected_rows, $insert->insert_id];
        try {
            $all[] = $insert->execute([10, 'ten']);
        } catch (mysqli_sql_exception $e) {
            $all[] = $e->getMessage();
        }
        return [$all, $insert->errno, $insert->error, $insert->sqlstate, $insert->error_list, $db->errno, $db->error];
    });
    if ($mode !== (MYSQLI_REPORT_INDEX | MYSQLI_REPORT_ERROR)) {
        // A warning about it has no text of the statement; see the README.
        op('a value without an index', function () use ($db) {
            $one = $db->prepare('SELECT a FROM m WHERE b = ?');
            return [$one->execute(['one']), $one->get_result()];
        });
    }
    op('stmt_init', function () use ($db) {
        $one = $db->stmt_init();
        return [$one, $one->prepare('SELECT 5'), $one->execute(), $one->get_result(), $one->prepare('SELEC'), $one->errno];
    });
    op('its error', $error);
    op('stmt_init not prepared', fn () => $db->stmt_init()->execute());
    op('a statement of its own', function () use ($db, $statementClass) {
        $one = new $statementClass($db, 'SELECT 6');
        return [$one->execute(), $one->get_result()];
    });
    op('a wrong statement of its own', fn () => [(new $statementClass($db, 'SELEC'))->errno]);
    op('a statement of nothing', fn () => new $statementClass());
    op('long data', function () use ($db) {
        $insert = $db->prepare('INSERT INTO m VALUES (50, ?)');
        $null = null;
        return [$insert->bind_param('b', $null), $insert->send_long_data(0, 'abc'), $insert->execute(), $insert->reset()];
    });
    op('closed statement', function () use ($db) {
        $one = $db->prepare('SELECT 1');
        return [$one->close(), $one->execute()];
    });
    op('call', function () use ($db) {
        $db->query('DROP PROCEDURE IF EXISTS p');
        $db->query('CREATE PROCEDURE p() BEGIN SELECT 1; SELECT 2; END');
        $call = $db->prepare('CALL p()');
        $all = [$call->execute()];
        do {
            $all[] = $call->field_count > 0 ? $call->get_result() : 'none';
        } while ($call->more_results() && $call->next_result());
        return $all;
    });
    if (method_exists($class, 'execute_query')) {
        op('execute_query', fn () => $db->execute_query('SELECT b FROM m WHERE a = ?', [1]));
        op('execute_query that changes', fn () => [$db->execute_query("UPDATE m SET b = 'y' WHERE a = ?", [1]), $db->affected_rows]);
        op('execute_query nonsense', fn () => $db->execute_query('SELEC ?', [1]));
        op('its error', $error);
        op('execute_query with a list only', fn () => $db->execute_query('SELECT ?', ['a' => 1]));
    }
    op('transaction', fn () => [
        $db->begin_transaction(), $db->query("INSERT INTO m VALUES (20, 'x')"), $db->savepoint('s'),
        $db->release_savepoint('s'), $db->rollback(), $db->begin_transaction(MYSQLI_TRANS_START_READ_ONLY, 'name'), $db->commit(),
        $db->autocommit(false), $db->commit(), $db->autocommit(true),
    ]);
    op('savepoint without a name', fn () => $db->savepoint(''));
    op('a wrong transaction', fn () => $db->begin_transaction(-1));
    op('read only', fn () => [$db->begin_transaction(MYSQLI_TRANS_START_READ_ONLY), $db->query("INSERT INTO m VALUES (21, 'x')")]);
    op('roll back', fn () => $db->rollback());
    op('async', function () use ($db) {
        $all = [$db->query('SELECT 1 AS one', MYSQLI_ASYNC)];
        $links = $errors = $reject = [$db];
        $all[] = mysqli::poll($links, $errors, $reject, 5);
        $all[] = count($links);
        $all[] = $db->reap_async_query();
        return $all;
    });
    op('async nonsense', fn () => [$db->query('SELEC', MYSQLI_ASYNC), $db->reap_async_query()]);
    op('reap nothing', fn () => $db->reap_async_query());
    op('functions', fn () => [
        mysqli_query($db, 'SELECT 1'), mysqli_affected_rows($db), mysqli_real_escape_string($db, "it's"),
        mysqli_stmt_execute($one = mysqli_prepare($db, 'SELECT 2')), mysqli_stmt_get_result($one),
        mysqli_stmt_execute($one = $db->prepare('SELECT 3')), mysqli_stmt_get_result($one), mysqli_ping($db),
    ]);
    op('select_db', fn () => [$db->select_db('shop'), $db->query('SELECT DATABASE()')]);
    op('select_db of nothing', fn () => $db->select_db('nothing'));
    op('properties', fn () => [$db->warning_count, $db->client_version > 0, $db->protocol_version, isset($db->errno), isset($db->nothing)]);
    op('a wrong property', fn () => $db->nothing);
    op('invalid UTF-8', fn () => $db->query("SELECT '\xff\xfe'")->num_rows);
    op('a megabyte', fn () => strlen($db->query("SELECT '" . str_repeat('x', 1 << 20) . "'")->fetch_row()[0]));
    op('serialize', function () use ($db) {
        try {
            serialize($db);
        } catch (Throwable $e) {
            return str_replace('Pulse\\', '', $e->getMessage());
        }
    });
    op('closed by null', function () use ($connect) {
        $other = $connect();
        $seen = WeakReference::create($other);
        $other->prepare('SELECT 1')->execute();
        $other = null;
        return $seen->get();
    });
    op('close', fn () => $db->close());
    op('closed', fn () => $db->query('SELECT 1'));
    op('closed prepare', fn () => $db->prepare('SELECT 1'));
    op('closed next_result', fn () => $db->next_result());
    op('closed commit', fn () => $db->commit());
}
