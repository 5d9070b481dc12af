<?php
// Makes the database statements of WordPress visible in Pulse. Link it into wp-content:
//
//     ln -s /path/to/contrib/php/wordpress/db.php wp-content/db.php
//
// If you copy it instead, define PULSE_PHP in wp-config.php: the path of pulse.php.

if (!class_exists('Pulse', false)) {
    // __DIR__ follows a symbolic link.
    $pulse_php = defined('PULSE_PHP') ? PULSE_PHP : dirname(__DIR__) . '/pulse.php';
    if (is_file($pulse_php)) {
        require_once $pulse_php;
    }
    unset($pulse_php);
}

if (class_exists('Pulse', false) && class_exists('wpdb', false)) {
    /** The database access of WordPress, with statements that are visible in Pulse. */
    class Pulse_wpdb extends wpdb
    {
        /** @var Pulse\Database|null */
        private $pulse_database = null;

        /**
         * All statements of WordPress come here. The time of one includes fetching its rows.
         *
         * @param string $query
         * @return int|bool
         */
        public function query($query)
        {
            if (!$this->ready || !is_string($query) || $query === '') {
                return parent::query($query);
            }
            $database = $this->pulse_database();
            $text = $this->pulse_text($query, $database);
            $open = $database->begin($text);
            try {
                $result = parent::query($query);
            } catch (Throwable $error) {
                $open->fail($database->errorText($error->getMessage(), $text, true));
                throw $error;
            }
            if ($result === false && $this->last_error !== '') {
                $open->fail($database->errorText($this->last_error, $text, true));
            } else {
                $open->end(is_int($result) ? $result : null);
            }
            return $result;
        }

        /**
         * Connecting, and connecting again.
         *
         * @param bool $allow_bail
         * @return bool
         */
        public function db_connect($allow_bail = true)
        {
            $open = $this->pulse_database()->beginConnect();
            $done = parent::db_connect($allow_bail);
            if ($open !== null) {
                $done ? $open->end(null) : $open->fail('no connection');
            }
            return $done;
        }

        private function pulse_database(): Pulse\Database
        {
            return $this->pulse_database ??= new Pulse\Database(
                'mysql',
                is_string($this->dbname) ? $this->dbname : '',
                Pulse\Sender::shared()->options->binds
            );
        }

        /**
         * The text of a statement. wpdb::prepare() inserts the values into it, so that quoted texts are sent only with the
         * option `binds`.
         */
        private function pulse_text(string $query, Pulse\Database $database): string
        {
            if (strpos($query, '{') !== false && method_exists($this, 'remove_placeholder_escape')) {
                $query = $this->remove_placeholder_escape($query);
            }
            if ($database->binds) {
                return $query;
            }
            $max = 4 * Pulse\Statements::TEXT_MAX;
            $end = strlen($query) > $max ? ' …' : '';
            return Pulse\Shape::withoutTexts(substr($query, 0, $max)) . $end;
        }
    }

    $wpdb = new Pulse_wpdb(
        defined('DB_USER') ? DB_USER : '',
        defined('DB_PASSWORD') ? DB_PASSWORD : '',
        defined('DB_NAME') ? DB_NAME : '',
        defined('DB_HOST') ? DB_HOST : ''
    );
}
