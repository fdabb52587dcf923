# SPDX-License-Identifier: MIT
"""What the daemon takes from its host: no memory that it does not give back, no wake-up in vain."""

import shutil
import signal
import socket
import time

import native_client
import support
from peers import TextPeer, new_uuid

QUIET = 6
STATUS_INTERVAL = 5


class TestMemory(support.Case):
    def setUp(self):
        super().setUp()
        if not shutil.which('valgrind'):
            self.cannot_run_here('valgrind is not installed')
        self.report = self.path('valgrind.%p')

    def check(self, server):
        self.assertEqual(server.stop(timeout=60), 0, server.stderr)
        with open(self.report.replace('%p', str(server.pid)), encoding='utf-8') as file:
            report = file.read()
        self.assertIn('ERROR SUMMARY: 0 errors', report, report)
        self.assertRegex(report, r'All heap blocks were freed|definitely lost: 0 bytes', report)

    def test_whole_life_under_valgrind(self):
        valgrind = ['valgrind', '--leak-check=full', '--errors-for-leak-kinds=all',
                    '--show-leak-kinds=all', '--log-file=' + self.report]
        server = self.daemon('--workers=2', '--log-level=debug', '--log-messages=on',
                             '--max-clients=12', '--log-file=' + self.path('log'), prefix=valgrind)
        texts = [TextPeer(self, server.address) for _ in range(10)]
        for peer in texts:
            for _ in range(20):
                peer.exchange(new_uuid())
        native = native_client.connect(*server.address)
        native.ask(1, padding=b'x' * 40000, reply_padding=60000)
        texts[0].send(b'rubbish')
        texts[0].rest()
        texts[1].send(new_uuid()[:9])
        texts[2].half_close()
        texts[3].close()
        for _ in range(5):                          # some are refused
            TextPeer(self, server.address)
        for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
            server.signal(number)
        server.log.wait('reloaded')
        native.finish()
        self.check(server)

    def test_start_that_fails_under_valgrind(self):
        valgrind = ['valgrind', '--leak-check=full', '--errors-for-leak-kinds=all',
                    '--error-exitcode=99', '--log-file=' + self.report]
        server = self.daemon(listen=('127.0.0.1:0', '203.0.113.1:1'), ready=False, prefix=valgrind)
        self.assertEqual(server.wait(), 1, server.stderr)


class TestIdleCost(support.Case):
    def test_idle_connection_costs_256_bytes_at_most(self):
        count = 4000
        if support.hard_nofile() < count + 200:
            self.cannot_run_here('needs %d descriptors' % (count + 200))
        support.raise_nofile()
        server = self.daemon()
        warm = [TextPeer(self, server.address) for _ in range(100)]
        for peer in warm:
            peer.exchange(new_uuid())
        before = support.resident_bytes(server.pid)
        peers = [socket.create_connection(server.address) for _ in range(count)]
        for number, peer in enumerate(peers):
            self.addCleanup(peer.close)
            peer.sendall(new_uuid())
            self.assertTrue(peer.recv(100), number)
        grown = support.resident_bytes(server.pid) - before
        self.assertLess(grown, count * 256 + 128 * 1024)


class TestSleep(support.Case):
    @support.measures_time()
    def test_quiet_daemon_wakes_for_its_status_alone(self):
        server = self.daemon('--workers=2')
        text = TextPeer(self, server.address)
        text.exchange(new_uuid())
        native = native_client.connect(*server.address)
        native.ask(1)

        def asleep():
            before = support.sleeps(server.pid)
            time.sleep(0.5)                         # long after the last message
            return support.sleeps(server.pid) == before

        support.poll_until(asleep, 'the daemon to fall asleep')
        before = support.sleeps(server.pid)
        time.sleep(QUIET)
        self.assertLessEqual(support.sleeps(server.pid) - before, QUIET // STATUS_INTERVAL + 1)
        native.finish()


if __name__ == '__main__':
    support.main()
