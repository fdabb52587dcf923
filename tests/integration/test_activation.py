# SPDX-License-Identifier: MIT
"""What a service manager sees: inherited sockets, and the states sent to its notify socket."""

import fcntl
import os
import re
import shutil
import socket
import time

import support
from peers import TextPeer, new_uuid


class TestNotify(support.Case):
    def test_ready_comes_with_a_status(self):
        server = self.daemon()
        server.notify.tape.wait('^STATUS=.+')
        TextPeer(self, server.address).exchange(new_uuid())

    def test_status_tells_the_clients(self):
        server = self.daemon()
        peers = [TextPeer(self, server.address) for _ in range(3)]
        for peer in peers:
            peer.exchange(new_uuid())
        server.notify.tape.wait(r'^STATUS=.*\b3 client')

    def test_watchdog_is_fed_while_idle(self):
        server = self.daemon('--workers=2', env={'WATCHDOG_USEC': '300000'})
        start = time.monotonic()
        server.notify.tape.wait('^WATCHDOG=1$', count=6)
        self.assertLess(time.monotonic() - start, 6 * 0.3 + support.DEADLINE / 10)

    def test_watchdog_is_not_fed_unasked(self):
        server = self.daemon()
        server.stop()
        self.assertEqual(server.notify.tape.matches('^WATCHDOG='), [])

    def test_watchdog_of_another_process_is_not_ours(self):
        server = self.daemon(env={'WATCHDOG_USEC': '100000', 'WATCHDOG_PID': '1'})
        server.stop()
        self.assertEqual(server.notify.tape.matches('^WATCHDOG='), [])

    def test_no_notify_socket_is_fine(self):
        """As from a shell."""
        path = self.path('plain.sock')
        server = support.Process(self, [support.program('TCPTIMERD'), '--log-target=stderr',
                                        '--listen=unix:' + path])
        server.stderr_tape.wait('listening on')
        peer = TextPeer(self, path)
        peer.exchange(new_uuid())
        peer.close()
        server.signal(support.signal.SIGTERM)
        self.assertEqual(server.wait(), 0)


class TestInherited(support.Case):
    def test_several_with_names(self):
        listeners = [self.listener(), self.listener('::1'), self.listener(self.path('x.sock'))]
        server = self.daemon(inherited=listeners, names=['public', 'six', 'local'])
        for address in server.addresses:
            with self.subTest(address=address):
                TextPeer(self, address[:2] if isinstance(address, tuple) else address).exchange(
                    new_uuid())
        for name in ('public', 'six', 'local'):
            server.log.wait(r'listening on \S+ \(inherited, %s\)$' % name)

    def test_without_names(self):
        listener = self.listener()
        self.daemon(inherited=[listener])
        TextPeer(self, listener.getsockname()).exchange(new_uuid())

    def test_blocking_listener_is_made_non_blocking(self):
        """Two workers race for one connection: the one that loses must not hang in accept."""
        listener = self.listener(blocking=True)
        server = self.daemon('--workers=4', inherited=[listener])
        self.assertTrue(fcntl.fcntl(listener, fcntl.F_GETFL) & os.O_NONBLOCK)
        for _ in range(200):
            with_peer = TextPeer(self, listener.getsockname())
            with_peer.exchange(new_uuid())
            with_peer.close()
        self.assertEqual(server.stop(), 0)

    def test_waiting_clients_are_served_on_start(self):
        listener = self.listener()
        peers = [TextPeer(self, listener.getsockname()) for _ in range(50)]
        messages = [new_uuid() for _ in peers]
        for peer, message in zip(peers, messages):
            peer.send(message)
        self.daemon(inherited=[listener])
        for peer, message in zip(peers, messages):
            self.assertEqual(peer.replies(1)[0].uuid, message)

    @support.measures_time()        # a worker that gets no CPU gets fewer clients, and shall
    def test_workers_share_one_listener(self):
        """Of clients that come one by one each worker gets its share, however fast one of them
        is."""
        self.ask_for_quiet()
        listener = self.listener(backlog=4096)
        server = self.daemon('--workers=2', '--log-level=debug', inherited=[listener])
        peers = []
        for _ in range(200):
            peers.append(TextPeer(self, listener.getsockname()))
            peers[-1].exchange(new_uuid())
        for share in self.shares(server, listener):
            self.assertGreaterEqual(share, 60)

    @staticmethod
    def shares(server, listener):
        """How many connections wait in each epoll instance that also waits for the listener."""
        inode = os.fstat(listener.fileno()).st_ino
        waited_for = set()
        for fd in os.listdir('/proc/%d/fdinfo' % server.pid):
            with open('/proc/%d/fdinfo/%s' % (server.pid, fd), encoding='ascii') as file:
                inodes = re.findall(r'^tfd: .* ino:([0-9a-f]+)', file.read(), re.MULTILINE)
            if '%x' % inode in inodes:
                waited_for.add(frozenset(inodes))       # a descriptor's duplicate shows the same
        assert len(waited_for) == 2, waited_for
        return [len(inodes) - 2 for inodes in waited_for]   # less the listener and the wake-up

    def check_refused(self, sock, pattern):
        server = self.daemon(inherited=[sock], ready=False)
        self.assertGreater(server.wait(), 0)
        self.assertEqual(server.notify.tape.matches('^READY=1$'), [])
        server.log.wait(pattern)

    def test_accepted_connection_is_refused_with_a_message(self):
        """What Accept=yes hands over."""
        listener = self.listener()
        ours = socket.create_connection(listener.getsockname())
        self.addCleanup(ours.close)
        theirs, _ = listener.accept()
        self.addCleanup(theirs.close)
        self.check_refused(theirs, 'Accept=')

    def test_accepted_connection_is_told_why(self):
        listener = self.listener()
        peer = TextPeer(self, listener.getsockname())
        peer.send(new_uuid())
        theirs, _ = listener.accept()
        self.addCleanup(theirs.close)
        server = self.daemon(inherited=[theirs], ready=False)
        self.assertGreater(server.wait(), 0)
        theirs.close()
        self.assertRegex(peer.rest(), rb'\AERROR: .*Accept=.*\n\Z')

    def test_unusable_socket_beside_a_good_one_is_a_warning(self):
        listener = self.listener()
        bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(bound.close)
        bound.bind(('127.0.0.1', 0))
        server = self.daemon(inherited=[bound, listener])
        TextPeer(self, listener.getsockname()).exchange(new_uuid())
        server.log.wait('warning.*inherited socket 1')

    def test_datagram_socket_is_refused_with_a_message(self):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(sock.close)
        sock.bind(('127.0.0.1', 0))
        self.check_refused(sock, r'(?i)stream|datagram|listening')

    def test_file_is_refused_with_a_message(self):
        # pylint: disable=consider-using-with
        file = open(self.write('not-a-socket', ''), encoding='utf-8')
        self.addCleanup(file.close)
        self.check_refused(file, r'(?i)socket')

    def test_listen_and_port_in_the_file_are_ignored_with_one_warning(self):
        listener = self.listener()
        config = self.write('x.conf', 'listen = 127.0.0.1:1\nport = 2\n')
        server = self.daemon('--config=' + config, inherited=[listener])
        TextPeer(self, listener.getsockname()).exchange(new_uuid())
        self.assertEqual(server.stop(), 0)
        self.assertEqual(len(server.log.matches(r'systemctl edit tcptimer\.socket')), 1)


class TestExitOnIdle(support.Case):
    def test_ends_once_nobody_was_there_for_so_long(self):
        listener = self.listener()
        server = self.daemon('--exit-on-idle=300ms', inherited=[listener])
        peer = TextPeer(self, listener.getsockname())
        peer.exchange(new_uuid())
        time.sleep(0.6)
        peer.exchange(new_uuid())       # a client that is there keeps it, however quiet
        peer.close()
        closed = time.monotonic()
        self.assertEqual(server.wait(), 0)
        self.assertGreaterEqual(time.monotonic() - closed, 0.25)
        server.notify.tape.wait('^STOPPING=1$')

    def test_ends_if_nobody_ever_came(self):
        server = self.daemon('--exit-on-idle=200ms', inherited=[self.listener()])
        self.assertEqual(server.wait(), 0)

    def test_client_at_the_last_moment_is_not_lost(self):
        """It connects while the daemon goes: it waits in the backlog for the next instance."""
        listener = self.listener()
        for delay in (0.098, 0.0995, 0.1, 0.1005, 0.102):
            server = self.daemon('--exit-on-idle=100ms', inherited=[listener])
            time.sleep(delay)
            peer = TextPeer(self, listener.getsockname())
            message = new_uuid()
            peer.send(message)
            peer.half_close()
            server.wait()
            answered_by_first = bool(peer.pending())
            if not answered_by_first:
                server = self.daemon(inherited=[listener])
            self.assertEqual(peer.replies(1)[0].uuid, message)
            if not answered_by_first:
                server.stop()


class TestSocketActivate(support.Case):
    """The real tool that systemd ships for this."""

    def test_first_client_starts_the_daemon(self):
        tool = shutil.which('systemd-socket-activate')
        if not tool:
            self.cannot_run_here('systemd-socket-activate is not installed')
        path = self.path('activated.sock')
        notify = support.NotifySocket(self)
        env = dict(support.sanitizer_env(), NOTIFY_SOCKET=notify.path)
        argv = [tool, '--listen=' + path, '--fdname=tcptimer']
        argv += ['--setenv=%s=%s' % item for item in env.items()]
        argv += [support.program('TCPTIMERD'), '--log-target=stderr']
        server = support.Process(self, argv)
        server.stderr_tape.wait(r'Listening on')
        peer = TextPeer(self, path)
        message = new_uuid()
        peer.send(message)
        self.assertEqual(peer.replies(1)[0].uuid, message)
        notify.tape.wait('^READY=1$')
        server.signal(support.signal.SIGTERM)
        peer.rest()
        peer.close()
        self.assertEqual(server.wait(), 0)


if __name__ == '__main__':
    support.main()
