# SPDX-License-Identifier: MIT
"""What clients, crashes, full disks and administrators do to a service in a year. Nothing of it may
fail the socket, refuse a client or leave one unanswered.
"""

import threading

import install
import machine
import support
from peers import TextPeer, new_uuid

ADDRESS = ('::1', 47945)
LOG_DIRECTORY = '/var/log/private/tcptimer'

# Longer than any client should ever have to wait in the backlog of a socket that is started.
MANY_RESTARTS = 60.0


class FaultCase(machine.Case):
    """All of it on every systemd that we support."""

    def boot(self, suite):
        host = super().boot(suite)
        install.tree(host)
        host.run('systemctl', 'start', 'tcptimer.socket')
        return host

    def text_client(self, host):
        with host.network():
            return TextPeer(self, ADDRESS)

    def check_socket(self, host):
        self.assertEqual(host.show('tcptimer.socket', 'Result'), 'success')
        self.assertEqual(host.show('tcptimer.socket', 'ActiveState'), 'active')
        host.measure('-c', 10)


class TestRestart(FaultCase):
    @machine.on_each(install.suites_of_tree)
    def test_two_hundred_clients_across_restarts(self, host):
        # One that stays, and does not care that the server says goodbye, must not keep the others.
        self.text_client(host).exchange(new_uuid())
        clients = host.start('sh', '-c', 'for n in $(seq 100); do '
                                         'tcptimer -q -c 1 >/dev/null || exit; '
                                         'tcptimer -q -c 1 --protocol=text >/dev/null || exit; '
                                         'done')
        for _ in range(5):
            host.run('systemctl', 'restart', 'tcptimer.service')
        self.assertEqual(clients.wait(MANY_RESTARTS), 0, clients.stderr)
        self.check_socket(host)

    @machine.on_each(install.suites_of_tree)
    def test_ten_starts_of_the_socket(self, host):
        for _ in range(10):
            host.measure('-c', 1)
            host.run('systemctl', 'stop', 'tcptimer.socket', 'tcptimer.service')
            host.run('systemctl', 'start', 'tcptimer.socket')
        self.check_socket(host)

    @machine.on_each(install.suites_of_tree)
    def test_reload_under_load_loses_nothing(self, host):
        load = host.start('tcptimer', '--json', '-r', '2000', '-w', '2', '-P', '4')
        host.wait_entry(TCPTIMER_EVENT='started')
        for count in range(1, 6):
            host.run('systemctl', 'reload', 'tcptimer.service')
            host.wait_entry(TCPTIMER_EVENT='reloaded', count=count)
        self.assertEqual(load.wait(), 0, load.stderr)
        self.assertRegex(load.stdout, r'"lost": ?0\b')


class TestCrash(FaultCase):
    @machine.on_each(install.suites_of_tree)
    def test_twenty_idle_exits(self, host):
        host.write(install.CONFIG, 'exit_on_idle = 100ms\n')
        for count in range(1, 21):
            host.measure('-c', 1)
            host.wait_entry(TCPTIMER_EVENT='stopped', count=count)
        self.check_socket(host)

    @machine.on_each(install.suites_of_tree)
    def test_twenty_kills(self, host):
        host.measure('-c', 1)
        for count in range(1, 21):
            host.wait_entry(TCPTIMER_EVENT='started', count=count)
            host.sh('kill -9 %d' % host.main_pid())
        host.wait_entry(TCPTIMER_EVENT='started', count=21)
        self.check_socket(host)

    @machine.on_each(install.suites_of_tree)
    def test_clients_wait_while_it_cannot_start(self, host):
        host.write(install.CONFIG, 'max_clients = 0\n')
        client = self.text_client(host)
        message = new_uuid()
        client.send(message)
        first, fault = [host.wait_entry(TCPTIMER_EVENT='start_failed', count=count)
                        for count in (1, 5)]
        self.assertEqual(fault['_SYSTEMD_UNIT'], 'tcptimer.service')
        took = int(fault['__MONOTONIC_TIMESTAMP']) - int(first['__MONOTONIC_TIMESTAMP'])
        self.assertGreater(took, 4e6, 'four pauses between five tries')
        host.write(install.CONFIG, '')
        self.assertEqual(client.replies(1)[0].uuid, message)
        self.check_socket(host)


class TestLog(FaultCase):
    @machine.on_each(install.suites_of_tree)
    def test_full_disk_heals_by_itself(self, host):
        host.write(install.CONFIG, 'log_messages = on\n')
        host.sh('mkdir -p -m 700 {0} && mount -t tmpfs -o size=256k tmpfs {0} && '
                'head -c 200K /dev/zero >{0}/filler'.format(LOG_DIRECTORY))
        host.measure('-c', 2000)
        failed = host.wait_entry(TCPTIMER_EVENT='log_file_failed')
        self.assertIn('No space left on device', failed['MESSAGE'])
        host.run('rm', LOG_DIRECTORY + '/filler')

        def resumed():
            host.measure('-c', 10)
            return [entry for entry in host.entries()
                    if entry.get('TCPTIMER_EVENT') == 'log_file_resumed']
        support.poll_until(resumed, 'a log file again')
        self.assertEqual(len([entry for entry in host.entries()
                              if entry.get('TCPTIMER_EVENT') == 'log_file_failed']), 1)

    @machine.on_each(install.suites_of_tree)
    def test_removed_log_directory_heals_by_restart(self, host):
        host.write(install.CONFIG, 'log_messages = on\n')
        host.measure('-c', 1)
        host.run('rm', '-r', LOG_DIRECTORY)

        def failed():
            host.measure('-c', 10)
            return [entry for entry in host.entries()
                    if entry.get('TCPTIMER_EVENT') == 'log_file_failed']
        entry = support.poll_until(failed, 'a message about the directory')[0]
        self.assertIn('restart', entry['MESSAGE'])
        host.run('systemctl', 'restart', 'tcptimer.service')
        host.measure('-c', 1)
        support.poll_until(lambda: 'received after' in
                           host.read(LOG_DIRECTORY + '/tcptimerd.log'), 'a new log file')


class TestStop(FaultCase):
    @machine.on_each(install.suites_of_tree)
    def test_connected_clients_are_answered_to_the_end(self, host):
        clients = [self.text_client(host) for _ in range(20)]
        for client in clients:
            client.exchange(new_uuid())
        message = new_uuid()
        for client in clients:
            client.send(message)
        stopping = threading.Thread(
            target=host.run, args=('systemctl', 'stop', 'tcptimer.service'))
        stopping.start()
        for client in clients:
            self.assertEqual(client.replies(1)[0].uuid, message)
            self.assertEqual(client.rest(), b'')        # and no reset
        stopping.join()
        self.assertEqual(host.show('tcptimer.service', 'Result'), 'success')


if __name__ == '__main__':
    support.main()
