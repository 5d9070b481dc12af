<?php
declare(strict_types=1);

namespace Pulse\Laravel;

use Illuminate\Auth\Events as Auth;
use Illuminate\Contracts\Debug\ExceptionHandler;
use Illuminate\Contracts\Events\Dispatcher;
use Illuminate\Contracts\Queue\Job;
use Illuminate\Database\Connectors\MySqlConnector;
use Illuminate\Database\Connectors\PostgresConnector;
use Illuminate\Database\Connectors\SQLiteConnector;
use Illuminate\Database\Connectors\SqlServerConnector;
use Illuminate\Database\Events\QueryExecuted;
use Illuminate\Database\QueryException;
use Illuminate\Queue\Events as Queue;
use Pulse\Database;
use Pulse\Errors;
use Pulse\Page;
use Pulse\Run;
use Pulse\Sender;
use Pulse\Statements;
use Pulse\Values;

/**
 * Makes the statements, requests, jobs, exceptions and users of Laravel visible.
 *
 * Connections get a connector that makes {@see \Pulse\PDO}, because the event of `DB::listen` comes only after a statement
 * has executed, and not if it failed. That event is used for connections that have another PDO.
 */
final class ServiceProvider extends \Illuminate\Support\ServiceProvider
{
    /** The jobs that run at the same time: one inside another, on the connection `sync`. */
    private const JOBS_MAX = 16;

    /** @var array<int, Run> by object id of the job */
    private array $jobs = [];

    public function register(): void
    {
        $connectors = [
            'mysql' => fn () => new class extends MySqlConnector {
                use ConnectsWithPulse;
            },
            'pgsql' => fn () => new class extends PostgresConnector {
                use ConnectsWithPulse;
            },
            'sqlite' => fn () => new class extends SQLiteConnector {
                use ConnectsWithPulse;
            },
            'sqlsrv' => fn () => new class extends SqlServerConnector {
                use ConnectsWithPulse;
            },
        ];
        if (\class_exists(\Illuminate\Database\Connectors\MariaDbConnector::class)) {
            $connectors['mariadb'] = fn () => new class extends \Illuminate\Database\Connectors\MariaDbConnector {
                use ConnectsWithPulse;
            };
        }
        foreach ($connectors as $driver => $make) {
            // An application may have a connector of its own.
            $this->app->bindIf("db.connector.$driver", $make);
        }
    }

    public function boot(): void
    {
        if ($this->app->bound('events')) {
            $this->listen($this->app->make('events'));
        }
        $this->callAfterResolving(ExceptionHandler::class, function (object $handler): void {
            if (\method_exists($handler, 'reportable')) {
                $handler->reportable(function (\Throwable $error): void {
                    self::report($error);
                });
            }
        });
        // If auto_prepend_file has not begun it already. A worker begins its requests below.
        $isWorker = $this->app->runningInConsole() || isset($_SERVER['LARAVEL_OCTANE']);
        if (Sender::shared()->atEnd === null && !$isWorker) {
            Page::begin();
        }
    }

    private function listen(Dispatcher $events): void
    {
        $events->listen(QueryExecuted::class, self::executed(...));
        $events->listen([Auth\Authenticated::class, Auth\Login::class], static function (object $event): void {
            $user = $event->user?->getAuthIdentifier();
            if (\is_int($user) || \is_string($user)) {
                \Pulse::user($user);
            }
        });
        $events->listen(Auth\Logout::class, static fn () => \Pulse::user(null));
        $events->listen(Queue\JobProcessing::class, $this->begin(...));
        $events->listen(Queue\JobProcessed::class, function (object $event): void {
            $this->end($event->job, $event->connectionName, null);
        });
        $events->listen(Queue\JobExceptionOccurred::class, function (object $event): void {
            $this->end($event->job, $event->connectionName, $event->exception);
        });
        // Laravel Octane serves many requests with one process.
        $events->listen('Laravel\Octane\Events\RequestReceived', static function (object $event): void {
            \Pulse::beginRequest($event->request->server->all());
            Page::begin();
        });
        $events->listen('Laravel\Octane\Events\RequestTerminated', static fn () => \Pulse::endRequest());
    }

    /** A statement of a connection that has another PDO: only its end is known. */
    private static function executed(QueryExecuted $event): void
    {
        $connection = $event->connection;
        if ($connection->getRawPdo() instanceof \Pulse\PDO || $connection->getRawReadPdo() instanceof \Pulse\PDO) {
            return;
        }
        $database = self::databaseOf($connection);
        Statements::shared()->executed($event->sql, $database->fields($event->bindings), $event->time / 1e3);
    }

    private static function databaseOf(\Illuminate\Database\ConnectionInterface $connection): Database
    {
        $driver = $name = '';
        if ($connection instanceof \Illuminate\Database\Connection) {
            $driver = $connection->getDriverName();
            $name = $connection->getDatabaseName();
        }
        $name = \is_string($name) ? $name : '';
        return new Database((string) $driver, $name === ':memory:' ? 'memory' : $name, Sender::shared()->options->binds);
    }

    private function begin(Queue\JobProcessing $event): void
    {
        if ($event->connectionName !== 'sync') {
            // A worker runs one job after another.
            \Pulse::beginRequest(['SCRIPT_NAME' => $event->job->resolveName()]);
        }
        if (\count($this->jobs) < self::JOBS_MAX) {
            $fields = ['queue' => $event->job->getQueue(), 'attempt' => $event->job->attempts()];
            $tag = Sender::shared()->options->tag . '.job';
            $this->jobs[\spl_object_id($event->job)] = \Pulse::begin('job ' . $event->job->resolveName(), $fields, $tag);
        }
    }

    private function end(Job $job, string $connection, ?\Throwable $error): void
    {
        $run = $this->jobs[\spl_object_id($job)] ?? null;
        unset($this->jobs[\spl_object_id($job)]);
        if ($error === null) {
            $run?->end();
        } else {
            $run?->end(null, ['error' => self::textOf($error)], 'error');
        }
        if ($connection !== 'sync') {
            \Pulse::endRequest();
        }
    }

    private static function report(\Throwable $error): void
    {
        if ($error instanceof QueryException) {
            // Its message contains the bound values.
            $place = $error->getFile() . ':' . $error->getLine();
            $tag = Sender::shared()->options->tag . '.error';
            \Pulse::send(self::textOf($error) . " in $place", ['sql' => $error->getSql()], $tag, 'err');
        } else {
            Errors::report($error);
        }
    }

    private static function textOf(\Throwable $error): string
    {
        $text = $error->getMessage();
        if ($error instanceof QueryException) {
            $text = $error->getPrevious()?->getMessage() ?? '';
            $text = (new Database('mysql', '', Sender::shared()->options->binds))->errorText($text, $error->getSql(), true);
        }
        return Values::className($error) . ": $text";
    }
}
