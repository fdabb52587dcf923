# SPDX-License-Identifier: MIT
"""The machine: where processes run, what they cost, and that none outlives the benchmark.

Everything talks over the loopback, to ports below the ephemeral range, so that no outgoing
connection can have taken one.
"""

import os
import platform
import random
import socket
import subprocess
import time

LISTEN = '0A'                   # a state in /proc/net/tcp
TETHER = ['setpriv', '--pdeathsig', 'KILL', '--']


class Failed(Exception):
    """A contestant could not be measured; says why."""


class Placement:
    """On which CPUs server and client run."""

    def __init__(self, name, server, client):
        self.name, self.server, self.client = name, server, client

    def describe(self):
        return 'server on CPU %s, client on CPU %s' % (as_list(self.server), as_list(self.client))


def as_list(cpus):
    return ','.join(map(str, cpus))


def placements():
    """By name: 'same' core, 'two' cores, 'free' = as the scheduler likes; fewer on a lone CPU."""
    cpus = sorted(os.sched_getaffinity(0))
    found = {'same': Placement('same core', cpus[:1], cpus[:1]),
             'free': Placement('free', cpus, cpus)}
    if len(cpus) > 1:
        found['two'] = Placement('two cores', cpus[:1], cpus[1:2])
    if len(cpus) > 2:
        found['free'] = Placement('two and one', cpus[:2], cpus[2:3])
    return found


def describe():
    model = 'unknown CPU'
    with open('/proc/cpuinfo', encoding='ascii') as file:
        for line in file:
            if line.startswith('model name'):
                model = line.partition(':')[2].strip()
                break
    memory = os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGESIZE') / 2**30
    load = '%.2f %.2f %.2f' % os.getloadavg()
    virtual = subprocess.run(['systemd-detect-virt'], stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, check=False).stdout.decode().strip()
    return {
        'date': time.strftime('%Y-%m-%d %H:%M %z'),
        'kernel': '%s %s' % (platform.system(), platform.release()),
        'cpu': '%d x %s%s' % (os.cpu_count(), model,
                              ', virtual (%s)' % virtual if virtual not in ('', 'none') else ''),
        'memory': '%.1f GiB' % memory,
        'load_average_before': load,
    }


_next_port = random.randrange(12000, 24000)


def free_port():
    """Another one each time, or the TIME_WAITs of one run would be in the way of the next; the one
    above it is not given out either, as neper takes two."""
    global _next_port
    while True:
        _next_port += 2
        with socket.socket() as probe:
            try:
                probe.bind(('127.0.0.1', _next_port))
                return _next_port
            except OSError:
                continue


class Child:
    """A server under measurement."""

    def __init__(self, argv, cpus, env=None):
        self.argv = argv
        full_env = dict(os.environ, LC_ALL='C.UTF-8')
        for name in ('NOTIFY_SOCKET', 'WATCHDOG_USEC', 'LISTEN_FDS', 'LISTEN_PID'):
            full_env.pop(name, None)
        full_env.update(env or {})
        self.popen = subprocess.Popen(TETHER + ['taskset', '-c', as_list(cpus)] + argv,
                                      env=full_env, stdin=subprocess.DEVNULL,
                                      stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.pid = self.popen.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.popen.kill()
        self.popen.communicate()

    def await_listening(self, port, timeout=10.0):
        """Looks without connecting: some peers serve one client only."""
        end = time.monotonic() + timeout
        while not is_listening(port):
            if self.popen.poll() is not None:
                raise Failed('%s: %s' % (self.argv[0], self.popen.stderr.read().decode()[-200:]))
            if time.monotonic() > end:
                raise Failed('%s does not listen' % self.argv[0])
            time.sleep(0.005)

    def cpu_ns(self):
        """Of all its threads, and of its children (ended ones in ticks: the kernel has no more)."""
        total = process_cpu_ns(self.pid)
        try:
            with open('/proc/%d/stat' % self.pid, encoding='ascii') as file:
                fields = file.read().rpartition(')')[2].split()
            total += (int(fields[13]) + int(fields[14])) * 1000000000 // os.sysconf('SC_CLK_TCK')
            with open('/proc/%d/task/%d/children' % (self.pid, self.pid), encoding='ascii') as file:
                total += sum(process_cpu_ns(int(child)) for child in file.read().split())
        except OSError:
            pass
        return total

    def resident_bytes(self):
        with open('/proc/%d/statm' % self.pid, encoding='ascii') as file:
            return int(file.read().split()[1]) * os.sysconf('SC_PAGESIZE')


def process_cpu_ns(pid):
    """The process's CPU clock, clock_getcpuclockid(3): user and system time to the nanosecond."""
    try:
        return time.clock_gettime_ns((~pid << 3) | 2)
    except OSError:
        return 0


def is_listening(port):
    wanted = ':%04X' % port
    for path in ('/proc/net/tcp', '/proc/net/tcp6'):
        try:
            with open(path, encoding='ascii') as file:
                next(file)
                for line in file:
                    fields = line.split(None, 4)
                    if fields[3] != LISTEN:
                        break           # the listening ones come first
                    if fields[1].endswith(wanted):
                        return True
        except (OSError, StopIteration):
            pass
    return False


def run(argv, cpus, timeout, good=(0,)):
    """A client from start to end; its standard output. Any other exit status is a failure."""
    try:
        done = subprocess.run(TETHER + ['taskset', '-c', as_list(cpus)] + argv, timeout=timeout,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, env=dict(os.environ, LC_ALL='C.UTF-8'),
                              check=False)
    except subprocess.TimeoutExpired:
        raise Failed('%s did not end within %g s' % (argv[0], timeout)) from None
    if done.returncode not in good:
        said = (done.stderr or done.stdout).decode(errors='replace').strip().splitlines()
        raise Failed('%s: exit status %d%s' % (os.path.basename(argv[0]), done.returncode,
                                               ': ' + said[-1] if said else ''))
    return done.stdout.decode(errors='replace')


def slab_bytes():
    """Kernel objects of the whole machine, both ends of every connection among them."""
    with open('/proc/meminfo', encoding='ascii') as file:
        for line in file:
            if line.startswith('Slab:'):
                return int(line.split()[1]) * 1024
    return 0
