# SPDX-License-Identifier: MIT
"""The daemon's native protocol, seen by a client that was written from PROTOCOL.md alone."""

import os
import signal
import socket
import time
import uuid

import native_client
from native_client import (DONE, ERROR, GOODBYE, HEADER, HELLO, IDLE_TIMEOUT, KEEPALIVE,
                           KEEPALIVE_ACK, MESSAGE_TIMEOUT, REQUEST, SERVER_AWAY, SHARED_STAMP,
                           STOPPING)
from support import DEADLINE, Case, main, poll_until

FAULT_TYPE, FAULT_DIRECTION, FAULT_FLAG, FAULT_SHORT, FAULT_LONG = 5, 6, 7, 8, 9
FAULT_REPLY_PADDING = 10


def request(seq, padding=b'', reply_padding=0, length=None, flags=0):
    """A request's bytes, with a UUID that can be told from its number."""
    fields = native_client.REQUEST_FIELDS.pack(seq, uuid.UUID(int=seq).bytes, reply_padding)
    if length is None:
        length = len(fields) + len(padding)
    return HEADER.pack(REQUEST, flags, 0, length) + fields + padding


def is_stopped(pid):
    states = set()
    for task in os.listdir('/proc/%d/task' % pid):
        with open('/proc/%d/task/%s/stat' % (pid, task), encoding='ascii') as file:
            states.add(file.read().rpartition(')')[2].split()[0])
    return states == {'T'}


class NativeCase(Case):
    def connect(self, daemon, hello=HELLO):
        client = native_client.connect(*daemon.address[:2], timeout=DEADLINE, hello=hello)
        self.addCleanup(client.socket.close)
        return client

    def plain_socket(self, daemon):
        sock = socket.create_connection(daemon.address[:2], DEADLINE)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.addCleanup(sock.close)
        return sock

    def assert_error_then_end(self, client, code):
        frame = client.read_frame()
        self.assertEqual((frame.type, frame.code), (ERROR, code), frame)
        self.assertRegex(frame.body.decode(), 'expected')
        self.assert_end(client)

    def assert_goodbye_then_end(self, client, reason):
        frame = client.read_frame()
        self.assertEqual((frame.type, frame.code), (GOODBYE, reason), frame)
        self.assert_end(client)

    def assert_end(self, client):
        with self.assertRaises(native_client.Ended):
            client.read_frame()


class Measuring(NativeCase):
    def test_messages_are_measured_and_add_up(self):
        client = self.connect(self.daemon())
        samples = native_client.measure(client, 200)
        base, _, parts = native_client.take_apart(samples)
        for sample, part in zip(samples, parts):
            self.assertLessEqual(sample.reply.residence, part['rtt_ns'])
            self.assertAlmostEqual(part['rtt_ns'], base + part['forward_pdv_ns'] +
                                   part['residence_ns'] + part['return_pdv_ns'], delta=4)
        frames = client.finish()
        self.assertEqual([(f.type, f.code) for f in frames], [(GOODBYE, DONE)])

    def test_first_delta_counts_from_the_accept(self):
        before = time.monotonic_ns()
        client = self.connect(self.daemon())
        sample = client.ask(1)
        # Both programs read the same clock here.
        self.assertGreaterEqual(sample.reply.arrival - sample.reply.delta, before)
        self.assertLessEqual(sample.reply.arrival, sample.reply.received)

    def test_real_time_arrival_is_the_same_moment(self):
        client = self.connect(self.daemon())
        before = time.time_ns()
        reply = client.ask(1).reply
        self.assertLess(before - 1000000, reply.arrival_real)
        self.assertLess(reply.arrival_real, time.time_ns() + 1000000)

    def test_keepalive_counts_for_no_delta(self):
        client = self.connect(self.daemon())
        first = client.ask(1).reply
        client.send_frame(KEEPALIVE)
        self.assertEqual(client.read_frame().type, KEEPALIVE_ACK)
        second = client.ask(2).reply
        self.assertEqual(second.delta, second.arrival - first.arrival)

    def test_stopped_server_says_that_it_was_away(self):
        daemon = self.daemon()
        client = self.connect(daemon)
        client.ask(1)
        daemon.signal(signal.SIGSTOP)
        poll_until(lambda: is_stopped(daemon.pid), 'every thread is stopped')
        for seq in range(2, 32):
            client.send_request(seq, uuid.uuid4().bytes)
            time.sleep(0.01)            # the load; nothing is waited for
        daemon.signal(signal.SIGCONT)
        replies = [client.read_reply() for _ in range(2, 32)]
        for reply in replies:           # the kernel may have merged all stamps into the last one
            if reply.flags & SHARED_STAMP:
                self.assertTrue(reply.flags & SERVER_AWAY, reply)
            else:
                self.assertEqual(reply.window, 0)
        self.assertGreater(replies[0].residence + replies[0].window, 250e6)


class Streams(NativeCase):
    def test_every_byte_may_arrive_alone(self):
        sock = self.plain_socket(self.daemon())
        for byte in HELLO:
            sock.sendall(bytes([byte]))
        client = native_client.NativeClient(sock, b'')
        for byte in request(1, b'pad', 3) + request(2):
            sock.sendall(bytes([byte]))
        self.assertEqual([client.read_reply().seq for _ in range(2)], [1, 2])

    def test_requests_in_one_send_are_answered_in_order(self):
        client = self.connect(self.daemon())
        client.socket.sendall(b''.join(request(seq, bytes(seq % 50)) for seq in range(1000)))
        replies = [client.read_reply() for _ in range(1000)]
        self.assertEqual([r.seq for r in replies], list(range(1000)))
        self.assertEqual(replies[77].uuid, uuid.UUID(int=77).bytes)
        for before, after in zip(replies, replies[1:]):
            self.assertEqual(after.delta, after.arrival - before.arrival)

    def test_largest_padding_goes_both_ways(self):
        client = self.connect(self.daemon())
        most = client.welcome['max-request-padding'], client.welcome['max-reply-padding']
        for seq in range(5):
            sample = client.ask(seq, bytes(most[0]), most[1])
            self.assertEqual(len(sample.reply.padding), most[1])

    def test_padded_request_arrives_with_its_last_byte(self):
        daemon = self.daemon()
        client, other = self.connect(daemon), self.connect(daemon)
        frame = request(1, bytes(1000))
        client.socket.sendall(frame[:500])
        other.ask(1)                    # some time that the server is seen to use
        before = time.monotonic_ns()
        client.socket.sendall(frame[500:])
        # Both programs read the same clock here; the kernel's stamp is carried over to it.
        self.assertGreater(client.read_reply().arrival, before - 10000)

    def test_client_may_ask_for_more_than_it_reads_at_once(self):
        client = self.connect(self.daemon())
        client.socket.sendall(b''.join(request(seq, b'', 65536) for seq in range(200)))
        for seq in range(200):
            reply = client.read_reply()
            self.assertEqual((reply.seq, len(reply.padding)), (seq, 65536))

    def test_keepalive_is_answered_in_its_turn(self):
        client = self.connect(self.daemon())
        client.socket.sendall(request(1) + HEADER.pack(KEEPALIVE, 0, 0, 0) + request(2))
        kinds = [client.read_frame().type for _ in range(3)]
        self.assertEqual(kinds, [native_client.REPLY, KEEPALIVE_ACK, native_client.REPLY])

    def test_goodbye_ends_what_was_asked_before(self):
        client = self.connect(self.daemon())
        client.socket.sendall(request(1) + HEADER.pack(GOODBYE, 0, DONE, 3) + b'bye' + request(2))
        self.assertEqual(client.read_reply().seq, 1)
        self.assert_goodbye_then_end(client, DONE)

    def test_unknown_frames_and_flags_are_ignored_where_they_may_be(self):
        client = self.connect(self.daemon())
        client.socket.sendall(HEADER.pack(0x80, 0xff, 7, 30000) + bytes(30000) +
                              request(1, flags=0xf0))
        self.assertEqual(client.read_reply().seq, 1)


class Hello(NativeCase):
    def refusal(self, daemon, hello):
        with self.assertRaises(native_client.Refused) as refused:
            self.connect(daemon, hello)
        return str(refused.exception)

    def test_welcome_states_version_and_limits(self):
        daemon = self.daemon('--idle-timeout=77', '--message-timeout=7')
        welcome = self.connect(daemon).welcome
        self.assertEqual(welcome['version'], 1)
        self.assertEqual(welcome['max-request-padding'], 65536)
        self.assertEqual(welcome['max-reply-padding'], 65536)
        self.assertEqual(welcome['idle-timeout-ms'], 77000)
        self.assertEqual(welcome['message-timeout-ms'], 7000)
        self.assertGreater(welcome['rx-buffer'], 0)
        self.assertGreater(welcome['tx-buffer'], 0)

    def test_client_that_speaks_later_versions_too_gets_ours(self):
        hello = b'tcptimer-hello  shape=round version=1-9 max-reply-padding=100;'
        client = self.connect(self.daemon(), hello)
        self.assertEqual(client.welcome['version'], 1)
        self.assertEqual(client.welcome['max-reply-padding'], 100)
        client.ask(1, reply_padding=100)
        client.socket.sendall(request(2, b'', 101))
        self.assert_error_then_end(client, FAULT_REPLY_PADDING)

    def test_no_common_version_is_said_in_text(self):
        self.assertRegex(self.refusal(self.daemon(), b'tcptimer-hello version=2-9;'), 'version')

    def test_malformed_hello_is_refused_in_text(self):
        daemon = self.daemon()
        for hello in (b'tcptimer-hello;', b'tcptimer-hello version=x;', b'tcptimer-hellx',
                      b'tcptimer-hello version=1\n', b'tcptimer-hello ' + b'x' * 241):
            with self.subTest(hello=hello):
                self.assertRegex(self.refusal(daemon, hello), '^ERROR: .*expected')


class Faults(NativeCase):
    def test_each_malformed_frame_is_named(self):
        daemon = self.daemon()
        for code, frame in (
                (FAULT_TYPE, HEADER.pack(0x21, 0, 0, 0)),
                (FAULT_TYPE, str(uuid.uuid4()).encode()),
                (FAULT_DIRECTION, HEADER.pack(native_client.REPLY, 0, 0, 64) + bytes(64)),
                (FAULT_FLAG, request(2, flags=0x01)),
                (FAULT_SHORT, request(2, length=27)),
                (FAULT_LONG, request(2, length=28 + 65537)),
                (FAULT_LONG, HEADER.pack(REQUEST, 0, 0, 0xffffffff)),
                (FAULT_LONG, HEADER.pack(0x80, 0, 0, 65601)),
                (FAULT_REPLY_PADDING, request(2, reply_padding=65537))):
            with self.subTest(code=code, frame=frame[:8].hex()):
                client = self.connect(daemon)
                client.socket.sendall(request(1) + frame)
                self.assertEqual(client.read_reply().seq, 1)
                self.assert_error_then_end(client, code)

    def test_error_is_not_lost_to_a_reset(self):
        client = self.connect(self.daemon())
        client.socket.sendall(HEADER.pack(0x21, 0, 0, 0) + bytes(100000))
        self.assert_error_then_end(client, FAULT_TYPE)

    def test_others_notice_nothing(self):
        daemon = self.daemon()
        good, bad = self.connect(daemon), self.connect(daemon)
        bad.socket.sendall(b'\xff\xff\xff\xff\xff\xff\xff\xff')
        self.assert_error_then_end(bad, FAULT_LONG)
        self.assertEqual(good.ask(1).reply.seq, 1)


class Ends(NativeCase):
    def test_idle_client_is_told_so(self):
        client = self.connect(self.daemon('--idle-timeout=200ms'))
        client.ask(1)
        self.assert_goodbye_then_end(client, IDLE_TIMEOUT)

    def test_unfinished_message_is_told_so(self):
        client = self.connect(self.daemon('--message-timeout=200ms'))
        client.socket.sendall(request(1, bytes(100))[:100])
        self.assert_goodbye_then_end(client, MESSAGE_TIMEOUT)

    def test_unfinished_hello_is_told_so_in_text(self):
        sock = self.plain_socket(self.daemon('--message-timeout=200ms'))
        sock.sendall(HELLO[:20])
        with self.assertRaises(native_client.Refused):
            native_client.NativeClient(sock, b'')

    def test_stopping_server_says_so_and_goes_on_answering(self):
        daemon = self.daemon()
        client = self.connect(daemon)
        client.ask(1)
        daemon.signal(signal.SIGTERM)
        frame = client.read_frame()
        self.assertEqual((frame.type, frame.code), (GOODBYE, STOPPING))
        client.ask(2)
        self.assertEqual(client.finish(), [])
        self.assertEqual(daemon.wait(), 0)

    def test_stopping_server_waits_no_longer_than_it_said(self):
        daemon = self.daemon('--drain-timeout=300ms')
        client = self.connect(daemon)
        daemon.signal(signal.SIGTERM)
        self.assert_goodbye_then_end(client, STOPPING)
        self.assertEqual(daemon.wait(), 0)


if __name__ == '__main__':
    main()
