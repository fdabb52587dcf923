# SPDX-License-Identifier: MIT
"""The whole life of the unit, as an administrator sees it, on the oldest systemd that we support."""

import os
import re
import time

import install
import machine
import support
from native_client import NativeClient

UNIT_FILES = ['/usr/lib/systemd/system/tcptimer.socket', '/usr/lib/systemd/system/tcptimer.service']


class TestLife(machine.Case):
    def setUp(self):
        super().setUp()
        suites = install.suites_of_tree()
        if not suites:
            self.cannot_run_here('this host builds for no suite that can be booted')
        self.machine = self.boot(suites[0])
        install.tree(self.machine)

    def start(self):
        """The one command that the manual promises to be enough."""
        self.machine.run('systemctl', 'start', 'tcptimer.socket')

    def test_first_client_starts_the_service(self):
        self.start()
        self.assertEqual(self.machine.show('tcptimer.service', 'ActiveState'), 'inactive')
        report = self.machine.measure('-c', 100)
        self.assertEqual((report['sent'], report['received'], report['error']), (100, 100, None))
        self.assertEqual(self.machine.show('tcptimer.service', 'ActiveState'), 'active')
        started = self.machine.wait_entry(TCPTIMER_EVENT='started')
        self.assertEqual(started['_SYSTEMD_UNIT'], 'tcptimer.service')
        self.assertEqual(started['PRIORITY'], '6')
        self.assertEqual(started['SYSLOG_IDENTIFIER'], 'tcptimerd')
        self.assertGreater(int(started['TCPTIMER_WORKERS']), 0)
        self.assertEqual(started['TCPTIMER_LISTENERS'], '1')
        self.assertRegex(started['CODE_FILE'], r'\w\.c$')
        self.assertRegex(self.machine.show('tcptimer.service', 'StatusText'), r'\d+ clients')

    def test_both_families_are_served(self):
        self.start()
        for host in ('127.0.0.1', '[::1]'):
            self.assertEqual(self.machine.measure('-c', 10, host)['received'], 10)
        self.assertEqual(self.machine.measure('-c', 10, '--protocol=text')['protocol'], 'text')

    def test_stopped_service_comes_back_with_the_next_client(self):
        self.start()
        self.machine.measure('-c', 1)
        self.machine.run('systemctl', 'stop', 'tcptimer.service')
        for name, value in (('ActiveState', 'inactive'), ('Result', 'success'),
                            ('ExecMainStatus', '0')):
            self.assertEqual(self.machine.show('tcptimer.service', name), value)
        self.machine.wait_entry(TCPTIMER_EVENT='stopping')
        self.machine.wait_entry(TCPTIMER_EVENT='stopped')
        self.machine.measure('-c', 1)
        self.machine.wait_entry(TCPTIMER_EVENT='started', count=2)

    def test_stop_may_take_as_long_as_drain_timeout(self):
        """TimeoutStopSec= kills what hangs, not what serves its clients on."""
        self.machine.drop_in('tcptimer.service', '[Service]\nTimeoutStopSec=1\n')
        self.machine.write(install.CONFIG, 'drain_timeout = 4s\n')
        self.start()
        NativeClient(self.machine.connect())    # takes no leave
        self.machine.wait_entry(TCPTIMER_EVENT='started')
        start = time.monotonic()
        self.machine.run('systemctl', 'stop', 'tcptimer.service')
        took = time.monotonic() - start
        for name, value in (('Result', 'success'), ('ExecMainStatus', '0')):
            self.assertEqual(self.machine.show('tcptimer.service', name), value)
        self.assertGreater(took, 2)
        self.machine.wait_entry(TCPTIMER_EVENT='stopped')

    def test_stopping_the_socket_stops_all(self):
        self.start()
        self.machine.measure('-c', 1)
        self.machine.run('systemctl', 'stop', 'tcptimer.socket')
        self.assertEqual(self.machine.show('tcptimer.service', 'ActiveState'), 'inactive')
        refused = self.machine.run('tcptimer', '-c', '1', expect=2)
        self.assertEqual(len(refused.splitlines()), 1, refused)

    def test_reload_takes_over_a_good_file(self):
        self.start()
        self.machine.measure('-c', 1)
        pid = self.machine.main_pid()
        self.machine.write(install.CONFIG, 'log_messages = on\nworkers = 7\n')
        self.machine.run('systemctl', 'reload', 'tcptimer.service')
        self.machine.wait_entry(TCPTIMER_EVENT='reloaded')
        warning = self.machine.wait_entry(TCPTIMER_EVENT='config_warning')
        self.assertIn('workers', warning['MESSAGE'])
        self.machine.measure('-c', 3)
        message = self.machine.wait_entry(TCPTIMER_EVENT='message', count=3)
        self.assertRegex(message['TCPTIMER_UUID'], r'\A[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z')
        self.assertEqual(self.machine.main_pid(), pid)

    def test_reload_refuses_a_broken_file_and_serves_on(self):
        self.start()
        self.machine.measure('-c', 1)
        pid = self.machine.main_pid()
        start = self.machine.mark()
        self.machine.write(install.CONFIG, '# one\nmax_clients = many\n')
        self.machine.run('systemctl', 'reload', 'tcptimer.service', expect=1)
        fault = self.machine.wait_entry(start=start, MESSAGE=r'[^"]*tcptimerd\.conf:2: [^"]*')
        self.assertRegex(fault['MESSAGE'], r'max_clients: expected a number')
        self.assertEqual(fault['_SYSTEMD_UNIT'], 'tcptimer.service')
        self.assertEqual(fault['TCPTIMER_EVENT'], 'reload_failed')
        self.assertEqual(fault['PRIORITY'], '3')
        explained = self.machine.run('journalctl', '-x', '-p', 'err', '-u', 'tcptimer.service')
        self.assertRegex(explained, r'Subject: tcptimerd keeps its old configuration')
        self.assertEqual(self.machine.show('tcptimer.service', 'ActiveState'), 'active')
        self.assertEqual(self.machine.main_pid(), pid)
        self.machine.measure('-c', 10)

    def test_status_and_journal_read_well(self):
        self.start()
        self.machine.measure('-c', 1)
        self.machine.wait_entry(TCPTIMER_EVENT='started')
        status = self.machine.run('systemctl', 'status', 'tcptimer.service')
        self.assertRegex(status, r'Active: active \(running\)')
        self.assertRegex(status, r'Status: ".* clients')
        self.assertRegex(status, r'TriggeredBy: . tcptimer\.socket')
        explained = self.machine.run('journalctl', '-x', '-u', 'tcptimer.service')
        self.assertRegex(explained, r'Subject: tcptimerd is serving clients')

    def test_signals(self):
        self.start()
        self.machine.measure('-c', 10)
        kill = ['systemctl', 'kill', '--kill-who=main']
        self.machine.run(*kill, '--signal=SIGUSR1', 'tcptimer.service')
        statistics = self.machine.wait_entry(TCPTIMER_EVENT='statistics')
        self.assertEqual(statistics['TCPTIMER_MESSAGES'], '10')
        self.assertEqual(statistics['TCPTIMER_ACCEPTED'], '1')

        log = '/var/log/tcptimer/tcptimerd.log'
        support.poll_until(lambda: 'started' in self.machine.read(log), 'the first log file')
        self.machine.run('mv', log, log + '.aside')
        self.machine.run(*kill, '--signal=SIGUSR2', 'tcptimer.service')
        self.machine.run(*kill, '--signal=SIGUSR1', 'tcptimer.service')
        support.poll_until(lambda: os.path.exists(self.machine.path(log)) and
                           'messages answered' in self.machine.read(log), 'a new log file')

    def test_log_file_is_rotated(self):
        self.machine.write(install.CONFIG, 'log_messages = on\nlog_file_size = 16K\n'
                                           'log_file_count = 2\n')
        self.start()
        self.machine.measure('-c', 1000)
        self.machine.run('systemctl', 'stop', 'tcptimer.service')
        sizes = self.machine.sh('cd /var/log/private/tcptimer && stat -c "%n %s" *').splitlines()
        self.assertEqual([line.split()[0] for line in sizes],
                         ['tcptimerd.log', 'tcptimerd.log.1', 'tcptimerd.log.2'])
        for line in sizes:
            self.assertLessEqual(int(line.split()[1]), 16384)
        newest = self.machine.read('/var/log/private/tcptimer/tcptimerd.log').splitlines()
        self.assertRegex(newest[-1], r'^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}[+-]\d\d:\d\d .*stopped')

    def test_watchdog_bites_a_daemon_that_hangs(self):
        self.machine.drop_in('tcptimer.service', '[Service]\nWatchdogSec=1\n')
        self.start()
        self.machine.measure('-c', 1)
        pid = self.machine.main_pid()
        self.machine.sh('kill -STOP %d' % pid)
        self.machine.wait_entry(UNIT='tcptimer.service', MESSAGE='[^"]*Watchdog timeout[^"]*')
        self.machine.wait_entry(TCPTIMER_EVENT='started', count=2)
        self.assertEqual(self.machine.show('tcptimer.service', 'NRestarts'), '1')
        self.assertNotEqual(self.machine.main_pid(), pid)
        self.machine.measure('-c', 10)

    def test_units_are_correct_and_closed(self):
        for suite in install.suites_of_tree():
            with self.subTest(suite=suite):
                host = self.machine if suite == self.machine.suite else self.boot(suite)
                if host is not self.machine:
                    install.tree(host)
                # The pages are installed, but the program that verify looks for them with is not.
                self.assertEqual(host.run('systemd-analyze', 'verify', '--man=no', *UNIT_FILES), '')
                rated = host.run('systemd-analyze', 'security', '--no-pager', 'tcptimer.service')
                exposure = re.search(r'Overall exposure level for tcptimer\.service: ([\d.]+)', rated)
                self.assertLessEqual(float(exposure.group(1)), 0.3, rated)

    def test_daemon_cannot_reach_the_network(self):
        self.start()
        self.machine.measure('-c', 1)
        pid = self.machine.main_pid()
        status = self.machine.read('/proc/%d/status' % pid)
        for name in ('CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'):
            self.assertRegex(status, r'(?m)^%s:\t0+$' % name)
        self.assertRegex(status, r'(?m)^NoNewPrivs:\t1$')
        self.assertRegex(status, r'(?m)^Seccomp:\t2$')
        self.assertNotRegex(status, r'(?m)^Uid:\t0\t')
        self.assertEqual([line.split(':')[0].strip() for line in
                          self.machine.read('/proc/%d/net/dev' % pid).splitlines()[2:]], ['lo'])
        self.assertNotEqual(self.machine.run('readlink', '/proc/%d/ns/net' % pid),
                            self.machine.run('readlink', '/proc/1/ns/net'))


if __name__ == '__main__':
    support.main()
