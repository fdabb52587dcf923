# SPDX-License-Identifier: MIT
"""A path that is slow in one direction now and then: a TCP proxy that holds every k-th piece of the
stream, and tells for how long it really did.
"""

import socket
import threading
import time

from peers import Server

OUT = 'out'                 # client to server
BACK = 'back'

CHUNK = 1 << 16


class DelayProxy:
    """Between a client and target; each read from the given direction counts as a piece.

    The first pieces (a hello, a warm-up) are left alone: `spare` of them.
    """

    def __init__(self, case, target, direction, every, hold, spare=50):
        self.target = target
        self.holds = []             # lengths [s], as the clock saw them
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
            back = threading.Thread(target=self._pump, args=(server, client, BACK))
            back.start()
            self._pump(client, server, OUT)
            back.join()

    def _pump(self, source, sink, direction):
        number = 0
        try:
            while True:
                piece = source.recv(CHUNK)
                if not piece:
                    break
                number += 1
                if direction == self._direction and self._is_held(number):
                    start = time.monotonic()
                    time.sleep(self._hold)
                    self.holds.append(time.monotonic() - start)
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
