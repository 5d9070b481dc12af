<?php
declare(strict_types=1);

namespace Pulse;

/** The TCP bridge of an agent: in plain text on this machine, else through TLS. */
final class Bridge
{
    private const PORT = '7465';

    /** @param resource|null $context of TLS */
    private function __construct(public readonly string $address, public readonly mixed $context)
    {
    }

    /** Null if the server is not `HOST[:PORT]`. */
    public static function fromOptions(Options $options): ?self
    {
        $server = (string) $options->server;
        if (\preg_match('/^(\[[0-9a-fA-F:.]+\]|[^:\/\s]+)(?::(\d{1,5}))?$/D', $server, $part) !== 1) {
            return null;
        }
        $host = $part[1];
        $isLocal = \preg_match('/^127\.\d+\.\d+\.\d+$/D', $host) === 1 || $host === '[::1]' || $host === 'localhost';
        $context = null;
        if (!$isLocal || $options->ca !== null) {
            $ssl = ['verify_peer' => true, 'verify_peer_name' => true, 'peer_name' => \trim($host, '[]')];
            if ($options->ca !== null) {
                $ssl['cafile'] = $options->ca;
            }
            $context = \stream_context_create(['ssl' => $ssl]);
        }
        // A connection is that of one token: the path makes it another persistent stream. It is not sent.
        $identity = \substr(\hash('sha256', (string) $options->token), 0, 16);
        $address = ($context === null ? 'tcp://' : 'tls://') . $host . ':' . ($part[2] ?? self::PORT) . '/' . $identity;
        return new self($address, $context);
    }

    /**
     * Sends the token, and waits for the agent's answer. Returns why it was refused, or null.
     *
     * @param resource $stream
     */
    public static function authenticate($stream, string $token, float $timeout): ?string
    {
        $end = \hrtime(true) + (int) ($timeout * 1e9);
        $answer = '';
        if (\fwrite($stream, "AUTH $token\n") !== false) {
            while (!\str_contains($answer, "\n") && ($left = $end - \hrtime(true)) > 0) {
                $streams = [$stream];
                $none = [];
                \stream_select($streams, $none, $none, 0, \intdiv($left, 1000));
                $data = \fread($stream, 8192);
                if ($data === false || $data === '' && \feof($stream)) {
                    break;
                }
                $answer .= $data;
            }
        }
        if (\str_starts_with($answer, 'OK ')) {
            return null;
        }
        return $answer === '' ? 'no answer to the token' : Values::cut(\trim($answer), 100);
    }
}
