# SPDX-License-Identifier: MIT
"""The tests' own tools: the stand-ins for the original programs must have their faults, and the
frame that runs programs must not overlook any, or the tests that use them prove nothing.
"""

import contextlib
import io
import os
import re
import socket
import unittest

import original
import support
from peers import TextPeer, new_uuid


class TestOriginal(support.Case):
    def test_pair_exchanges_messages(self):
        server = original.start_server(self)
        exchanges = original.run_client(server.address, 5)
        self.assertEqual(len(exchanges), 5)
        for sent, reply in exchanges:
            self.assertRegex(reply, r'\AUUID: %s received after \d+\.\d{6} seconds\Z'
                             % re.escape(sent))

    def test_server_takes_one_recv_for_one_message(self):
        server = original.start_server(self)
        peer = TextPeer(self, server.address)
        pair = new_uuid() + new_uuid()
        peer.send(pair)
        peer.half_close()
        self.assertRegex(peer.rest(), rb'\AUUID: ' + pair + rb' received after \S+ seconds\Z')

    def test_server_echoes_whatever_comes(self):
        server = original.start_server(self)
        with socket.create_connection(server.address, support.DEADLINE) as connection:
            connection.sendall(b'hello world')
            self.assertTrue(connection.recv(1024).startswith(b'UUID: hello world received after'))


class TestProcess(support.Case):
    """The frame that runs the programs, on programs whose manners are known."""

    def test_status_and_output_are_kept(self):
        child = support.Process(self, ['sh', '-c', 'echo out; echo err >&2; exit 3'])
        self.assertEqual(child.wait(), 3)
        self.assertEqual((child.stdout, child.stderr), ('out\n', 'err\n'))

    def test_sanitizer_report_is_a_failure(self):
        for script in ('echo "ERROR: AddressSanitizer: x" >&2', 'exit %d' % support.SANITIZER_EXIT):
            with self.subTest(script=script):
                case = support.Case()
                child = support.Process(case, ['sh', '-c', script])
                with self.assertRaisesRegex(support.SanitizerReport, 'sanitizer report'):
                    child.wait()

    def test_inherited_sockets_are_where_the_protocol_wants_them(self):
        sockets = [self.listener(), self.listener()]
        script = ('echo $LISTEN_FDS $LISTEN_FDNAMES; test $LISTEN_PID = $$ && '
                  'readlink /proc/$$/fd/3 /proc/$$/fd/4')
        child = support.Process(self, ['sh', '-c', script], inherited=sockets, names=['a', 'b'])
        self.assertEqual(child.wait(), 0)
        expected = [os.readlink('/proc/self/fd/%d' % s.fileno()) for s in sockets]
        self.assertEqual(child.stdout.splitlines(), ['2 a:b'] + expected)

    def test_end_of_stream_does_not_keep_a_waiter(self):
        child = support.Process(self, ['echo', 'one'])
        with self.assertRaisesRegex(AssertionError, 'stream ended'):
            child.stdout_tape.wait('two')


class TestMeasuresTime(unittest.TestCase):
    """A second attempt, for those that may have one and for nothing else."""

    def run_attempts(self, attempt):
        """Runs attempt(case, number) up to three times; how that ended, and what was told."""
        numbers = iter(range(1, 4))

        class Inner(support.Case):
            @support.measures_time(attempts=3)
            def test(self):
                attempt(self, next(numbers))

        result, told = unittest.TestResult(), io.StringIO()
        with contextlib.redirect_stderr(told):
            Inner('test').run(result)
        return result.wasSuccessful(), re.findall(r'(?m)^AGAIN .*: (.*)$', told.getvalue())

    def test_attempt_that_failed_is_told(self):
        directories = []

        def attempt(case, number):
            directories.append(case.tmp)
            case.assertEqual(number, 2)

        self.assertEqual(self.run_attempts(attempt), (True, ['1 != 2']))
        self.assertEqual(len(set(directories)), 2, 'each attempt has its own')
        self.assertFalse(any(map(os.path.exists, directories)))

    def test_last_attempt_is_the_result(self):
        self.assertEqual(self.run_attempts(lambda case, number: case.fail(str(number))),
                         (False, ['1', '2']))

    def test_sanitizer_report_and_error_have_no_second_attempt(self):
        for kind in (support.SanitizerReport, OSError):
            def attempt(_case, number, kind=kind):
                self.assertEqual(number, 1)
                raise kind('at once')

            self.assertEqual(self.run_attempts(attempt), (False, []))

    def test_failure_to_end_well_counts(self):
        def attempt(case, number):
            case.addCleanup(case.assertEqual, number, 2)
            case.assertEqual(number, 2)

        self.assertEqual(self.run_attempts(attempt)[0], False)


if __name__ == '__main__':
    support.main()
