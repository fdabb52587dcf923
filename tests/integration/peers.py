# SPDX-License-Identifier: MIT
"""Both ends of the text protocol in Python: a strict client for the daemon's tests, and a server
frame for the client's, to be filled with manners good or bad.
"""

import collections
import fcntl
import re
import select
import socket
import struct
import termios
import threading
import time
import uuid

from support import DEADLINE, poll_until

UUID = r'[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}'
REPLY = re.compile(rb'UUID: ([0-9A-Fa-f-]{36}) received after (\d+)\.(\d{6}) seconds(\n?)')
PARTIAL_REPLY_MAX = 128

Reply = collections.namedtuple('Reply', 'uuid delta_us terminator')


def new_uuid():
    return str(uuid.uuid4()).encode()


def new_uuids(count):
    return [new_uuid() for _ in range(count)]


def reply_to(message, delta=0.0):
    return b'UUID: %s received after %.6f seconds' % (message, delta)


class TextPeer:
    """A connection on which every byte must be accounted for."""

    def __init__(self, case, address, source=None, rcvbuf=None):
        if isinstance(address, str):
            family = socket.AF_UNIX
        else:
            family = socket.AF_INET6 if ':' in address[0] else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        case.addCleanup(self.close)
        self.socket.settimeout(DEADLINE)
        if rcvbuf is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        if source is not None:
            self.socket.bind((source, 0))
        self.connecting = time.monotonic()
        self.socket.connect(address)
        self.connected = time.monotonic()
        if family != socket.AF_UNIX:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = bytearray()

    def close(self):
        self.socket.close()

    def send(self, *pieces):
        self.socket.sendall(b''.join(pieces))

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)

    def replies(self, count):
        """The next count replies; anything else on the stream is a failure."""
        found = []
        at = 0
        while len(found) < count:
            match = REPLY.match(self._received, at)
            # A terminator belongs to its reply, and may come in the next segment only if the reply
            # itself was cut; so what is complete is taken as it stands.
            if match:
                found.append(Reply(bytes(match.group(1)),
                                   int(match.group(2)) * 1000000 + int(match.group(3)),
                                   bytes(match.group(4))))
                at = match.end()
                continue
            if len(self._received) - at > PARTIAL_REPLY_MAX:
                raise AssertionError('not a reply: %r' % bytes(self._received[at:at + 200]))
            chunk = self.socket.recv(1 << 16)
            if not chunk:
                raise AssertionError('end of stream after %d of %d replies, with %r left over'
                                     % (len(found), count, bytes(self._received[at:])))
            self._received += chunk
        del self._received[:at]
        return found

    def exchange(self, *messages):
        """Sends the messages in one piece and returns their replies, checked for order."""
        self.send(*messages)
        replies = self.replies(len(messages))
        if [reply.uuid for reply in replies] != list(messages):
            raise AssertionError('sent %r, got %r' % (messages, replies))
        return replies

    def rest(self):
        """All that comes up to the end of the stream. A reset raises ConnectionResetError."""
        while True:
            chunk = self.socket.recv(1 << 16)
            if not chunk:
                break
            self._received += chunk
        rest = bytes(self._received)
        self._received.clear()
        return rest

    def line(self):
        """The next line, without its LF."""
        while b'\n' not in self._received:
            chunk = self.socket.recv(1 << 16)
            if not chunk:
                raise AssertionError('end of stream in %r' % bytes(self._received))
            self._received += chunk
        line, _, rest = bytes(self._received).partition(b'\n')
        self._received[:] = rest
        return line

    def pending(self):
        """What is here by now, without waiting."""
        while select.select([self.socket], [], [], 0)[0]:
            chunk = self.socket.recv(1 << 16)
            if not chunk:
                break
            self._received += chunk
        return bytes(self._received)

    def await_read(self):
        """Waits until the other end's program has read all that was sent so far.

        Only an AF_UNIX socket tells (unix(7), SIOCOUTQ); TCP's counts what the peer's kernel has
        not acknowledged.
        """
        assert self.socket.family == socket.AF_UNIX
        poll_until(lambda: fcntl.ioctl(self.socket, termios.TIOCOUTQ, bytes(4)) == bytes(4),
                   'the peer reads what was sent')

    def reset(self):
        """Ends the connection with a RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        self.socket.close()


class Server:
    """Accepts connections and runs handler(connection, number) on a thread for each.

    An exception in a handler other than the connection's own end is raised at the end of the test.
    """

    def __init__(self, case, handler, host='127.0.0.1', backlog=5):
        self._listener = socket.socket(socket.AF_INET6 if ':' in host else socket.AF_INET)
        self._listener.bind((host, 0))
        self._listener.listen(backlog)
        self.address = self._listener.getsockname()
        self.port = self.address[1]
        self.accepted = 0
        self._handler = handler
        self._connections = []
        self._errors = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()
        case.addCleanup(self._clean_up)

    def target(self):
        host = '[%s]' % self.address[0] if ':' in self.address[0] else self.address[0]
        return '%s:%d' % (host, self.port)

    def stop_listening(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            number = self.accepted
            self.accepted += 1
            self._connections.append(connection)
            thread = threading.Thread(target=self._handle, args=(connection, number), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _handle(self, connection, number):
        try:
            with connection:
                self._handler(connection, number)
        except OSError:
            pass                    # the client is gone: its right
        except Exception as error:  # pylint: disable=broad-except
            self._errors.append(error)

    def _clean_up(self):
        for sock in [self._listener] + self._connections:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()
        for thread in self._threads:
            thread.join(DEADLINE)
        if self._errors:
            raise self._errors[0]
