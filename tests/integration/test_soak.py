# SPDX-License-Identifier: MIT
"""Many messages on many connections: none lost, none answered twice, memory flat.

TCPTIMER_SOAK sets how many messages: enough for a second or two unless told otherwise.
"""

import json
import os
import selectors

import support
from peers import REPLY, TextPeer, new_uuid, new_uuids

CONNECTIONS = 50
BATCH = 40
MESSAGES = int(os.environ.get('TCPTIMER_SOAK', 20000 if support.SANITIZER else 200000))


class Stream:
    """A connection that keeps a batch of messages outstanding and checks off each reply."""

    def __init__(self, case, address):
        self.peer = TextPeer(case, address)
        self.expected = []
        self.received = bytearray()
        self.answered = 0

    def send_batch(self):
        self.expected = new_uuids(BATCH)
        self.peer.send(*self.expected)

    def take(self):
        """True once the whole batch is answered, in order and without a byte too many."""
        self.received += self.peer.socket.recv(1 << 16)
        replies = REPLY.findall(self.received)
        if len(replies) < BATCH:
            return False
        if [reply[0] for reply in replies] != self.expected:
            raise AssertionError('replies are not those expected')
        if sum(len(b'UUID: %s received after %s.%s seconds%s' % reply) for reply in replies) \
                != len(self.received):
            raise AssertionError('strange bytes among the replies')
        self.received.clear()
        self.answered += BATCH
        return True


class TestSoak(support.Case):
    def test_nothing_lost_nothing_twice_memory_flat(self):
        server = self.daemon('--workers=2')
        streams = [Stream(self, server.address) for _ in range(CONNECTIONS)]
        self.exchange(streams, MESSAGES // 10)
        before = support.resident_bytes(server.pid)
        self.exchange(streams, MESSAGES)
        if not support.SANITIZER:
            self.assertLess(support.resident_bytes(server.pid) - before, 256 * 1024)
        for stream in streams:
            stream.peer.half_close()
            self.assertEqual(stream.peer.rest(), b'')
        answered = sum(stream.answered for stream in streams)
        server.await_statistics(messages=answered)

    def exchange(self, streams, count):
        with selectors.DefaultSelector() as selector:
            for stream in streams:
                selector.register(stream.peer.socket, selectors.EVENT_READ, stream)
                stream.send_batch()
            started, answered = len(streams) * BATCH, 0
            while answered < started:
                for key, _ in selector.select(support.DEADLINE):
                    if key.data.take():
                        answered += BATCH
                        if started < count:
                            key.data.send_batch()
                            started += BATCH

    def test_connections_come_and_go(self):
        """The original kept 2.4 KB of each connection that ever was."""
        server = self.daemon('--workers=2')
        for warm_up, count in ((True, 500), (False, 500 if support.SANITIZER else 3000)):
            before = support.resident_bytes(server.pid)
            for _ in range(count):
                peer = TextPeer(self, server.address)
                peer.exchange(new_uuid())
                peer.close()
            if not warm_up and not support.SANITIZER:
                self.assertLess(support.resident_bytes(server.pid) - before, 256 * 1024)
        server.await_statistics(clients=0)
        self.assertLess(support.count_fds(server.pid), 64)

    def test_client_measures_many(self):
        server = self.daemon()
        client = self.run_client('-J', '-q', '-P', 10, '--in-flight=16', '-c', MESSAGES // 4,
                                 '127.0.0.1:%d' % server.port, timeout=5 * support.DEADLINE)
        self.assertEqual(client.status, 0, client.stderr)
        document = json.loads(client.stdout)
        self.assertEqual((document['sent'], document['received'], document['lost']),
                         (MESSAGES // 4, MESSAGES // 4, 0))


if __name__ == '__main__':
    support.main()
