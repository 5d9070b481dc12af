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
        $found = false;
        foreach ($error->getTrace() as $frame) {
            $isOurs = self::isOurs($frame['file'] ?? '');
            if (!$isOurs && !$ours) {
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
            $found = true;
        }
        if (!$found) {
            return $error;
        }
        $base = $error instanceof \Exception ? \Exception::class : \Error::class;
        if (self::isOurs($error->getFile())) {
            foreach ($trace as $frame) {
                // A method that a function of PHP calls, such as array_map(), has no place: take that of its caller.
                if (isset($frame['file'], $frame['line'])) {
                    (new \ReflectionProperty($base, 'file'))->setValue($error, $frame['file']);
                    (new \ReflectionProperty($base, 'line'))->setValue($error, $frame['line']);
                    break;
                }
            }
        }
        (new \ReflectionProperty($base, 'trace'))->setValue($error, $trace);
        return $error;
    }

    private static function isOurs(string $file): bool
    {
        return \str_starts_with($file, __DIR__ . \DIRECTORY_SEPARATOR);
    }
}
