# SPDX-License-Identifier: MIT
"""What cmake --install puts where, with DESTDIR and with --prefix."""

import concurrent.futures
import glob
import os
import re
import subprocess

import support

UNIT = 'lib/systemd/system/tcptimer.service'


class TestInstall(support.Case):
    def install(self, *options, **environment):
        subprocess.run(['cmake', '--install', os.environ['TCPTIMER_BUILD'], *options], check=True,
                       stdout=subprocess.PIPE, env=dict(os.environ, **environment))

    def commands(self, unit):
        with open(unit, encoding='utf-8') as file:
            return re.findall(r'^Exec\w+=(/\S*/tcptimerd.*)$', file.read(), re.MULTILINE)

    def test_prefix_is_where_the_unit_looks(self):
        prefix = self.path('prefix')
        self.install('--prefix', prefix, DESTDIR=self.path('root'))
        root = self.path('root') + prefix
        config = prefix + '/etc/tcptimer/tcptimerd.conf'
        commands = self.commands(os.path.join(root, UNIT))
        self.assertEqual(len(commands), 2)
        for command in commands:
            program, *options = command.split()
            self.assertTrue(os.access(self.path('root') + program, os.X_OK), command)
            self.assertIn('--config=' + config, options)
        self.assertTrue(os.path.exists(self.path('root') + config))
        self.assertEqual(os.listdir(self.path('root')), [prefix.split('/')[1]])

    def test_destdir_stays_out_of_the_unit(self):
        root = self.path('root')
        self.install('--prefix', '/usr', DESTDIR=root)
        for command in self.commands(os.path.join(root, 'usr', UNIT)):
            self.assertNotIn(root, command)
            self.assertTrue(os.access(root + command.split()[0], os.X_OK), command)

    def test_several_at_a_time(self):
        """From one build, each with a unit for its own prefix."""
        prefixes = [self.path('prefix-%d' % number) for number in range(4)]
        for _ in range(5):
            with concurrent.futures.ThreadPoolExecutor() as pool:
                list(pool.map(lambda prefix: self.install('--prefix', prefix), prefixes))
            for prefix in prefixes:
                for command in self.commands(os.path.join(prefix, UNIT)):
                    self.assertTrue(command.startswith(prefix + '/'), command)
                os.remove(os.path.join(prefix, UNIT))

    def test_manual_pages_say_how_to_format_them(self):
        self.install('--prefix', '/usr', DESTDIR=self.path('root'))
        for path in glob.glob(self.path('root/usr/share/man/man*/*')):
            with open(path, encoding='utf-8') as file:
                page = file.read()
            self.assertEqual(page.startswith("'\\\" t\n"), '\n.TS\n' in page, path)
            self.assertIn('\n.nr HY 0\n', page)


if __name__ == '__main__':
    support.main()
