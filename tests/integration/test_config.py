# SPDX-License-Identifier: MIT
"""Configuration: where values come from, and how faults are told."""

import os
import signal
import subprocess

import support
from peers import TextPeer, new_uuid


class TestOutput(support.Case):
    def test_full_disk_is_told(self):
        for option in ('--help', '--version'):
            with self.subTest(option=option), open('/dev/full', 'wb') as full:
                done = subprocess.run([support.program('TCPTIMERD'), option], stdout=full,
                                      stderr=subprocess.PIPE, timeout=support.DEADLINE)
                self.assertEqual(done.returncode, 1)
                self.assertRegex(done.stderr, rb'\A[^\n]*No space left on device\n\Z')


class TestMissingDescriptors(support.Case):
    def test_nothing_else_takes_their_places(self):
        path = self.path('x.sock')
        notify = support.NotifySocket(self)
        server = support.Process(
            self, ['sh', '-c', 'exec "$0" "$@" <&- >&- 2>&-', support.program('TCPTIMERD'),
                   '--log-target=stderr', '--log-file=' + self.path('log'),
                   '--listen=unix:' + path],
            env=dict(support.sanitizer_env(), NOTIFY_SOCKET=notify.path))
        notify.tape.wait('^READY=1$')
        for fd in range(3):
            self.assertEqual(os.readlink('/proc/%d/fd/%d' % (server.pid, fd)), '/dev/null')
        TextPeer(self, path).exchange(new_uuid())
        server.signal(signal.SIGTERM)
        self.assertEqual(server.wait(), 0)

    def test_help_without_output_is_an_error(self):
        done = subprocess.run(['sh', '-c', 'exec "$0" --help >&-', support.program('TCPTIMERD')],
                              stderr=subprocess.PIPE, timeout=support.DEADLINE)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, rb'\Atcptimerd: standard output: [^\n]+\n\Z')


class TestFaults(support.Case):
    """One line that names what is wrong and what was expected; then a status other than 0."""

    def check_refused(self, *options, mentions):
        daemon = self.run_daemon('--log-target=stderr', *options)
        self.assertNotEqual(daemon.status, 0)
        self.assertGreater(daemon.status, 0, 'ended by a signal')
        lines = daemon.stderr.splitlines()
        self.assertEqual(len(lines), 1, daemon.stderr)
        for mention in mentions:
            self.assertIn(mention, lines[0])
        return lines[0]

    def check_file_refused(self, text, mentions):
        path = self.write('faulty.conf', text)
        return self.check_refused('--config=' + path, '--listen=127.0.0.1:0',
                                  mentions=[path] + mentions)

    def test_unknown_key(self):
        self.check_file_refused('workers = 1\n\nmax_cleints = 5\n', [':3', 'max_cleints'])

    def test_bad_values(self):
        for line in ('workers = many', 'workers = 0', 'workers = -1', 'max_clients = 1.5',
                     'max_clients =', 'max_clients = 99999999999999999999',
                     'idle_timeout = 5 parsecs', 'idle_timeout = -1s', 'log_file_size = 2X',
                     'log_level = loud', 'log_target = printer', 'log_messages = perhaps',
                     'port = 65536', 'port = 0x1f', 'listen = 127.0.0.1:http:1',
                     'listen = 300.0.0.1:80', 'slow_threshold = soon'):
            key, _, value = line.partition(' =')
            with self.subTest(line=line):
                text = self.check_file_refused('# a comment\n%s\n' % line, [':2', key])
                self.assertEqual(text.count('expected '), 1, text)
                self.assertIn(value.strip(), text)

    def test_line_that_is_no_assignment(self):
        self.check_file_refused('workers = 1\njust words\n', [':2'])

    def test_missing_file(self):
        path = self.path('absent.conf')
        self.check_refused('--config=' + path, mentions=[path, 'No such file'])

    def test_unreadable_file(self):
        self.check_refused('--config=' + self.tmp, mentions=[self.tmp, 'directory'])

    def test_unknown_option(self):
        self.check_refused('--max-cleints=5', mentions=['--max-cleints'])

    def test_bad_option_value(self):
        line = self.check_refused('--workers=many', mentions=['workers', 'many'])
        self.assertRegex(line, r'(?i)expect|must|want|not a|is no')

    def test_word_that_is_no_option(self):
        self.check_refused('serve', mentions=['serve'])

    def test_port_in_use(self):
        taken = self.listener()
        where = '127.0.0.1:%d' % taken.getsockname()[1]
        self.check_refused('--listen=' + where, mentions=['option listen = ' + where, 'in use'])

    def test_port_in_use_is_told_with_its_line(self):
        port = self.listener().getsockname()[1]
        for text, line in (('listen = 127.0.0.1:0\n\nlisten = 127.0.0.1:%d\n' % port, 3),
                           ('# a port\nport = %d\n' % port, 2)):
            with self.subTest(text=text):
                path = self.write('taken.conf', text)
                place = '%s:%d: %s' % (path, line, text.splitlines()[line - 1])
                self.check_refused('--config=' + path, mentions=[place, 'expected', 'in use'])

    def test_address_that_is_not_ours(self):
        self.check_refused('--listen=192.0.2.1:0', mentions=['192.0.2.1'])

    def test_path_that_is_in_use_stays(self):
        path = self.path('served.sock')
        self.daemon(listen=('unix:' + path,))
        self.check_refused('--listen=unix:' + path, mentions=[path, 'in use'])
        TextPeer(self, path).exchange(new_uuid())

    def test_path_left_by_a_crash_is_taken_over(self):
        path = self.path('left.sock')
        self.daemon(listen=('unix:' + path,)).kill()
        self.assertTrue(os.path.exists(path))
        self.daemon(listen=('unix:' + path,))
        TextPeer(self, path).exchange(new_uuid())


class TestCheckConfig(support.Case):
    def check(self, text):
        path = self.write('checked.conf', text)
        return self.run_daemon('--check-config', path)

    def test_good_file(self):
        checked = self.check('workers = 2\n; a comment\nlisten = 127.0.0.1:47945\n'
                             'listen = [::1]:47945\nidle_timeout = 1h\nlog_file_size = 512K\n')
        self.assertEqual(checked.status, 0, checked.stderr)

    def test_every_fault_is_told(self):
        checked = self.check('max_cleints = 5\nworkers = 2\nworkers = many\n\nport = 70000\n')
        self.assertEqual(checked.status, 1)
        output = checked.stdout + checked.stderr
        for where in (':1', ':3', ':5'):
            self.assertIn(self.path('checked.conf') + where, output)
        self.assertNotIn(':2:', output)

    def test_every_line_that_is_no_assignment_is_told(self):
        checked = self.check('just words\n\nport = x\nmore words\n')
        self.assertEqual([line.split(': ')[0] for line in checked.stderr.splitlines()],
                         [self.path('checked.conf') + ':%d' % n for n in (1, 3, 4)])

    def test_long_lines(self):
        checked = self.check('# %s\nport = x\nlog_file = /%s\n' % ('a' * 5000, 'b' * 5000))
        lines = checked.stderr.splitlines()
        self.assertEqual(len(lines), 2, checked.stderr)
        self.assertIn('checked.conf:2: port', lines[0])
        self.assertRegex(lines[1], r'checked.conf:3: expected .* bytes')

    def test_indented_line_is_a_pair_of_its_own(self):
        checked = self.check('log_file = /nowhere\n  workers = many\n')
        self.assertEqual(len(checked.stderr.splitlines()), 1, checked.stderr)
        self.assertIn('checked.conf:2: workers: expected ', checked.stderr)

    def test_missing_file(self):
        checked = self.run_daemon('--check-config', self.path('absent.conf'))
        self.assertEqual(checked.status, 1)
        self.assertIn('absent.conf', checked.stdout + checked.stderr)

    def test_shipped_file_is_good(self):
        shipped = os.path.join(os.path.dirname(__file__), '..', '..', 'systemd', 'tcptimerd.conf')
        with open(shipped, encoding='utf-8') as file:
            text = file.read()
        checked = self.check(text)
        self.assertEqual(checked.status, 0, checked.stderr)

    def test_shipped_file_states_defaults_that_are_accepted(self):
        """Each commented default, taken into force."""
        shipped = os.path.join(os.path.dirname(__file__), '..', '..', 'systemd', 'tcptimerd.conf')
        with open(shipped, encoding='utf-8') as file:
            lines = [line[1:] for line in file if line.startswith('#') and line[1:2].islower()]
        self.assertGreater(len(lines), 15)
        checked = self.check(''.join(lines))
        self.assertEqual(checked.status, 0, checked.stdout + checked.stderr)


class TestSources(support.Case):
    def test_option_wins_over_the_file(self):
        path = self.write('some.conf', 'max_clients = 1\n')
        server = self.daemon('--config=' + path, '--max-clients=2')
        peers = [TextPeer(self, server.address) for _ in range(2)]
        for peer in peers:
            peer.exchange(new_uuid())
        self.assertRegex(TextPeer(self, server.address).rest(), rb'\AERROR: ')

    def test_file_is_used(self):
        path = self.write('some.conf', 'max_clients = 1\nlisten = 127.0.0.1:0\nlisten = [::1]:0\n')
        server = self.daemon('--config=' + path, listen=())
        self.assertEqual(len(server.addresses), 2)
        peer = TextPeer(self, server.addresses[1])
        peer.exchange(new_uuid())
        self.assertRegex(TextPeer(self, server.addresses[0]).rest(), rb'\AERROR: ')

    def test_help_and_version(self):
        for option, expected in (('--help', '--max-clients'), ('--version', 'tcptimerd')):
            shown = self.run_daemon(option)
            self.assertEqual(shown.status, 0)
            self.assertIn(expected, shown.stdout)
            self.assertEqual(shown.stderr, '')


class TestReload(support.Case):
    def start(self, text):
        self.config = self.write('live.conf', text)
        return self.daemon('--config=' + self.config)

    def reload(self, server, text):
        """SIGHUP with a new file; returns what was logged on the way to READY=1."""
        self.write('live.conf', text)
        told, logged = server.notify.tape.mark(), server.log.mark()
        server.signal(signal.SIGHUP)
        server.notify.tape.wait('^RELOADING=1$', start=told)
        server.notify.tape.wait(r'^MONOTONIC_USEC=\d+$', start=told)
        server.notify.tape.wait('^READY=1$', start=told)
        return '\n'.join(server.log.lines(logged))

    def test_good_file_takes_effect(self):
        server = self.start('max_clients = 1\n')
        first = TextPeer(self, server.address)
        first.exchange(new_uuid())
        self.assertRegex(TextPeer(self, server.address).rest(), rb'\AERROR: ')
        self.reload(server, 'max_clients = 2\n')
        server.log.wait(r'(?i)reload')
        TextPeer(self, server.address).exchange(new_uuid())
        first.exchange(new_uuid())

    def test_timeouts_hold_for_those_connected_already(self):
        server = self.start('')
        peer = TextPeer(self, server.address)
        peer.exchange(new_uuid())
        self.reload(server, 'idle_timeout = 200ms\n')
        self.assertRegex(peer.rest(), rb'\AERROR: ')

    def test_bad_file_keeps_the_old_configuration(self):
        server = self.start('max_clients = 1\n')
        self.reload(server, 'max_clients = 3\nworkers = many\n')
        line = server.log.wait(r'live\.conf:2').string
        self.assertIn('workers', line)
        TextPeer(self, server.address).exchange(new_uuid())
        self.assertRegex(TextPeer(self, server.address).rest(), rb'\AERROR: ')

    def test_missing_file_keeps_the_old_configuration(self):
        server = self.start('max_clients = 1\n')
        os.unlink(self.config)
        told = server.notify.tape.mark()
        server.signal(signal.SIGHUP)
        server.notify.tape.wait('^READY=1$', start=told)
        server.log.wait(r'live\.conf')
        TextPeer(self, server.address).exchange(new_uuid())
        self.assertRegex(TextPeer(self, server.address).rest(), rb'\AERROR: ')

    def test_what_needs_a_restart_is_named(self):
        server = self.start('workers = 1\n')
        self.reload(server, 'workers = 2\nport = 1\nmax_clients = 7\n')
        line = server.log.wait(r'fixed while the daemon runs').string
        self.assertRegex(line, r': (workers port|port workers); restart')
        TextPeer(self, server.address).exchange(new_uuid())

    def test_what_has_no_effect_is_not_said_to_need_a_restart(self):
        """With inherited listeners a restart does not help: the socket unit has to be changed."""
        listener = self.listener()
        self.config = self.write('live.conf', '')
        server = self.daemon('--config=' + self.config, inherited=[listener])
        self.reload(server, 'listen = 127.0.0.1:1\nport = 1\n')
        server.log.wait(r'systemctl edit tcptimer\.socket')
        server.log.wait(r'configuration reloaded')
        self.assertEqual(server.log.matches(r'restart it'), [])

    def test_exit_on_idle_without_inherited_listeners_is_warned_of(self):
        server = self.start('')
        self.reload(server, 'exit_on_idle = 1h\n')
        server.log.wait(r'exit_on_idle is not used')

    def test_option_still_wins(self):
        self.config = self.write('live.conf', '')
        server = self.daemon('--config=' + self.config, '--max-clients=1')
        self.reload(server, 'max_clients = 5\n')
        TextPeer(self, server.address).exchange(new_uuid())
        self.assertRegex(TextPeer(self, server.address).rest(), rb'\AERROR: ')

    def test_reload_under_load_disturbs_nobody(self):
        server = self.start('')
        peers = [TextPeer(self, server.address) for _ in range(10)]
        for number in range(20):
            self.reload(server, 'max_clients = %d\n' % (100 + number))
            for peer in peers:
                peer.exchange(new_uuid(), new_uuid())


if __name__ == '__main__':
    support.main()
