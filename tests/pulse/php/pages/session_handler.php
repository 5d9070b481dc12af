<?php
final class Memory implements SessionHandlerInterface
{
    public function open(string $path, string $name): bool { return true; }
    public function close(): bool { echo "close\n"; return true; }
    public function read(string $id): string|false { return ''; }
    public function write(string $id, string $data): bool { echo "write $data\n"; return true; }
    public function destroy(string $id): bool { return true; }
    public function gc(int $lifetime): int|false { return 0; }
}
ini_set('session.use_cookies', '0');
session_set_save_handler(new Memory(), true);
session_start();
$_SESSION['user'] = 'anna';
// It is written by a shutdown function.
