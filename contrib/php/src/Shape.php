<?php
declare(strict_types=1);

namespace Pulse;

/**
 * The shape of a statement: its text without quoted values and with all digits alike, as a number. Statements that differ in
 * quoted values alone share a shape, and so do those whose numbers have the same lengths.
 */
final class Shape
{
    /** How many bytes of a text are considered. */
    public const TEXT_MAX = 1024;

    /**
     * Two different shapes get the same number with a probability of 1 in 2^32; then they share a count.
     *
     * It uses no regular expression, because preg_last_error() belongs to the page.
     */
    public static function key(string $text): int
    {
        if (\strlen($text) > self::TEXT_MAX) {
            $text = \substr($text, 0, self::TEXT_MAX);
        }
        if (\str_contains($text, "'")) {
            $pieces = \explode("'", $text);
            $text = '';
            // Every other piece is a quoted text.
            for ($i = 0, $n = \count($pieces); $i < $n; $i += 2) {
                $text .= $pieces[$i];
            }
        }
        return \crc32(\strtr($text, '123456789', '000000000'));
    }

    /**
     * A statement with each quoted text replaced by `'?'`.
     *
     * @param string $quotes MySQL quotes texts with both, other databases quote names with `"`
     */
    public static function withoutTexts(string $text, string $quotes = "'\""): string
    {
        $masked = '';
        for ($at = 0, $length = \strlen($text); $at < $length;) {
            $plain = \strcspn($text, $quotes, $at);
            $masked .= \substr($text, $at, $plain);
            $at += $plain;
            if ($at >= $length) {
                break;
            }
            $quote = $text[$at++];
            $masked .= $quote . '?' . $quote;
            // To the end of the quoted text. A doubled quote begins another one, and becomes a part of it.
            while (($at += \strcspn($text, $quote . '\\', $at)) < $length && $text[$at] === '\\') {
                $at += 2;
            }
            $at++;
        }
        return $masked;
    }
}
