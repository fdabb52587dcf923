# SPDX-License-Identifier: MIT
"""A path that is slow in one direction now and then: a TCP proxy that holds every k-th piece of the
stream, and tells which native message began it and how long it really stayed, the proxy's own
waking up included.
"""

import socket
import struct
import threading
import time

from peers import Server

OUT = 'out'                 # client to server
BACK = 'back'

CHUNK = 1 << 16

FIRST_BYTES = struct.Struct('>BBHIQ')       # a native frame's header, then the sequence number
REQUEST, REPLY = 1, 2

SO_TIMESTAMPNS = 35
TIMESPEC = struct.Struct('qq')


def sequence_number(piece):
    """Of the request or reply that begins a piece."""
    if len(piece) < FIRST_BYTES.size or piece[0] not in (REQUEST, REPLY):
        return None
    return FIRST_BYTES.unpack_from(piece)[-1]


def arrival(ancillary):
    """When the kernel received what was read [ns, real time]; now, if it does not say."""
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
            seconds, nanoseconds = TIMESPEC.unpack_from(data)
            return seconds * 10**9 + nanoseconds
    return time.time_ns()


class DelayProxy:
    """Between a client and target; each read from the given direction counts as a piece.

    The first pieces (a hello, a warm-up) are left alone: `spare` of them.
    """

    def __init__(self, case, target, direction, every, hold, spare=50):
        self.target = target
        self.holds = []             # (sequence number or None, from arrival to departure [s])
        self._direction = direction
        self._every = every
        self._hold = hold
        self._spare = spare
        self._server = Server(case, self._serve)
        self.port = self._server.port

    def _serve(self, client, _number):
        with socket.create_connection(self.target) as server:
            for sock in (client, server):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            back = threading.Thread(target=self._pump, args=(server, client, BACK))
            back.start()
            self._pump(client, server, OUT)
            back.join()

    def _pump(self, source, sink, direction):
        number = 0
        try:
            while True:
                piece, ancillary, _, _ = source.recvmsg(CHUNK, 256)
                if not piece:
                    break
                number += 1
                if direction == self._direction and self._is_held(number):
                    time.sleep(self._hold)
                    length = (time.time_ns() - arrival(ancillary)) / 1e9
                    self.holds.append((sequence_number(piece), length))
                sink.sendall(piece)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            for sock in (source, sink):     # one side is gone: the other one shall know
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def _is_held(self, number):
        return number > self._spare and number % self._every == 0
