# SPDX-License-Identifier: MIT
"""The client against good servers: ours, and one that behaves as the original did."""

import csv
import io
import os
import resource
import select
import signal
import subprocess
import threading
import time

import original
import schema
import support
from peers import Server, TextPeer, new_uuid, reply_to

STATISTICS = (r'(?m)^--- .* tcptimer statistics ---\n'
              r'(\d+) sent, (\d+) received, ([0-9.]+)% lost, time \S+.*\n')
RTT_LINE = r'(?m)^rtt min/avg/max/mdev = [0-9.]+/[0-9.]+/[0-9.]+/[0-9.]+ (ns|us|ms|s)$'


class ClientCase(support.Case):
    def target(self, server):
        return '127.0.0.1:%d' % server.port

    def check_summary(self, client, sent, received=None):
        self.assertRegex(client.stdout, STATISTICS)
        match = support.re.search(STATISTICS, client.stdout)
        self.assertEqual((int(match.group(1)), int(match.group(2))),
                         (sent, sent if received is None else received))


class TestRoles(ClientCase):
    def test_against_our_daemon(self):
        server = self.daemon()
        client = self.run_client('-c', 200, self.target(server))
        self.assertEqual(client.status, 0, client.stderr)
        self.check_summary(client, 200)
        self.assertRegex(client.stdout, RTT_LINE)
        self.assertEqual(client.stderr, '')
        server.await_statistics(messages=200)

    def test_in_text_against_our_daemon(self):
        server = self.daemon()
        client = self.run_client('--protocol=text', '-J', '-c', 200, self.target(server))
        self.assertEqual(client.status, 0, client.stderr)
        document = schema.document(self, client)
        self.assertEqual((document['protocol'], document['received']), ('text', 200))

    def test_against_the_original_server(self):
        for protocol in ('auto', 'text'):
            with self.subTest(protocol=protocol):
                server = original.start_server(self)
                client = self.run_client('-J', '--protocol', protocol, '-c', 50,
                                         self.target(server))
                self.assertEqual(client.status, 0, client.stderr)
                document = schema.document(self, client)
                self.assertEqual((document['sent'], document['received'], document['lost']),
                                 (50, 50, 0))
                self.assertEqual(document['protocol'], 'text')
                self.assertEqual(server.accepted, 1, 'it goes on on the same connection')

    def test_many_connections_against_the_original_server(self):
        server = original.start_server(self)
        client = self.run_client('-P', 5, '-c', 100, '-J', self.target(server))
        self.assertEqual(client.status, 0, client.stderr)
        self.assertEqual(schema.document(self, client)['received'], 100)
        self.assertEqual(server.accepted, 5)

    def test_original_options(self):
        server = self.daemon()
        for spelling in ('--num-msgs', '--num_msgs'):
            with self.subTest(spelling=spelling):
                client = self.run_client(spelling, 100, '--host', '127.0.0.1',
                                         '--port', server.port, '--timeout', 5)
                self.assertEqual(client.status, 0, client.stderr)
                self.check_summary(client, 100)

    def test_ways_to_name_a_host(self):
        path = self.path('named.sock')
        server = self.daemon(listen=('127.0.0.1:0', '[::1]:0', 'unix:' + path))
        four, six = server.addresses[0][1], server.addresses[1][1]
        for words in (['127.0.0.1:%d' % four], ['-p', four, '127.0.0.1'], ['[::1]:%d' % six],
                      ['-p', six, '::1'], ['localhost:%d' % four], ['-4', 'localhost:%d' % four],
                      ['-6', '-p', six, '::1'], ['unix:' + path],
                      ['-I', '127.0.0.1', '127.0.0.1:%d' % four], ['-I', 'lo', '-p', four]):
            with self.subTest(words=words):
                client = self.run_client('-c', 3, *words)
                self.assertEqual(client.status, 0, client.stderr)
                self.check_summary(client, 3)

    def test_addresses_of_a_name_are_tried_in_order(self):
        """localhost has ::1 first; the server is on 127.0.0.1 alone."""
        server = self.daemon()
        hosts = self.with_hosts('::1 localhost\n127.0.0.1 localhost\n')
        client = self.run_client('-c', 1, 'localhost:%d' % server.port, prefix=hosts)
        self.assertEqual(client.status, 0, client.stderr)
        client = self.run_client('-6', '-c', 1, 'localhost:%d' % server.port, prefix=hosts)
        self.assertEqual(client.status, 2, client.stdout)
        self.assertRegex(client.stderr, r'connect to \[::1\]:%d: ' % server.port)


class TestLoad(ClientCase):
    def measured(self, *arguments, server=None, status=0):
        server = server or self.daemon()
        client = self.run_client('-J', *arguments, self.target(server))
        self.assertEqual(client.status, status, client.stderr)
        return schema.document(self, client)

    def test_fixed_interval_keeps_the_schedule(self):
        document = self.measured('-i', '20ms', '-c', 26)
        self.assertEqual(document['received'], 26)
        self.assertGreaterEqual(document['duration_ns'], 25 * 20000000)

    def test_rate(self):
        document = self.measured('-r', 200, '-c', 101)
        self.assertEqual(document['received'], 101)
        self.assertGreaterEqual(document['duration_ns'], 500000000)

    def test_poisson_arrivals(self):
        """A seventh of the gaps is more than twice the mean; on a fixed schedule none is."""
        client = self.run_client('--csv', '-r', 1000, '--arrivals', 'poisson', '-c', 500,
                                 self.target(self.daemon()))
        self.assertEqual(client.status, 0, client.stderr)
        sent = [int(row['time_ns']) for row in csv.DictReader(io.StringIO(client.stdout))]
        self.assertEqual(len(sent), 500)
        self.assertGreater(sent[-1] - sent[0], 300000000)
        long_gaps = [gap for gap in map(int.__sub__, sent[1:], sent) if gap > 2000000]
        self.assertGreater(len(long_gaps), 30)

    def test_duration_ends_the_run(self):
        document = self.measured('-i', '50ms', '-w', '500ms')
        self.assertIn(document['sent'], (10, 11))

    def test_duration_ends_a_run_that_the_peer_cannot_keep_up_with(self):
        """A million a second, one at a time: more than anybody answers."""
        document = self.measured('-r', 1000000, '--in-flight', 1, '-w', '200ms', '-W', '300ms',
                                 '--fail-if', 'loss>0%,not_sent>0', status=4)
        self.assertEqual([condition['failed'] for condition in document['fail_if']], [False, True])
        self.assertGreater(document['not_sent'], 0)
        self.assertEqual(document['sent'] + document['not_sent'], 200000)

    def test_duration_counts_from_the_start_for_each_thread(self):
        """The grids of the other threads begin behind the end, or when no clock can tell."""
        for interval in ('500ms', '9000000000s'):
            document = self.measured('-i', interval, '-w', '500ms', '-P', 4, '--threads', 4)
            self.assertEqual(document['sent'], 1)

    def test_whichever_comes_first(self):
        self.assertEqual(self.measured('-i', '1ms', '-w', '60s', '-c', 20)['sent'], 20)

    def test_count_is_shared_out_among_connections(self):
        server = self.daemon()
        document = self.measured('-P', 7, '-c', 100, server=server)
        self.assertEqual((document['sent'], document['received']), (100, 100))
        server.await_statistics(messages=100)

    def test_connection_for_each_message(self):
        """Each its own, also where more are due than can be connected."""
        for options in ([], ['--protocol=native'], ['-P', 3]):
            with self.subTest(options=options):
                server = self.daemon()
                document = self.measured('--connect', '-r', 100000, '-c', 300, *options,
                                         server=server)
                self.assertEqual((document['sent'], document['received']), (300, 300))
                self.assertEqual(document['connect_ns']['count'], 300)
                server.await_statistics(messages=300, accepted=300)

    def test_new_connection_for_each_message(self):
        server = self.daemon()
        document = self.measured('--connect', '-c', 20, server=server)
        self.assertEqual(document['received'], 20)
        self.assertEqual(document['connect_ns']['count'], 20)
        server.await_statistics(messages=20, accepted=20, clients=0)

    def test_threads_share_the_connections(self):
        server = self.daemon()
        client = self.client('-J', '-P', 6, '--threads', 3, '-r', 600, '-c', 600,
                             self.target(server))
        # TSan has a thread of its own.
        support.poll_until(lambda: support.count_threads(client.pid) >= 1 + 3, 'three runners')
        self.assertEqual(client.wait(), 0, client.stderr)
        self.assertEqual(schema.document(self, client)['received'], 600)
        server.await_statistics(messages=600, accepted=6)

    def test_payload_both_ways(self):
        server = self.daemon()
        for out, back in ((1000, 0), (0, 1000), (65536, 65536)):
            with self.subTest(out=out, back=back):
                document = self.measured('-s', out, '--reply-size', back, '-c', 50,
                                         '--in-flight', 4, server=server)
                self.assertEqual((document['protocol'], document['received']), ('native', 50))

    def test_payload_needs_the_native_protocol(self):
        """An original server cannot do what was asked for: that is said, not left out."""
        client = self.run_client('-s', 100, '-c', 5, original.start_server(self).target())
        self.assertEqual(client.status, 2, client.stdout)
        self.assertRegex(client.stderr, r'(?i)native|size')

    @support.measures_time()
    def test_busy_poll_at_both_ends(self):
        """Neither goes to sleep for a message that comes soon."""
        server = self.daemon('--busy-poll=10ms')
        server_sleeps = support.sleeps(server.pid)
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        document = self.measured('--busy-poll=10ms', '-c', 2000, server=server)
        self.assertEqual(document['received'], 2000)
        self.assertLess(support.sleeps(server.pid) - server_sleeps, 500)
        # The client is the only child that has ended meanwhile.
        client_sleeps = resource.getrusage(resource.RUSAGE_CHILDREN).ru_nvcsw - children.ru_nvcsw
        self.assertLess(client_sleeps, 500)

    def test_one_a_second_without_count_or_rate(self):
        document = self.measured('-w', '1500ms')
        self.assertEqual(document['sent'], 2)

    def test_closed_loop_without_end(self):
        document = self.measured('-i', 0, '-w', '300ms')
        self.assertGreater(document['sent'], 50)
        self.assertEqual(document['sent'], document['received'])

    def test_in_flight_one_never_has_two_outstanding(self):
        """The default towards a text peer, and when asked for: a peer that may take one recv for
        one message sees one message in each, however late it answers."""
        for options in ([], ['--in-flight=1']):
            with self.subTest(options=options):
                sizes = []

                def serve(connection, _number):
                    while True:
                        message = connection.recv(1024)
                        if not message:
                            return
                        time.sleep(0.02)        # four more are due meanwhile
                        sizes.append(len(message))
                        connection.sendall(reply_to(message))

                document = self.measured('--protocol=text', '-r', 200, '-c', 40, *options,
                                         server=Server(self, serve))
                self.assertEqual(document['received'], 40)
                self.assertEqual(sizes, [36] * 40)
                response, service = document['response_rtt_ns'], document['service_rtt_ns']
                self.assertGreater(response['max'], service['max'] + 200000000)

    @support.measures_time()
    def test_in_flight_many_when_asked(self):
        server = self.daemon()
        server.signal(signal.SIGSTOP)
        resume = threading.Timer(0.5, server.signal, [signal.SIGCONT])
        resume.start()
        self.addCleanup(resume.join)
        document = self.measured('--protocol=text', '--in-flight=64', '-r', 100, '-c', 60,
                                 server=server)
        self.assertEqual(document['received'], 60)
        self.assertLess(abs(document['response_rtt_ns']['max'] - document['service_rtt_ns']['max']),
                        100000000, 'no message had to wait for another')

    @support.measures_time()
    def test_stall_of_the_server_is_in_response_not_in_service(self):
        """With one message in flight a stall of T hits one service RTT only. On a fixed schedule
        the message due t after its start waits T - t: of N due in the run, those within the slowest
        share 1 - p waited at least T - (1 - p) x N x interval."""
        server = self.daemon()
        interval, count, stall = 0.005, 400, 0.5
        client = self.client('--protocol=text', '-J', '--in-flight=1', '-c', count,
                             '-i', '%gms' % (interval * 1e3),
                             '--percentiles=50,80,90,95,99', self.target(server))
        support.poll_until(lambda: server.statistics()['messages'] > 40, 'the run is under way')
        server.signal(signal.SIGSTOP)
        stopped = time.monotonic()
        time.sleep(stall)
        before_resume = time.monotonic()
        server.signal(signal.SIGCONT)
        self.assertEqual(client.wait(), 0, client.stderr)
        document = schema.document(self, client)
        response, service = document['response_rtt_ns'], document['service_rtt_ns']
        stall = before_resume - stopped
        for percent in (90, 95, 99):
            floor = stall - (1 - percent / 100) * count * interval
            measured = response['percentiles'][str(percent)] / 1e9
            self.assertGreater(measured, floor - 2 * interval, percent)
            self.assertLess(measured, floor + 0.1, percent)
        self.assertGreater(service['max'] / 1e9, stall - 2 * interval)
        self.assertLess(service['percentiles']['99'] / 1e9, 0.1)


class TestEnds(ClientCase):
    """However a run ends, what was measured is told."""

    def test_interrupt_prints_the_summary(self):
        server = self.daemon()
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(signal=number):
                client = self.client('-v', '-i', '10ms', self.target(server))
                client.stdout_tape.wait(r'seq=', count=5)
                client.signal(number)
                self.assertEqual(client.wait(), 0, client.stderr)
                self.assertRegex(client.stdout, STATISTICS)
                self.assertRegex(client.stdout, RTT_LINE)

    def test_interrupt_leaves_valid_documents(self):
        server = self.daemon()
        for option, check in (('-J', schema.document), ('--json-stream', schema.events)):
            with self.subTest(option=option):
                before = server.statistics()['messages']
                client = self.client(option, '-i', '1ms', self.target(server))
                support.poll_until(lambda: server.statistics()['messages'] > before + 5, 'it runs')
                client.signal(signal.SIGINT)
                self.assertEqual(client.wait(), 0, client.stderr)
                check(self, client)

    def test_interrupt_before_the_server_answers_is_no_success(self):
        heard = threading.Event()

        def serve(connection, _number):
            connection.recv(1024)
            heard.set()
            connection.recv(1024)

        for options in ([], ['-J']):
            with self.subTest(options=options):
                heard.clear()
                client = self.client('-c', 5, *options, self.target(Server(self, serve)))
                self.assertTrue(heard.wait(support.DEADLINE))
                client.signal(signal.SIGINT)
                self.assertEqual(client.wait(), 2)
                self.assertRegex(client.stderr, r'\Atcptimer: interrupted [^\n]+\n\Z')
        self.assertEqual(schema.document(self, client)['error']['code'], 'connect')

    def test_interrupt_is_heard_while_rows_come_faster_than_they_are_written(self):
        server = self.daemon()
        with open(os.devnull, 'w', encoding='utf-8') as sink:
            client = subprocess.Popen([support.program('TCPTIMER'), '--json-stream', '-i', '0',
                                       '--in-flight', '50', self.target(server)], stdout=sink)
            try:
                support.poll_until(lambda: server.statistics()['messages'] > 300000, 'it is busy')
                client.send_signal(signal.SIGINT)
                self.assertEqual(client.wait(support.DEADLINE), 0)
            finally:
                client.kill()
                client.wait()

    def test_full_disk_is_told(self):
        server = self.daemon()
        for option in ('-q', '-v', '-J', '--json-stream', '--csv'):
            with self.subTest(option=option), open('/dev/full', 'w', encoding='utf-8') as full:
                client = subprocess.run([support.program('TCPTIMER'), option, '-c', '2000',
                                         self.target(server)], stdout=full,
                                        stderr=subprocess.PIPE, timeout=support.DEADLINE)
                self.assertEqual(client.returncode, 2)
                self.assertIn(b'No space left on device', client.stderr)

    def test_second_interrupt_forces_the_end(self):
        """The first one waits for a reply that never comes."""
        arrived = threading.Event()

        def serve(connection, _number):
            connection.recv(1024)
            arrived.set()
            connection.recv(1024)

        server = Server(self, serve)
        client = self.client('--protocol=text', '-W', '60s', '-i', '10ms', self.target(server))
        self.assertTrue(arrived.wait(support.DEADLINE))
        client.signal(signal.SIGINT)
        client.stderr_tape.wait('waiting up to 1m for replies; a second interrupt ends that')
        self.assertTrue(client.running(), 'it waits for what is outstanding')
        client.signal(signal.SIGINT)
        self.assertEqual(client.wait(), 3)
        self.assertRegex(client.stdout, STATISTICS)

    def test_interrupts_are_heard_while_nobody_reads(self):
        """The first one ends the load, the second one the program, whose report cannot end."""
        target = self.target(self.daemon())
        for option in ('-v', '--json-stream'):
            with self.subTest(option=option):
                reader, writer = os.pipe()
                self.addCleanup(os.close, reader)
                self.addCleanup(os.close, writer)
                client = subprocess.Popen([support.program('TCPTIMER'), option, '-r', '5000',
                                           target], stdout=writer, stderr=subprocess.DEVNULL)
                self.addCleanup(client.kill)
                tasks = '/proc/%d/task' % client.pid
                support.poll_until(lambda writer=writer: not select.select([], [writer], [], 0)[1],
                                   'a full pipe')
                n_threads = len(os.listdir(tasks))
                client.send_signal(signal.SIGINT)
                support.poll_until(lambda tasks=tasks, n=n_threads: len(os.listdir(tasks)) == n - 1,
                                   'the end of the load')
                time.sleep(0.2)
                self.assertIsNone(client.poll())
                client.send_signal(signal.SIGTERM)
                self.assertEqual(client.wait(support.DEADLINE), 3)

    if 'thread' in support.SANITIZER:   # it flushes stdout in _exit(), and waits for the reader
        del test_interrupts_are_heard_while_nobody_reads

    def test_reply_after_the_interrupt_still_counts(self):
        arrived, answer = threading.Event(), threading.Event()

        def serve(connection, _number):
            message = connection.recv(1024)
            arrived.set()
            answer.wait(support.DEADLINE)
            connection.sendall(reply_to(message))
            connection.recv(1024)

        server = Server(self, serve)
        client = self.client('-J', '--protocol=text', '-W', '60s', '-i', '10s', self.target(server))
        self.assertTrue(arrived.wait(support.DEADLINE))
        client.signal(signal.SIGINT)
        time.sleep(0.1)
        answer.set()
        self.assertEqual(client.wait(), 0, client.stderr)
        self.assertEqual(schema.document(self, client)['received'], 1)

    def test_quit_prints_an_interim_summary_and_goes_on(self):
        server = self.daemon()
        client = self.client('-v', '-i', '10ms', self.target(server))
        client.stdout_tape.wait(r'seq=', count=5)
        mark = client.stdout_tape.mark()
        said = client.stderr_tape.mark()
        client.signal(signal.SIGQUIT)
        support.poll_until(lambda: client.stdout_tape.matches(r'\d+.*received', mark)
                           or client.stderr_tape.matches(r'\d+.*received', said), 'interim summary')
        self.assertTrue(client.running())
        client.signal(signal.SIGINT)
        self.assertEqual(client.wait(), 0)
        self.assertRegex(client.stdout, STATISTICS)

    def test_quit_leaves_the_output_of_programs_alone(self):
        """The document and the rows go on, and the summary is beside them."""
        server = self.daemon()
        for option in ('-J', '--csv'):
            with self.subTest(option=option):
                before = server.statistics()['messages']
                client = self.client(option, '-i', '10ms', self.target(server))
                support.poll_until(lambda before=before:
                                   server.statistics()['messages'] > before + 5, 'it runs')
                client.signal(signal.SIGQUIT)
                client.stderr_tape.wait(r'\d+ sent, \d+ received')
                client.signal(signal.SIGINT)
                self.assertEqual(client.wait(), 0, client.stderr)
                self.assertNotIn('statistics', client.stdout)
                if option == '-J':
                    schema.document(self, client)

    def test_quit_is_an_interval_that_does_not_add_up(self):
        server = self.daemon()
        client = self.client('--json-stream', '-i', '10ms', self.target(server))
        client.stdout_tape.wait('"event": ?"reply"', count=5)
        client.signal(signal.SIGQUIT)
        client.stdout_tape.wait('"interim": ?true')
        client.signal(signal.SIGINT)
        self.assertEqual(client.wait(), 0, client.stderr)
        events = schema.events(self, client)
        interim = [event for event in events if event.get('interim')]
        self.assertEqual(len(interim), 1)
        schema.check_document(self, interim[0])
        intervals = [event for event in events if event.get('interim') is False]
        self.assertEqual(sum(interval['received'] for interval in intervals),
                         events[-1]['received'])

    def test_run_of_warm_up_alone_says_so(self):
        client = self.run_client('-O', '60s', '-c', 10, self.target(self.daemon()))
        self.assertEqual(client.status, 0)
        self.assertRegex(client.stderr, r'\Atcptimer: nothing was measured: .* \(10\)\n\Z')
        self.check_summary(client, 0)

    def test_reader_that_leaves_ends_the_run(self):
        """head -1 has seen enough: no signal death, no endless run."""
        server = self.daemon()
        for options in (['--json-stream', '-i', '1ms'], ['-v', '-i', '1ms']):
            with self.subTest(options=options):
                read_end, write_end = support.os.pipe()
                client = self.client(*options, self.target(server), stdout=write_end)
                support.os.close(write_end)
                support.os.read(read_end, 1)
                support.os.close(read_end)
                self.assertGreaterEqual(client.wait(), 0, 'killed by a signal')
                TextPeer(self, server.address).exchange(new_uuid())

    def test_log_file(self):
        server = self.daemon()
        path = self.path('client.log')
        client = self.run_client('-c', 5, '--log-file=' + path, self.target(server))
        self.assertEqual(client.status, 0, client.stderr)
        with open(path, encoding='utf-8') as file:
            lines = file.read().splitlines()
        self.assertTrue(lines)
        for line in lines:
            self.assertRegex(line, r'\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}[+-]\d\d:\d\d ')

    def test_log_file_that_is_none(self):
        target = self.target(self.daemon())
        for option, why in (('--log-file=/dev/full', "'/dev/full': not a regular file"),
                            ('--log-file', r'there is no \$HOME'),
                            ('--log-file=/nowhere/log', "'/nowhere/log': No such file")):
            with self.subTest(option=option):
                client = self.run_client('-c', 1, option, target,
                                         env={'HOME': '', 'XDG_STATE_HOME': ''})
                self.assertEqual(client.status, 2)
                self.assertRegex(client.stderr, r'\Atcptimer: --log-file[^\n]*%s[^\n]*\n\Z' % why)

    def test_log_file_without_a_path_is_in_the_state_directory(self):
        server = self.daemon()
        client = self.run_client('-c', 5, '--log-file', self.target(server),
                                 env={'XDG_STATE_HOME': self.path('state')})
        self.assertEqual(client.status, 0, client.stderr)
        self.assertTrue(support.os.path.exists(self.path('state/tcptimer/tcptimer.log')))


if __name__ == '__main__':
    support.main()
