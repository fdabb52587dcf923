# SPDX-License-Identifier: MIT
"""Every event of the daemon's table, made to happen on a real host, found in the journal by its
fields, and explained by the catalog.
"""

import os
import re
import sys

import install
import machine
import support
from peers import TextPeer, new_uuid

ADDRESS = ('::1', 47945)
LOG_DIRECTORY = '/var/log/private/tcptimer'

# Setting the clock would set the host's, as there is no namespace for it.
NOT_IN_A_CONTAINER = {'clock_stepped'}

# epoll_wait, epoll_pwait, epoll_pwait2 on x86-64; the second on arm64.
EPOLL_WAITS = {'232', '281', '441', '22'}

# Holds one thread of a process, as a debugger does, and takes leave of it when it is killed.
HOLD_THREAD = '''
import ctypes, os, sys
PTRACE_SEIZE, PTRACE_INTERRUPT, WALL = 0x4206, 0x4207, 0x40000000
tid = int(sys.argv[1])
ptrace = ctypes.CDLL(None, use_errno=True).ptrace
if ptrace(PTRACE_SEIZE, tid, None, None) or ptrace(PTRACE_INTERRUPT, tid, None, None):
    raise OSError(ctypes.get_errno(), 'ptrace')
while os.WIFSTOPPED(os.waitpid(tid, WALL)[1]):
    print('held', flush=True)
'''


def event_table():
    """Event name -> MESSAGE_ID."""
    with open(os.path.join(install.SOURCE, 'daemon', 'log_event.h'), encoding='utf-8') as file:
        rows = re.findall(r'^ +X\((\w+), +LOG_\w+, +"(\w+)"\)', file.read(), re.MULTILINE)
    return {name.lower(): identifier for name, identifier in rows}


class TestEvents(machine.Case):
    def setUp(self):
        super().setUp()
        self.table = event_table()
        self.seen = set()

    def expect(self, host, event, **fields):
        """Waits for the event, and has the catalog explain it."""
        entry = host.wait_entry(TCPTIMER_EVENT=event, MESSAGE_ID=self.table[event],
                                _SYSTEMD_UNIT='tcptimer.service', **fields)
        explained = host.run('journalctl', '-x', '-q', 'MESSAGE_ID=' + self.table[event])
        self.assertRegex(explained, r'Defined-By: tcptimer\b')
        self.seen.add(event)
        return entry

    def configure(self, host, text):
        """As the service has it from its start on."""
        host.write(install.CONFIG, text)
        host.run('systemctl', 'stop', 'tcptimer.service')

    def peer(self, host):
        with host.network():
            return TextPeer(self, ADDRESS)

    def life(self, host):
        self.configure(host, 'port = 1\n')
        host.measure('-c', 1)
        self.expect(host, 'listening', TCPTIMER_LISTENER=r'\[::\]:47945')
        self.expect(host, 'started', TCPTIMER_WORKERS=r'\d+', TCPTIMER_LISTENERS='1')
        self.expect(host, 'config_warning')
        host.run('systemctl', 'reload', 'tcptimer.service')
        self.expect(host, 'reloaded')
        host.write(install.CONFIG, 'max_clients = 0\n')
        host.run('systemctl', 'kill', '--kill-who=main', '--signal=HUP', 'tcptimer.service')
        fault = self.expect(host, 'reload_failed', MESSAGE=r'/etc/tcptimer/tcptimerd\.conf:1: .*')
        self.assertEqual(fault['PRIORITY'], '3')
        host.run('systemctl', 'kill', '--kill-who=main', '--signal=USR1', 'tcptimer.service')
        self.expect(host, 'statistics', TCPTIMER_MESSAGES='1', TCPTIMER_ACCEPTED='1',
                    TCPTIMER_CLIENTS='0')
        host.run('systemctl', 'stop', 'tcptimer.service')
        self.expect(host, 'stopping', TCPTIMER_REASON='SIGTERM')
        self.expect(host, 'stopped')
        host.run('systemctl', 'start', '--no-block', 'tcptimer.service')
        self.expect(host, 'start_failed', MESSAGE=r'/etc/tcptimer/tcptimerd\.conf:1: .*')

    def clients(self, host):
        self.configure(host, 'log_level = debug\nmax_clients = 1\nlog_messages = on\n'
                             'slow_threshold = 50ms\nidle_timeout = 500ms\n')
        first, message = self.peer(host), new_uuid()
        first.exchange(message)
        self.expect(host, 'connected', TCPTIMER_CLIENT=r'\[::1\]:\d+')
        self.expect(host, 'message', TCPTIMER_UUID=message.decode(), TCPTIMER_DELTA_NSEC=r'\d+')
        self.assertRegex(self.peer(host).rest(), rb'^ERROR: .*full')
        self.expect(host, 'refused', TCPTIMER_CLIENT=r'\[::1\]:\d+', TCPTIMER_REASON='max_clients')
        support.poll_until(lambda: first.rest() or True, 'the end of an idle client')
        self.expect(host, 'timed_out', TCPTIMER_REASON='idle_timeout')
        first.close()
        self.expect(host, 'disconnected')

        strange = self.peer(host)
        strange.send(b'hello world')
        self.assertRegex(strange.rest(), rb'^ERROR: expected')
        strange.close()
        self.expect(host, 'bad_message')

        # Some hundred milliseconds from the accept to the first message are a delta, too.
        host.run('tcptimer', '-c', '2', '-i', '200ms', '-q', '--protocol=text')
        slow = self.expect(host, 'slow', TCPTIMER_UUID=r'[0-9a-f-]{36}')
        self.assertEqual(slow['TCPTIMER_THRESHOLD_NSEC'], '50000000')
        self.assertGreater(int(slow['TCPTIMER_DELTA_NSEC']), 50000000)

    def descriptors(self, host):
        self.configure(host, '')
        host.measure('-c', 1)
        pid = host.main_pid()
        # Fewer than it has open: not even the one that it keeps for this moment helps.
        host.run('prlimit', '--pid=%d' % pid, '--nofile=4:')
        waiting = self.peer(host)
        self.expect(host, 'accept_paused', ERRNO=r'\d+')
        host.run('prlimit', '--pid=%d' % pid, '--nofile=1000:')
        self.expect(host, 'accept_resumed')
        waiting.exchange(new_uuid())

    def log(self, host):
        self.configure(host, 'log_messages = on\n')
        host.sh('mkdir -p -m 700 {0} && mount -t tmpfs -o size=64k tmpfs {0}'.format(LOG_DIRECTORY))
        host.measure('-c', 1000)
        failed = self.expect(host, 'log_file_failed')
        self.assertEqual(failed['PRIORITY'], '3')
        host.run('mount', '-o', 'remount,size=4m', LOG_DIRECTORY)

        def resumed():
            host.measure('-c', 1)
            return any(entry.get('TCPTIMER_EVENT') == 'log_file_resumed'
                       for entry in host.entries())
        support.poll_until(resumed, 'a log file again')
        self.expect(host, 'log_file_resumed')

        # With the journal stopped the rings fill up, and clients must not notice. Its own limit
        # would then drop what the daemon has to say about that.
        host.drop_in('tcptimer.service', '[Service]\nLogRateLimitIntervalSec=0\n')
        host.run('systemctl', 'restart', 'tcptimer.service')
        host.run('systemctl', 'kill', '--kill-who=main', '--signal=STOP', 'systemd-journald')
        host.measure('-c', 30000, '-P', 4, '--in-flight', 64)
        host.run('systemctl', 'kill', '--kill-who=main', '--signal=CONT', 'systemd-journald')
        dropped = self.expect(host, 'log_dropped', TCPTIMER_DROPPED=r'\d+')
        self.assertGreater(int(dropped['TCPTIMER_DROPPED']), 0)
        host.run('systemctl', 'stop', 'tcptimer.service')
        host.run('umount', LOG_DIRECTORY)

    def stuck(self, host):
        host.drop_in('tcptimer.service', '[Service]\nWatchdogSec=2\n')
        self.configure(host, '')
        host.measure('-c', 1)
        holder = support.Process(self, [sys.executable, '-c', HOLD_THREAD,
                                        str(self.worker_of(host.outer_pid(host.main_pid())))])
        holder.stdout_tape.wait('held')
        stuck = self.expect(host, 'worker_stuck', TCPTIMER_WORKER=r'\d+')
        self.assertEqual(stuck['PRIORITY'], '2')
        host.wait_entry(UNIT='tcptimer.service', MESSAGE='[^"]*Watchdog timeout[^"]*')
        self.assertEqual(holder.wait(), 0)
        host.wait_entry(UNIT='tcptimer.service', MESSAGE='[^"]*Scheduled restart job[^"]*')

    def worker_of(self, pid):
        """One of the threads that serve clients: those that wait in epoll, but for the first."""
        for tid in map(int, os.listdir('/proc/%d/task' % pid)):
            with open('/proc/%d/syscall' % tid, encoding='ascii') as file:
                if tid != pid and file.read().split()[0] in EPOLL_WAITS:
                    return tid
        raise AssertionError('no worker among the threads of %d' % pid)

    @machine.on_each(install.suites_of_tree)
    def test_every_event_is_in_the_journal_and_explained(self, host):
        install.tree(host)
        host.run('systemctl', 'start', 'tcptimer.socket')
        self.seen.clear()
        for step in (self.life, self.clients, self.descriptors, self.log, self.stuck):
            step(host)
        self.assertEqual(set(self.table) - self.seen, NOT_IN_A_CONTAINER)


if __name__ == '__main__':
    support.main()
