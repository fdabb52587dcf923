# SPDX-License-Identifier: MIT
"""The causes of the worst messages, each provoked between two hosts.

The line between them loses or holds chosen messages and tells which. For delayed_ack there is a
lazy server: the daemon answers at once, and its answer is the acknowledgement; only while it is
stopped does its kernel delay one, and then the cause is the server.
"""

import json
import signal
import socket
import threading
import time

from native_client import HEADER, REPLY, REPLY_FIELDS, REQUEST_FIELDS
from netns import TwoHosts
from support import main, measures_time, poll_until

MSEC = 1000000
REQUEST_LEN = HEADER.size + REQUEST_FIELDS.size


class Causes(TwoHosts):
    def setUp(self):
        super().setUp()
        self.ask_for_quiet()

    def start(self, *line_options):
        self.line = self.add_packet_line(*line_options)
        self.server = self.two.daemon(listen=['0.0.0.0:0'])

    def start_client(self, *arguments):
        return self.one.client('--json', '--worst', 1000, '-p', self.server.port, *arguments,
                               self.address(2))

    def worst_of(self, client, *statuses):
        """The worst messages by their numbers."""
        self.assertIn(client.wait(), statuses or (0,), client.stderr)
        return {message['seq']: message for message in json.loads(client.stdout)['worst']}

    def assert_most_are(self, cause, worst, numbers):
        """Nearly all, as the machine has delays of its own."""
        found = [worst[seq]['cause'] if seq in worst else None for seq in numbers]
        self.assertGreaterEqual(len(found), 4)
        self.assertGreaterEqual(found.count(cause), 0.75 * len(found), found)

    def numbers_hit(self, way, count):
        """Of the messages that the line lost or held, without the last one of the run."""
        return [seq for seq in self.line.log(way) if seq < count]

    def test_held_on_the_way_out(self):
        self.start('-o', '100:10ms')
        worst = self.worst_of(self.start_client('-r', 500, '-c', 1000))
        hit = self.numbers_hit('out', 1000)
        self.assert_most_are('path_out', worst, hit)
        self.assertGreater(worst[hit[0]]['forward_pdv_ns'], 9 * MSEC)

    def test_held_on_the_way_back(self):
        self.start('-b', '100:10ms')
        worst = self.worst_of(self.start_client('-r', 500, '-c', 1000))
        hit = self.numbers_hit('back', 1000)
        self.assert_most_are('path_back', worst, hit)
        self.assertGreater(worst[hit[0]]['return_pdv_ns'], 9 * MSEC)

    def test_lost_on_the_way_out(self):
        self.start('-l', '5ms', '-o', '300:drop')
        worst = self.worst_of(self.start_client('-r', 1000, '-c', 2000))
        hit = self.numbers_hit('out', 1990)
        self.assert_most_are('retransmit', worst, hit)
        # The next ones were there, but not to be read before it.
        self.assert_most_are('head_of_line', worst,
                             [seq + n for seq in hit for n in range(1, 6)])

    def test_lost_on_the_way_back(self):
        self.start('-l', '5ms', '-b', '300:drop')
        worst = self.worst_of(self.start_client('-r', 1000, '-c', 2000))
        hit = self.numbers_hit('back', 1990)
        self.assert_most_are('retransmit', worst, hit)
        self.assert_most_are('head_of_line', worst,
                             [seq + n for seq in hit for n in range(1, 6)])

    def test_lost_with_nothing_behind_it(self):
        self.start('-o', '5:drop')
        worst = self.worst_of(self.start_client('-r', 3, '-c', 22))
        hit = self.numbers_hit('out', 22)
        self.assert_most_are('rto', worst, hit)
        self.assertGreater(worst[hit[0]]['forward_pdv_ns'], 190 * MSEC)

    def test_lost_reply_with_nothing_behind_it_leaves_no_trace(self):
        self.start('-b', '5:drop')
        worst = self.worst_of(self.start_client('-r', 3, '-c', 22))
        self.assert_most_are('path_back', worst, self.numbers_hit('back', 22))

    def test_waits_for_the_reply_to_another(self):
        self.start('-b', '100:50ms')
        worst = self.worst_of(self.start_client('-r', 200, '-c', 600, '--in-flight', 1))
        self.assert_most_are('head_of_line', worst,
                             [seq + n for seq in self.numbers_hit('back', 590)
                              for n in range(1, 5)])

    def stop_meanwhile(self, process, client, length):
        """Stops a process for so long while a run of 2000 messages at 1000/s is under way."""
        poll_until(lambda: self.server.statistics()['messages'] > 600, 'the run is under way')
        process.signal(signal.SIGSTOP)
        time.sleep(length)
        process.signal(signal.SIGCONT)
        return list(self.worst_of(client).values())[:20]

    @measures_time()
    def test_stopped_server(self):
        self.start()
        client = self.start_client('-r', 1000, '-c', 2000)
        causes = [m['cause'] for m in self.stop_meanwhile(self.server, client, 0.1)]
        self.assertGreaterEqual(causes.count('server'), 15, causes)

    @measures_time()
    def test_stopped_client(self):
        self.start()
        client = self.start_client('-r', 1000, '-c', 2000)
        causes = [m['cause'] for m in self.stop_meanwhile(client, client, 0.1)]
        self.assertGreaterEqual(causes.count('local_wakeup'), 15, causes)

    def lazy_server(self):
        """A native server that answers only when two requests are there; their padding is none."""
        listener = self.two.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.bind((self.address(2), 0))
        listener.listen()

        def serve():
            sock = listener.accept()[0]
            with sock:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.recv(4096)
                sock.sendall(b'tcptimer-welcome version=1 rx-buffer=65536 tx-buffer=65536;')
                pending, last = b'', time.monotonic_ns()
                while data := sock.recv(65536):
                    pending += data
                    arrival = time.monotonic_ns()
                    n = len(pending) // REQUEST_LEN
                    if n < 2:
                        continue
                    replies = b''
                    for i in range(n):
                        seq, uuid = REQUEST_FIELDS.unpack_from(pending, i * REQUEST_LEN + 8)[:2]
                        body = REPLY_FIELDS.pack(seq, uuid, arrival - last, arrival,
                                                 time.time_ns(), 0, 0)
                        replies += HEADER.pack(REPLY, 0, 0, len(body)) + body
                        last = arrival
                    pending = pending[n * REQUEST_LEN:]
                    sock.sendall(replies)

        threading.Thread(target=serve, daemon=True).start()
        return listener.getsockname()[1]

    def delayed_acks(self, *options):
        """How many of the messages to a lazy server waited for a delayed acknowledgement."""
        self.start()
        port = self.lazy_server()
        client = self.one.client('--json', '--worst', 1000, '-p', port, '-r', 1000, '-c', 2000,
                                 '-W', '300ms', *options, self.address(2))
        causes = [message['cause'] for message in self.worst_of(client, 0, 1).values()]
        return causes.count('delayed_ack')

    def test_nagle_waits_for_a_delayed_ack(self):
        self.assertGreaterEqual(self.delayed_acks('--nagle'), 10)

    def test_no_message_waits_for_an_ack_unless_asked_for(self):
        self.assertEqual(self.delayed_acks(), 0)

    def test_text_tells_nothing(self):
        self.start('-o', '100:10ms')
        worst = self.worst_of(self.start_client('-r', 50, '-c', 450, '--protocol', 'text'))
        self.assert_most_are('unknown', worst, self.numbers_hit('out', 450))


if __name__ == '__main__':
    main()
