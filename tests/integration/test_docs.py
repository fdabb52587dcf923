# SPDX-License-Identifier: MIT
"""What is written about the daemon's keys, in the installed configuration and in the manual, and
about its log must not drift apart from what they have.
"""

import os
import re
import subprocess

import support

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..')
INSTALLED = os.path.join(ROOT, 'systemd', 'tcptimerd.conf')
MANUAL = os.path.join(ROOT, 'daemon', 'tcptimerd.conf.5.scd')

SETTING = re.compile(r'^#(\w+) = (.*)$', re.MULTILINE)


def read(path):
    with open(path, encoding='utf-8') as file:
        return file.read()


def keys():
    """All that --help calls a key."""
    text = subprocess.run([support.program('TCPTIMERD'), '--help'], check=True, text=True,
                          stdout=subprocess.PIPE).stdout
    _, _, table = text.partition('Each key of the file is an option')
    return [name.replace('-', '_') for name in re.findall(r'^  --([a-z-]+)=', table, re.MULTILINE)]


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

    def test_manual_explains_every_key_as_option(self):
        page = read(os.path.join(ROOT, 'daemon', 'tcptimerd.8.scd'))
        for option in ('--config', '--check-config', '--help', '--version'):
            self.assertRegex(page, r'(?m)^\*%s' % option)


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


if __name__ == '__main__':
    support.main()
