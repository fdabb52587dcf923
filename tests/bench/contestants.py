# SPDX-License-Identifier: MIT
"""Who is measured: our two programs, the bare ones, and the peers that are installed.

A server is a function from a port to its command line. A client is a command line, made from a
port, and a function that reads its output into figures:

    rate            messages, or connections, a second
    p50 p99 p999    round trip [us]
    all             messages since it began, warm-up included: what the server's CPU time is for
"""

import json
import os
import re
import shutil
import time

import machine

BUILD = os.path.join(os.path.dirname(os.path.abspath(__file__)), '../../build/bench')
BARE_SERVER = os.path.join(BUILD, 'tests/bench/bare_server')
BARE_CLIENT = os.path.join(BUILD, 'tests/bench/bare_client')
NO_STAMPS = os.path.join(BUILD, 'tests/bench/libno_stamps.so')
TCPTIMERD = os.path.join(BUILD, 'daemon/tcptimerd')
TCPTIMER = os.path.join(BUILD, 'client/tcptimer')

TIMEOUT = 40.0
SETTLE = 0.03                   # listening is not the last thing that a server does at its start


# ---- servers ----

def bare_server(threads=1, busy_poll=0):
    def argv(port):
        return [BARE_SERVER, '-p', str(port), '-T', str(threads), '-b', str(busy_poll)]
    return argv


def tcptimerd(*options, workers=1):
    def argv(port):
        return [TCPTIMERD, '--config=/dev/null', '--log-target=none', '--max-clients=20000',
                '--listen=127.0.0.1:%d' % port, '--workers=%d' % workers, *options]
    return argv


# ---- clients ----

def read_bare(output):
    pairs = dict(word.split('=') for word in output.split() if '=' in word)
    figures = {'rate': float(pairs['rate']), 'all': int(pairs['all'])}
    if int(pairs['done']) == 0:
        raise machine.Failed('nothing was measured')
    for name, key in (('p50', 'p50_ns'), ('p99', 'p99_ns'), ('p999', 'p99.9_ns')):
        figures[name] = int(pairs[key]) / 1e3
    return figures


def bare_client(mode, *options, seconds, warm_up):
    def argv(port):
        return [BARE_CLIENT, *mode.split(), '-p', str(port), '-d', str(seconds), '-w', str(warm_up),
                *options]
    return argv, read_bare


def tcptimer(*options, seconds, warm_up):
    def argv(port):
        return [TCPTIMER, '--json', '--percentiles', '50,99,99.9', '-O', '%gs' % warm_up,
                '-w', '%gs' % (seconds + warm_up), *options, '127.0.0.1:%d' % port]

    def read(output):
        document = json.loads(output)
        if document['error']:
            raise machine.Failed('tcptimer: ' + document['error']['message'])
        if document['received'] == 0:
            raise machine.Failed('tcptimer: nothing was measured')
        rtt = document['response_rtt_ns']
        figures = {
            'rate': document['received'] / (document['duration_ns'] / 1e9 - warm_up),
            'all': document['received'] + document['omitted'],
        }
        for name, key in (('p50', '50'), ('p99', '99'), ('p999', '99.9')):
            value = rtt['percentiles'][key] if rtt else None
            if value is not None:
                figures[name] = value / 1e3
        return figures
    return argv, read


# ---- peers ----

def found(*names):
    return all(shutil.which(name) for name in names)


def whole(seconds):
    return str(max(1, round(seconds)))      # they know no fractions


def sockperf(seconds, *options):
    """Its first 400 ms are warm-up; it needs more than two seconds to start and end."""
    def server(port):
        return ['sockperf', 'sr', '--tcp', '-i', '127.0.0.1', '-p', str(port), *options]

    def argv(port):
        return ['sockperf', 'pp', '--tcp', '-i', '127.0.0.1', '-p', str(port), '-m', '36',
                '-t', whole(seconds), '--full-rtt', *options]

    def read(output):
        received = int(re.search(r'ReceivedMessages=(\d+)', output).group(1))
        valid = re.search(r'\[Valid Duration\] RunTime=([\d.]+) sec;.*ReceivedMessages=(\d+)',
                          output)

        def percentile(name):
            return float(re.search(r'percentile %s =\s*([\d.]+)' % name, output).group(1))
        return {'rate': int(valid.group(2)) / float(valid.group(1)), 'all': received,
                'p50': percentile('50.000'), 'p99': percentile('99.000'),
                'p999': percentile('99.900')}
    return server, (argv, read)


def qperf(seconds):
    """Knows a mean only, of one way; a fork serves the test, and its CPU time comes in ticks."""
    def server(port):
        return ['qperf', '-lp', str(port)]

    def argv(port):
        return ['qperf', '-lp', str(port), '127.0.0.1', '-t', whole(seconds), '-m', '36', '-vvs',
                'tcp_lat']

    def read(output):
        messages = re.search(r'rem_recv_msgs\s*=\s*([\d,]+)', output).group(1).replace(',', '')
        return {'rate': int(messages) / int(whole(seconds)), 'all': int(messages)}
    return server, (argv, read)


def netperf(seconds, test='TCP_RR'):
    def server(port):
        return ['netserver', '-D', '-f', '-4', '-L', '127.0.0.1', '-p', str(port)]

    def argv(port):
        return ['netperf', '-4', '-P', '0', '-H', '127.0.0.1', '-p', str(port), '-t', test,
                '-l', whole(seconds), '--', '-r', '36,72',
                '-o', 'THROUGHPUT,P50_LATENCY,P99_LATENCY']

    def read(output):
        rate, p50, p99 = map(float, output.strip().splitlines()[-1].split(','))
        return {'rate': rate, 'all': rate * int(whole(seconds)), 'p50': p50, 'p99': p99}
    return server, (argv, read)


def neper(seconds, test='tcp_rr', flows=1, threads=1):
    common = ['--nolog', '-4', '-l', whole(seconds), '-F', str(flows), '-T', str(threads),
              '-Q', '36', '-R', '72']

    def server(port):
        return [test, *common, '-C', str(port), '-P', str(port + 1), '--listen-backlog', '4096']

    def argv(port):
        return [test, *common, '-c', '-H', '127.0.0.1', '-C', str(port), '-P', str(port + 1),
                '-p', '50,99,99.9']

    def read(output):
        def number(name):
            return float(re.search(r'^%s=([\d.]+)' % re.escape(name), output, re.M).group(1))
        return {'rate': number('throughput'), 'all': number('num_transactions'),
                'p50': number('latency_p50') * 1e6, 'p99': number('latency_p99') * 1e6,
                'p999': number('latency_p99.9') * 1e6}
    return server, (argv, read)


def iperf2(seconds):
    """A mean, and bins of 100 us."""
    def server(port):
        return ['iperf', '-s', '-e', '-p', str(port), '-B', '127.0.0.1']

    def argv(port):
        return ['iperf', '-c', '127.0.0.1', '-p', str(port), '-e', '--bounceback', '-l', '72',
                '-t', whole(seconds), '--bounceback-period', '0', '-i', whole(seconds)]

    def read(output):
        count, rate = re.findall(r'(\d+)=[\d./]+ ms.*?(\d+) rps', output)[-1]
        return {'rate': float(rate), 'all': int(count)}
    return server, (argv, read)


# ---- a measurement ----

def output_of(argv, cpus):
    """tcptimer's 1 says that some messages had no reply or could not be sent: what had is measured
    all the same, as with any other client."""
    return machine.run(argv, cpus, TIMEOUT, good=(0, 1) if argv[0] == TCPTIMER else (0,))


def measure(server, client, placement, env=None, during=None):
    """One server and one client, from start to end. Return: figures, with the server's CPU time."""
    argv, read = client
    port = machine.free_port()
    with machine.Child(server(port), placement.server, env) as process:
        process.await_listening(port)
        time.sleep(SETTLE)
        before = process.cpu_ns()
        if during:
            with during(process.pid):
                output = output_of(argv(port), placement.client)
        else:
            output = output_of(argv(port), placement.client)
        spent = process.cpu_ns() - before
    figures = read(output)
    figures['cpu'] = spent / 1e3 / figures.pop('all')
    return figures
