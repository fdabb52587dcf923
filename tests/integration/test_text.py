# SPDX-License-Identifier: MIT
"""The text protocol on the real daemon, byte by byte."""

import random
import select
import signal
import threading
import time

import original
import support
from peers import TextPeer, new_uuid, new_uuids

SEED = 20240229
USEC = 1e6
UNIT = 1                    # deltas are truncated to a microsecond


class TestReplies(support.Case):
    def setUp(self):
        super().setUp()
        self.local = self.path('text.sock')
        self.server = self.daemon(listen=('127.0.0.1:0', 'unix:' + self.local))

    def peer(self, **how):
        return TextPeer(self, self.server.address, **how)

    def test_reply_is_exact(self):
        peer = self.peer()
        message = new_uuid()
        peer.send(message)
        peer.half_close()
        self.assertRegex(peer.rest(),
                         rb'\AUUID: ' + message + rb' received after 0\.\d{6} seconds\Z')

    def test_letter_case_comes_back_as_sent(self):
        message = new_uuid()
        mixed = bytes(byte - 32 if i % 2 and 97 <= byte <= 102 else byte
                      for i, byte in enumerate(message))
        self.peer().exchange(message.upper(), message.lower(), mixed)

    def test_any_version_of_uuid_is_a_message(self):
        self.peer().exchange(b'00000000-0000-0000-0000-000000000000',
                             b'ffffffff-ffff-ffff-ffff-ffffffffffff')

    def test_message_split_at_every_byte(self):
        peer = TextPeer(self, self.local)
        for at in range(1, 36):
            with self.subTest(at=at):
                message = new_uuid()
                peer.send(message[:at])
                peer.await_read()
                self.assertEqual(peer.pending(), b'')
                peer.send(message[at:])
                self.assertEqual(peer.replies(1)[0].uuid, message)

    def test_message_byte_by_byte(self):
        for address in self.server.addresses:
            peer = TextPeer(self, address)
            message = new_uuid()
            for at in range(36):
                peer.send(message[at:at + 1])
                if address == self.local:
                    peer.await_read()
            self.assertEqual(peer.replies(1)[0].uuid, message)

    def test_coalesced_messages_have_a_reply_each(self):
        for count in (2, 3, 10, 28, 29, 57, 100, 1000):
            with self.subTest(count=count):
                peer = self.peer()
                peer.exchange(*new_uuids(count))
                peer.half_close()
                self.assertEqual(peer.rest(), b'')

    def test_random_pieces(self):
        """Boundaries of messages, segments and reads in every relation."""
        choose = random.Random(SEED)
        peer = self.peer()
        messages = new_uuids(500)
        stream = b''.join(messages)
        at = 0
        while at < len(stream):
            size = choose.choice((1, 7, 35, 36, 37, 100, 1024))
            peer.send(stream[at:at + size])
            at += size
        self.assertEqual([reply.uuid for reply in peer.replies(500)], messages,
                         'seed %d' % SEED)

    def test_half_close_after_many_is_answered_to_the_last(self):
        peer = self.peer()
        messages = new_uuids(2000)
        peer.send(*messages)
        peer.half_close()
        self.assertEqual([reply.uuid for reply in peer.replies(2000)], messages)
        self.assertEqual(peer.rest(), b'')

    def test_half_close_within_a_message_ends_quietly(self):
        peer = self.peer()
        message = new_uuid()
        peer.send(message, new_uuid()[:20])
        peer.half_close()
        self.assertEqual(peer.replies(1)[0].uuid, message)
        peer.rest()

    def test_client_that_says_nothing_is_let_go(self):
        peer = self.peer()
        peer.half_close()
        self.assertEqual(peer.rest(), b'')

    def test_reset_by_a_client_disturbs_nobody(self):
        other = self.peer()
        for _ in range(20):
            peer = self.peer()
            peer.send(new_uuid(), new_uuid()[:10])
            peer.reset()
        other.exchange(new_uuid())


class TestLineEnds(support.Case):
    """For people with nc: a CR LF or LF behind a message switches replies to lines."""

    def setUp(self):
        super().setUp()
        self.server = self.daemon(listen=('unix:' + self.path('text.sock'),))
        self.peer = TextPeer(self, self.server.address)

    def terminators(self, count):
        return [reply.terminator for reply in self.peer.replies(count)]

    def test_none_asked_none_given(self):
        self.peer.send(*new_uuids(3))
        self.assertEqual(self.terminators(3), [b''] * 3)
        self.peer.half_close()
        self.assertEqual(self.peer.rest(), b'')

    def test_in_the_same_read_puts_lf_behind_that_reply(self):
        for line_end in (b'\n', b'\r\n'):
            with self.subTest(line_end=line_end):
                self.peer.send(new_uuid() + line_end)
                self.assertEqual(self.terminators(1), [b'\n'])

    def test_in_the_same_read_for_each_of_several(self):
        self.peer.send(*(uuid + b'\r\n' for uuid in new_uuids(50)))
        self.assertEqual(self.terminators(50), [b'\n'] * 50)

    def test_in_a_later_read_puts_lf_behind_all_that_follow(self):
        self.peer.send(new_uuid())
        self.assertEqual(self.terminators(1), [b''])
        self.peer.send(b'\n')
        self.peer.await_read()
        self.assertEqual(self.peer.pending(), b'')
        self.peer.send(new_uuid())
        self.assertEqual(self.terminators(1), [b'\n'])
        self.peer.send(new_uuid())
        self.assertEqual(self.terminators(1), [b'\n'])

    def test_cr_and_lf_apart(self):
        self.peer.send(new_uuid(), b'\r')
        self.peer.await_read()
        self.peer.send(b'\n')
        self.peer.await_read()
        self.peer.send(new_uuid())
        self.assertEqual([reply.terminator for reply in self.peer.replies(2)][1], b'\n')

    def test_line_end_may_wait_for_the_next_message(self):
        self.peer.send(new_uuid())
        self.assertEqual(self.terminators(1), [b''])
        self.peer.send(b'\r\n', new_uuid())
        self.assertEqual(self.terminators(1), [b'\n'])

    def test_any_number_of_them(self):
        """Who types presses Return once more now and then."""
        self.peer.send(new_uuid(), b'\n\r\n\n')
        self.assertEqual(self.terminators(1), [b'\n'])
        self.peer.send(b'\r\n', new_uuid(), b'\n')
        self.assertEqual(self.terminators(1), [b'\n'])
        self.peer.half_close()
        self.assertEqual(self.peer.rest(), b'')

    def test_cr_without_lf_does_not_belong(self):
        self.peer.send(new_uuid(), b'\r', new_uuid())
        self.assertRegex(self.peer.rest(), rb'\AUUID: \S{36} received after \S+ seconds\n?'
                                           rb'ERROR: [^\n]+\n\Z')

    def test_line_end_before_any_message_does_not_belong(self):
        self.peer.send(b'\r\n', new_uuid())
        self.assertRegex(self.peer.rest(), rb'\AERROR: [^\n]+\n\Z')


class TestRubbish(support.Case):
    """One line that says what was expected, at the first byte that cannot belong."""

    ERROR = rb'ERROR: expected [^\n]*\n\Z'

    def setUp(self):
        super().setUp()
        self.server = self.daemon()
        self.other = TextPeer(self, self.server.address)
        self.other.exchange(new_uuid())

    def tearDown(self):
        self.other.exchange(new_uuid())
        super().tearDown()

    def peer(self):
        return TextPeer(self, self.server.address)

    def check_error_at_once(self, bad):
        """The line and the end come although our side stays open and says no more."""
        peer = self.peer()
        peer.send(bad)
        self.assertRegex(peer.rest(), rb'\A' + self.ERROR)

    def test_hello_world(self):
        self.check_error_at_once(b'hello world')

    def test_hello_world_line(self):
        self.check_error_at_once(b'hello world\r\n')

    def test_http_request(self):
        self.check_error_at_once(b'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')

    def test_single_wrong_byte_is_enough(self):
        for bad in (b'x', b' ', b'\0', b'\xff', b'-', b'{'):
            with self.subTest(bad=bad):
                self.check_error_at_once(bad)

    def test_every_position_of_a_uuid(self):
        message = new_uuid()
        for at in range(36):
            with self.subTest(at=at):
                self.check_error_at_once(message[:at] + b'g')

    def test_wrong_dash(self):
        self.check_error_at_once(b'0f8fad5bd-9cb-469f-a165-70867728950e')
        self.check_error_at_once(b'0f8fad5bd9cb469fa16570867728950e1234')
        self.check_error_at_once(b'0f8fad5b_d9cb_469f_a165_70867728950e')
        self.check_error_at_once(b'0f8fad5b\xe2\x80\x93d9cb-469f-a165-70867728950e')

    def test_binary_rubbish(self):
        choose = random.Random(SEED)
        for size in (1, 36, 1000, 70000):
            with self.subTest(size=size, seed=SEED):
                self.check_error_at_once(b'\x81' + choose.randbytes(size))

    def test_messages_before_it_are_answered(self):
        for count in (1, 2, 500):
            with self.subTest(count=count):
                peer = self.peer()
                messages = new_uuids(count)
                peer.send(*messages, b'rubbish', *new_uuids(3))
                replies = peer.replies(count)
                self.assertEqual([reply.uuid for reply in replies], messages)
                self.assertRegex(peer.rest(), rb'\A' + self.ERROR)

    def test_ten_megabytes_without_a_newline(self):
        """The sender reads only when it has sent all: no reset may have swallowed the line."""
        for start in (b'x', b'deadbeef' * 8):
            with self.subTest(start=start):
                peer = self.peer()
                peer.send(start * (10 * 1024 * 1024 // len(start)))
                peer.half_close()
                self.assertRegex(peer.rest(), rb'\A' + self.ERROR)

    def test_line_comes_while_the_sender_still_sends(self):
        peer = self.peer()
        peer.send(b'x')
        self.assertRegex(peer.line(), rb'\AERROR: ')
        for _ in range(50):
            peer.send(b'x' * 1000)
        peer.half_close()
        self.assertEqual(peer.rest(), b'')

    def test_rubbish_costs_no_memory(self):
        before = support.resident_bytes(self.server.pid)
        for _ in range(3):
            peer = self.peer()
            peer.send(b'x' * (4 * 1024 * 1024))
            peer.half_close()
            peer.rest()
        if not support.SANITIZER:
            self.assertLess(support.resident_bytes(self.server.pid) - before, 1024 * 1024)


class TestDeltas(support.Case):
    """Deltas against the client's own clock.

    A message arrives after its send was called and before its reply was here, so the difference of
    two arrivals has bounds that hold on any machine, however loaded; on an idle one they are some
    tens of microseconds apart.
    """

    def setUp(self):
        super().setUp()
        self.server = self.daemon()

    def check_bounds(self, peer, count, pause):
        previous = None
        widest = 0.0
        for number in range(count):
            pause(number)
            message = new_uuid()
            sent = time.monotonic()
            peer.send(message)
            delta = peer.replies(1)[0].delta_us
            received = time.monotonic()
            if previous is None:
                low, high = 0.0, (received - peer.connecting) * USEC
            else:
                low, high = (sent - previous[1]) * USEC, (received - previous[0]) * USEC
                widest = max(widest, high - low)
            self.assertGreaterEqual(delta, low - UNIT, 'message %d' % number)
            self.assertLessEqual(delta, high + UNIT, 'message %d' % number)
            previous = (sent, received)
        return widest

    def test_back_to_back(self):
        self.check_bounds(TextPeer(self, self.server.address), 2000, lambda number: None)

    def test_with_pauses(self):
        choose = random.Random(SEED)
        self.check_bounds(TextPeer(self, self.server.address), 40,
                          lambda number: time.sleep(choose.uniform(0, 0.05)))

    def test_first_delta_counts_from_the_accept(self):
        peer = TextPeer(self, self.server.address)
        TextPeer(self, self.server.address).exchange(new_uuid())    # so ours is accepted, too
        accepted = time.monotonic()
        time.sleep(0.2)
        sent = time.monotonic()
        peer.send(new_uuid())
        delta = peer.replies(1)[0].delta_us
        self.assertGreaterEqual(delta, (sent - accepted) * USEC - UNIT)
        self.assertLessEqual(delta, (time.monotonic() - peer.connecting) * USEC + UNIT)

    def test_sum_is_the_elapsed_time(self):
        """Each delta alone may be truncated; thousands of them must not drift."""
        peer = TextPeer(self, self.server.address)
        sent = time.monotonic()
        first = new_uuid()
        peer.send(first)
        peer.replies(1)
        received = time.monotonic()
        total, count = 0, 5000
        for _ in range(count):
            last_sent = time.monotonic()
            peer.send(new_uuid())
            total += peer.replies(1)[0].delta_us
        last_received = time.monotonic()
        self.assertGreaterEqual(total, (last_sent - received) * USEC - UNIT)
        self.assertLessEqual(total, (last_received - sent) * USEC + UNIT)

    def test_sum_holds_for_coalesced_messages(self):
        peer = TextPeer(self, self.server.address)
        sent = time.monotonic()
        peer.exchange(new_uuid())
        received = time.monotonic()
        total = 0
        for _ in range(20):
            last_sent = time.monotonic()
            total += sum(reply.delta_us for reply in peer.exchange(*new_uuids(200)))
        last_received = time.monotonic()
        self.assertGreaterEqual(total, (last_sent - received) * USEC - UNIT)
        self.assertLessEqual(total, (last_received - sent) * USEC + UNIT)

    def check_arrival_in_absence(self, peer):
        """The server is stopped; a message reaches its host, and counts from then on."""
        sent = time.monotonic()
        peer.send(new_uuid())
        time.sleep(0.3)
        self.server.signal(signal.SIGCONT)
        first = peer.replies(1)[0].delta_us
        next_sent = time.monotonic()
        second = peer.exchange(new_uuid())[0].delta_us
        self.assertLess(first, 0.3 * USEC + (sent - peer.connecting) * USEC)
        self.assertGreaterEqual(second, 0.29 * USEC)
        self.assertLessEqual(second, (time.monotonic() - sent) * USEC + UNIT)
        self.assertGreaterEqual(next_sent - sent, 0.3)

    def test_arrival_counts_not_the_server_s_own_absence(self):
        peer = TextPeer(self, self.server.address)
        peer.exchange(new_uuid())
        self.server.signal(signal.SIGSTOP)
        self.check_arrival_in_absence(peer)

    def test_waiting_in_the_backlog_counts(self):
        """Connected and sent before the program accepts: the arrival is the kernel's all the same,
        and the connection begins with it."""
        self.server.signal(signal.SIGSTOP)
        self.check_arrival_in_absence(TextPeer(self, self.server.address))

    @support.measures_time()
    def test_sum_holds_over_the_server_s_absence(self):
        """The kernel may merge what waits, stamps and all: then a delta moves from one message to
        its neighbour, but none is lost."""
        peer = TextPeer(self, self.server.address)
        sent = time.monotonic()
        peer.exchange(new_uuid())
        received = time.monotonic()
        self.server.signal(signal.SIGSTOP)
        for _ in range(10):
            last_sent = time.monotonic()
            peer.send(new_uuid())
            last_done = time.monotonic()
            time.sleep(0.03)
        self.server.signal(signal.SIGCONT)
        total = sum(reply.delta_us for reply in peer.replies(10))
        self.assertGreaterEqual(total, (last_sent - received) * USEC - UNIT)
        self.assertLessEqual(total, (last_done - sent) * USEC + 0.01 * USEC)


class TestManyClients(support.Case):
    def test_fifty_original_clients_with_odd_timing(self):
        server = self.daemon('--workers=2')
        failures = []

        def run(number):
            choose = random.Random(SEED + number)
            try:
                exchanges = original.run_client(
                    server.address, 20,
                    pause=lambda _: time.sleep(choose.choice((0, 0, 0.001, 0.03))))
                for sent, reply in exchanges:
                    self.assertRegex(reply, r'\AUUID: %s received after \d+\.\d{6} seconds\Z'
                                     % sent)
            except Exception as error:      # pylint: disable=broad-except
                failures.append((number, error))

        threads = [threading.Thread(target=run, args=(number,)) for number in range(50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [], 'seed %d' % SEED)

    @support.measures_time()
    def test_hundred_connects_at_once_wait_for_nothing(self):
        """The original made 45 of them wait for a SYN to be sent again, a second later."""
        server = self.daemon()
        server.signal(signal.SIGSTOP)
        peers = []
        start = time.monotonic()
        for _ in range(100):
            peers.append(TextPeer(self, server.address))
        self.assertLess(time.monotonic() - start, 0.9 * (10 if support.SANITIZER else 1))
        server.signal(signal.SIGCONT)
        for peer in peers:
            peer.exchange(new_uuid())

    def test_both_families_and_a_path(self):
        path = self.path('text.sock')
        server = self.daemon(listen=('127.0.0.1:0', '[::1]:0', 'unix:' + path))
        self.assertEqual(len(server.addresses), 3)
        self.assertEqual(server.addresses[2], path)
        for address in server.addresses:
            with self.subTest(address=address):
                TextPeer(self, address).exchange(*new_uuids(10))


class TestSlowReader(support.Case):
    @support.measures_time()
    def test_memory_is_bounded_and_nothing_is_lost(self):
        server = self.daemon()
        other = TextPeer(self, server.address)
        other.exchange(new_uuid())
        before = support.resident_bytes(server.pid)
        peer = TextPeer(self, server.address, rcvbuf=4096)
        message = new_uuid()
        sent = self.send_until_stuck(peer.socket, message * 1000)
        self.assertGreater(sent, 36000)

        other.exchange(*new_uuids(10))
        if not support.SANITIZER:
            self.assertLess(support.resident_bytes(server.pid) - before, 1024 * 1024)
        spent = support.cpu_seconds(server.pid)
        time.sleep(0.5)
        self.assertLess(support.cpu_seconds(server.pid) - spent, 0.1, 'spins while it waits')

        rest = [message[sent % 36:]] if sent % 36 else []
        sender = threading.Thread(target=lambda: (peer.send(*rest), peer.half_close()))
        sender.start()
        replies = peer.replies((sent + 35) // 36)
        sender.join()
        self.assertEqual({reply.uuid for reply in replies}, {message})
        self.assertEqual(peer.rest(), b'')

    def send_until_stuck(self, sock, data):
        """Sends without reading until the socket has taken nothing for half a second."""
        sock.setblocking(False)
        sent = 0
        while select.select([], [sock], [], 0.5)[1]:
            try:
                sent += sock.send(data[sent % len(data):])
            except BlockingIOError:
                pass
            self.assertLess(sent, 64 << 20, 'the server takes without end')
        sock.settimeout(support.DEADLINE)
        return sent


if __name__ == '__main__':
    support.main()
