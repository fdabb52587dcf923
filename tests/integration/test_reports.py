# SPDX-License-Identifier: MIT
"""What the client prints for people and for programs."""

import csv
import io
import json
import re

import schema
import support


class ReportCase(support.Case):
    def setUp(self):
        super().setUp()
        self.server = self.daemon()
        self.target = '127.0.0.1:%d' % self.server.port

    def report(self, *arguments, status=0):
        client = self.run_client(*arguments, self.target)
        self.assertEqual(client.status, status, client.stderr)
        self.assertEqual(client.stderr, '')
        return client


class TestText(ReportCase):
    def test_line_for_each_reply_as_ping(self):
        client = self.report('-i', '100ms', '-c', 3)
        replies = [line for line in client.stdout.splitlines() if 'seq=' in line]
        self.assertEqual(len(replies), 3)
        for line in replies:
            self.assertRegex(line, r'rtt=\d+\.\d+ ms')

    def test_lines_that_nobody_could_read_are_left_out(self):
        self.assertNotIn('seq=', self.report('-c', 3).stdout)
        self.assertIn('seq=', self.report('-v', '-c', 3).stdout)

    def test_quiet_leaves_the_summary(self):
        client = self.report('-q', '-i', '100ms', '-c', 3)
        self.assertNotIn('seq=', client.stdout)
        self.assertIn('tcptimer statistics', client.stdout)

    def test_time_stamps(self):
        client = self.report('-D', '-i', '100ms', '-c', 3)
        self.assertEqual(len(re.findall(r'(?m)^\d{4}-\d\d-\d\dT\S+ seq=', client.stdout)), 3)

    def test_verbose_says_more(self):
        plain, verbose = self.report('-c', 3), self.report('-v', '-c', 3)
        self.assertGreater(len(verbose.stdout), len(plain.stdout))

    def test_latency_is_never_said(self):
        for words in (['-c', 100], ['-v', '-c', 100]):
            self.assertNotIn('latency', self.report(*words).stdout.lower())

    def test_percentile_the_sample_cannot_support_is_marked(self):
        client = self.report('-q', '-c', 10, '--percentiles=50,99.9')
        self.assertRegex(client.stdout, r'(?m)^.*99\.9.*$')
        line = re.search(r'(?m)^.*99\.9.*$', client.stdout).group(0)
        self.assertNotRegex(line.replace('99.9', ''), r'\d+\.\d+ ?(us|ms)\Z')

    def test_both_round_trips_are_shown(self):
        text = self.report('-q', '-r', 1000, '-c', 100).stdout.lower()
        self.assertIn('service', text)
        self.assertIn('response', text)


class TestJson(ReportCase):
    def test_document(self):
        for protocol in ('auto', 'text'):
            with self.subTest(protocol=protocol):
                client = self.report('-J', '-c', 500, '--protocol', protocol)
                document = schema.document(self, client)
                self.assertEqual((document['sent'], document['received'], document['lost'],
                                  document['late']), (500, 500, 0, 0))
                self.assertEqual(document['service_rtt_ns']['count'], 500)
                self.assertEqual(document['response_rtt_ns']['count'], 500)
                self.assertIsNone(document['error'])
                self.assertEqual(document['outages'], [])
                self.assertEqual(len(document['worst']), 10)

    def test_stdout_has_nothing_else(self):
        client = self.report('-J', '-v', '-c', 5)
        json.loads(client.stdout)

    def test_percentiles_have_the_keys_given(self):
        document = schema.document(self, self.report('-J', '-c', 100, '--percentiles=50,90,99.99'))
        percentiles = document['service_rtt_ns']['percentiles']
        self.assertEqual(list(percentiles), ['50', '90', '99.99'])
        self.assertIsNotNone(percentiles['50'])
        self.assertIsNone(percentiles['99.99'], 'a hundred messages cannot tell')

    def test_worst(self):
        document = schema.document(self, self.report('-J', '-c', 50, '--worst=3'))
        self.assertEqual(len(document['worst']), 3)
        self.assertEqual(document['worst'][0]['response_rtt_ns'],
                         document['response_rtt_ns']['max'])

    def test_response_is_never_below_service(self):
        document = schema.document(self, self.report('-J', '-r', 1000, '-c', 300))
        response, service = document['response_rtt_ns'], document['service_rtt_ns']
        for key in ('min', 'mean', 'max'):
            self.assertGreaterEqual(response[key], service[key], key)

    def test_omitted_messages_are_left_out(self):
        document = schema.document(self, self.report('-J', '-c', 100, '-O', 20))
        self.assertEqual(document['service_rtt_ns']['count'], 80)


class TestStream(ReportCase):
    def test_an_event_a_reply_then_the_document(self):
        events = schema.events(self, self.report('--json-stream', '-c', 50))
        replies = [event for event in events if event['event'] == 'reply']
        self.assertEqual(len(replies), 50)
        sequence = [reply['seq'] for reply in replies]
        self.assertEqual(sequence, list(range(sequence[0], sequence[0] + 50)))
        self.assertEqual(len({reply['uuid'] for reply in replies}), 50)
        for reply in replies:
            self.assertRegex(reply['uuid'], r'\A[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-'
                                            r'[89ab][0-9a-f]{3}-[0-9a-f]{12}\Z')
            self.assertGreater(reply['service_rtt_ns'], 0)
            self.assertGreaterEqual(reply['response_rtt_ns'], reply['service_rtt_ns'])
        document = events[-1]
        self.assertEqual(max(reply['service_rtt_ns'] for reply in replies),
                         document['service_rtt_ns']['max'])
        self.assertEqual(min(reply['service_rtt_ns'] for reply in replies),
                         document['service_rtt_ns']['min'])

    def test_lines_come_as_they_happen(self):
        client = self.client('--json-stream', '-i', '10ms', self.target)
        client.stdout_tape.wait('"event": ?"reply"', count=3)
        self.assertTrue(client.running())
        client.signal(support.signal.SIGINT)
        self.assertEqual(client.wait(), 0, client.stderr)
        schema.events(self, client)


class TestHgrm(ReportCase):
    def test_percentile_distribution_of_the_response_rtt(self):
        path = self.path('x.hgrm')
        document = schema.document(self, self.report('-J', '-c', 1000, '--hgrm', path))
        with open(path, encoding='utf-8') as file:
            lines = file.read().splitlines()
        self.assertEqual(lines[0].split(),
                         ['Value', 'Percentile', 'TotalCount', '1/(1-Percentile)'])
        rows = [[float(word) for word in line.split()] for line in lines[2:] if line[0] != '#']
        self.assertEqual(rows, sorted(rows))
        self.assertEqual((rows[-1][1], rows[-1][2]), (1, 1000))
        largest = document['response_rtt_ns']['max'] / 1e6
        # The format has three decimals.
        self.assertAlmostEqual(rows[-1][0], largest, delta=largest / 500 + 0.0005)

    def test_file_that_cannot_be_written(self):
        """Which is told before anything is measured."""
        client = self.run_client('-c', 1, '--hgrm', self.path('absent/x.hgrm'), self.target)
        self.assertEqual(client.status, 2)
        self.assertRegex(client.stderr, r'absent/x\.hgrm.*No such file')
        self.assertEqual(client.stdout, '')

    def test_full_disk(self):
        client = self.run_client('-q', '-c', 1, '--hgrm', '/dev/full', self.target)
        self.assertEqual(client.status, 2)
        self.assertRegex(client.stderr, r"--hgrm '/dev/full': No space left on device")

    def test_file_that_is_there_is_written_anew(self):
        path = self.path('x.hgrm')
        with open(path, 'w', encoding='utf-8') as file:
            file.write('something old\n' * 10000)
        self.report('-q', '-c', 10, '--hgrm', path)
        with open(path, encoding='utf-8') as file:
            text = file.read()
        self.assertNotIn('old', text)
        self.assertEqual(text.split()[0], 'Value')


class TestGate(ReportCase):
    """--fail-if: status 4 where a condition holds, and which one."""

    def test_condition_that_holds(self):
        client = self.run_client('-q', '-c', 50, '--fail-if', 'p50>1ns', self.target)
        self.assertEqual(client.status, 4)
        self.assertIn('p50>1ns', client.stdout)
        client = self.run_client('-J', '-c', 50, '--fail-if', 'loss>50%,p50>1ns', self.target)
        self.assertEqual(client.status, 4)
        document = schema.document(self, client)
        self.assertEqual([condition for condition in document['fail_if'] if condition['failed']],
                         [document['fail_if'][1]])

    def test_conditions_that_do_not_hold(self):
        self.report('-q', '-c', 50, '--fail-if', 'p50>1h,loss>0.1%')

    def test_percentile_that_the_sample_cannot_support(self):
        client = self.run_client('-J', '-c', 10, '--fail-if', 'p99>1h,max>1h', self.target)
        self.assertEqual(client.status, 0)
        self.assertRegex(client.stderr, r"\Atcptimer: --fail-if 'p99>1h': too few replies.*\n\Z")
        conditions = schema.document(self, client)['fail_if']
        self.assertEqual([condition['supported'] for condition in conditions], [False, True])

    def test_condition_that_is_none(self):
        client = self.run_client('-c', 5, '--fail-if', 'speed>9', self.target)
        self.assertEqual(client.status, 2)
        self.assertIn('speed', client.stderr)


class TestCsv(ReportCase):
    def test_row_for_each_message(self):
        client = self.report('--csv', '-c', 30)
        rows = list(csv.DictReader(io.StringIO(client.stdout)))
        self.assertEqual(len(rows), 30)
        self.assertLessEqual({'seq', 'uuid', 'service_rtt_ns', 'response_rtt_ns'}, set(rows[0]))
        for row in rows:
            self.assertNotIn(None, row, 'more fields than the header has')
            self.assertNotIn(None, row.values(), 'fewer fields than the header has')
            self.assertGreater(int(row['service_rtt_ns']), 0)
        self.assertEqual(len({row['uuid'] for row in rows}), 30)


if __name__ == '__main__':
    support.main()
