<?php
declare(strict_types=1);

namespace Pulse;

/** Removes the frames of this library from exceptions, so that their place and trace are those of the page. */
final class Frames
{
    /**
     * A method of this library calls the method of its parent. Without the library, the page would have called that one:
     * it gets the place of the page's call, and the frames between them are removed.
     */
    public static function hide(\Throwable $error): \Throwable
    {
        $trace = [];
        $ours = [];
        // PHP itself throws without a frame, for example at a parameter with an unknown name.
        $inside = self::isOurs($error->getFile());
        $found = false;
        foreach ($error->getTrace() as $frame) {
            $isOurs = self::isOurs($frame['file'] ?? '');
            if (!$isOurs && !$ours && !$inside) {
                $trace[] = $frame;
                continue;
            }
            $ours[] = $frame;
            if ($isOurs) {
                continue;
            }
            $place = \array_intersect_key($frame, ['file' => 1, 'line' => 1]);
            foreach ($ours as $called) {
                if (!\str_starts_with($called['class'] ?? '', __NAMESPACE__ . '\\')) {
                    $trace[] = $place + \array_diff_key($called, ['file' => 1, 'line' => 1]);
                }
            }
            $ours = [];
            $inside = false;
            $found = true;
        }
        if (!$found) {
            return $error;
        }
        $base = self::base($error);
        if (self::isOurs($error->getFile())) {
            foreach ($error->getTrace() as $frame) {
                // What a function of PHP calls, such as array_map(), has no place: take that of its caller.
                if (isset($frame['file'], $frame['line']) && !self::isOurs($frame['file'])) {
                    (new \ReflectionProperty($base, 'file'))->setValue($error, $frame['file']);
                    (new \ReflectionProperty($base, 'line'))->setValue($error, $frame['line']);
                    break;
                }
            }
        }
        (new \ReflectionProperty($base, 'trace'))->setValue($error, $trace);
        // mysqli names the object's class: `mysqli object is already closed`.
        $message = $error->getMessage();
        if ($error instanceof \Error && \str_starts_with($message, __NAMESPACE__ . '\\')) {
            (new \ReflectionProperty($base, 'message'))->setValue($error, \substr($message, \strlen(__NAMESPACE__) + 1));
        }
        return $error;
    }

    /** Replaces the end of a message by a text. */
    public static function replaceEnd(\Throwable $error, string $end, string $text): void
    {
        $message = $error->getMessage();
        if (\str_ends_with($message, $end)) {
            $message = \substr($message, 0, -\strlen($end)) . $text;
            (new \ReflectionProperty(self::base($error), 'message'))->setValue($error, $message);
        }
    }

    /** The class that has the private properties of an exception. */
    private static function base(\Throwable $error): string
    {
        return $error instanceof \Exception ? \Exception::class : \Error::class;
    }

    private static function isOurs(string $file): bool
    {
        return \str_starts_with($file, __DIR__ . \DIRECTORY_SEPARATOR);
    }
}
