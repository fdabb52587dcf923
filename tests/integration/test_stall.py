# SPDX-License-Identifier: MIT
"""A server, or a client, that stops for a while: the response RTT has to say what arithmetic says,
and whose fault it was.
"""

import math
import os
import queue
import signal
import socket
import threading
import time

import netns
import schema
import support
from native_client import HEADER, REPLY, REPLY_FIELDS, REQUEST_FIELDS

MSEC = 1000000
ATTEMPTS = 3                # a busy machine keeps its own programs waiting, too


class TestStoppedServer(support.Case):
    """SIGSTOP for 300 ms amid an open-loop run: the server's own absence, whatever the stamps."""

    STALL = 0.3

    def setUp(self):
        super().setUp()
        self.ask_for_quiet()

    def stall(self, rate, *options):
        """A run of 2 s; the document, and how long the server was stopped [s]."""
        server = self.daemon()
        client = self.client('-J', '-r', rate, '-c', 2 * rate, '--percentiles=50,90,95,99',
                             '--worst=1000', *options, '127.0.0.1:%d' % server.port)
        support.poll_until(lambda: server.statistics()['messages'] > 0.4 * rate,
                           'the run is under way')
        server.signal(signal.SIGSTOP)
        start = time.monotonic()
        time.sleep(self.STALL)
        length = time.monotonic() - start
        server.signal(signal.SIGCONT)
        self.assertEqual(client.wait(), 0, client.stderr)
        document = schema.document(self, client)
        self.assertEqual(document['protocol'], 'native')
        return document, length

    def attempt(self, check, *arguments):
        """Has check(document, length) say what was wrong with a run, and fails if that is not
        nothing every time."""
        for _ in range(ATTEMPTS):
            wrong = check(*self.stall(*arguments))
            if not wrong:
                return
        self.fail('at the last attempt: %s' % wrong)

    def wrong_response(self, document, length, draining=0.008):
        """Of N due in the run, the k-th slowest was due (k - 1/2) intervals after the stop, and
        waited for the rest of it. What comes on top is the draining, and this machine."""
        count = document['sent']
        interval = 2.0 / count
        wrong = []
        for percent in (90, 95, 99):
            above = count - math.ceil(percent / 100 * count)
            expected = max(length - (above + 0.5) * interval, 0)
            measured = document['response_rtt_ns']['percentiles'][str(percent)] / 1e9
            if not expected - 0.003 < measured < expected + draining:
                wrong.append('p%d is %.4f s, not %.4f' % (percent, measured, expected))
        return wrong

    def wrong_cause(self, document, length):
        """Nearly all that waited are the server's, none are the path's."""
        slow = [m for m in document['worst'] if m['response_rtt_ns'] > 10 * MSEC]
        causes = [m['cause'] for m in slow]
        wrong = []
        if len(slow) < 0.9 * length / 2.0 * document['sent']:
            wrong.append('%d slow ones' % len(slow))
        if causes.count('server') < 0.97 * len(causes) or 'path_out' in causes:
            wrong.append({cause: causes.count(cause) for cause in causes})
        return wrong

    @support.measures_time()
    def test_is_labelled_server(self):
        def check(document, length):
            wrong = self.wrong_response(document, length) + self.wrong_cause(document, length)
            worst = document['worst'][0]
            if (worst['residence_ns'] or 0) < 0.98 * length * 1e9:
                wrong.append(worst)
            return wrong

        self.attempt(check, 1000)

    def test_is_labelled_server_with_more_than_a_read_waiting(self):
        """The kernel merges what waits, across the end of each read."""
        self.attempt(self.wrong_cause, 1000, '--size=500', '--in-flight=1000')

    def test_is_labelled_server_where_its_window_is_full(self):
        """Most cannot leave while the server is stopped, for it takes no more in."""
        self.attempt(self.wrong_cause, 500, '--size=2000', '--in-flight=200')
        self.attempt(self.wrong_cause, 200, '--size=8000', '--in-flight=200')

    @support.measures_time()
    def test_service_alone_would_hide_it(self):
        def check(document, length):
            wrong = self.wrong_response(document, length, draining=0.04)    # one by one
            if document['service_rtt_ns']['percentiles']['99'] > 10 * MSEC:
                wrong.append('service p99')
            return wrong

        self.attempt(check, 1000, '--in-flight=1')


class SlowServer:
    """A native server whose every reply takes its time, so that many are under way together."""

    WELCOME = (b'tcptimer-welcome version=1 max-reply-padding=65536 rx-buffer=999999 '
               b'tx-buffer=999999;')

    def __init__(self, case, host, delay, padding):
        self.delay = delay
        self.padding = padding
        self.requests = queue.Queue()
        self.listener = host.call(case.listener)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.receive, daemon=True).start()

    def receive(self):
        sock = self.listener.accept()[0]
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.recv(4096)
        sock.sendall(self.WELCOME)
        threading.Thread(target=self.answer, args=(sock,), daemon=True).start()
        length = HEADER.size + REQUEST_FIELDS.size
        pending = b''
        while data := sock.recv(1 << 16):
            arrival = time.monotonic_ns()
            pending += data
            while len(pending) >= length:
                self.requests.put((pending[8:length], arrival))
                pending = pending[length:]

    def answer(self, sock):
        while True:
            fields, arrival = self.requests.get()
            time.sleep(max(0, arrival / 1e9 + self.delay - time.monotonic()))
            seq, uuid = REQUEST_FIELDS.unpack(fields)[:2]
            body = REPLY_FIELDS.pack(seq, uuid, 0, arrival, time.time_ns(),
                                     time.monotonic_ns() - arrival, 0) + bytes(self.padding)
            try:
                sock.sendall(HEADER.pack(REPLY, 0x10, 0, len(body)) + body)
            except OSError:
                return


class TestStoppedClient(support.Case):
    """More than one read of replies comes while the client is stopped, and the kernel merges them:
    not the way back's fault."""

    WINDOW = 4 << 20                # [bytes]

    def setUp(self):
        super().setUp()
        if os.geteuid() != 0:
            self.cannot_run_here('a network namespace needs root')
        self.host = netns.Host(self, 'one')
        # Room for all that comes meanwhile. A stopped client acknowledges late, too: a window that
        # is shut, of the client's or of the congestion control, would hold replies on their way.
        self.host.run('sh', '-c', 'cd /proc/sys/net/ipv4 && echo 4096 %d %d >tcp_rmem &&'
                      ' echo reno >tcp_congestion_control && echo 0 >tcp_slow_start_after_idle'
                      % (self.WINDOW, self.WINDOW))
        self.host.ip('route', 'replace', 'local', '127.0.0.0/8', 'dev', 'lo', 'table', 'local',
                     'initcwnd', '1000')

    def wrong(self):
        server = SlowServer(self, self.host, 0.15, 400)
        client = self.host.client('-J', '-r', 4000, '-w', '2s', '--reply-size', 400,
                                  '--worst', 1000, '-p', server.port)
        time.sleep(0.8)
        client.signal(signal.SIGSTOP)
        time.sleep(0.15)
        client.signal(signal.SIGCONT)
        self.assertEqual(client.wait(), 0, client.stderr)
        waited = [message for message in schema.document(self, client)['worst']
                  if message['service_rtt_ns'] > 170 * MSEC]
        self.assertGreater(len(waited), 300)
        return [message for message in waited
                if message['cause'] == 'path_back' or (message['return_pdv_ns'] or 0) > 10 * MSEC]

    def test_is_not_the_way_back(self):
        for _ in range(ATTEMPTS):
            wrong = self.wrong()
            if not wrong:
                return
        self.fail('%d, as %s' % (len(wrong), wrong[0]))


if __name__ == '__main__':
    support.main()
