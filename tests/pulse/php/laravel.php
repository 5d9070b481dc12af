<?php
// A small application on Laravel. $argv: the library, a directory, `plain` or `tracked`. Prints what its visitors see.

error_reporting(E_ALL & ~E_DEPRECATED);
require $argv[1];
require '/usr/share/php/Illuminate/autoload.php';

use Illuminate\Contracts;
use Illuminate\Foundation;
use Illuminate\Support\Facades\Auth;
use Illuminate\Support\Facades\DB;
use Illuminate\Support\Facades\Route;

[, , $dir, $mode] = $argv;
$providers = [
    Illuminate\Auth\AuthServiceProvider::class,
    Illuminate\Bus\BusServiceProvider::class,
    Illuminate\Cache\CacheServiceProvider::class,
    Illuminate\Cookie\CookieServiceProvider::class,
    Illuminate\Database\DatabaseServiceProvider::class,
    Illuminate\Filesystem\FilesystemServiceProvider::class,
    Illuminate\Hashing\HashServiceProvider::class,
    Illuminate\Queue\QueueServiceProvider::class,
    Illuminate\Session\SessionServiceProvider::class,
    Illuminate\Translation\TranslationServiceProvider::class,
    Illuminate\View\ViewServiceProvider::class,
];
if ($mode === 'tracked') {
    $providers[] = Pulse\Laravel\ServiceProvider::class;
}
$config = [
    'app' => ['key' => 'x', 'env' => 'production', 'debug' => false, 'timezone' => 'UTC', 'locale' => 'en',
        'fallback_locale' => 'en', 'cipher' => 'AES-256-CBC', 'providers' => $providers],
    'auth' => ['defaults' => ['guard' => 'web'], 'guards' => ['web' => ['driver' => 'session', 'provider' => 'users']],
        'providers' => ['users' => ['driver' => 'database', 'table' => 'users']]],
    'cache' => ['default' => 'array', 'stores' => ['array' => ['driver' => 'array']]],
    'database' => ['default' => 'sqlite', 'connections' => [
        'sqlite' => ['driver' => 'sqlite', 'database' => ':memory:', 'prefix' => ''],
        'other' => ['driver' => 'sqlite', 'database' => ':memory:', 'prefix' => ''],
    ]],
    'logging' => ['default' => 'none', 'channels' => ['none' => ['driver' => 'single', 'path' => "$dir/log"]]],
    'queue' => ['default' => 'sync', 'connections' => [
        'sync' => ['driver' => 'sync'],
        'database' => ['driver' => 'database', 'table' => 'jobs', 'queue' => 'default', 'retry_after' => 90],
    ], 'failed' => ['driver' => 'null']],
    'session' => ['driver' => 'array', 'lifetime' => 10, 'cookie' => 's', 'path' => '/', 'domain' => null,
        'secure' => false, 'http_only' => true, 'same_site' => 'lax'],
    'view' => ['paths' => [], 'compiled' => $dir],
];
mkdir("$dir/bootstrap/cache", 0777, true);
mkdir("$dir/config");
foreach ($config as $name => $values) {
    file_put_contents("$dir/config/$name.php", '<?php return ' . var_export($values, true) . ';');
}

class SendMail implements Contracts\Queue\ShouldQueue
{
    use Illuminate\Bus\Queueable;
    use Illuminate\Queue\InteractsWithQueue;

    public function __construct(public bool $fails)
    {
    }

    public function handle(): void
    {
        DB::select('SELECT 7');
        if ($this->fails) {
            throw new RuntimeException('the mail server is away');
        }
    }
}

$app = new Foundation\Application($dir);
$app->singleton(Contracts\Http\Kernel::class, Foundation\Http\Kernel::class);
$app->singleton(Contracts\Console\Kernel::class, Foundation\Console\Kernel::class);
$app->singleton(Contracts\Debug\ExceptionHandler::class, Foundation\Exceptions\Handler::class);
$kernel = $app->make(Contracts\Http\Kernel::class);
$kernel->bootstrap();

Route::get('/orders', function () {
    DB::statement('CREATE TABLE users (id INTEGER PRIMARY KEY, name VARCHAR(20) UNIQUE)');
    DB::statement('CREATE TABLE jobs (id INTEGER PRIMARY KEY, queue, payload, attempts, reserved_at, available_at, created_at)');
    DB::table('users')->insert(['id' => 5, 'name' => 'anna']);
    Auth::loginUsingId(5);
    DB::transaction(fn () => DB::table('users')->where('id', 5)->update(['name' => 'berta']));
    try {
        DB::table('users')->insert(['id' => 6, 'name' => 'berta']);
    } catch (Illuminate\Database\QueryException $e) {
        report($e);
    }
    DB::connection('other')->setPdo(new PDO('sqlite::memory:'));
    DB::connection('other')->select('SELECT 9 WHERE 1 = ?', [1]);
    dispatch(new SendMail(false));
    try {
        dispatch(new SendMail(true));
    } catch (RuntimeException) {
    }
    dispatch((new SendMail(false))->onConnection('database'));
    return DB::table('users')->get();
});
Route::get('/broken', fn () => throw new LogicException('the basket is broken'));

foreach (['/orders', '/broken'] as $path) {
    $request = Illuminate\Http\Request::create($path);
    $response = $kernel->handle($request);
    echo $response->getStatusCode(), ' ', $response->getContent(), "\n";
    $kernel->terminate($request, $response);
}
// As `artisan queue:work --once`.
$app->make('queue.worker')->setCache($app->make('cache.store'))->runNextJob('database', 'default', new Illuminate\Queue\WorkerOptions());
// The test waits for it.
Pulse::send('end of the script', [], 'test');
