# SPDX-License-Identifier: MIT
"""The packages on their systems: installed, used, upgraded, removed and purged, as by hand.

Debian's rpm installs the rpm, without dependencies, as it does not know Debian's packages.
"""

import glob
import os
import re
import shutil
import subprocess

import install
import machine
import manual
import support
from peers import TextPeer, new_uuid

LEFT_BEHIND = ('find / -xdev -name "*tcptimer*" ! -path "/proc/*" ! -path "/sys/*" ! -path "/tmp/*" '
               '! -path "/run/*" ! -path "/var/lib/rpm/*"')


class Deb:
    """Installed, the socket is enabled and up, as Debian has it."""

    def copy_in(self, host):
        for name in ('tcptimer', 'tcptimerd'):
            shutil.copy(install.package('build-deb', name + '_*.deb'),
                        host.path('/tmp/%s.deb' % name))

    def install(self, host):
        self.copy_in(host)
        host.run('dpkg', '--install', '/tmp/tcptimer.deb', '/tmp/tcptimerd.deb')

    def install_older(self, host):
        """The same files, as a version before them."""
        self.copy_in(host)
        host.sh('cd /tmp && for name in tcptimer tcptimerd; do '
                'dpkg-deb -R $name.deb older && '
                'sed -i "s/^Version: .*/&~older/" older/DEBIAN/control && '
                'dpkg-deb -b older $name-older.deb && rm -r older || exit; done')
        host.run('dpkg', '--install', '/tmp/tcptimer-older.deb', '/tmp/tcptimerd-older.deb')

    def upgrade(self, host):
        host.run('dpkg', '--install', '/tmp/tcptimer.deb', '/tmp/tcptimerd.deb')

    def version(self, host):
        return host.run('dpkg-query', '--show', '--showformat=${Version}', 'tcptimerd')

    def remove(self, host):
        host.run('dpkg', '--remove', 'tcptimer', 'tcptimerd')

    def purge(self, host):
        purged = host.run('dpkg', '--purge', 'tcptimerd')      # of the other nothing is left
        self.assertNotIn('warning', purged.lower())


class Rpm:
    """Installed, nothing is started; whether the socket is enabled is the distribution's policy."""

    def copy_in(self, host):
        for name in ('tcptimer', 'tcptimerd'):
            shutil.copy(install.package('build-rpm', name + '-[0-9]*.rpm'),
                        host.path('/tmp/%s.rpm' % name))

    def install(self, host):
        self.copy_in(host)
        host.run('rpm', '--install', '--nodeps', '/tmp/tcptimer.rpm', '/tmp/tcptimerd.rpm')
        host.run('systemctl', 'start', 'tcptimer.socket')

    def install_older(self, host):
        self.copy_in(host)
        source, out = self.path('source'), self.path('older')
        subprocess.run([os.path.join(install.SOURCE, 'packaging/export-source'), source], check=True)
        spec = os.path.join(source, 'packaging/rpm/tcptimer.spec')
        with open(spec, encoding='utf-8') as file:
            text = file.read()
        with open(spec, 'w', encoding='utf-8') as file:
            file.write(re.sub(r'(?m)^Version: .*', 'Version: 0.0.9', text))
        subprocess.run([os.path.join(source, 'packaging/build-rpm'), out], check=True,
                       stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
                       env=dict(os.environ, RPMBUILD_OPTIONS='--without check'))
        for name in ('tcptimer', 'tcptimerd'):
            [older] = glob.glob(os.path.join(out, name + '-0.0.9-*.rpm'))
            shutil.copy(older, host.path('/tmp/%s-older.rpm' % name))
        host.run('rpm', '--install', '--nodeps', '/tmp/tcptimer-older.rpm',
                 '/tmp/tcptimerd-older.rpm')
        host.run('systemctl', 'start', 'tcptimer.socket')

    def upgrade(self, host):
        host.run('rpm', '--upgrade', '--nodeps', '/tmp/tcptimer.rpm', '/tmp/tcptimerd.rpm')

    def version(self, host):
        return host.run('rpm', '--query', '--queryformat=%{VERSION}', 'tcptimerd')

    def remove(self, host):
        host.run('rpm', '--erase', 'tcptimer', 'tcptimerd')


class InstalledCase:
    """What holds for both formats, on each suite."""

    @machine.on_each(install.suites_of_tree)
    def test_main_job(self, host):
        self.install(host)
        self.assertEqual(host.show('tcptimer.socket', 'UnitFileState'), 'enabled')
        self.assertEqual(host.show('tcptimer.socket', 'ActiveState'), 'active')
        self.assertEqual(host.show('tcptimer.service', 'ActiveState'), 'inactive')
        self.assertEqual(host.show('tcptimer.socket', 'NeedDaemonReload'), 'no')
        for protocol in ('native', 'text'):
            report = host.measure('-c', 100, '--protocol=' + protocol)
            self.assertEqual((report['protocol'], report['received']), (protocol, 100))
        host.wait_entry(TCPTIMER_EVENT='started')
        host.mark()
        self.assertIn('Subject: tcptimerd is serving clients',
                      host.run('journalctl', '-x', '-u', 'tcptimer.service'))
        shutil.copy(os.path.join(install.SOURCE, 'packaging/debian/tests/measure'),
                    host.path('/tmp/measure'))
        host.run('/tmp/measure')

    @machine.on_each(install.suites_of_tree)
    def test_upgrade_refuses_nobody_and_keeps_the_configuration(self, host):
        self.install_older(host)
        host.write(install.CONFIG, 'max_clients = 77\n')
        listening_since = host.show('tcptimer.socket', 'ActiveEnterTimestampMonotonic')
        older = self.version(host)
        with host.network():
            client = TextPeer(self, ('::1', 47945))
        client.exchange(new_uuid())
        old_pid = host.main_pid()

        clients = host.start('sh', '-c', 'until test -e /tmp/upgraded; do '
                                         'tcptimer -q -c 1 --protocol=text >/dev/null || exit; done')
        self.upgrade(host)
        host.write('/tmp/upgraded', '')
        self.assertEqual(clients.wait(), 0, clients.stdout + clients.stderr)
        self.assertEqual(client.rest(), b'')

        self.assertNotEqual(self.version(host), older)
        self.assertNotEqual(host.main_pid(), old_pid)
        self.assertEqual(host.read(install.CONFIG), 'max_clients = 77\n')
        self.assertEqual(host.show('tcptimer.socket', 'ActiveEnterTimestampMonotonic'),
                         listening_since)
        host.measure('-c', 10)

    @machine.on_each(install.suites_of_tree)
    def test_removed_and_purged_without_a_trace(self, host):
        self.install(host)
        host.measure('-c', 10)
        self.remove(host)
        for unit in ('tcptimer.socket', 'tcptimer.service'):
            self.assertEqual(host.show(unit, 'ActiveState'), 'inactive')
            self.assertEqual(host.show(unit, 'LoadState'), 'not-found')
        with host.network():
            self.assertRaises(ConnectionRefusedError, TextPeer, self, ('::1', 47945))
        self.check_left_behind(host)


    @machine.on_each(install.suites_of_tree)
    def test_removed_while_it_binds_for_itself(self, host):
        self.install(host)
        host.sh(manual.script(manual.examples()['Binding for itself under systemd']))
        self.assertEqual(host.show('tcptimer.service', 'ActiveState'), 'active')
        self.remove(host)
        self.assertEqual(host.show('tcptimer.service', 'ActiveState'), 'inactive')


class TestDeb(InstalledCase, Deb, machine.Case):
    @machine.on_each(install.suites_of_tree)
    def test_purge_takes_the_logs_of_a_fixed_user(self, host):
        self.install(host)
        host.drop_in('tcptimer.service', '[Service]\nDynamicUser=no\nUser=nobody\n')
        host.measure('-c', 1)
        self.assertEqual(host.sh('find /var/log/tcptimer -type d').split(), ['/var/log/tcptimer'])
        self.remove(host)
        self.purge(host)
        self.assertNotIn('/var/', host.sh(LEFT_BEHIND))

    def check_left_behind(self, host):
        # Removed: logs and configuration stay.
        left = host.sh(LEFT_BEHIND).split()
        self.assertIn('/etc/tcptimer/tcptimerd.conf', left)
        self.assertIn('/var/log/private/tcptimer', left)
        self.assertNotIn('/usr/sbin/tcptimerd', left)
        # Purged: nothing does.
        self.purge(host)
        self.assertEqual(host.sh(LEFT_BEHIND), '')


class TestRpm(InstalledCase, Rpm, machine.Case):
    def check_left_behind(self, host):
        # An rpm has no purge: it takes all but the logs.
        self.assertEqual(sorted(host.sh(LEFT_BEHIND).split()),
                         ['/var/log/private/tcptimer', '/var/log/private/tcptimer/tcptimerd.log',
                          '/var/log/tcptimer'])


if __name__ == '__main__':
    support.main()
