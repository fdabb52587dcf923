# SPDX-License-Identifier: MIT
"""The table of log events and the catalog that explains them must not drift apart."""

import glob
import os
import re
import subprocess

import support

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..')
CATALOG = os.path.join(ROOT, 'systemd', 'tcptimer.catalog')
EVENT_TABLE = os.path.join(ROOT, 'daemon', 'log_event.h')


def read(path):
    with open(path, encoding='utf-8') as file:
        return file.read()


def events():
    """MESSAGE_ID -> event name, as the daemon has them."""
    rows = re.findall(r'^ +X\((\w+), +LOG_\w+, +"(\w+)"\)', read(EVENT_TABLE), re.MULTILINE)
    return {identifier: name for name, identifier in rows}


def entries():
    """(MESSAGE_ID, header, text) of every catalog entry."""
    blocks = re.split(r'^-- ([0-9a-f]{32})\n', read(CATALOG), flags=re.MULTILINE)[1:]
    for identifier, block in zip(blocks[::2], blocks[1::2]):
        header, _, text = block.partition('\n\n')
        yield identifier, header, text.strip()


def sent_fields():
    """Event name -> for each place in the daemon that logs it, the fields that it gives."""
    numbers = dict(re.findall(r'^ +X\((\w+), +"(TCPTIMER_\w+)", +LOG_\w+\)', read(EVENT_TABLE),
                              re.MULTILINE))
    members = {'.client': 'TCPTIMER_CLIENT', '.listener': 'TCPTIMER_LISTENER',
               '.uuid': 'TCPTIMER_UUID', '.reason': 'TCPTIMER_REASON'}
    sent = {}
    for path in sorted(glob.glob(os.path.join(ROOT, 'daemon', '*.c'))):
        calls = re.findall(r'\blog_(?:event|text)\([^,;]+,\s*([A-Z_]+),(.*?)\);', read(path),
                           re.DOTALL)
        for name, arguments in calls:
            fields = {numbers[field] for field in re.findall(r'LOG_FIELD_(\w+)', arguments)}
            fields.update(members[member] for member in re.findall(r'\.\w+', arguments)
                          if member in members)
            sent.setdefault(name, []).append(fields | {'TCPTIMER_EVENT'})
    return sent


class TestCatalog(support.Case):
    def test_every_event_has_one_entry_and_every_entry_an_event(self):
        names = events()
        self.assertGreater(len(names), 20)
        explained = [identifier for identifier, _, _ in entries()]
        self.assertEqual(len(explained), len(set(explained)), 'an id twice in the catalog')
        self.assertEqual({names[identifier] for identifier in set(names) - set(explained)}, set(),
                         'events without a text in the catalog')
        self.assertEqual(set(explained) - set(names), set(), 'texts of no event')

    def test_entries_are_complete(self):
        for identifier, header, text in entries():
            with self.subTest(event=events().get(identifier)):
                self.assertRegex(header, r'\ASubject: \S.*\nDefined-By: tcptimer\n'
                                         r'Documentation: man:\S+( man:\S+)*\Z')
                self.assertTrue(text)
                self.assertLessEqual(max(map(len, text.splitlines())), 100)

    def test_placeholders_are_fields_of_their_event(self):
        """journalctl leaves a placeholder without a field as a bare name in the text."""
        names = events()
        sent = sent_fields()
        for identifier, header, text in entries():
            with self.subTest(event=names[identifier]):
                for place in re.findall(r'@(\w+)@', header + text):
                    for fields in sent[names[identifier]]:
                        self.assertIn(place, fields)

    def test_journalctl_takes_the_catalog(self):
        source, state = (self.path(os.path.join('root', name)) for name in
                         ('usr/lib/systemd/catalog', 'var/lib/systemd/catalog'))
        os.makedirs(source)
        os.makedirs(state)
        os.symlink(CATALOG, os.path.join(source, 'tcptimer.catalog'))
        journalctl = ['journalctl', '--root=' + self.path('root')]
        update = subprocess.run(journalctl + ['--update-catalog'], check=True, text=True,
                                capture_output=True)
        self.assertEqual(update.stderr, '')
        listed = subprocess.run(journalctl + ['--list-catalog'], check=True, text=True,
                                capture_output=True).stdout
        self.assertEqual({line.split()[0] for line in listed.splitlines()}, set(events()))


if __name__ == '__main__':
    support.main()
