# SPDX-License-Identifier: MIT
"""A Debian with a real systemd as PID 1, for one test: booted in a container from a cached root
that stays as it is, with a loopback of its own, and gone when the test ends, however it ends.
"""

import contextlib
import ctypes
import fcntl
import functools
import glob
import hashlib
import itertools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

import support

SUITES = ('bookworm', 'trixie')     # systemd 252 and 257
ROOTS = os.environ.get('TCPTIMER_SYSTEM_ROOTS', '')

# What every root has beside a minimal system: an init, and what our packages depend on. The rpm is
# installed on a Debian too, by Debian's rpm.
PACKAGES = ('dbus', 'libinih1', 'libuuid1', 'rpm', 'systemd', 'systemd-sysv')

BOOT_TIME_LIMIT = 60.0
COMMAND_TIME_LIMIT = 60.0

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def why_not_here():
    """What keeps containers from running here, or None."""
    if os.geteuid() != 0:
        return 'containers need root'
    for tool in ('mmdebstrap', 'systemd-nspawn', 'nsenter', 'unshare'):
        if shutil.which(tool) is None:
            return tool + ' is not installed'
    if not ROOTS:
        return 'TCPTIMER_SYSTEM_ROOTS does not say where root file systems are to be kept'
    if not _cgroups() or not all(os.access(path, os.W_OK) for path in _cgroups()):
        return 'no control group that could be handed to a container'
    return None


def host_suite():
    """The suite whose programs run on the host's libraries: its own, if it is one of ours."""
    with open('/etc/os-release', encoding='utf-8') as file:
        match = re.search(r'^VERSION_CODENAME=(\w+)$', file.read(), re.MULTILINE)
    return match.group(1) if match and match.group(1) in SUITES else None


def root(suite):
    """The path of a minimal Debian, made by the first who asks for it. Another list of packages is
    another root; those of older lists stay until the build tree goes."""
    contents = hashlib.sha256(' '.join(PACKAGES).encode()).hexdigest()[:8]
    path = os.path.join(ROOTS, '%s-%s' % (suite, contents))
    os.makedirs(ROOTS, exist_ok=True)
    with open(path + '.lock', 'w', encoding='ascii') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(path):
            unfinished = path + '.new'
            shutil.rmtree(unfinished, ignore_errors=True)
            made = subprocess.run(
                ['mmdebstrap', '--quiet', '--variant=minbase', '--include=' + ','.join(PACKAGES),
                 suite, unfinished],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            if made.returncode != 0:
                raise AssertionError('mmdebstrap %s failed:\n%s' % (suite, made.stdout.decode()))
            os.rename(unfinished, path)
    return path


def _cgroups():
    """Our own control groups in the hierarchies that a systemd manages."""
    mounts = {}
    with open('/proc/self/mounts', encoding='utf-8') as file:
        for line in file:
            _, where, kind, options = line.split()[:4]
            if kind == 'cgroup2':
                mounts.setdefault('', where)
            elif kind == 'cgroup' and 'name=systemd' in options.split(','):
                mounts.setdefault('name=systemd', where)
    paths = []
    with open('/proc/self/cgroup', encoding='utf-8') as file:
        for line in file:
            _, controllers, path = line.rstrip('\n').split(':', 2)
            if controllers in mounts:
                paths.append(mounts[controllers] + path)
    return paths


class Nspawn(support.Process):
    """The container's process on the host; its end is also the end of the notify tape."""

    SCRIPT = '''
        lower=$1 upper=$2 work=$3 root=$4
        shift 4
        for cgroup; do echo $$ >"$cgroup/cgroup.procs" || exit; done
        # In a mount namespace of its own: the mount ends with its last process.
        mount -t overlay -o "lowerdir=$lower,upperdir=$upper,workdir=$work" overlay "$root" \\
            2>/dev/null || cp -a "$lower/." "$root" || exit
        exec systemd-nspawn --quiet -D "$root" --boot --register=no --keep-unit --private-network \\
            --console=pipe --notify-ready=yes --link-journal=no --resolv-conf=off --timezone=off \\
            --hostname=tcptimer-test
    '''

    def __init__(self, case, lower, cgroups):
        self.notify = support.NotifySocket(case)
        top = tempfile.mkdtemp(prefix='machine-', dir=case.tmp)
        directories = [os.path.join(top, name) for name in ('upper', 'work', 'root')]
        for path in directories:
            os.mkdir(path)
        super().__init__(case, ['unshare', '--mount', 'sh', '-c', self.SCRIPT, 'sh', lower,
                                *directories, *cgroups],
                         env={'NOTIFY_SOCKET': self.notify.path, 'SYSTEMD_LOG_LEVEL': 'err'})

    def _on_end(self):
        self.notify.end()


class Inside(support.Process):
    """A process inside a machine. nsenter forks to get there, so that a kill would reach the child
    only: a test that leaves it running ends its machine, and the kernel all that is in it."""

    def __init__(self, machine, argv, **how):
        self._machine = machine
        super().__init__(machine.case, argv, **how)

    def _end(self):
        self._machine.end()
        self.wait()


class Machine:
    """A booted container. Commands run inside: as its root, with its files and its network."""

    _numbers = itertools.count()

    def __init__(self, case, suite):
        self.case = case
        self.suite = suite
        # One of its own, or containers side by side would share theirs.
        name = 'tcptimer-test-%d-%d' % (os.getpid(), next(self._numbers))
        cgroups = [os.path.join(path, name) for path in _cgroups()]
        for path in cgroups:
            os.mkdir(path)
            case.addCleanup(_remove_cgroup, path)
        self._nspawn = Nspawn(case, root(suite), cgroups)
        notify = self._nspawn.notify.tape
        try:
            self.pid = int(notify.wait(r'^X_NSPAWN_LEADER_PID=(\d+)$').group(1))
            case.addCleanup(self.end)
            notify.wait('^READY=1$', timeout=BOOT_TIME_LIMIT)
        except AssertionError as error:
            raise AssertionError('no boot: %s\n%s%s' % (error, self._nspawn.stdout,
                                                       self._nspawn.stderr)) from None
        self._journal = self.start('journalctl', '--follow', '--no-tail', '--output=json', '--all')
        case.machines.append(self)

    def end(self):
        if self._nspawn.running():
            os.kill(self.pid, signal.SIGKILL)
        self._nspawn.wait()

    def _inside(self, *command):
        return ['nsenter', '--target=%d' % self.pid, '--mount', '--uts', '--ipc', '--net', '--pid',
                '--cgroup', '--root', '--wd', '--', 'env', '-i', 'LC_ALL=C.UTF-8', 'HOME=/root',
                'PAGER=cat', 'TERM=dumb',
                'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', *command]

    def start(self, *command, **how):
        return Inside(self, self._inside(*command), **how)

    def run(self, *command, expect=0, timeout=COMMAND_TIME_LIMIT):
        """Runs a command to its end and returns what it printed; its status must be the expected."""
        process = self.start(*command)
        status = process.wait(timeout)
        output = process.stdout + process.stderr
        if status != expect:
            raise AssertionError('%s: status %d, expected %d\n%s'
                                 % (' '.join(command), status, expect, output))
        return output

    def sh(self, script, **how):
        return self.run('sh', '-c', script, **how)

    def path(self, name):
        """The path on the host of a file inside."""
        return '/proc/%d/root/%s' % (self.pid, name.lstrip('/'))

    def write(self, name, text):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), 'w', encoding='utf-8') as file:
            file.write(text)

    def read(self, name):
        with open(self.path(name), encoding='utf-8') as file:
            return file.read()

    @contextlib.contextmanager
    def network(self):
        """Sockets made in this context, on this thread, belong to the container's network."""
        with open('/proc/thread-self/ns/net', 'rb') as ours, \
             open('/proc/%d/ns/net' % self.pid, 'rb') as theirs:
            _setns(theirs)
            try:
                yield
            finally:
                _setns(ours)

    def show(self, unit, name):
        """A property of a unit."""
        return self.run('systemctl', 'show', '--value', '--property=' + name, unit).strip()

    def main_pid(self, unit='tcptimer.service'):
        """The number inside of a service's main process."""
        return int(self.show(unit, 'MainPID'))

    def outer_pid(self, pid):
        """The number on the host of a process inside."""
        for path in glob.glob('/proc/[0-9]*/status'):
            with contextlib.suppress(OSError):      # of processes that end while we look
                with open(path, encoding='utf-8', errors='replace') as file:
                    numbers = re.search(r'(?m)^NSpid:\s+(.*)$', file.read()).group(1).split()
                if numbers[1:] == [str(pid)] and self._is_inside(numbers[0]):
                    return int(numbers[0])
        raise AssertionError('no process %d inside' % pid)

    def _is_inside(self, pid):
        return os.readlink('/proc/%s/ns/pid' % pid) == os.readlink('/proc/%d/ns/pid' % self.pid)

    def measure(self, *options):
        """Runs the client inside; all replies must come in. Returns its JSON document."""
        return json.loads(self.run('tcptimer', '--json', *map(str, options)))

    def drop_in(self, unit, text):
        """What systemctl edit does."""
        self.write('/etc/systemd/system/%s.d/override.conf' % unit, text)
        self.run('systemctl', 'daemon-reload')

    def connect(self, port=47945, host='::1'):
        """A connection from the test to the container's loopback."""
        with self.network():
            connection = socket.create_connection((host, port), support.DEADLINE)
        self.case.addCleanup(connection.close)
        return connection

    def mark(self):
        """A place in the journal, behind all that was logged so far."""
        text = 'mark-%d' % next(self._numbers)
        self.sh('echo %s | systemd-cat --identifier=tcptimer-test' % text)
        self.wait_entry(SYSLOG_IDENTIFIER='tcptimer-test', MESSAGE=text)
        return self._journal.stdout_tape.mark()

    def wait_entry(self, start=0, count=1, timeout=support.DEADLINE, **fields):
        """The count-th journal entry from start on that has all these fields; values are regular
        expressions for the whole value."""
        pattern = r'\A' + ''.join(r'(?=.*"%s":"(?:%s)")' % field for field in fields.items())
        try:
            line = self._journal.stdout_tape.wait(pattern, start=start, count=count,
                                                  timeout=timeout)
        except AssertionError:      # which has the whole journal in it
            raise AssertionError('no journal entry number %d with %s' % (count, fields)) from None
        return json.loads(line.string)

    def entries(self, start=0):
        """What the journal has by now."""
        self.mark()
        return [json.loads(line) for line in self._journal.stdout_tape.lines(start)]

    def journal_text(self):
        """The journal as far as it was seen, for people."""
        texts = []
        for line in self._journal.stdout_tape.lines():
            with contextlib.suppress(ValueError):       # the last one may be cut
                entry = json.loads(line)
                texts.append('%s: %s' % (entry.get('SYSLOG_IDENTIFIER'), entry.get('MESSAGE')))
        return '\n'.join(texts)


def _setns(namespace):
    if _libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), 'setns')


def _remove_cgroup(path):
    for directory, _, _ in os.walk(path, topdown=False):
        os.rmdir(directory)


def on_each(suites):
    """Runs a test once for each suite; it gets the booted machine."""
    def decorate(test):
        @functools.wraps(test)
        def run(case):
            wanted = suites()
            if not wanted:
                case.cannot_run_here('this host builds for no suite that can be booted')
            for suite in wanted:
                with case.subTest(suite=suite):
                    host = case.boot(suite)
                    test(case, host)
                    host.end()
        return run
    return decorate


class Case(support.Case):
    """A test that boots machines. When it fails it shows their journals."""

    def setUp(self):
        super().setUp()
        self.machines = []
        why = why_not_here()
        if why:
            self.cannot_run_here(why)

    def run(self, result=None):
        before = len(result.failures) + len(result.errors)
        super().run(result)
        if len(result.failures) + len(result.errors) > before:
            for machine in self.machines:
                print('--- journal of %s, %s\n%s' % (self.id(), machine.suite,
                                                    machine.journal_text()), file=sys.stderr)

    def boot(self, suite):
        return Machine(self, suite)
