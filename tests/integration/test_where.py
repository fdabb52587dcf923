# SPDX-License-Identifier: MIT
"""Where the time went: known delays, put into one direction or into the server, must be found there
and nowhere else.
"""

import signal
import time

import schema
import support
from delay_proxy import BACK, OUT, DelayProxy

HOLD = 0.010
WORST_MAX = 1000
MSEC = 1000000

PDV_KEYS = {OUT: 'forward_pdv_ns', BACK: 'return_pdv_ns'}
CAUSES = {OUT: 'path_out', BACK: 'path_back'}


class TestDirection(support.Case):
    """A proxy holds every k-th message 10 ms in one direction only."""

    def setUp(self):
        super().setUp()
        self.ask_for_quiet()

    def check(self, direction, rate, every, spikes=100):
        server = self.daemon()
        proxy = DelayProxy(self, server.address, direction, every, HOLD)
        # What comes while one is held is one piece with it, or the next one.
        count = int(1.2 * spikes * (every + HOLD * rate)) + 50
        client = self.run_client('-J', '-r', rate, '-c', count, '--worst', WORST_MAX,
                                 '127.0.0.1:%d' % proxy.port, timeout=3 * support.DEADLINE)
        self.assertEqual(client.status, 0, client.stderr)
        document = schema.document(self, client)
        self.assertEqual(document['protocol'], 'native')

        messages = {message['seq']: message for message in document['worst']}
        holds = proxy.holds[:spikes]
        self.assertEqual(len(holds), spikes, 'the proxy lumped too much together')
        wrong = [(messages.get(seq), length) for seq, length in holds
                 if not self.is_right(direction, messages.get(seq), length)]
        self.assertLessEqual(len(wrong), spikes * 2 // 100, wrong)

    @staticmethod
    def is_right(direction, message, length):
        if message is None or message['cause'] != CAUSES[direction]:
            return False
        amount = message[PDV_KEYS[direction]]
        return amount is not None and abs(amount - length * 1e9) <= MSEC

    def test_held_on_the_way_out(self):
        self.check(OUT, rate=200, every=6)

    def test_held_on_the_way_back(self):
        self.check(BACK, rate=200, every=6)

    def test_held_on_the_way_out_at_two_thousand_a_second(self):
        self.check(OUT, rate=2000, every=50)

    def test_held_on_the_way_back_at_two_thousand_a_second(self):
        self.check(BACK, rate=2000, every=50)


class TestStoppedServer(support.Case):
    """SIGSTOP for 300 ms amid an open-loop run: the server's own absence, whatever the stamps."""

    STALL = 0.3

    def stall(self, *options):
        server = self.daemon()
        client = self.client('-J', '-i', '1ms', '-c', 2000, '--percentiles=50,90,95,99',
                             '--worst=20', *options, '127.0.0.1:%d' % server.port)
        support.poll_until(lambda: server.statistics()['messages'] > 400, 'the run is under way')
        server.signal(signal.SIGSTOP)
        start = time.monotonic()
        time.sleep(self.STALL)
        length = time.monotonic() - start
        server.signal(signal.SIGCONT)
        self.assertEqual(client.wait(), 0, client.stderr)
        return schema.document(self, client), length

    def check_response(self, document, length):
        """Of N due in the run, the slowest share 1 - p waited T - (1 - p) x N x interval or more.
        """
        for percent in (90, 95, 99):
            expected = max(length - (1 - percent / 100) * 2.0, 0)
            measured = document['response_rtt_ns']['percentiles'][str(percent)] / 1e9
            self.assertGreater(measured, expected - 0.01, percent)
            self.assertLess(measured, expected + 0.1, percent)

    def test_is_labelled_server(self):
        document, length = self.stall()
        self.assertEqual(document['protocol'], 'native')
        self.check_response(document, length)
        causes = [message['cause'] for message in document['worst']]
        self.assertEqual(set(causes), {'server'}, document['worst'])
        worst = document['worst'][0]
        self.assertGreater(worst['residence_ns'] or 0, 0.9 * length * 1e9, worst)

    def test_service_alone_would_hide_it(self):
        document, length = self.stall('--in-flight=1')
        self.check_response(document, length)
        self.assertLess(document['service_rtt_ns']['percentiles']['99'], 100 * MSEC)
        self.assertGreater(document['response_rtt_ns']['percentiles']['99'], 200 * MSEC)


if __name__ == '__main__':
    support.main()
