# SPDX-License-Identifier: MIT
"""Two hosts that are network namespaces, and the lines between them.

A namespace lives as long as its keeper, a process that is tethered to the test: however that ends,
the namespace goes, and with it its end of each line and so the line. Nothing has a name that could
clash with what is on this machine.
"""

import collections
import ctypes
import os
import socket
import struct
import subprocess
import threading

from support import DEADLINE, TETHER, Case, Process, poll_until, program

CLONE_NEWNET = 0x40000000
ETH_P_ALL = 3

NAMES = ('one', 'two')

Segment = collections.namedtuple('Segment', 'traffic_class source_port')


class Host:
    """A network namespace with a loopback, and what can be done in it."""

    def __init__(self, case, name):
        self.case, self.name = case, name
        self._keeper = subprocess.Popen(TETHER + ['unshare', '--net', '--', 'cat'],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        case.addCleanup(self._close)
        # The echo says that unshare has become cat: the namespace is there.
        self._keeper.stdin.write(b'\n')
        self._keeper.stdin.flush()
        if self._keeper.stdout.readline() != b'\n':
            case.cannot_run_here('unshare --net failed')
        self.netns = '/proc/%d/ns/net' % self._keeper.pid
        self.inside = ('nsenter', '--net=' + self.netns, '--')
        self.run('ip', 'link', 'set', 'lo', 'up')
        # No waiting for duplicate address detection: nobody else is there.
        self.run('sh', '-c', 'echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad')

    def _close(self):
        self._keeper.stdin.close()
        self._keeper.wait(DEADLINE)
        self._keeper.stdout.close()

    @property
    def pid(self):
        return self._keeper.pid

    def run(self, *argv):
        """A command that must succeed; its output."""
        done = subprocess.run([*self.inside, *argv], stdin=subprocess.DEVNULL, timeout=DEADLINE,
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise AssertionError('%s in %s: %s' % (' '.join(argv), self.name, done.stderr))
        return done.stdout

    def ip(self, *arguments):
        return self.run('ip', *arguments)

    def daemon(self, *options, **how):
        return self.case.daemon(*options, prefix=self.inside, **how)

    def client(self, *arguments, **how):
        return self.case.client(*arguments, **dict({'prefix': self.inside}, **how))

    def run_client(self, *arguments, **how):
        return self.case.run_client(*arguments, **dict({'prefix': self.inside}, **how))

    def call(self, function):
        """The result of a function that is called on a thread in this namespace."""
        outcome = []

        def run():
            libc = ctypes.CDLL(None, use_errno=True)
            fd = os.open(self.netns, os.O_RDONLY | os.O_CLOEXEC)
            try:
                if libc.setns(fd, CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), 'setns')
                outcome.append(function())
            except OSError as error:
                outcome.append(error)
            finally:
                os.close(fd)

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        if isinstance(outcome[0], OSError):
            raise outcome[0]
        return outcome[0]

    def socket(self, *arguments):
        sock = self.call(lambda: socket.socket(*arguments))
        self.case.addCleanup(sock.close)
        return sock

    def link_local(self, device):
        """The device's fe80:: address, once it can be used."""
        def find():
            words = self.ip('-6', '-o', 'addr', 'show', 'dev', device, 'scope', 'link',
                            '-tentative').split()
            return words and words[words.index('inet6') + 1].partition('/')[0]
        return poll_until(find, 'link-local address of ' + device)

    def capture(self, device):
        return Capture(self, device)


class Capture:
    """What arrives at a device, from now on."""

    def __init__(self, host, device):
        self._socket = host.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
        self._socket.settimeout(DEADLINE)
        self._socket.bind((device, ETH_P_ALL))

    def segments(self, port, count):
        """The first count TCP segments to that port."""
        found = []
        while len(found) < count:
            packet = self._socket.recv(65536)
            version = packet[0] >> 4
            if version == 4:
                traffic_class, header, protocol = packet[1], (packet[0] & 15) * 4, packet[9]
            else:
                traffic_class = struct.unpack_from('>I', packet)[0] >> 20 & 0xff
                header, protocol = 40, packet[6]
            if protocol != socket.IPPROTO_TCP:
                continue
            source, destination = struct.unpack_from('>HH', packet, header)
            if destination == port:
                found.append(Segment(traffic_class, source))
        return found


class PacketLine(Process):
    """A line that loses or holds messages; see tests/support/packet_line.c."""

    def __init__(self, case, hosts, *options):
        super().__init__(case, [program('PACKET_LINE'), *options, *(h.netns for h in hosts)])
        self.stdout_tape.wait('^ready$')

    def log(self, direction):
        """What was done to which message: {seq: ns it was held, or None if it was lost}."""
        hits = self.stdout_tape.matches(r'^%s seq=(\d+) (?:ns=(\d+)|drop)$' % direction)
        return {int(hit.group(1)): hit.group(2) and int(hit.group(2)) for hit in hits}


class TwoHosts(Case):
    """Hosts one and two; line N between them has the networks 198.18.N.0/24 and 2001:db8:N::/64,
    in which they are number 1 and 2."""

    def setUp(self):
        super().setUp()
        if os.geteuid() != 0:
            self.cannot_run_here('network namespaces need root')
        self.one, self.two = (Host(self, name) for name in NAMES)
        self.hosts = (self.one, self.two)

    def address(self, number, line=2):
        return '198.18.%d.%d' % (line, number)

    def address6(self, number, line=2):
        return '2001:db8:%d::%d' % (line, number)

    def _set_up_device(self, device, line):
        for number, host in enumerate(self.hosts, 1):
            host.ip('addr', 'add', self.address(number, line) + '/24', 'dev', device)
            host.ip('addr', 'add', self.address6(number, line) + '/64', 'dev', device, 'nodad')
            host.ip('link', 'set', device, 'up')

    def add_veth(self, device='veth', line=2):
        self.one.ip('link', 'add', device, 'type', 'veth', 'peer', 'name', device,
                    'netns', str(self.two.pid))
        self._set_up_device(device, line)

    def add_packet_line(self, *options, line=2):
        packet_line = PacketLine(self, self.hosts, *options)
        self._set_up_device('line', line)
        return packet_line
