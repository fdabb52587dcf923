# SPDX-License-Identifier: MIT
"""What the integration tests share: children that cannot outlive their test, events that can be
awaited, and the daemon and the client as processes.

Nothing sleeps here. Whatever a test waits for (a line on stderr, a state on the notify socket, an
exit) lands on a Tape, and DEADLINE only bounds how long a broken program may keep us.
"""

import functools
import glob
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

SANITIZER = os.environ.get('TCPTIMER_SANITIZE', '')
REQUIRE_ALL = os.environ.get('TCPTIMER_REQUIRE_ALL') == '1'
DEADLINE = 60.0 if SANITIZER else 20.0

SANITIZER_REPORT = re.compile(
    r'(Address|Leak|Thread|UndefinedBehavior)Sanitizer|runtime error:')
SANITIZER_EXIT = 77         # a status that neither program uses

# A child that outlives its test would disturb the next one: it dies with us, however we end.
TETHER = ['setpriv', '--pdeathsig', 'KILL', '--']

# Becomes the program in argv with the given descriptors at 3, 4, ... as sd_listen_fds(3) says.
# LISTEN_PID has to be the number of that very process, so it can only be set inside it.
LISTEN_WRAPPER = '''
import fcntl, os, sys
fds = [fcntl.fcntl(int(fd), fcntl.F_DUPFD, 100) for fd in sys.argv[1].split(',')]
for number, fd in enumerate(fds, 3):
    os.dup2(fd, number)
    os.close(fd)
os.environ['LISTEN_PID'] = str(os.getpid())
os.execvp(sys.argv[2], sys.argv[2:])
'''


# How the daemon's line of statistics puts it; what is 0 is left out there.
STATISTICS = {
    'clients': 'clients now',
    'accepted': 'clients accepted',
    'messages': 'messages answered',
    'refused': 'clients refused',
    'timed_out': r'clients ended by \w+_timeout',
    'bad_messages': 'clients ended for what they sent',
}


class SanitizerReport(AssertionError):
    """No matter of chance or of a busy machine, ever."""


class Tape:
    """Lines in the order in which they came from another thread."""

    def __init__(self):
        self._changed = threading.Condition()
        self._lines = []
        self._ended = False

    def add(self, line):
        with self._changed:
            self._lines.append(line)
            self._changed.notify_all()

    def end(self):
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def mark(self):
        """A place on the tape, to wait for what comes after it."""
        with self._changed:
            return len(self._lines)

    def lines(self, start=0):
        with self._changed:
            return self._lines[start:]

    def text(self):
        return '\n'.join(self.lines())

    def matches(self, pattern, start=0):
        found = (re.search(pattern, line) for line in self.lines(start))
        return [match for match in found if match]

    def wait(self, pattern, start=0, count=1, timeout=DEADLINE):
        """The count-th line from start on in which pattern is found, as a match object."""
        end = time.monotonic() + timeout
        at = start
        with self._changed:
            while True:
                for line in self._lines[at:]:
                    match = re.search(pattern, line)
                    if match:
                        count -= 1
                        if count == 0:
                            return match
                at = max(at, len(self._lines))
                left = end - time.monotonic()
                if self._ended or left <= 0:
                    why = 'ended' if self._ended else 'still open after %g s' % timeout
                    raise AssertionError('no line matches %r; the stream %s:\n%s'
                                         % (pattern, why, '\n'.join(self._lines)))
                self._changed.wait(left)


class Process:
    """A child: its output on tapes, its end certain, sanitizer reports never overlooked."""

    def __init__(self, case, argv, env=None, nofile=None, inherited=(), names=None,
                 stdout=subprocess.PIPE, prefix=()):
        self.stdout_tape, self.stderr_tape = Tape(), Tape()
        self._raw = {}
        full_env = dict(os.environ, LC_ALL='C.UTF-8', **sanitizer_env())
        for name in ('NOTIFY_SOCKET', 'WATCHDOG_USEC', 'LISTEN_FDS', 'LISTEN_PID', 'JOURNAL_STREAM',
                     'LOGS_DIRECTORY'):
            full_env.pop(name, None)
        full_env.update(env or {})

        command = list(prefix) + list(argv)
        if inherited:
            full_env['LISTEN_FDS'] = str(len(inherited))
            if names is not None:
                full_env['LISTEN_FDNAMES'] = ':'.join(names)
            command = [sys.executable, '-I', '-S', '-c', LISTEN_WRAPPER,
                       ','.join(str(s.fileno()) for s in inherited)] + command
        if nofile is not None:
            command = ['prlimit', '--nofile=%d:%d' % (nofile, nofile)] + command
        self.popen = subprocess.Popen(TETHER + command, env=full_env, stdin=subprocess.DEVNULL,
                                      stdout=stdout, stderr=subprocess.PIPE,
                                      pass_fds=[s.fileno() for s in inherited])
        self.pid = self.popen.pid
        self._ended = threading.Event()
        threading.Thread(target=self._reap, daemon=True).start()
        self._readers = [self._start_reader(self.popen.stderr, self.stderr_tape)]
        if self.popen.stdout is not None:
            self._readers.append(self._start_reader(self.popen.stdout, self.stdout_tape))
        case.addCleanup(self._clean_up)

    def _reap(self):
        self.popen.wait()
        self._on_end()
        self._ended.set()

    def _on_end(self):
        """Called on another thread once the process is gone."""

    def _start_reader(self, stream, tape):
        reader = threading.Thread(target=self._read, args=(stream, tape), daemon=True)
        reader.start()
        return reader

    def _read(self, stream, tape):
        whole = self._raw.setdefault(tape, bytearray())
        with stream:
            for line in stream:
                whole += line
                tape.add(line.decode('utf-8', 'replace').rstrip('\n'))
        tape.end()

    @property
    def stdout(self):
        return self._raw.get(self.stdout_tape, b'').decode('utf-8', 'replace')

    @property
    def stderr(self):
        return self._raw.get(self.stderr_tape, b'').decode('utf-8', 'replace')

    def signal(self, number):
        self.popen.send_signal(number)

    def running(self):
        return not self._ended.is_set()

    def wait(self, timeout=DEADLINE):
        """Waits for the end of the process and of its output; the exit status (-N = signal N)."""
        if not self._ended.wait(timeout):
            raise AssertionError('%s (pid %d) still runs after %g s; stderr:\n%s'
                                 % (self.popen.args, self.pid, timeout, self.stderr))
        status = self.popen.returncode
        for reader in self._readers:
            reader.join(DEADLINE)
        self._check_sanitizers(status)
        return status

    def kill(self):
        self.signal(signal.SIGKILL)
        return self.wait()

    def _check_sanitizers(self, status):
        if status == SANITIZER_EXIT or SANITIZER_REPORT.search(self.stderr):
            raise SanitizerReport('sanitizer report:\n' + self.stderr)

    def _end(self):
        """How a test that does not care ends its process."""
        self.kill()

    def _clean_up(self):
        try:
            if self.running():
                self._end()
            else:
                self.wait()
        finally:
            if self.running():
                self.kill()


def sanitizer_env():
    """Reports go to stderr and make the status tell; nothing is suppressed."""
    ours = 'exitcode=%d' % SANITIZER_EXIT
    return {name: ':'.join(filter(None, [os.environ.get(name), ours]))
            for name in ('ASAN_OPTIONS', 'LSAN_OPTIONS', 'UBSAN_OPTIONS', 'TSAN_OPTIONS')}


class NotifySocket:
    """What a service manager listens on; every NAME=value sent to it, in order, on a tape."""

    def __init__(self, case):
        self.path = tempfile.mktemp(prefix='notify-', dir=case.tmp)
        self.tape = Tape()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.path)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        case.addCleanup(self._close)

    def _read(self):
        while True:
            datagram = self._socket.recv(65536)
            if not datagram:
                self.tape.end()
                return
            for line in datagram.decode().splitlines():
                self.tape.add(line)

    def end(self):
        """Ends the tape behind all that was sent so far."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(b'', self.path)

    def _close(self):
        self.end()
        self._reader.join(DEADLINE)
        self._socket.close()


class Daemon(Process):
    """tcptimerd, ready to serve unless told otherwise.

    listen: what it binds for itself; inherited: sockets handed to it as a service manager does.
    """

    def __init__(self, case, *options, listen=('127.0.0.1:0',), inherited=(), ready=True, env=None,
                 **how):
        self.notify = NotifySocket(case)
        # Most tests end with clients that never close; those that are about this say how long.
        argv = [program('TCPTIMERD'), '--log-target=stderr', '--drain-timeout=300ms']
        if not any(option.startswith('--config') for option in options):
            argv.append('--config=/dev/null')       # not what may be installed on this machine
        if not inherited:
            argv += ['--listen=' + address for address in listen]
        super().__init__(case, argv + list(options), inherited=inherited,
                         env=dict({'NOTIFY_SOCKET': self.notify.path}, **(env or {})), **how)
        self.log = self.stderr_tape
        self.addresses = []
        if ready:
            self._await_ready()
            if inherited:
                self.addresses = [s.getsockname() for s in inherited]
            else:
                if listen:          # the log is written on a thread of its own, after READY even
                    self.log.wait(r'listening on', count=len(listen))
                lines = self.log.matches(r'listening on (\S+)')
                self.addresses = [parse_address(line.group(1)) for line in lines]

    def _await_ready(self):
        try:
            self.notify.tape.wait('^READY=1$')
        except AssertionError as error:
            raise AssertionError('not ready: %s\nstderr:\n%s' % (error, self.stderr)) from None
        self.log.wait(r'\bstarted\b')

    def _on_end(self):
        self.notify.end()

    @property
    def address(self):
        return self.addresses[0]

    @property
    def port(self):
        return self.address[1]

    def stop(self, timeout=DEADLINE):
        self.signal(signal.SIGTERM)
        return self.wait(timeout)

    def _end(self):
        """Every test ends with an orderly stop, so each of them looks for leaks too."""
        self.signal(signal.SIGCONT)
        status = self.stop()
        if status != 0:
            raise AssertionError('exit status %d after SIGTERM; stderr:\n%s'
                                 % (status, self.stderr))

    def statistics(self):
        """The numbers in the line that SIGUSR1 brings, those of a kind added up."""
        start = self.log.mark()
        self.signal(signal.SIGUSR1)
        line = self.log.wait(r'\bclients now\b', start=start).string
        return {name: sum(map(int, re.findall(r'\b(\d+) ' + words, line)))
                for name, words in STATISTICS.items()}

    def await_statistics(self, **expected):
        """A message is counted after its reply was sent, and so a little later than we have it."""
        def counted():
            statistics = self.statistics()
            return all(statistics[name] == number for name, number in expected.items())

        poll_until(counted, 'statistics %r' % expected)


class Case(unittest.TestCase):
    """A test with a directory of its own, short enough for socket paths."""

    maxDiff = None

    def setUp(self):
        self.tmp = tempfile.mkdtemp(prefix='tt-')
        self.addCleanup(shutil.rmtree, self.tmp, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.tmp, name)

    def write(self, name, text):
        with open(self.path(name), 'w', encoding='utf-8') as file:
            file.write(text)
        return self.path(name)

    def daemon(self, *options, **how):
        return Daemon(self, *options, **how)

    def client(self, *arguments, **how):
        """tcptimer, started; see run_client() for one that is waited for."""
        return Process(self, [program('TCPTIMER'), *map(str, arguments)], **how)

    def run_client(self, *arguments, timeout=DEADLINE, **how):
        client = self.client(*arguments, **how)
        client.status = client.wait(timeout)
        return client

    def run_daemon(self, *options, **how):
        """tcptimerd where it is meant to end by itself."""
        daemon = Process(self, [program('TCPTIMERD'), *options], **how)
        daemon.status = daemon.wait()
        return daemon

    def listener(self, host='127.0.0.1', backlog=128, blocking=True):
        """A listening TCP socket, or for a path an AF_UNIX one, as a service manager makes it."""
        if host.startswith('/'):
            family, address = socket.AF_UNIX, host
        else:
            family, address = (socket.AF_INET6 if ':' in host else socket.AF_INET), (host, 0)
        listener = socket.socket(family, socket.SOCK_STREAM)
        self.addCleanup(listener.close)
        if family != socket.AF_UNIX:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(backlog)
        listener.setblocking(blocking)
        return listener

    def ask_for_quiet(self):
        """Real-time priority, where we may have it, for this thread and what it starts: without it
        a test of single milliseconds measures who else is on the machine."""
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        except PermissionError:
            return
        self.addCleanup(os.sched_setscheduler, 0, os.SCHED_OTHER, os.sched_param(0))

    def with_hosts(self, text):
        """A prefix for a command that finds this text in /etc/hosts."""
        prefix = ('unshare', '--mount', '--', 'sh', '-c',
                  'mount --bind "$0" /etc/hosts && exec "$@"', self.write('hosts', text))
        done = subprocess.run([*prefix, 'true'], stderr=subprocess.PIPE, check=False)
        if done.returncode != 0:
            self.cannot_run_here('/etc/hosts cannot be replaced: ' + done.stderr.decode().strip())
        return prefix

    @staticmethod
    def cannot_run_here(why):
        """A skip that says why, and a failure where everything is required."""
        if REQUIRE_ALL:
            raise AssertionError('SKIP is not allowed here: ' + why)
        raise unittest.SkipTest(why)


def measures_time(attempts=3):
    """For a test with an upper bound on time or on CPU, which a busy machine can break: it has a
    few attempts, each from setUp on, and tells of those that failed; tests/run lists them. No other
    test may have this, as what else fails now and then is a race. What a clean-up finds, such as a
    daemon that ends badly, counts in every attempt."""
    def decorate(test):
        @functools.wraps(test)
        def run(case, *arguments, **how):
            for attempt in range(1, attempts):
                try:
                    return test(case, *arguments, **how)
                except SanitizerReport:
                    raise
                except AssertionError as error:
                    print('\nAGAIN %s, attempt %d of %d failed: %s'
                          % (case.id(), attempt, attempts, error), file=sys.stderr)
                case.tearDown()
                case.doCleanups()
                case.setUp()
            return test(case, *arguments, **how)
        return run
    return decorate


def program(name):
    try:
        return os.environ[name]
    except KeyError:
        raise AssertionError('set %s to the program under test' % name) from None


def parse_address(text):
    """The daemon's way to write an address, as the socket module wants it."""
    if text.startswith('unix:'):
        return text[len('unix:'):]
    host, _, port = text.rpartition(':')
    return host.strip('[]'), int(port)


def hard_nofile():
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def raise_nofile():
    hard = hard_nofile()
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def cpu_seconds(pid):
    """User and system time of all threads so far."""
    with open('/proc/%d/stat' % pid, encoding='ascii') as file:
        fields = file.read().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def resident_bytes(pid):
    with open('/proc/%d/statm' % pid, encoding='ascii') as file:
        return int(file.read().split()[1]) * os.sysconf('SC_PAGESIZE')


def sleeps(pid):
    """How often a thread of it has gone to sleep so far."""
    total = 0
    for status in glob.glob('/proc/%d/task/*/status' % pid):
        with open(status, encoding='ascii') as file:
            total += int(re.search(r'(?m)^voluntary_ctxt_switches:\s*(\d+)', file.read()).group(1))
    return total


def count_threads(pid):
    return len(os.listdir('/proc/%d/task' % pid))


def count_fds(pid):
    return len(os.listdir('/proc/%d/fd' % pid))


def poll_until(condition, what, timeout=DEADLINE):
    """For the few states that the kernel shows without announcing them (a counter in /proc)."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError('%s: not within %g s' % (what, timeout))
        time.sleep(0.002)


def main():
    unittest.main(verbosity=2)
