# SPDX-License-Identifier: MIT
"""What the loopback cannot show: two hosts and the cables between them."""

import json
import re
import signal
import socket
import time

from netns import TwoHosts
from support import main, measures_time

USAGE = 2                   # also: no connection


class VethCase(TwoHosts):
    """Both hosts on a cable; its device is "veth" on either side."""

    def setUp(self):
        super().setUp()
        self.add_veth()

    def start_server(self, *options, listen=('[::]:0',)):
        self.server = self.two.daemon('--log-level=debug', *options, listen=listen)
        return self.server

    def measure(self, *arguments, count=3, **how):
        """The JSON document of a run on host one that has to succeed."""
        client = self.one.run_client('--json', '-c', count, '-p', self.server.port, *arguments,
                                     **how)
        self.assertEqual(client.status, 0, client.stdout + client.stderr)
        document = json.loads(client.stdout)
        self.assertEqual(document['received'], count)
        return document

    def fail_to_connect(self, message, *arguments, **how):
        """A run on host one that ends with this line, and no statistics."""
        client = self.one.run_client('-c', 3, '-W', '300ms', '-p', self.server.port, *arguments,
                                     **how)
        self.assertEqual((client.status, client.stdout), (USAGE, ''), client.stderr)
        self.assertRegex(client.stderr, r'^tcptimer: %s\n$' % message)

    def peers_of(self, *arguments, n_connections=1, **how):
        """The addresses from which a run came, as the server logged them."""
        start = self.server.log.mark()
        self.measure(*arguments, **how)
        self.server.log.wait(r': connected$', start=start, count=n_connections)
        lines = self.server.log.matches(r'debug (\S+):\d+: connected$', start)
        return [line.group(1) for line in lines]


class Binding(VethCase):
    def setUp(self):
        super().setUp()
        self.add_veth('other', line=3)
        self.start_server()

    def test_nothing_asked_for_takes_the_route(self):
        self.assertEqual(self.peers_of(self.address(2)), [self.address(1)])

    def test_device_is_left_by(self):
        capture = self.two.capture('other')
        # Host two answers for each of its addresses on any cable.
        self.assertEqual(self.peers_of('-I', 'other', self.address(2)), [self.address(1, line=3)])
        self.assertEqual(len(capture.segments(self.server.port, 3)), 3)

    def test_address_is_left_from(self):
        source = self.address(1, line=3)
        self.assertEqual(self.peers_of('-I', source, self.address(2)), [source])

    def test_ipv6_address_is_left_from(self):
        source = self.address6(1, line=3)
        self.assertEqual(self.peers_of('-I', source, self.address6(2)), ['[%s]' % source])

    def test_unknown_device_is_named(self):
        self.fail_to_connect(r"--interface 'veth9': expected an address of this host or the name "
                             r'of a network device', '-I', 'veth9', self.address(2))

    def test_foreign_address_is_named(self):
        self.fail_to_connect(r'leave from 198\.18\.9\.9 to 198\.18\.2\.2:\d+: '
                             r'Cannot assign requested address', '-I', '198.18.9.9',
                             self.address(2))

    def test_address_of_the_other_family_is_named(self):
        self.fail_to_connect(r'leave from 2001:db8:2::1 to 198\.18\.2\.2:\d+: '
                             r'Address family not supported by protocol', '-I', self.address6(1),
                             self.address(2))

    def test_device_that_does_not_lead_there_gets_no_answer(self):
        self.fail_to_connect(r'connect to 198\.18\.2\.2:\d+: no answer within 5s', '-I', 'lo',
                             self.address(2))


class LinkLocal(VethCase):
    def setUp(self):
        super().setUp()
        self.start_server()
        self.target = self.two.link_local('veth') + '%veth'

    def test_target_needs_its_scope(self):
        address = self.two.link_local('veth')
        self.fail_to_connect(r'connect to \[%s\]:\d+: Invalid argument' % address, address)

    def test_unknown_scope_is_named(self):
        address = self.two.link_local('veth') + '%veth9'
        self.fail_to_connect(r"host '%s': Name or service not known" % address, address)

    def test_scope_shows_in_all_outputs(self):
        endpoint = '[%s]:%d' % (self.target, self.server.port)
        document = self.measure(self.target)
        self.assertEqual((document['host'], document['address']), (self.target, endpoint))

        client = self.one.run_client('-c', 3, endpoint)
        self.assertEqual(client.status, 0, client.stderr)
        self.assertIn('TCPTIMER %s (%s)' % (self.target, endpoint), client.stdout)
        self.assertIn('--- %s tcptimer statistics ---' % self.target, client.stdout)

    def test_server_logs_the_scope(self):
        self.assertEqual(self.peers_of(self.target), ['[%s%%veth]' % self.one.link_local('veth')])

    def test_server_listens_on_a_scope(self):
        self.start_server(listen=['[%s]:0' % self.target])
        self.server.log.wait(r'listening on \[%s\]:\d+$' % self.target)
        self.measure(self.target)


class Dscp(VethCase):
    EF = 46

    def classes(self, *arguments):
        """The traffic classes of all segments that the server gets, without the bits of ECN."""
        capture = self.two.capture('veth')
        self.measure(*arguments)
        return {segment.traffic_class & ~3 for segment in capture.segments(self.server.port, 6)}

    def test_seen_in_ipv4(self):
        self.start_server()
        self.assertEqual(self.classes('--dscp', 'EF', self.address(2)), {self.EF << 2})

    def test_seen_in_ipv6(self):
        self.start_server()
        self.assertEqual(self.classes('--dscp', 'EF', self.address6(2)), {self.EF << 2})

    def test_number(self):
        self.start_server()
        self.assertEqual(self.classes('--dscp', '10', self.address(2)), {10 << 2})

    def test_left_alone_unless_asked_for(self):
        self.start_server()
        self.assertEqual(self.classes(self.address(2)), {0})


class Families(VethCase):
    """A name with several addresses."""

    def setUp(self):
        super().setUp()
        self.inside = self.inside_with([self.address6(2), self.address(2)])

    def inside_with(self, addresses):
        """A way into host one where "two" has these addresses."""
        text = ''.join('%s two\n' % address for address in addresses)
        return (*self.one.inside, *self.with_hosts(text))

    def address_of(self, *arguments):
        return self.measure(*arguments, 'two', prefix=self.inside)['address']

    def test_ipv6_comes_first(self):
        self.start_server()
        self.assertEqual(self.address_of(), '[%s]:%d' % (self.address6(2), self.server.port))

    def test_either_can_be_chosen(self):
        self.start_server()
        self.assertEqual(self.address_of('-4'), '%s:%d' % (self.address(2), self.server.port))
        self.assertEqual(self.address_of('-6'), '[%s]:%d' % (self.address6(2), self.server.port))

    def test_refusal_leads_to_the_next_address(self):
        self.start_server(listen=['0.0.0.0:0'])
        self.assertEqual(self.address_of(), '%s:%d' % (self.address(2), self.server.port))
        self.fail_to_connect(r'connect to \[2001:db8:2::2\]:\d+: Connection refused', '-6', 'two',
                             prefix=self.inside)

    def test_silence_leads_to_the_next_address(self):
        self.start_server()
        self.two.run('ip', 'route', 'add', 'blackhole', '2001:db8:9::/64')
        self.one.ip('route', 'add', '2001:db8:9::/64', 'via', self.address6(2))
        self.inside = self.inside_with(['2001:db8:9::2', self.address(2)])
        self.assertEqual(self.address_of('-W', '300ms'),
                         '%s:%d' % (self.address(2), self.server.port))

    def test_no_address_of_the_family_is_an_error(self):
        self.start_server()
        self.inside = self.inside_with([self.address(2)])
        self.fail_to_connect(r"host 'two': .*", '-6', 'two', prefix=self.inside)


class SourcePort(VethCase):
    PORT = 40000

    def ports(self, *arguments):
        capture = self.two.capture('veth')
        self.measure('--cport', self.PORT, *arguments, self.address(2))
        return {segment.source_port for segment in capture.segments(self.server.port, 6)}

    def test_is_left_from(self):
        self.start_server()
        self.assertEqual(self.ports(), {self.PORT})

    def test_can_be_used_again_at_once(self):
        self.start_server()
        for _ in range(3):
            self.assertEqual(self.ports(), {self.PORT})

    def test_counts_up_with_the_connections(self):
        self.start_server()
        self.assertEqual(self.ports('-P', 3), {self.PORT, self.PORT + 1, self.PORT + 2})

    def test_taken_port_is_named(self):
        self.start_server()
        taken = self.one.socket(socket.AF_INET, socket.SOCK_STREAM)
        taken.bind((self.address(1), self.PORT))
        taken.listen()
        self.fail_to_connect(r'leave from the port asked for to 198\.18\.2\.2:\d+: '
                             r'Address already in use', '--cport', self.PORT, self.address(2))


class MappedAddresses(VethCase):
    """IPv4 clients of a socket for both families."""

    def setUp(self):
        super().setUp()
        self.start_server('--max-clients-per-source=2')

    def test_show_as_ipv4(self):
        self.assertEqual(self.peers_of(self.address(2)), [self.address(1)])

    def test_count_as_one_source(self):
        self.measure('-P', 2, self.address(2))
        client = self.one.run_client('-c', 3, '-P', 3, '-p', self.server.port, self.address(2))
        self.assertEqual(client.status, USAGE, client.stdout)
        self.assertRegex(client.stderr, r'ERROR: too many clients from one address')
        refusal = self.server.log.wait(r'warning .*too many clients').string
        self.assertRegex(refusal, r'\b198\.18\.2\.1:\d+')
        self.assertNotIn('::ffff', self.server.log.text())

    def test_do_not_count_for_ipv6(self):
        for number in range(2):
            peer = self.one.socket(socket.AF_INET, socket.SOCK_STREAM)
            peer.connect((self.address(2), self.server.port))
            self.server.log.wait(r'198\.18\.2\.1:\d+: connected$', count=number + 1)
        self.measure(self.address6(2))


class PathDown(VethCase):
    """The cable is cut in the middle of a run, and put together again."""

    TIMEOUT = 0.3

    def start_run(self, *arguments):
        self.start_server()
        client = self.one.client('--json-stream', '-i', '5ms', '-W', '%gs' % self.TIMEOUT,
                                 '-p', self.server.port, *arguments, self.address(2))
        client.stdout_tape.wait('"event":"reply"', count=50)
        return client

    def set_cable(self, state):
        self.two.ip('link', 'set', 'veth', state)
        return time.monotonic()

    def end_of(self, client):
        return json.loads(client.stdout_tape.lines()[-1])

    @measures_time()
    def test_endless_run_has_an_outage(self):
        client = self.start_run()
        cut = self.set_cable('down')
        client.stdout_tape.wait('"event":"outage".*"over":false')
        self.set_cable('up')
        client.stdout_tape.wait('"event":"outage".*"over":true')
        length = time.monotonic() - cut
        mark = client.stdout_tape.mark()
        client.stdout_tape.wait('"event":"reply"', start=mark, count=50)
        client.signal(signal.SIGINT)
        self.assertEqual(client.wait(), 1, client.stderr)

        end = self.end_of(client)
        self.assertIsNone(end['error'])
        [outage] = end['outages']
        self.assertTrue(outage['over'])
        # From a message that was sent when the cable was cut.
        self.assertGreater(outage['duration_ns'] / 1e9, self.TIMEOUT)
        self.assertLess(outage['duration_ns'] / 1e9, length + 0.05)
        self.assertEqual(end['lost'], outage['lost'])
        self.assertGreater(outage['lost'], 0)
        self.assertEqual(end['received'] + end['lost'], end['sent'])

    def test_run_with_an_end_has_late_replies(self):
        client = self.start_run('-c', 600)
        self.set_cable('down')
        client.stdout_tape.wait('"event":"error".*"code":"overdue"')
        self.set_cable('up')
        self.assertEqual(client.wait(), 0, client.stderr)

        end = self.end_of(client)
        self.assertEqual((end['sent'], end['received'], end['lost']), (600, 600, 0))
        self.assertGreater(end['late'], 0)
        self.assertGreater(end['response_rtt_ns']['max'] / 1e9, self.TIMEOUT)
        self.assertEqual(end['outages'], [])

    def test_run_with_an_end_loses_what_is_never_answered(self):
        client = self.start_run('-c', 200)
        self.set_cable('down')
        self.assertEqual(client.wait(), 1, client.stderr)

        end = self.end_of(client)
        self.assertEqual(end['sent'], 200)
        self.assertGreater(end['lost'], 0)
        self.assertEqual(end['received'] + end['lost'], end['sent'])
        self.assertIsNone(end['error'])


if __name__ == '__main__':
    main()
