<?php
declare(strict_types=1);

namespace Pulse;

/**
 * Closes a connection in children of exec() and proc_open(). PHP opens sockets without FD_CLOEXEC, and has no function that
 * sets it, but the kernel sets it on a descriptor that a message brings.
 */
final class CloseOnExec
{
    /**
     * Returns the connection on a descriptor that children do not inherit: the same stream if that is not possible.
     *
     * @param resource $stream
     * @return resource
     */
    public static function stream($stream)
    {
        if (!\function_exists('socket_recvmsg') || !\defined('MSG_CMSG_CLOEXEC')) {
            return $stream;
        }
        $pair = [];
        if (!\socket_create_pair(\AF_UNIX, \SOCK_STREAM, 0, $pair)) {
            return $stream;
        }
        $rights = ['level' => \SOL_SOCKET, 'type' => \SCM_RIGHTS];
        $message = ['iov' => ['.'], 'control' => [$rights + ['data' => [$stream]]]];
        $received = ['name' => [], 'buffer_size' => 1, 'controllen' => \socket_cmsg_space(\SOL_SOCKET, \SCM_RIGHTS, 1)];
        if (\socket_sendmsg($pair[0], $message, 0) !== 1
            || \socket_recvmsg($pair[1], $received, \MSG_CMSG_CLOEXEC | \MSG_DONTWAIT) !== 1) {
            return $stream;
        }
        $socket = $received['control'][0]['data'][0] ?? null;
        $same = $socket instanceof \Socket ? \socket_export_stream($socket) : false;
        if ($same === false) {
            return $stream;
        }
        \fclose($stream);
        return $same;
    }
}
