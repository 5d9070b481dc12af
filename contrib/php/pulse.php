<?php
declare(strict_types=1);

// The single require: `require 'pulse.php';`. Also Composer's `files` entry. Loading it sends nothing and opens nothing.

if (!class_exists('Pulse', false)) {
    spl_autoload_register(static function (string $class): void {
        if (strncmp($class, 'Pulse\\', 6) === 0) {
            $file = __DIR__ . '/src/' . strtr(substr($class, 6), '\\', '/') . '.php';
            if (is_file($file)) {
                require_once $file;
            }
        }
    });

    // Not by the autoloader, which a signal handler of the page could interrupt: it would not find the class.
    (static function (): void {
        $classes = ['Values', 'Line', 'Options', 'Silent', 'Worker', 'Request', 'Answers', 'Connection', 'Run', 'Sender'];
        foreach ($classes as $class) {
            require_once __DIR__ . "/src/$class.php";
        }
    })();

    /**
     * Sends events to pulsed(8). No method throws, warns, prints, or waits longer than the option `budget` in a request.
     *
     * Parameters accept any value, also under strict types: a page must not fail because of what it reports.
     */
    final class Pulse
    {
        /**
         * Sends an event.
         *
         * @param string $message
         * @param array<mixed> $fields nested values are flattened: `['a' => ['b' => 1]]` is the field `a.b`
         * @param string|null $tag default: the option `tag`
         * @param string|int|null $level a syslog level by name or number; default: info
         * @param float|string|null $took a duration: seconds, or text such as `40ms`
         */
        public static function send(
            mixed $message,
            mixed $fields = [],
            mixed $tag = null,
            mixed $level = null,
            mixed $took = null,
        ): void {
            $sender = Pulse\Sender::$shared ?? Pulse\Sender::shared();
            if (!is_string($message) || !is_array($fields)) {
                [$message, $fields] = Pulse\Values::arguments($message, $fields);
            }
            if ($took !== null && !is_float($took)) {
                if (is_int($took)) {
                    $took = (float) $took;
                } else {
                    $fields['took'] = $took;
                    $took = null;
                }
            }
            if (is_int($level)) {
                $level = (string) $level;
            }
            $sender->event($message, $fields, is_string($tag) ? $tag : null, is_string($level) ? $level : null, $took);
        }

        /**
         * Begins a run, which is shown as running until its end. The begin is written at once.
         *
         * @param string $message
         * @param array<mixed> $fields
         * @param string|null $tag
         * @param string|null $level
         */
        public static function begin(
            mixed $message,
            mixed $fields = [],
            mixed $tag = null,
            mixed $level = null,
        ): Pulse\Run {
            if (!is_string($message) || !is_array($fields)) {
                [$message, $fields] = Pulse\Values::arguments($message, $fields);
            }
            $tag = is_string($tag) ? $tag : null;
            $sender = Pulse\Sender::$shared ?? Pulse\Sender::shared();
            $id = $sender->begin($message, $fields, $tag, is_string($level) ? $level : null);
            return new Pulse\Run($id, $tag);
        }

        /**
         * Sets options; see README.md for their names. What is wrong with them is reported as an event.
         *
         * @param array<string, mixed> $options
         */
        public static function configure(mixed $options): void
        {
            Pulse\Sender::shared()->configure(is_array($options) ? $options : []);
        }

        /**
         * Begins a request in a long-running worker, after the end of the one before.
         *
         * @param array<string, mixed>|null $server as `$_SERVER`; default: `$_SERVER`
         */
        public static function beginRequest(mixed $server = null): void
        {
            Pulse\Sender::shared()->beginRequest(is_array($server) ? $server : null);
        }

        /** Ends the runs that are open, sends what is pending, and forgets `req`, `page`, `method` and `user`. */
        public static function endRequest(): void
        {
            Pulse\Sender::shared()->endRequest();
        }

        /** Sends what is pending. */
        public static function flush(): void
        {
            Pulse\Sender::shared()->flush();
        }

        /**
         * Sets the user of the following events of this request.
         *
         * @param string|int|null $user
         */
        public static function user(mixed $user): void
        {
            Pulse\Sender::shared()->request()->setUser(Pulse\Values::scalar($user));
        }
    }
}
