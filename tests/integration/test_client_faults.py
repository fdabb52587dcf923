# SPDX-License-Identifier: MIT
"""The client where something is wrong: its arguments, the address, the server."""

import csv
import io
import signal
import socket
import threading
import time

import schema
import support
from peers import Server, new_uuid, reply_to


def receive(connection):
    """One message, whole; b'' at the end of the stream."""
    message = b''
    while len(message) < 36:
        piece = connection.recv(36 - len(message))
        if not piece:
            return b''
        message += piece
    return message


def hold(connection):
    """Says nothing more until the client is gone."""
    while connection.recv(1024):
        pass


class FaultCase(support.Case):
    def run_json(self, server, *arguments, status):
        client = self.run_client('-J', '--protocol=text', *arguments, server.target())
        self.assertEqual(client.status, status, client.stdout + client.stderr)
        return schema.document(self, client)


class TestUsage(support.Case):
    def test_faults_in_the_arguments(self):
        for words in (['-i', '1', '-r', '1'], ['--no-such-option'], ['-c', 'many'], ['-c', '-1'],
                      ['-c', '0'], ['-i', '1 parsec'], ['-r', '-5'], ['-W', 'soon'], ['-P', '0'],
                      ['--percentiles', '50,101'], ['--protocol', 'morse'], ['-c'], ['a', 'b'],
                      ['127.0.0.1:port'], ['127.0.0.1:70000'], ['-4', '-6']):
            with self.subTest(words=words):
                client = self.run_client(*words)
                self.assertEqual(client.status, 2)
                self.assertEqual(client.stdout, '')
                self.assertTrue(client.stderr.startswith('tcptimer: '), client.stderr)
                self.assertLessEqual(len(client.stderr.splitlines()), 2, client.stderr)

    def test_help_and_version(self):
        for words, expected in ((['-h'], '--in-flight'), (['--help'], '--in-flight'),
                                (['-V'], 'tcptimer'), (['--version'], 'tcptimer')):
            client = self.run_client(*words)
            self.assertEqual(client.status, 0)
            self.assertIn(expected, client.stdout)
            self.assertEqual(client.stderr, '')

    def test_help_that_cannot_be_written(self):
        for words in (['--help'], ['--version']):
            with open('/dev/full', 'w', encoding='ascii') as full:
                client = self.run_client(*words, stdout=full)
            self.assertEqual(client.status, 2)
            self.assertRegex(client.stderr, r'\Atcptimer: .*No space left on device\n\Z')


class TestMissingDescriptors(FaultCase):
    """What the client opens must not take the place of what it prints to."""

    @staticmethod
    def serve(connection, _number):
        """One reply too many, of which the client warns."""
        while True:
            message = receive(connection)
            if not message:
                return
            connection.sendall(reply_to(new_uuid()) + reply_to(message))

    def run_without(self, redirection):
        return self.run_client('--protocol=text', '-c', 3, '--log-file=' + self.path('log'),
                               Server(self, self.serve).target(),
                               prefix=['sh', '-c', 'exec "$0" "$@" ' + redirection])

    def read_log(self):
        with open(self.path('log'), encoding='utf-8') as log:
            return log.read()

    def test_without_output_the_report_is_missed(self):
        client = self.run_without('>&-')
        self.assertEqual(client.status, 2)
        self.assertRegex(client.stderr, r'(?m)^tcptimer: writing the report: ')
        self.assertNotIn('statistics', self.read_log())

    def test_without_stderr_a_warning_goes_nowhere(self):
        client = self.run_without('2>&-')
        self.assertEqual(client.status, 0)
        self.assertIn('3 sent, 3 received', client.stdout)
        self.assertNotIn('tcptimer:', self.read_log())

    def test_without_any_nothing_else_is_written_to(self):
        self.assertEqual(self.run_without('<&- >&- 2>&-').status, 2)
        for line in self.read_log().splitlines():
            self.assertRegex(line, r'\A\d{4}-\d\d-\d\dT[\d:.]+\S+ (connected|wrong|reply|end)\b')


class TestUnreachable(support.Case):
    """One clear line without statistics; in JSON a document with the error in it."""

    def check(self, *arguments, mentions):
        client = self.run_client('-c', 3, *arguments)
        self.assertEqual(client.status, 2)
        self.assertEqual(client.stdout, '')
        self.assertEqual(len(client.stderr.splitlines()), 1, client.stderr)
        self.assertRegex(client.stderr, mentions)
        client = self.run_client('-J', '-c', 3, *arguments)
        self.assertEqual(client.status, 2)
        document = schema.document(self, client)
        self.assertEqual((document['sent'], document['received']), (0, 0))
        self.assertRegex(document['error']['message'], mentions)

    def test_refused(self):
        listener = self.listener()
        port = listener.getsockname()[1]
        listener.close()
        self.check('127.0.0.1:%d' % port, mentions=r'127\.0\.0\.1.*(?i:refused)')

    def test_no_such_host(self):
        self.check('no-such-host.invalid', mentions=r'no-such-host\.invalid')

    def test_no_such_path(self):
        self.check('unix:' + self.path('absent'), mentions='absent.*No such file')

    def test_connect_that_nobody_answers(self):
        """A full backlog drops the SYN."""
        listener = self.listener(backlog=0)
        address = listener.getsockname()
        fillers = []
        for _ in range(4):
            filler = socket.socket()
            self.addCleanup(filler.close)
            filler.setblocking(False)
            filler.connect_ex(address)
            fillers.append(filler)
        start = time.monotonic()
        self.check('-W', '300ms', '127.0.0.1:%d' % address[1], mentions='no answer within 5s')
        self.assertLess(time.monotonic() - start, support.DEADLINE)


class TestReplies(FaultCase):
    """A wrong, missing or malformed reply is counted and named, never taken for a good one."""

    @staticmethod
    def serve_all_but(number, late=None):
        """Answers each message but that one; that one too, though late, if late [s] is given."""
        def serve(connection, _number):
            n = 0
            while True:
                message = receive(connection)
                if not message:
                    return
                n += 1
                if n == number:
                    if late is None:
                        continue
                    time.sleep(late)
                connection.sendall(reply_to(message))
        return serve

    def test_missing_ends_a_closed_loop(self):
        """The next message may not leave before: a text peer never has two of them to answer."""
        server = Server(self, self.serve_all_but(3))
        start = time.monotonic()
        client = self.run_client('--protocol=text', '-J', '-c', 5, '-W', '300ms', server.target())
        self.assertGreaterEqual(time.monotonic() - start, 0.3)
        self.assertEqual(client.status, 1)
        document = schema.document(self, client)
        self.assertEqual((document['sent'], document['received'], document['lost']), (3, 2, 1))
        self.assertRegex(client.stderr, r'\Atcptimer: no reply to message 3 .*300ms\n'
                                        r'tcptimer: the run ends early: .*closed loop.*\n\Z')

    def test_missing_among_good_ones(self):
        document = self.run_json(Server(self, self.serve_all_but(2)), '-c', 5, '-i', '20ms',
                                 '-W', '300ms', '--in-flight=5', status=1)
        self.assertEqual((document['sent'], document['received'], document['lost']), (5, 4, 1))

    def test_each_lost_message_has_a_row_and_an_event(self):
        """Those too that were overdue before, which is no loss yet."""
        def serve(connection, _number):
            for _ in range(5):
                connection.sendall(reply_to(receive(connection)))
            hold(connection)

        words = ['--protocol=text', '-c', 10, '-r', 20, '--in-flight=10', '-W', '300ms']
        client = self.run_client('--csv', *words, Server(self, serve).target())
        self.assertEqual(client.status, 1, client.stderr)
        rows = list(csv.DictReader(io.StringIO(client.stdout)))
        self.assertEqual(sorted(int(row['seq']) for row in rows), list(range(1, 11)))
        self.assertEqual([row['seq'] for row in rows if row['service_rtt_ns'] == ''],
                         ['6', '7', '8', '9', '10'])
        self.assertEqual(len(client.stderr.splitlines()), 5, client.stderr)

        client = self.run_client('--json-stream', *words, Server(self, serve).target())
        events = schema.events(self, client)
        self.assertEqual(events[-1]['lost'], 5)
        self.assertEqual([event['seq'] for event in events if event['event'] == 'lost'],
                         [6, 7, 8, 9, 10])
        self.assertEqual([event['seq'] for event in events if event.get('code') == 'overdue'],
                         [6, 7, 8, 9, 10])
        intervals = [event for event in events if event['event'] == 'interval']
        for key in ('received', 'late', 'lost', 'records_dropped'):
            self.assertEqual(sum(interval[key] for interval in intervals), events[-1][key], key)

    def test_events_are_stamped_where_replies_are(self):
        """When it was is what one wants to know of an outage."""
        for options, stamp in ((['-D'], r'\d{4}-\d\d-\d\dT\S+ '), ([], '')):
            with self.subTest(options=options):
                client = self.run_client('--protocol=text', '-c', 2, '-i', '10ms', '-W', '100ms',
                                         '--in-flight=2', *options,
                                         Server(self, self.serve_all_but(1)).target())
                self.assertRegex(client.stderr, r'\Atcptimer: %sno reply to message 1 ' % stamp)

    def test_what_could_not_be_sent_is_counted(self):
        """One message in flight that never returns, and four that are due behind it."""
        document = self.run_json(Server(self, self.serve_all_but(1)), '-c', 5, '-i', '20ms',
                                 '-W', '300ms', status=1)
        self.assertEqual((document['sent'], document['received'], document['lost']), (1, 0, 1))
        self.assertEqual(document['not_sent'], 4)

    def test_late_counts_as_late_with_its_true_rtt(self):
        document = self.run_json(Server(self, self.serve_all_but(2, late=0.5)), '-c', 12,
                                 '-i', '100ms', '-W', '250ms', '--in-flight=12', status=0)
        self.assertEqual((document['sent'], document['received'], document['lost']), (12, 12, 0))
        self.assertGreaterEqual(document['late'], 1)
        self.assertGreaterEqual(document['service_rtt_ns']['max'], 500000000)

    def check_named(self, reply, mentions):
        """A server with such a reply to the second message: in the text report's words, too."""
        def serve(connection, _number):
            number = 0
            while True:
                message = receive(connection)
                if not message:
                    return
                number += 1
                connection.sendall(reply(message) if number == 2 else reply_to(message))

        server = Server(self, serve)
        client = self.run_client('--protocol=text', '-c', 5, '-W', '300ms', server.target())
        self.assertIn(client.status, (1, 2), client.stdout + client.stderr)
        self.assertRegex(client.stdout + client.stderr, mentions)
        client = self.run_client('-J', '--protocol=text', '-c', 5, '-W', '300ms', server.target())
        self.assertIn(client.status, (1, 2))
        document = schema.document(self, client)
        self.assertLess(document['received'], 5)
        return document

    def test_wrong_uuid(self):
        self.check_named(lambda message: reply_to(new_uuid()), r'(?i)wrong|unexpected|unknown|uuid')

    def test_malformed(self):
        for reply in (b'UUID: what received after 0.1 seconds', b'\0\1\2\3' * 20,
                      b'UUID: %s received after never seconds' % new_uuid(),
                      b'HTTP/1.1 400 Bad Request\r\n\r\n'):
            with self.subTest(reply=reply):
                document = self.check_named(lambda message, reply=reply: reply,
                                            r'(?i)malformed|not a reply|protocol')
                self.assertIsNotNone(document['error'])

    def test_error_line_is_shown_as_it_is(self):
        line = b'ERROR: the server is closed on Mondays\n'
        document = self.check_named(lambda message: line, 'the server is closed on Mondays')
        self.assertIn('closed on Mondays', document['error']['message'])

    def test_delta_below_nothing_is_fine(self):
        """The original's clock can be set back between two messages."""
        def serve(connection, _number):
            while True:
                message = receive(connection)
                if not message:
                    return
                connection.sendall(reply_to(message, delta=-0.000001))

        self.assertEqual(self.run_json(Server(self, serve), '-c', 5, status=0)['received'], 5)

    def test_duplicate(self):
        def serve(connection, _number):
            while True:
                message = receive(connection)
                if not message:
                    return
                connection.sendall(reply_to(message) * 2)

        client = self.run_client('--protocol=text', '-J', '-c', 5, '-W', '300ms',
                                 Server(self, serve).target())
        document = schema.document(self, client)
        self.assertEqual((client.status, document['received']), (0, 5), client.stderr)
        self.assertGreaterEqual(document['wrong'], 4)

    def test_piecemeal_is_fine(self):
        def serve(connection, _number):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while True:
                message = receive(connection)
                if not message:
                    return
                for byte in reply_to(message):
                    connection.sendall(bytes([byte]))

        self.assertEqual(self.run_json(Server(self, serve), '-c', 20, status=0)['received'], 20)

    def test_coalesced_is_fine(self):
        def serve(connection, _number):
            while True:
                messages = [receive(connection) for _ in range(4)]
                if not messages[-1]:
                    return
                connection.sendall(b''.join(map(reply_to, messages)))

        document = self.run_json(Server(self, serve), '-c', 20, '--in-flight=4', '-r', 1000,
                                 status=0)
        self.assertEqual(document['received'], 20)

    def test_line_ends_between_replies_are_fine(self):
        def serve(connection, _number):
            while True:
                message = receive(connection)
                if not message:
                    return
                connection.sendall(reply_to(message) + b'\n')

        self.assertEqual(self.run_json(Server(self, serve), '-c', 20, status=0)['received'], 20)


class TestServerGoes(FaultCase):
    @staticmethod
    def serve_some(count, end):
        def serve(connection, _number):
            for _ in range(count):
                message = receive(connection)
                if not message:
                    return
                connection.sendall(reply_to(message))
            receive(connection)
            end(connection)
        return serve

    @staticmethod
    def reset(connection):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\1\0\0\0\0\0\0\0')

    def test_server_that_ends_at_the_hello_is_spoken_to_in_text(self):
        answer = self.serve_some(10, hold)
        for name, end in (('closed', lambda connection: None), ('reset', self.reset)):
            with self.subTest(name):
                def serve(connection, number, end=end):
                    if number == 0:
                        connection.recv(1024)
                        end(connection)
                    else:
                        answer(connection, number)

                client = self.run_client('-J', '-c', 10, Server(self, serve).target())
                self.assertEqual(client.status, 0, client.stderr)
                self.assertEqual(schema.document(self, client)['protocol'], 'text')

    def test_hello_may_take_longer_than_a_reply(self):
        """Nor is a server taken for one that knows no hello, whose reply to that takes a while."""
        def serve(connection, _number):
            hello = connection.recv(1024)
            time.sleep(0.5)
            connection.sendall(reply_to(hello))
            while True:
                message = receive(connection)
                if not message:
                    return
                connection.sendall(reply_to(message))

        server = Server(self, serve)
        client = self.run_client('-J', '-c', 5, '-i', '1ms', '-W', '250ms', server.target())
        self.assertEqual(client.status, 0, client.stderr)
        self.assertEqual(client.stderr, '')
        self.assertEqual(schema.document(self, client)['received'], 5)
        self.assertEqual(server.accepted, 1)

    def test_lost_connection_ends_a_finite_run(self):
        for name, end in (('closed', lambda connection: None), ('reset', self.reset)):
            with self.subTest(name):
                server = Server(self, self.serve_some(10, end))
                document = self.run_json(server, '-c', 100, status=2)
                self.assertEqual(document['received'], 10)
                self.assertIsNotNone(document['error'])
                client = self.run_client('--protocol=text', '-c', 100, server.target())
                self.assertEqual(client.status, 2)
                self.assertEqual(len(client.stderr.splitlines()), 1, client.stderr)
                self.assertRegex(client.stdout, r'11 sent, 10 received')

    def test_daemon_killed_in_mid_run(self):
        server = self.daemon()
        client = self.client('-J', '-i', '1ms', '-c', 100000, '127.0.0.1:%d' % server.port)
        support.poll_until(lambda: server.statistics()['messages'] > 20, 'the run is under way')
        server.kill()
        self.assertEqual(client.wait(), 2, client.stderr)
        document = schema.document(self, client)
        self.assertGreater(document['received'], 20)
        self.assertIsNotNone(document['error'])

    def test_endless_run_reconnects_and_reports_the_outage(self):
        server = Server(self, self.serve_some(10, lambda connection: None))
        client = self.client('--json-stream', '--protocol=text', '-i', '5ms', server.target())
        client.stdout_tape.wait('"event": ?"outage".*"over": ?true', count=2)
        client.signal(signal.SIGINT)
        self.assertIn(client.wait(), (0, 1), client.stderr)
        events = schema.events(self, client)
        self.assertGreaterEqual(len(events[-1]['outages']), 2)
        self.assertIsNone(events[-1]['error'])
        self.assertGreaterEqual(events[-1]['received'], 20)

    def test_endless_run_outlives_a_restart_of_the_daemon(self):
        """The listener is closed meanwhile: connects are refused for as long as it takes."""
        listener = self.listener()
        port = listener.getsockname()[1]
        first = self.daemon(inherited=[listener])
        client = self.client('--json-stream', '-i', '5ms', '127.0.0.1:%d' % port)
        client.stdout_tape.wait('"event": ?"reply"', count=10)
        listener.close()
        first.kill()
        down = time.monotonic()
        time.sleep(0.3)
        length = time.monotonic() - down
        self.daemon(listen=('127.0.0.1:%d' % port,))
        mark = client.stdout_tape.mark()
        client.stdout_tape.wait('"event": ?"reply"', start=mark, count=10)
        client.signal(signal.SIGINT)
        self.assertIn(client.wait(), (0, 1), client.stderr)
        outages = schema.events(self, client)[-1]['outages']
        self.assertEqual(len(outages), 1)
        length_keys = [key for key in outages[0] if key.endswith('_ns')]
        self.assertTrue(any(outages[0][key] >= length * 0.9e9 for key in length_keys), outages)

    def test_daemon_s_stop_in_an_endless_run_loses_nothing(self):
        """Under activation the next instance serves the connection made anew."""
        listener = self.listener()
        port = listener.getsockname()[1]
        first = self.daemon(inherited=[listener])
        client = self.client('--json-stream', '-i', '2ms', '127.0.0.1:%d' % port)
        client.stdout_tape.wait('"event": ?"reply"', count=20)
        first.stop()
        self.daemon(inherited=[listener])
        mark = client.stdout_tape.mark()
        client.stdout_tape.wait('"event": ?"reply"', start=mark, count=20)
        client.signal(signal.SIGINT)
        self.assertEqual(client.wait(), 0, client.stderr)
        end = schema.events(self, client)[-1]
        self.assertEqual(end['lost'], 0)
        self.assertEqual(end['sent'], end['received'])

    def test_server_that_never_reads(self):
        """It fills the socket; the client must end all the same."""
        release = threading.Event()
        server = Server(self, lambda connection, _number: release.wait(support.DEADLINE))
        self.addCleanup(release.set)
        client = self.client('--protocol=text', '--in-flight=100000', '-r', 200000, '-w', '500ms',
                             '-W', '500ms', '-J', server.target())
        self.assertEqual(client.wait(), 1, client.stderr)
        document = schema.document(self, client)
        self.assertEqual(document['received'], 0)
        self.assertGreater(document['lost'], 0)


class TestRefusal(support.Case):
    def test_full_server_s_line_is_shown(self):
        server = self.daemon('--max-clients=1')
        first = socket.create_connection(server.address)
        self.addCleanup(first.close)
        first.sendall(new_uuid())
        self.assertTrue(first.recv(100))
        for protocol in ('text', 'auto'):
            with self.subTest(protocol=protocol):
                client = self.run_client('--protocol', protocol, '-c', 5,
                                         '127.0.0.1:%d' % server.port)
                self.assertEqual(client.status, 2)
                self.assertEqual(len(client.stderr.splitlines()), 1, client.stderr)
                self.assertRegex(client.stderr, r'(?i)full|too many|clients')


if __name__ == '__main__':
    support.main()
