# SPDX-License-Identifier: MIT
"""A server that stops for a while: the response RTT has to say what arithmetic says, and whose
fault it was.
"""

import signal
import time

import schema
import support

MSEC = 1000000


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

    @support.measures_time()
    def test_is_labelled_server(self):
        document, length = self.stall()
        self.assertEqual(document['protocol'], 'native')
        self.check_response(document, length)
        causes = [message['cause'] for message in document['worst']]
        self.assertEqual(set(causes), {'server'}, document['worst'])
        worst = document['worst'][0]
        self.assertGreater(worst['residence_ns'] or 0, 0.9 * length * 1e9, worst)

    @support.measures_time()
    def test_service_alone_would_hide_it(self):
        document, length = self.stall('--in-flight=1')
        self.check_response(document, length)
        self.assertLess(document['service_rtt_ns']['percentiles']['99'], 100 * MSEC)
        self.assertGreater(document['response_rtt_ns']['percentiles']['99'], 200 * MSEC)


if __name__ == '__main__':
    support.main()
