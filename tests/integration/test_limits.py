# SPDX-License-Identifier: MIT
"""Limits and timeouts: whoever is refused or let go is told in words, and counted."""

import resource
import socket
import time

import support
from peers import TextPeer, new_uuid

ERROR_LINE = rb'\AERROR: [^\n]+\n\Z'


class TestRefusals(support.Case):
    def refusal(self, server, **how):
        peer = TextPeer(self, server.address, **how)
        line = peer.rest()
        self.assertRegex(line, ERROR_LINE)
        return line

    def test_max_clients(self):
        server = self.daemon('--max-clients=2', '--workers=2')
        first, second = TextPeer(self, server.address), TextPeer(self, server.address)
        first.exchange(new_uuid())
        second.exchange(new_uuid())
        self.assertRegex(self.refusal(server), rb'(?i)full|too many|clients')
        self.refusal(server)
        first.exchange(new_uuid())
        second.exchange(new_uuid())
        server.await_statistics(refused=2)

    def test_place_of_one_who_left_is_free(self):
        server = self.daemon('--max-clients=1')
        for _ in range(5):
            peer = TextPeer(self, server.address)
            peer.exchange(new_uuid())
            peer.half_close()
            self.assertEqual(peer.rest(), b'')
            peer.close()
            server.await_statistics(clients=0)
        server.await_statistics(refused=0)

    def test_refused_client_that_sent_already_reads_the_line(self):
        """Its message lies unread in our queue, which would turn a plain close into a reset."""
        server = self.daemon('--max-clients=1')
        first = TextPeer(self, server.address)
        first.exchange(new_uuid())
        for _ in range(20):
            peer = TextPeer(self, server.address)
            peer.send(new_uuid() * 100)
            self.assertRegex(peer.rest(), ERROR_LINE)

    def test_max_clients_per_source(self):
        server = self.daemon('--max-clients-per-source=2', listen=('0.0.0.0:0',))
        server.addresses[0] = ('127.0.0.1', server.port)
        for _ in range(2):
            TextPeer(self, server.address, source='127.0.0.1').exchange(new_uuid())
        self.assertRegex(self.refusal(server, source='127.0.0.1'), rb'(?i)source|address')
        TextPeer(self, server.address, source='127.0.0.2').exchange(new_uuid())
        server.await_statistics(refused=1)

    def test_mapped_addresses_count_as_ipv4(self):
        listener = socket.socket(socket.AF_INET6)
        self.addCleanup(listener.close)
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(('::', 0))
        listener.listen()
        server = self.daemon('--max-clients-per-source=1', '--log-level=debug',
                             inherited=[listener])
        address = ('127.0.0.1', listener.getsockname()[1])
        TextPeer(self, address, source='127.0.0.1').exchange(new_uuid())
        TextPeer(self, address, source='127.0.0.2').exchange(new_uuid())
        peer = TextPeer(self, address, source='127.0.0.1')
        self.assertRegex(peer.rest(), ERROR_LINE)
        server.log.wait(r'127\.0\.0\.2')
        self.assertNotIn('::ffff', server.log.text())

    def test_refusals_are_logged_with_a_limit(self):
        server = self.daemon('--max-clients=1')
        TextPeer(self, server.address).exchange(new_uuid())
        for _ in range(200):
            self.refusal(server)
        server.await_statistics(refused=200)
        lines = server.log.matches(r'(?i)refus')
        self.assertTrue(lines)
        self.assertLess(len(lines), 50)


class TestTimeouts(support.Case):
    def test_idle_timeout(self):
        server = self.daemon('--idle-timeout=300ms')
        start = time.monotonic()
        peer = TextPeer(self, server.address)
        self.assertRegex(peer.rest(), ERROR_LINE)
        self.assertGreaterEqual(time.monotonic() - start, 0.3)
        server.await_statistics(timed_out=1)

    @support.measures_time()
    def test_idle_timeout_starts_anew_with_each_message(self):
        server = self.daemon('--idle-timeout=1s')
        peer = TextPeer(self, server.address)
        for _ in range(5):
            time.sleep(0.3)
            last = time.monotonic()
            peer.exchange(new_uuid())
        self.assertRegex(peer.rest(), ERROR_LINE)
        self.assertGreaterEqual(time.monotonic() - last, 1)

    def test_message_timeout(self):
        server = self.daemon('--message-timeout=300ms')
        quiet = TextPeer(self, server.address)
        peer = TextPeer(self, server.address)
        peer.exchange(new_uuid())
        peer.send(new_uuid()[:35])
        self.assertRegex(peer.rest(), ERROR_LINE)
        quiet.exchange(new_uuid())
        server.await_statistics(timed_out=1)

    def test_drip_of_bytes_does_not_renew_the_message_timeout(self):
        server = self.daemon('--message-timeout=400ms')
        peer = TextPeer(self, server.address)
        message = new_uuid()
        at = 0
        while not peer.pending():
            self.assertLess(at, 35, 'the whole message was waited for')
            peer.send(message[at:at + 1])
            at += 1
            time.sleep(0.05)
        self.assertRegex(peer.rest(), ERROR_LINE)

    def test_timeout_of_zero_is_none(self):
        server = self.daemon('--idle-timeout=0', '--message-timeout=0')
        peer = TextPeer(self, server.address)
        message = new_uuid()
        peer.send(message[:10])
        time.sleep(0.3)
        peer.send(message[10:])
        self.assertEqual(peer.replies(1)[0].uuid, message)


class TestDescriptors(support.Case):
    def test_max_clients_above_the_descriptor_limit_is_lowered(self):
        server = self.daemon('--max-clients=1000', '--workers=2', nofile=64)
        server.log.wait(r'(?i)warning.*max_clients|max_clients.*(64|limit)')
        peers = [TextPeer(self, server.address) for _ in range(80)]
        served, refused = self.served_and_refused(peers)
        self.assertGreater(len(served), 20)
        self.assertGreater(len(refused), 16)
        server.await_statistics(refused=len(refused))

    def test_every_client_up_to_the_lowered_limit_is_served(self):
        """What many workers need for themselves is not promised to clients."""
        server = self.daemon('--workers=64', nofile=512)
        n = int(server.log.wait(r'max_clients = 10000: lowered to (\d+),').group(1))
        peers = [TextPeer(self, server.address) for _ in range(n)]
        self.assertEqual(len(self.served_and_refused(peers)[0]), n)

    def test_soft_limit_is_raised_to_the_hard_one(self):
        server = self.daemon()
        soft, hard = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
        self.assertEqual(soft, hard)

    @support.measures_time()
    def test_no_descriptor_left_is_survived_without_spinning(self):
        """The limit sinks below what the daemon counted on, so that accept itself fails."""
        server = self.daemon('--workers=2')
        first = TextPeer(self, server.address)
        first.exchange(new_uuid())
        limit = support.count_fds(server.pid) + 3
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (limit, limit))
        peers = [TextPeer(self, server.address) for _ in range(10)]
        served, refused = self.served_and_refused(peers)
        self.assertGreater(len(served), 0)
        self.assertGreater(len(refused), 0)
        server.log.wait(r'(?i)descriptors|open files')
        server.await_statistics(refused=len(refused))

        spent = support.cpu_seconds(server.pid)
        time.sleep(1)
        self.assertLess(support.cpu_seconds(server.pid) - spent, 0.1)
        first.exchange(new_uuid())

        for peer in peers:          # each that ends makes room for another
            peer.close()
        server.await_statistics(clients=1)
        self.assertEqual(len(self.served_and_refused([TextPeer(self, server.address)])[0]), 1)

    def served_and_refused(self, peers):
        """Which of the peers get a reply, and which a line that says no."""
        served, refused = [], []
        for peer in peers:
            message = new_uuid()
            peer.send(message)
            answer = peer.socket.recv(4096)
            if answer.startswith(b'ERROR: '):
                self.assertRegex(answer + peer.rest(), ERROR_LINE)
                refused.append(peer)
            else:
                self.assertIn(message, answer)
                served.append(peer)
        return served, refused


if __name__ == '__main__':
    support.main()
