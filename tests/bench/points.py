# SPDX-License-Identifier: MIT
"""What is measured: the seven points, each a list of cases, each case some contestants that take
turns. The first contestant of a case is its reference, the bare programs wherever they can be."""

import contextlib
import copy
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import contestants as who
import machine

RATE = ('rate', 'messages/s')
TRAFFIC = ('p50', 'p99', 'p999', 'cpu')
HEADINGS = {'p50': 'p50 us', 'p99': 'p99 us', 'p999': 'p99.9 us', 'cpu': 'server CPU us/message',
            'kernel': 'kernel bytes/pair', 'grown': 'grown by, KiB', 'rate': 'messages/s'}

BUSY_POLL_US = 100

TITLES = {
    1: 'One connection, closed loop',
    2: 'Many connections, closed loop',
    3: 'Pipelined, and open loop',
    4: 'Connect, one message, close',
    5: 'Memory of idle connections',
    6: 'Start',
    7: 'What comforts cost',
}


class Case:
    """Contestants are (label, function without arguments that returns figures)."""

    def __init__(self, name, contestants, headline=RATE, columns=TRAFFIC, rounds=None):
        self.name, self.contestants = name, contestants
        self.headline, self.columns, self.rounds = headline, columns, rounds


class Settings:
    def __init__(self, seconds, warm_up, quick, peers):
        self.seconds, self.warm_up, self.quick, self.peers = seconds, warm_up, quick, peers
        self.places = machine.placements()
        self.tmp = tempfile.mkdtemp(prefix='tt-bench-')

    def bare(self, mode, *options):
        return who.bare_client(mode, *options, seconds=self.seconds, warm_up=self.warm_up)

    def tcptimer(self, *options):
        return who.tcptimer(*options, seconds=self.seconds, warm_up=self.warm_up)

    def slower(self):
        """For loads with a round trip of a tenth of a second."""
        other = copy.copy(self)
        other.seconds, other.warm_up = self.seconds * 2, self.warm_up * 3
        return other

    def close(self):
        shutil.rmtree(self.tmp, ignore_errors=True)


def pair(server, client, place, **how):
    return lambda: who.measure(server, client, place, **how)


# ---- 1 ----

def one_connection(s):
    for name in ('same', 'two'):
        if name not in s.places:
            continue
        place = s.places[name]
        rows = [
            ('bare server, bare client', pair(who.bare_server(), s.bare('ping'), place)),
            ('tcptimerd, bare client', pair(who.tcptimerd(), s.bare('ping'), place)),
            ('bare server, tcptimer (text)',
             pair(who.bare_server(), s.tcptimer('-i', '0', '--protocol', 'text'), place)),
            ('tcptimerd, tcptimer', pair(who.tcptimerd(), s.tcptimer('-i', '0'), place)),
        ]
        if s.peers:
            rows += single_peers(s, place)
        yield Case(place.name, rows)

    if 'two' in s.places:
        yield busy_polling(s, s.places['two'])


def single_peers(s, place):
    if who.found('sockperf'):
        yield 'sockperf', pair(*who.sockperf(s.seconds), place)
    if who.found('qperf'):
        yield 'qperf', pair(*who.qperf(s.seconds), place)
    if who.found('netperf', 'netserver'):
        yield 'netperf TCP_RR', pair(*who.netperf(s.seconds), place)
    if who.found('tcp_rr'):
        yield 'neper tcp_rr', pair(*who.neper(s.seconds), place)
    if who.found('iperf'):
        yield 'iperf 2 --bounceback', pair(*who.iperf2(s.seconds), place)


def busy_polling(s, place):
    poll = str(BUSY_POLL_US)
    bare = who.bare_server(busy_poll=BUSY_POLL_US)
    daemon = who.tcptimerd('--busy-poll=%sus' % poll)
    rows = [
        ('bare server, bare client', pair(bare, s.bare('ping', '-b', poll), place)),
        ('tcptimerd, bare client', pair(daemon, s.bare('ping', '-b', poll), place)),
        ('bare server, tcptimer (text)',
         pair(bare, s.tcptimer('-i', '0', '--protocol', 'text', '--busy-poll'), place)),
        ('tcptimerd, tcptimer', pair(daemon, s.tcptimer('-i', '0', '--busy-poll'), place)),
    ]
    if s.peers and who.found('sockperf'):
        rows.append(('sockperf --nonblocked',
                     pair(*who.sockperf(s.seconds, '--nonblocked'), place)))
    return Case(place.name + ', both ends poll for %s us' % poll, rows)


# ---- 2 ----

def many_connections(settings):
    for workers, name in ((1, 'two'), (2, 'free')):
        place = settings.places.get(name)
        if not place:
            continue
        for n in (50, 1000, 10000):
            s = settings.slower() if n == 10000 else settings
            load = s.bare('closed', '-c', str(n))
            ours = ('-i', '0', '-P', str(n))
            rows = [
                ('bare server, bare client', pair(who.bare_server(threads=workers), load, place)),
                ('tcptimerd, bare client', pair(who.tcptimerd(workers=workers), load, place)),
                ('bare server, tcptimer (text)',
                 pair(who.bare_server(threads=workers), s.tcptimer(*ours, '--protocol', 'text'),
                      place)),
                ('tcptimerd, tcptimer', pair(who.tcptimerd(workers=workers), s.tcptimer(*ours),
                                             place)),
            ]
            if s.peers and who.found('tcp_rr'):
                rows.append(('neper tcp_rr',
                             pair(*who.neper(s.seconds, flows=n, threads=workers), place)))
            yield Case('%d connections, %d worker%s, %s'
                       % (n, workers, 's' if workers > 1 else '', place.name), rows)


# ---- 3 ----

def pipelined(s):
    place = s.places.get('two', s.places['same'])
    for n, depth in ((1, 64), (16, 64), (1000, 4)):
        load = ('closed', '-c', str(n), '-q', str(depth))
        yield Case('%d x %d in flight, %s' % (n, depth, place.name), [
            ('bare server', pair(who.bare_server(), s.bare(*load), place)),
            ('tcptimerd, text', pair(who.tcptimerd(), s.bare(*load), place)),
            ('tcptimerd, native', pair(who.tcptimerd(), s.bare(*load, '-n'), place)),
        ])

    yield Case('highest open-loop rate with p99 below 1 ms, 16 connections, ' + place.name, [
        ('bare server', lambda: highest_rate(s, who.bare_server(), (), place)),
        ('tcptimerd, text', lambda: highest_rate(s, who.tcptimerd(), (), place)),
        ('tcptimerd, native', lambda: highest_rate(s, who.tcptimerd(), ('-n',), place)),
    ], columns=('p50', 'p99', 'cpu'))

    rate = '50000'
    paced = ('--in-flight', '1024', '-r', rate)
    yield Case('open loop, %s/s on one connection, %s' % (rate, place.name), [
        ('bare server, bare client', pair(who.bare_server(), s.bare('open', '-r', rate), place)),
        ('bare server, tcptimer (text)',
         pair(who.bare_server(), s.tcptimer(*paced, '--protocol', 'text'), place)),
        ('tcptimerd, bare client', pair(who.tcptimerd(), s.bare('open', '-r', rate), place)),
        ('tcptimerd, tcptimer', pair(who.tcptimerd(), s.tcptimer(*paced), place)),
    ], headline=('p50', 'p50 us'), columns=('rate', 'p99', 'p999', 'cpu'))


def highest_rate(s, server, options, place):
    """Doubles or halves the rate until one bound is met by either, then narrows the gap. The client
    spins; a rate passes in the better of two tries, as the machine has stalls of its own."""
    low = high = None
    rate = 100000.0
    best = None
    for _ in range(8):
        figures = min((open_loop(s, server, rate, options, place) for _ in range(2)),
                      key=lambda f: f['p99'])
        if figures['p99'] < 1000 and figures['rate'] > 0.98 * rate:
            best, low = figures, rate
        else:
            high = rate
        if low is None:
            rate /= 2
        elif high is None:
            rate *= 2
        else:
            rate = (low * high) ** 0.5
    if best is None:
        raise machine.Failed('p99 is not below 1 ms at any rate')
    return best


def open_loop(s, server, rate, options, place):
    client = who.bare_client('open', '-c', '16', '-b', '1', '-r', '%.0f' % rate, *options,
                             seconds=s.seconds / 2, warm_up=s.warm_up / 2)
    return who.measure(server, client, place)


# ---- 4 ----

def connecting(s):
    place = s.places.get('two', s.places['same'])
    for n, name in ((1, 'one after the other'), (64, '64 at a time')):
        load = s.bare('connect', '-c', str(n))
        rows = [
            ('bare server, bare client', pair(who.bare_server(), load, place)),
            ('tcptimerd, bare client', pair(who.tcptimerd(), load, place)),
            ('tcptimerd, tcptimer', pair(who.tcptimerd(),
                                         s.tcptimer('--connect', '-i', '0', '-P', str(n)), place)),
        ]
        if s.peers and who.found('netperf', 'netserver') and n == 1:
            rows.append(('netperf TCP_CRR', pair(*who.netperf(s.seconds, 'TCP_CRR'), place)))
        if s.peers and who.found('tcp_crr'):
            rows.append(('neper tcp_crr', pair(*who.neper(s.seconds, 'tcp_crr', flows=n), place)))
        yield Case('%s, %s' % (name, place.name), rows, headline=('rate', 'connections/s'))


# ---- 5 ----

def memory(s):
    n = 15000
    yield Case('%d idle connections, one exchange each' % n, [
        ('bare server', lambda: idle_memory(s, who.bare_server(), n)),
        ('tcptimerd', lambda: idle_memory(s, who.tcptimerd(), n)),
    ], headline=('user', 'user bytes/connection'), columns=('kernel', 'grown'), rounds=2)


def hold_idle(place, port, n, look):
    """Calls look() while n connections idle."""
    argv = [who.BARE_CLIENT, 'idle', '-p', str(port), '-c', str(n)]
    client = subprocess.Popen(machine.TETHER + ['taskset', '-c', machine.as_list(place.client)]
                              + argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE)
    try:
        if client.stdout.readline() != b'ready\n':
            raise machine.Failed(client.stderr.read().decode().strip())
        return look()
    finally:
        client.kill()
        client.communicate()


def idle_memory(s, server, n):
    """The second look comes after much traffic and many connections: nothing may have grown."""
    place = s.places.get('two', s.places['same'])
    port = machine.free_port()
    n_messages, n_connects = (10**6, 10**4) if s.quick else (10**7, 10**5)
    with machine.Child(server(port), place.server) as process:
        process.await_listening(port)
        before, slab_before = process.resident_bytes(), machine.slab_bytes()

        def look():
            return process.resident_bytes(), machine.slab_bytes()
        first, slab = hold_idle(place, port, n, look)
        for mode in (('closed', '-c', '16', '-q', '64', '-N', str(n_messages)),
                     ('connect', '-c', '64', '-N', str(n_connects))):
            client, _ = who.bare_client(mode[0], *mode[1:], seconds=30, warm_up=0)
            machine.run(client(port), place.client, 60)
        second, _ = hold_idle(place, port, n, look)
    return {'user': (first - before) / n, 'kernel': (slab - slab_before) / n,
            'grown': (second - first) / 1024}


# ---- 6 ----

def starting(s):
    yield Case('from exec to ready', [
        ('bare server, to its first accepted connection', lambda: repeat(s, bare_start)),
        ('tcptimerd, to READY=1', lambda: repeat(s, lambda: ready_time(s))),
    ], headline=('ms', 'ms'), columns=())
    if who.found('systemd-socket-activate'):
        daemon = [who.TCPTIMERD, '--config=/dev/null', '--log-target=none']
        yield Case('socket activation, from the first SYN to the first reply', [
            ('bare server', lambda: repeat(s, lambda: activation([who.BARE_SERVER, '-f', '3']))),
            ('tcptimerd', lambda: repeat(s, lambda: activation(daemon))),
        ], headline=('ms', 'ms'), columns=())


def repeat(s, take):
    times = sorted(take() for _ in range(3 if s.quick else 7))
    return {'ms': times[len(times) // 2]}


def bare_start():
    port = machine.free_port()
    begin = time.monotonic()
    with subprocess.Popen(machine.TETHER + who.bare_server()(port)) as process:
        try:
            while True:
                try:
                    socket.create_connection(('127.0.0.1', port)).close()
                    return (time.monotonic() - begin) * 1e3
                except ConnectionRefusedError:
                    if time.monotonic() - begin > 5:
                        raise machine.Failed('the bare server does not start') from None
        finally:
            process.kill()


@contextlib.contextmanager
def notify_socket(tmp):
    path = tempfile.mktemp(prefix='notify-', dir=tmp)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(path)
        notify.settimeout(5)
        yield notify, path


def ready_time(s):
    with notify_socket(s.tmp) as (notify, path):
        env = dict(os.environ, NOTIFY_SOCKET=path)
        begin = time.monotonic()
        argv = who.tcptimerd()(machine.free_port())
        with subprocess.Popen(machine.TETHER + argv, env=env) as process:
            try:
                while b'READY=1' not in notify.recv(4096):
                    pass
                return (time.monotonic() - begin) * 1e3
            except TimeoutError:
                raise machine.Failed('no READY=1 within 5 s') from None
            finally:
                process.kill()


def activation(program):
    port = machine.free_port()
    argv = ['systemd-socket-activate', '-l', '127.0.0.1:%d' % port, *program]
    everywhere = sorted(os.sched_getaffinity(0))
    with machine.Child(argv, everywhere) as process:
        process.await_listening(port)
        client, read = who.bare_client('connect', '-N', '1', seconds=10, warm_up=0)
        return read(machine.run(client(port), everywhere, 20))['p50'] / 1e3


# ---- 7 ----

def comforts(s):
    place = s.places.get('two', s.places['same'])
    for load in (('ping',), ('closed', '-c', '50')):
        client = s.bare(*load)

        def row(*options, **how):
            return pair(who.tcptimerd(*options), client, place, **how)
        rows = [
            ('tcptimerd as it is, logging off', row()),
            ('every message to a file', row('--log-messages=yes',
                                            '--log-file=%s/messages.log' % s.tmp)),
        ]
        if journal_prefix() is not None:
            rows.append(('every message to the journal',
                         pair(journalled, client, place)))
        rows += [
            ('no kernel stamps', row(env={'LD_PRELOAD': os.path.abspath(who.NO_STAMPS)})),
            ('statistics, ten times a second', row(during=asking_statistics)),
            ('watchdog, status and notify socket', lambda c=client: watched(s, c, place)),
        ]
        yield Case('%s, %s' % ('one connection' if load[0] == 'ping' else '50 connections',
                               place.name), rows)


# A journal of its own, in memory and without its rate limit: the machine's is left alone.
JOURNAL = '''
mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/journal /run/systemd/journald.conf.d &&
printf '[Journal]\\nStorage=volatile\\nRateLimitBurst=0\\nRuntimeMaxUse=64M\\n' \
    >/run/systemd/journald.conf.d/bench.conf || exit 1
setpriv --pdeathsig KILL /lib/systemd/systemd-journald >/dev/null 2>&1 &
for i in 1 2 3 4 5 6 7 8 9 10; do
    test -S /run/systemd/journal/socket && exec "$@"
    sleep 0.1
done
exit 1
'''


def journal_prefix():
    """What gives a process a journal of its own; None where that cannot be."""
    if os.geteuid() != 0 or not os.path.exists('/lib/systemd/systemd-journald'):
        return None
    return ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', JOURNAL, 'sh']


def journalled(port):
    argv = who.tcptimerd('--log-messages=yes')(port)
    argv.remove('--log-target=none')
    return journal_prefix() + argv + ['--log-target=journal']


@contextlib.contextmanager
def asking_statistics(pid):
    done = threading.Event()

    def ask():
        while not done.wait(0.1):
            os.kill(pid, signal.SIGUSR1)
    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def watched(s, client, place):
    with notify_socket(s.tmp) as (notify, path):
        return who.measure(who.tcptimerd(), client, place,
                           env={'NOTIFY_SOCKET': path, 'WATCHDOG_USEC': '1000000'})


POINTS = {1: one_connection, 2: many_connections, 3: pipelined, 4: connecting, 5: memory,
          6: starting, 7: comforts}
