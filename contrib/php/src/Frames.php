<?php
declare(strict_types=1);

namespace Pulse;

/** Removes the frames of this library from exceptions, so that their place and trace are those of the page. */
final class Frames
{
    /** Removes from the trace of an exception the first method of this library that called a method of its parent. */
    public static function hide(\Throwable $error): \Throwable
    {
        $trace = $error->getTrace();
        foreach ($trace as $i => $frame) {
            $outer = $trace[$i + 1] ?? null;
            if (!self::isOurs($frame['file'] ?? '') || !\str_starts_with($outer['class'] ?? '', 'Pulse\\')) {
                continue;
            }
            $place = \array_intersect_key($outer, ['file' => 1, 'line' => 1]);
            for ($j = 0; $j <= $i; $j++) {
                if (self::isOurs($trace[$j]['file'] ?? '')) {
                    $trace[$j] = $place + \array_diff_key($trace[$j], ['file' => 1, 'line' => 1]);
                }
            }
            $base = $error instanceof \Exception ? \Exception::class : \Error::class;
            if (self::isOurs($error->getFile())) {
                // A method that a function of PHP calls, such as array_map(), has no place: take that of its caller.
                for ($k = $i + 1; isset($trace[$k]); $k++) {
                    if (isset($trace[$k]['file'], $trace[$k]['line'])) {
                        (new \ReflectionProperty($base, 'file'))->setValue($error, $trace[$k]['file']);
                        (new \ReflectionProperty($base, 'line'))->setValue($error, $trace[$k]['line']);
                        break;
                    }
                }
            }
            \array_splice($trace, $i + 1, 1);
            (new \ReflectionProperty($base, 'trace'))->setValue($error, $trace);
            break;
        }
        return $error;
    }

    private static function isOurs(string $file): bool
    {
        return \str_starts_with($file, __DIR__ . \DIRECTORY_SEPARATOR);
    }
}
