# SPDX-License-Identifier: MIT
"""Stopping: the other side is told, every complete message is answered, nobody sees a reset."""

import contextlib
import os
import signal
import socket
import threading
import time

import support
from peers import REPLY, TextPeer, new_uuid, new_uuids


class TestStop(support.Case):
    def check_stopped(self, server):
        self.assertEqual(server.wait(), 0, server.stderr)
        server.notify.tape.wait('^STOPPING=1$')

    def test_nobody_connected(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(signal=number):
                server = self.daemon()
                server.signal(number)
                self.check_stopped(server)

    def test_idle_client_sees_the_end(self):
        """The original stayed until its last client had left."""
        server = self.daemon('--drain-timeout=30s')
        peers = [TextPeer(self, server.address) for _ in range(20)]
        for peer in peers[:10]:
            peer.exchange(new_uuid())
        start = time.monotonic()
        server.signal(signal.SIGTERM)
        for peer in peers:
            self.assertRegex(peer.rest(), rb'\A(ERROR: [^\n]*\n)?\Z')
            peer.close()
        self.check_stopped(server)
        self.assertLess(time.monotonic() - start, 10)

    def test_complete_messages_are_answered(self):
        """They lie in the kernel when the signal comes."""
        server = self.daemon('--drain-timeout=30s')
        peers = [TextPeer(self, server.address) for _ in range(10)]
        for peer in peers:
            peer.exchange(new_uuid())
        server.signal(signal.SIGSTOP)
        for peer in peers:
            peer.messages = new_uuids(100)
            peer.send(*peer.messages)
        server.signal(signal.SIGTERM)
        server.signal(signal.SIGCONT)
        for peer in peers:
            self.assertEqual([reply.uuid for reply in peer.replies(100)], peer.messages)
            self.assertRegex(peer.rest(), rb'\A(ERROR: [^\n]*\n)?\Z')
            peer.close()
        self.check_stopped(server)

    def test_half_sent_message_does_not_hold_it_up(self):
        server = self.daemon('--drain-timeout=30s')
        peer = TextPeer(self, server.address)
        message = new_uuid()
        peer.send(message, new_uuid()[:17])
        peer.replies(1)
        server.signal(signal.SIGTERM)
        self.assertRegex(peer.rest(), rb'\A(ERROR: [^\n]*\n)?\Z')
        peer.close()
        self.check_stopped(server)

    def test_what_comes_during_the_stop_is_answered(self):
        """A client in full swing gets an answer to each message until the end of stream, and may
        then still send without being reset."""
        server = self.daemon('--drain-timeout=2s')
        peer = TextPeer(self, server.address)
        peer.exchange(new_uuid())
        server.signal(signal.SIGTERM)
        server.notify.tape.wait('^STOPPING=1$')
        answered = 0
        for _ in range(100):
            message = new_uuid()
            peer.send(message)
            reply = peer.socket.recv(4096)
            if not reply:
                break
            match = REPLY.match(reply)
            if not match:
                self.assertTrue(reply.startswith(b'ERROR: '), reply)
                break
            self.assertEqual(match.group(1), message)
            answered += 1
        self.assertGreater(answered, 0)
        peer.half_close()
        peer.rest()
        peer.close()
        self.check_stopped(server)

    def test_client_that_never_closes_is_left_at_the_drain_timeout(self):
        server = self.daemon('--drain-timeout=500ms')
        peer = TextPeer(self, server.address)
        peer.exchange(new_uuid())
        start = time.monotonic()
        server.signal(signal.SIGTERM)
        peer.rest()                     # the end of stream; ours stays open
        self.check_stopped(server)
        self.assertGreaterEqual(time.monotonic() - start, 0.1)
        self.assertLess(time.monotonic() - start, 0.5 + support.DEADLINE / 4)

    def test_client_that_never_reads_is_left_at_the_drain_timeout(self):
        server = self.daemon('--drain-timeout=500ms')
        peer = TextPeer(self, server.address, rcvbuf=4096)
        peer.socket.setblocking(False)
        data = new_uuid() * 1000
        sent = 0
        while True:
            try:
                sent += peer.socket.send(data[sent % len(data):])
            except BlockingIOError:
                break
        server.signal(signal.SIGTERM)
        self.check_stopped(server)

    def test_two_signals_are_one_stop(self):
        server = self.daemon('--drain-timeout=500ms')
        peer = TextPeer(self, server.address)
        peer.exchange(new_uuid())
        server.signal(signal.SIGTERM)
        server.notify.tape.wait('^STOPPING=1$')
        server.signal(signal.SIGTERM)
        server.signal(signal.SIGHUP)
        server.signal(signal.SIGUSR1)
        self.assertRegex(peer.rest(), rb'\A(ERROR: [^\n]*\n)?\Z')
        self.check_stopped(server)

    def test_new_client_during_the_stop_is_refused_in_words_or_at_once(self):
        server = self.daemon('--drain-timeout=1s')
        TextPeer(self, server.address).exchange(new_uuid())
        server.signal(signal.SIGTERM)
        server.notify.tape.wait('^STOPPING=1$')
        late = None
        with contextlib.suppress(ConnectionRefusedError):
            late = TextPeer(self, server.address)   # or the listener, ours alone, is closed
        if late:
            with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                late.send(new_uuid())   # a server that is gone cannot take it; the words are there
            self.assertRegex(late.socket.recv(1 << 16), rb'\A(UUID: |ERROR: [^\n]*\n)')
        self.check_stopped(server)

    def test_clients_that_come_all_the_time_are_not_reset(self):
        """Neither while the daemon drains nor when it closes its listener over them."""
        for listen in ('127.0.0.1:0', 'unix:' + self.path('x.sock')):
            with self.subTest(listen=listen):
                server = self.daemon('--drain-timeout=50ms', listen=(listen,))
                refused = False
                server.signal(signal.SIGTERM)
                while not refused:
                    try:
                        peer = TextPeer(self, server.address)
                    except (ConnectionRefusedError, FileNotFoundError):
                        refused = True
                        continue
                    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                        peer.send(new_uuid())
                    self.assertRegex(peer.socket.recv(1 << 16), rb'\A(UUID: |ERROR: [^\n]*\n)')
                    peer.close()
                self.check_stopped(server)

    def test_stop_is_told_with_its_log_line(self):
        server = self.daemon()
        self.assertEqual(server.stop(), 0)
        server.log.wait(r'(?i)stopp')

    def test_path_is_removed(self):
        path = self.path('served.sock')
        server = self.daemon(listen=('unix:' + path,))
        self.assertEqual(server.stop(), 0)
        self.assertFalse(os.path.exists(path))


class TestRestart(support.Case):
    """Under activation the listener outlives each instance, so nobody is refused or unanswered."""

    def test_next_instance_serves_the_same_listener(self):
        listener = self.listener()
        for _ in range(3):
            server = self.daemon(inherited=[listener])
            TextPeer(self, listener.getsockname()).exchange(new_uuid())
            self.assertEqual(server.stop(), 0)

    def test_inherited_path_stays(self):
        path = self.path('inherited.sock')
        listener = self.listener(path)
        for _ in range(2):
            server = self.daemon(inherited=[listener])
            TextPeer(self, path).exchange(new_uuid())
            self.assertEqual(server.stop(), 0)
            self.assertTrue(os.path.exists(path))

    def test_client_between_two_instances_is_served_by_the_second(self):
        listener = self.listener()
        self.daemon(inherited=[listener]).stop()
        peer = TextPeer(self, listener.getsockname())
        message = new_uuid()
        peer.send(message)
        self.daemon(inherited=[listener])
        self.assertEqual(peer.replies(1)[0].uuid, message)

    def test_no_client_is_refused_or_unanswered_across_restarts(self):
        """Clients that, told of a stop before their answer, connect again and resend."""
        listener = self.listener(backlog=4096)
        address = listener.getsockname()
        done = threading.Event()
        self.addCleanup(done.set)
        failures = []
        answered = [0] * 8

        def ask(number):
            while not done.is_set():
                message = new_uuid()
                for attempt in range(100):
                    with socket.create_connection(address, support.DEADLINE) as connection:
                        connection.sendall(message)
                        reply = connection.recv(4096)
                    match = REPLY.match(reply)
                    if match and match.group(1) == message:
                        answered[number] += 1
                        break
                    if reply and not reply.startswith(b'ERROR: '):
                        raise AssertionError('strange reply %r' % reply)
                else:
                    raise AssertionError('told to go away %d times' % attempt)

        def guarded(number):
            try:
                ask(number)
            except Exception as error:      # pylint: disable=broad-except
                failures.append(error)

        server = self.daemon(inherited=[listener])
        threads = [threading.Thread(target=guarded, args=(number,), daemon=True)
                   for number in range(len(answered))]
        for thread in threads:
            thread.start()
        for _ in range(5):
            before = sum(answered)
            support.poll_until(lambda: sum(answered) > before + 50 or failures, 'service')
            self.assertEqual(server.stop(), 0)
            server = self.daemon(inherited=[listener])
        done.set()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])


if __name__ == '__main__':
    support.main()
