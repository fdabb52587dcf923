# SPDX-License-Identifier: MIT
"""The examples of tcptimerd(8), typed in as they stand in the manual: each must do what it says."""

import os
import re
import socket
import subprocess

import install
import machine
import manual
import support
from peers import TextPeer, new_uuid


class TestExamples(machine.Case):
    TESTED = {
        'Another port', 'One interface', 'An allow-list, kept by the kernel', 'Pinned to CPUs',
        'Real-time priority', 'A log entry for each message', 'More clients', 'A second instance',
        'Another configuration file', 'Binding for itself under systemd',
    }

    def boot(self, suite):
        host = super().boot(suite)
        install.tree(host)
        host.run('systemctl', 'start', 'tcptimer.socket')
        return host

    def follow(self, host, heading, *replacements):
        """Does what the example says, and restarts what it changed, as the page asks for."""
        example = manual.examples()[heading]
        for old, new in replacements:
            self.assertIn(old, example)
            example = example.replace(old, new)
        host.sh(manual.script(example))
        units = set(re.findall(r'^# systemctl edit (\S+)$', example, re.MULTILINE))
        if 'enable' not in example:
            for unit in units:          # a second try, where the page allows for one
                again = ' || systemctl start ' + unit if unit.endswith('.socket') else ''
                host.sh('systemctl restart ' + unit + again)

    def exchange(self, host, address=('::1', 47945)):
        with host.network():
            peer = TextPeer(self, address)
        peer.exchange(new_uuid())
        return peer

    def refused(self, host, address=('::1', 47945)):
        with host.network():
            self.assertRaises(ConnectionRefusedError, TextPeer, self, address)

    def test_every_example_is_tested(self):
        self.assertEqual(set(manual.examples()), self.TESTED)

    @machine.on_each(install.suites_of_tree)
    def test_another_port(self, host):
        self.follow(host, 'Another port')
        self.exchange(host, ('::1', 5000))
        self.refused(host)

    @machine.on_each(install.suites_of_tree)
    def test_one_interface(self, host):
        subprocess.run(['nsenter', '--target=%d' % host.pid, '--net', 'ip', 'link', 'add', 'eth0',
                        'type', 'veth'], check=True)
        self.follow(host, 'One interface')
        self.refused(host)
        self.follow(host, 'One interface', ('eth0', 'lo'))
        self.exchange(host)

    @machine.on_each(install.suites_of_tree)
    def test_allow_list(self, host):
        self.follow(host, 'An allow-list, kept by the kernel')
        self.exchange(host)
        for name, value in (('IPAddressDeny', '::/0 0.0.0.0/0'), ('IPAccounting', 'yes'),
                            ('IPAddressAllow', '::1/128 127.0.0.0/8 10.0.0.0/8 fd00::/8')):
            self.assertEqual(set(host.show('tcptimer.socket', name).split()), set(value.split()))

        self.follow(host, 'An allow-list, kept by the kernel', ('localhost ', ''))
        if not host.show('tcptimer.socket', 'IPIngressBytes').isdigit():
            return                      # nspawn lets no program into the kernel: nothing is counted
        with host.network():
            dropped = socket.socket(socket.AF_INET6)
        self.addCleanup(dropped.close)
        dropped.settimeout(2)
        self.assertRaises(TimeoutError, dropped.connect, ('::1', 47945))

    @machine.on_each(install.suites_of_tree)
    def test_pinned_to_cpus(self, host):
        cpus = {0, 1} & os.sched_getaffinity(0)
        if not cpus:
            self.cannot_run_here('this host gives us neither of the first two CPUs')
        self.follow(host, 'Pinned to CPUs')
        self.exchange(host)
        status = host.read('/proc/%d/status' % host.main_pid())
        self.assertRegex(status, r'(?m)^Cpus_allowed_list:\t%s$' % '-'.join(map(str, sorted(cpus))))
        started = host.wait_entry(TCPTIMER_EVENT='started')
        self.assertEqual(started['TCPTIMER_WORKERS'], str(len(cpus)))

    @machine.on_each(install.suites_of_tree)
    def test_real_time_priority(self, host):
        self.follow(host, 'Real-time priority')
        self.exchange(host)
        policy = host.run('chrt', '--all-tasks', '--pid', str(host.main_pid()))
        self.assertIn('SCHED_FIFO', policy)
        self.assertNotIn('SCHED_OTHER', policy)

    @machine.on_each(install.suites_of_tree)
    def test_log_entry_for_each_message(self, host):
        self.follow(host, 'A log entry for each message')
        # More than journald takes of one unit by default, in half a minute; but not faster than the
        # daemon's log can be written on a busy machine.
        host.measure('-r', 5000, '-c', 15000)
        host.wait_entry(TCPTIMER_EVENT='message', count=15000, timeout=60)

    @machine.on_each(install.suites_of_tree)
    def test_more_clients(self, host):
        # The container may not have as many: what counts is that the unit asks for them.
        self.follow(host, 'More clients')
        self.assertEqual(host.show('tcptimer.service', 'LimitNOFILE'), '200000')

    @machine.on_each(install.suites_of_tree)
    def test_second_instance(self, host):
        self.follow(host, 'A second instance')
        self.exchange(host)
        self.exchange(host, ('::1', 47946))
        first, second = host.main_pid(), host.main_pid('tcptimer-lab.service')
        self.assertNotEqual(first, second)
        self.assertIn('--config=/etc/tcptimer/lab.conf', host.read('/proc/%d/cmdline' % second))
        support.poll_until(lambda: os.path.exists(
            host.path('/var/log/private/tcptimer-lab/tcptimerd.log')), 'a log file of its own')
        host.write('/etc/tcptimer/lab.conf', 'max_clients = 0\n')
        host.run('systemctl', 'reload', 'tcptimer-lab.service', expect=1)
        host.run('systemctl', 'reload', 'tcptimer.service')
        host.run('systemctl', 'stop', 'tcptimer.socket')
        self.exchange(host, ('::1', 47946))

    @machine.on_each(install.suites_of_tree)
    def test_another_configuration_file(self, host):
        self.follow(host, 'Another configuration file')
        host.write(install.CONFIG, 'this is not read\n')
        self.exchange(host)
        host.write('/etc/tcptimer/site.conf', 'max_clients = 7\n')
        host.run('systemctl', 'reload', 'tcptimer.service')
        host.wait_entry(TCPTIMER_EVENT='reloaded')
        host.write('/etc/tcptimer/site.conf', 'max_clients = none\n')
        host.run('systemctl', 'reload', 'tcptimer.service', expect=1)
        self.exchange(host)

    @machine.on_each(install.suites_of_tree)
    def test_binding_for_itself(self, host):
        host.write(install.CONFIG, 'listen = 127.0.0.1:5001\nlisten = [::1]:5002\n')
        self.follow(host, 'Binding for itself under systemd')
        self.assertEqual(host.show('tcptimer.service', 'UnitFileState'), 'enabled')
        self.exchange(host, ('127.0.0.1', 5001))
        self.exchange(host, ('::1', 5002))
        self.refused(host)
        host.run('systemctl', 'restart', 'tcptimer.service')
        self.exchange(host, ('127.0.0.1', 5001))


if __name__ == '__main__':
    support.main()
