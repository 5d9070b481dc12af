<?php
declare(strict_types=1);

namespace Pulse;

/**
 * A request as a run: it is shown as running until its end, and as abandoned if its worker is killed. Its end has its
 * duration and its status. {@see Errors} are sent with it.
 */
final class Page
{
    private static ?string $run = null;
    private static string $message = '';
    private static string $tag = '';
    private static int $begun = 0;
    private static int $pid = 0;

    /** Where applications keep the user in a session. */
    private const KEYS = ['user', 'user_id', 'userid', 'username', 'login', 'uid'];

    /** Begins the request. It ends with its last shutdown function, or with {@see \Pulse::endRequest()}. */
    public static function begin(): void
    {
        $sender = Sender::shared();
        $sender->options->user ??= self::user(...);
        $request = $sender->request();
        Errors::begin();
        if ($sender->options->errors === 'all') {
            Errors::observe();
        }
        self::$begun = \hrtime(true);
        self::$pid = self::pid();
        self::$message = $request->method === '' ? $request->page : $request->method . ' ' . $request->page;
        self::$tag = $sender->options->tag . '.request';
        $sender->atEnd = static fn (bool $last) => $last ? self::end() : Errors::atEnd();
        self::$run = $sender->begin(self::$message, [], self::$tag);
    }

    private static function end(): void
    {
        if (self::$begun === 0 || self::pid() !== self::$pid) {
            // A child process ends here: the request is its parent's.
            return;
        }
        $took = (\hrtime(true) - self::$begun) / 1e9;
        self::$begun = 0;
        $sender = Sender::shared();
        $failed = Errors::atEnd();
        $fields = [];
        $status = \function_exists('http_response_code') ? \http_response_code() : null;
        if (\is_int($status)) {
            $fields['status'] = $status;
        }
        if (Errors::seen() > 0) {
            $fields['errors'] = Errors::seen();
        }
        $level = null;
        if ($failed || \is_int($status) && $status >= 500) {
            $level = 'err';
        } elseif ($sender->options->slow > 0 && $took >= $sender->options->slow) {
            $level = 'warning';
            $fields['slow'] = true;
        }
        // Without its run it is an event of its own, with a duration.
        $sender->event(self::$message, $fields, self::$tag, $level, $took, self::$run);
        self::$run = null;
    }

    private static function pid(): int
    {
        // Some hosts disable it.
        return \function_exists('getmypid') ? (int) \getmypid() : 0;
    }

    /** The user, if the server, WordPress or an open session knows one. Starts no session. */
    private static function user(): string|int|null
    {
        $user = $_SERVER['REMOTE_USER'] ?? null;
        if (\is_string($user) && $user !== '') {
            return $user;
        }
        $user = $GLOBALS['current_user'] ?? null;
        if ($user instanceof \WP_User && $user->ID > 0 && isset($user->data->user_login)) {
            return (string) $user->data->user_login;
        }
        foreach (isset($_SESSION) && \is_array($_SESSION) ? self::KEYS : [] as $key) {
            $user = $_SESSION[$key] ?? null;
            if (\is_int($user) || \is_string($user) && $user !== '') {
                return $user;
            }
        }
        return null;
    }
}
