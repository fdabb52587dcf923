# SPDX-License-Identifier: MIT
"""A path that holds every n-th message for 10 ms, one way only, and lets it go together with all
that came behind it: the client has to say which way, and by how much.

The truth is the proxy's log: when a held message left it, by the same clock that stamps everything
here. What else the machine did to the message (a proxy that was late to read it) is part of that.
"""

import csv
import io

from support import Case, Process, main, measures_time, program

MSEC = 1000000
HOLD = 10 * MSEC
SPIKES = 100

PARTS = ('queued_ns', 'base_ns', 'forward_pdv_ns', 'residence_ns', 'return_pdv_ns', 'wakeup_ns',
         'unsplit_ns')
WAYS = {'out': ('-o', 'forward_pdv_ns'), 'back': ('-b', 'return_pdv_ns')}


class Spikes(Case):
    def setUp(self):
        super().setUp()
        self.ask_for_quiet()

    def start_proxy(self, daemon, *options):
        proxy = Process(self, [program('DELAY_PROXY'), *map(str, options), str(daemon.port)])
        proxy.port = int(proxy.stdout_tape.wait(r'^listening on 127.0.0.1:(\d+)$').group(1))
        return proxy

    def held(self, proxy, way, rows):
        """How long each held message took on its way, by the log: {seq: ns}."""
        pattern = r'^%s seq=(\d+) came=(\d+) left=(\d+)$' % way
        lines = proxy.stdout_tape.wait(pattern, count=SPIKES) and proxy.stdout_tape.matches(pattern)
        took = {}
        for line in lines:
            seq, came, left = map(int, line.groups())
            took[seq] = left - (int(rows[seq]['time_ns']) if way == 'out' else came)
        return took

    def measure(self, way, rate, every, *options, proxy_options=()):
        """One run; what was not put on its way with its amount, as lines to show."""
        option, key = WAYS[way]
        daemon = self.daemon()
        proxy = self.start_proxy(daemon, option, '%d:%dns' % (every, HOLD), *proxy_options)
        client = self.run_client('--csv', '-r', rate, '-c', SPIKES * every, '-p', proxy.port,
                                 *options)
        self.assertEqual(client.status, 0, client.stderr)
        rows = {int(row['seq']): row for row in csv.DictReader(io.StringIO(client.stdout))}
        for row in rows.values():
            self.assertEqual(sum(int(row[part] or 0) for part in PARTS),
                             int(row['response_rtt_ns']), row)

        wrong = []
        for seq, took in self.held(proxy, way, rows).items():
            found = rows[seq][key]
            self.assertGreaterEqual(took, HOLD)
            if not found or abs(int(found) - took) > MSEC or rows[seq]['cause'] != 'path_' + way:
                wrong.append('took %d: %s' % (took, rows[seq]))
        return wrong

    @measures_time()            # a busy machine keeps its own programs waiting, too
    def check(self, *arguments, **how):
        wrong = self.measure(*arguments, **how)
        if len(wrong) > SPIKES * 2 // 100:
            self.fail('%d of %d:\n%s' % (len(wrong), SPIKES, '\n'.join(wrong)))

    def test_out(self):
        self.check('out', 2000, 100)

    def test_back(self):
        self.check('back', 2000, 100)

    def test_out_with_few_behind(self):
        self.check('out', 300, 10)

    def test_back_with_few_behind(self):
        self.check('back', 300, 10)

    def test_out_behind_a_fast_clock(self):
        self.check('out', 2000, 100, proxy_options=('-s', 100))

    def test_back_behind_a_slow_clock(self):
        self.check('back', 2000, 100, proxy_options=('-s', -100))

    def test_out_with_padding(self):
        self.check('out', 2000, 100, '--size', 1000, '--reply-size', 1000)

    def test_back_on_several_connections(self):
        self.check('back', 2000, 100, '-P', 4)


if __name__ == '__main__':
    main()
