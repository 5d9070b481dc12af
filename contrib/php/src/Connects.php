<?php
declare(strict_types=1);

namespace Pulse;

// The methods that not every version of PHP has exist only where the parents have them, so that method_exists() is right.

if (\PHP_VERSION_ID >= 80400) {
    /** PDO::connect(). */
    trait Connects
    {
        /**
         * Returns an object of this class, not of one for its driver.
         *
         * @param array<int, mixed>|null $options
         */
        public static function connect(
            string $dsn,
            ?string $username = null,
            #[\SensitiveParameter]
            ?string $password = null,
            #[\SensitiveParameter]
            ?array $options = null,
        ): static {
            // @phpstan-ignore new.static (as PDO does it)
            return new static($dsn, $username, $password, $options);
        }
    }
} else {
    /** PHP before 8.4 has no PDO::connect(). */
    trait Connects
    {
    }
}
