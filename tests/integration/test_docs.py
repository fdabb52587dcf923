# SPDX-License-Identifier: MIT
"""What is written about the daemon's keys, in the installed configuration and in the manual, about
its log and about the client's output must not drift apart from what they have.
"""

import json
import os
import re
import signal
import subprocess

import support

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..')
INSTALLED = os.path.join(ROOT, 'systemd', 'tcptimerd.conf')
MANUAL = os.path.join(ROOT, 'daemon', 'tcptimerd.conf.5.scd')

SETTING = re.compile(r'^#(\w+) = (.*)$', re.MULTILINE)


def read(path):
    with open(path, encoding='utf-8') as file:
        return file.read()


def grouped_keys():
    """All that --help calls a key, each with its heading."""
    text = subprocess.run([support.program('TCPTIMERD'), '--help'], check=True, text=True,
                          stdout=subprocess.PIPE).stdout
    table, _, _ = text.partition('\nOther ')
    group = ''
    found = []
    for heading, name in re.findall(r'^(.{8})--([a-z-]+)=', table, re.MULTILINE):
        group = heading.strip() or group
        found.append((group, name.replace('-', '_')))
    return found


def keys():
    return [key for _, key in grouped_keys()]


class TestKeys(support.Case):
    def test_installed_file_has_every_key(self):
        self.assertGreater(len(keys()), 15)
        self.assertEqual([key for key, _ in SETTING.findall(read(INSTALLED))], keys())

    def test_installed_file_changes_nothing(self):
        for line in read(INSTALLED).splitlines():
            self.assertTrue(line == '' or line.startswith('#'), line)

    def test_installed_defaults_are_valid_values(self):
        path = self.write('all.conf', SETTING.sub(r'\1 = \2', read(INSTALLED)))
        check = self.run_daemon('--check-config=' + path)
        self.assertEqual((check.status, check.stderr), (0, ''))

    def test_manual_has_every_key_with_the_installed_default(self):
        entries = re.findall(r'^\*(\w+)\* = .*\n((?:\t.*\n)+)', read(MANUAL), re.MULTILINE)
        self.assertEqual([key for key, _ in entries], keys())
        defaults = dict(SETTING.findall(read(INSTALLED)))
        for key, text in entries:
            with self.subTest(key=key):
                if key != 'listen':     # what it defaults to is another key
                    default = re.search(r'Default:\s+[*_]?([\w.]+?)[*_.,]*\s', text)
                    self.assertEqual(default and default.group(1), defaults[key])

    def test_manual_has_the_headings_of_help(self):
        group = ''
        found = []
        for heading, key in re.findall(r'^## (.*)|^\*(\w+)\* = ', read(MANUAL), re.MULTILINE):
            group = heading or group
            if key:
                found.append((group, key))
        self.assertEqual(found, grouped_keys())

    def test_manual_explains_every_key_as_option(self):
        page = read(os.path.join(ROOT, 'daemon', 'tcptimerd.8.scd'))
        for option in ('--config', '--check-config', '--help', '--version'):
            self.assertRegex(page, r'(?m)^(\*-\w\*, )?\*%s' % option)


class TestLog(support.Case):
    def test_manual_has_every_event_and_field(self):
        page = read(os.path.join(ROOT, 'daemon', 'tcptimerd.8.scd'))
        header = read(os.path.join(ROOT, 'daemon', 'log_event.h'))
        entries = page.partition('\n# LOGGING\n')[2].partition('\n# ')[0]
        happened = re.search(r'\tWhat happened: ((?:.|\n)*?)\n\n', entries).group(1)
        self.assertEqual(re.findall(r'\b_(\w+)_', happened),
                         [name.lower() for name in re.findall(r'^ +X\((\w+), +LOG_', header, re.M)])
        terms = ' '.join(re.findall(r'^\*.*$', entries, re.MULTILINE))
        fields = set(re.findall(r'"(TCPTIMER_\w+)"', header)) | {
            'TCPTIMER_EVENT', 'TCPTIMER_CLIENT', 'TCPTIMER_LISTENER', 'TCPTIMER_UUID',
            'TCPTIMER_REASON'}
        self.assertEqual(set(re.findall(r'\*(TCPTIMER_\w+)\*', terms)), fields)


def paths(value, name=''):
    """The keys of a document, as jq names them, without what a distribution has; P is any
    percentile."""
    if isinstance(value, dict) and 'percentiles' not in value:
        for key, inner in value.items():
            key = re.sub(r'^[\d.]+$', 'P', key)
            yield from paths(inner, name + '.' + key if name else key)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for inner in value:
            yield from paths(inner, name + '[]')
    else:
        yield name


def all_paths(*documents):
    """Those of all documents together: what is null or empty in one is there in another."""
    found = {path for document in documents for path in paths(document)}
    return {path for path in found
            if not any(other.startswith((path + '.', path + '[')) for other in found)}


class TestOutput(support.Case):
    """tcptimer(1) has all keys, events and columns, and no others."""

    def setUp(self):
        super().setUp()
        _, _, page = read(os.path.join(ROOT, 'client', 'tcptimer.1.scd')).partition(
            '\n# OUTPUT FORMATS\n')
        self.sections = dict(re.findall(r'(?ms)^## (.*?)\n(.*?)(?=^##? )', page))

    def terms(self, heading):
        lines = re.findall(r'^\*.*$', self.sections[heading], re.MULTILINE)
        words = ' '.join(lines).replace('_P_', 'P').replace('*', '')
        return [word.rstrip(',') for word in words.split()]

    def eventful_run(self):
        """One that loses its server with messages on the way, finds it again, and is ended."""
        listener = self.listener()
        first = self.daemon(inherited=[listener])
        client = self.client('--json-stream', '-i', '5ms', '-W', '200ms', '--fail-if', 'p50>1h',
                             '127.0.0.1:%d' % listener.getsockname()[1])
        client.stdout_tape.wait('"event":"interval"')
        first.signal(signal.SIGSTOP)
        client.stdout_tape.wait('"code":"overdue"')
        first.kill()
        self.daemon(inherited=[listener])
        client.stdout_tape.wait('"event":"outage".*"over":true')
        client.signal(signal.SIGINT)
        client.wait()
        return [json.loads(line) for line in client.stdout.splitlines()]

    def failing_run(self):
        client = self.run_client('--json-stream', 'unix:' + self.path('absent'))
        return [json.loads(line) for line in client.stdout.splitlines()]

    def test_json(self):
        documents, events = [], {}
        for event in self.eventful_run() + self.failing_run():
            kind = event.pop('event')
            if kind == 'end':
                documents.append(event)
            else:
                event.pop('time')
                events.setdefault(kind, set()).update(event)
        # A path does not change for us: what would be told of it, the code says.
        change = re.search(r'void report_json_change\((?:.|\n)*?\n}',
                           read(os.path.join(ROOT, 'client', 'report_json.c'))).group(0)
        keys = re.findall(r'json_\w+\(w, "(\w+)"', change)
        documents[0]['where']['changes'] = [dict.fromkeys(keys)]
        self.assertEqual(set(self.terms('The JSON document')), all_paths(*documents))

        distribution = {key + '.P' if isinstance(value, dict) else key
                        for key, value in documents[0]['service_rtt_ns'].items()}
        self.assertEqual(set(self.terms('Distributions')), distribution)

        entries = re.findall(r'(?m)^\*(\w+)\*\n((?:\t.*\n)+)',
                             self.sections['The lines of --json-stream'])
        documented = {kind: set(re.findall(r'\*([a-z]\w*)\*', text)) for kind, text in entries}
        del documented['end']
        self.assertEqual(documented, events)

    def test_csv(self):
        client = self.run_client('--csv', '-c', 1, '127.0.0.1:%d' % self.daemon().port)
        header, _, _ = client.stdout.partition('\n')
        self.assertEqual(self.terms('The columns of --csv'), header.split(','))


if __name__ == '__main__':
    support.main()
