#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A client for the native protocol that was written from common/PROTOCOL.md alone.

It shares nothing with the C code, so that where the two disagree, one of them is not what the page
says. Run by hand it measures a server and prints where the time went:

    native_client.py [--count N] [--interval S] [--padding N] [--reply-padding N] [--json] HOST PORT
"""

import argparse
import collections
import json
import os
import socket
import struct
import sys
import time
import uuid

REQUEST, REPLY, KEEPALIVE, KEEPALIVE_ACK, GOODBYE, ERROR = range(1, 7)
MAY_IGNORE = 0x80

KERNEL_STAMP, SHARED_STAMP, SERVER_AWAY = 0x10, 0x20, 0x40

DONE, STOPPING, IDLE_TIMEOUT, MESSAGE_TIMEOUT = range(1, 5)

HEADER = struct.Struct('>BBHI')
REQUEST_FIELDS = struct.Struct('>Q16sI')
REPLY_FIELDS = struct.Struct('>Q16sQQQQQ')
FIXED_LENGTH = {REQUEST: REQUEST_FIELDS.size, REPLY: REPLY_FIELDS.size,
                KEEPALIVE: 0, KEEPALIVE_ACK: 0, GOODBYE: 0, ERROR: 0}
LENGTH_MAX = 65600
WELCOME_MAX = 511
TEXT_MAX = 255

HELLO = b'tcptimer-hello version=1-1 max-reply-padding=65536;'

Frame = collections.namedtuple('Frame', 'type flags code body received')
Reply = collections.namedtuple('Reply', 'seq uuid flags delta arrival arrival_real residence window'
                                        ' padding received')
Sample = collections.namedtuple('Sample', 'send reply')


class ProtocolError(Exception):
    """The server did what the page does not allow."""


class Refused(Exception):
    """The server answered with an ERROR line or an error frame."""


class Echoed(Exception):
    """The server is an original one: it took the hello for a message."""


class Ended(Exception):
    """The stream is at its end."""


def text_of(body):
    text = body[:TEXT_MAX].decode('utf-8', 'replace')
    return ''.join(c if c.isprintable() else '?' for c in text)


class NativeClient:
    """One connection, from its hello on. Times are of time.monotonic_ns()."""

    def __init__(self, sock, hello=HELLO):
        self.socket = sock
        self.pending = bytearray()
        self.goodbye = None             # the server's goodbye frame
        self.socket.sendall(hello)
        self.welcome = self._read_welcome(hello)

    def _receive(self):
        data = self.socket.recv(65536)
        received = time.monotonic_ns()
        if not data:
            raise Ended('the server closed the connection')
        self.pending += data
        return received

    def _take(self, n):
        taken = bytes(self.pending[:n])
        del self.pending[:n]
        return taken

    def _read_to(self, end):
        while end not in self.pending:
            self._receive()
        return self._take(self.pending.index(end) + len(end))

    def _read_welcome(self, hello):
        while not self.pending:
            self._receive()
        first = self.pending[:1]
        if first == b'E':
            raise Refused(text_of(self._read_to(b'\n').rstrip(b'\n')))
        if first == b'U':
            self._read_to(b'UUID: ' + hello + b' received after ')
            self._read_to(b' seconds')
            raise Echoed
        while b';' not in self.pending:
            if len(self.pending) >= WELCOME_MAX:
                raise ProtocolError('the welcome does not end')
            self._receive()
        line = self._take(self.pending.index(b';') + 1)
        name, *words = line[:-1].decode('ascii').split(' ')
        if len(line) > WELCOME_MAX or name != 'tcptimer-welcome':
            raise ProtocolError('no welcome: %r' % line)
        values = dict(word.split('=', 1) for word in words if '=' in word and len(word) <= 31)
        if values.get('version') != '1':
            raise ProtocolError('version %s was not offered' % values.get('version'))
        known = ('version', 'max-request-padding', 'max-reply-padding', 'rx-buffer', 'tx-buffer',
                 'idle-timeout-ms', 'message-timeout-ms', 'kernel-stamps')
        return {key: int(values.get(key, '0')) for key in known}

    def send_frame(self, kind, fields=b'', flags=0, code=0):
        self.socket.sendall(HEADER.pack(kind, flags, code, len(fields)) + fields)

    def send_request(self, seq, message_uuid, padding=b'', reply_padding=0):
        """Returns the time just before the send."""
        frame = (HEADER.pack(REQUEST, 0, 0, REQUEST_FIELDS.size + len(padding)) +
                 REQUEST_FIELDS.pack(seq, message_uuid, reply_padding) + padding)
        sent = time.monotonic_ns()
        self.socket.sendall(frame)
        return sent

    def read_frame(self):
        """The next frame of a known type, checked as the page says; raises Ended at the end."""
        received = time.monotonic_ns()
        while True:
            while len(self.pending) < HEADER.size:
                received = self._receive()
            kind, flags, code, length = HEADER.unpack_from(self.pending)
            if kind not in FIXED_LENGTH and not kind & MAY_IGNORE:
                raise ProtocolError('unknown frame type 0x%02x' % kind)
            if kind == REQUEST:
                raise ProtocolError('a request from a server')
            if kind in FIXED_LENGTH and flags & 0x0f:
                raise ProtocolError('unknown flags 0x%02x' % flags)
            if length < FIXED_LENGTH.get(kind, 0) or length > LENGTH_MAX:
                raise ProtocolError('length %d of a frame of type 0x%02x' % (length, kind))
            while len(self.pending) < HEADER.size + length:
                received = self._receive()
            self._take(HEADER.size)
            body = self._take(length)
            if kind in FIXED_LENGTH:
                return Frame(kind, flags, code, body, received)

    def read_reply(self):
        """The next reply; what comes between is dealt with."""
        while True:
            frame = self.read_frame()
            if frame.type == REPLY:
                fields = REPLY_FIELDS.unpack_from(frame.body)
                seq, message_uuid, delta, arrival, real, residence, window = fields
                return Reply(seq, message_uuid, frame.flags, delta, arrival, real, residence,
                             window, frame.body[REPLY_FIELDS.size:], frame.received)
            if frame.type == KEEPALIVE:
                self.send_frame(KEEPALIVE_ACK)
            elif frame.type == GOODBYE:
                self.goodbye = frame
                if frame.code != STOPPING:
                    raise Ended('goodbye, reason %d: %s' % (frame.code, text_of(frame.body)))
            elif frame.type == ERROR:
                raise Refused('error %d: %s' % (frame.code, text_of(frame.body)))

    def ask(self, seq, padding=b'', reply_padding=0):
        """One message and its reply, checked against each other."""
        message_uuid = uuid.uuid4().bytes
        sent = self.send_request(seq, message_uuid, padding, reply_padding)
        reply = self.read_reply()
        if (reply.seq, reply.uuid) != (seq, message_uuid):
            raise ProtocolError('the reply to another message')
        if len(reply.padding) != reply_padding:
            raise ProtocolError('%d bytes of reply padding' % len(reply.padding))
        return Sample(sent, reply)

    def finish(self):
        """Says goodbye and reads to the end; returns the frames that still came."""
        frames = []
        self.send_frame(GOODBYE, code=DONE)
        try:
            while True:
                frames.append(self.read_frame())
        except Ended:
            return frames
        finally:
            self.socket.close()


def connect(host, port, timeout=5.0, hello=HELLO):
    sock = socket.create_connection((host, port), timeout)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        return NativeClient(sock, hello)
    except BaseException:
        sock.close()
        raise


def fit_rate(samples, most=200e-6):
    """How much faster the server's clock runs, from the page: the rate for which the two minima
    have the largest sum. That sum is concave in the rate, so three points say which third to drop.
    """
    def minima(rate):
        start = samples[0].send
        forward = min(s.reply.arrival - s.send - rate * (s.send - start) for s in samples)
        back = min(s.reply.received - s.reply.arrival - s.reply.residence +
                   rate * (s.send - start) for s in samples)
        return forward + back

    low, high = -most, most
    for _ in range(60):
        left, right = low + (high - low) / 3, high - (high - low) / 3
        if minima(left) < minima(right):
            low = left
        else:
            high = right
    return (low + high) / 2


def take_apart(samples):
    """(base, rate, parts): all of parts of a message add up to its round-trip time [ns]."""
    # In a few seconds the clocks drift apart by less than such a fit would be wrong.
    rate = fit_rate(samples) if samples[-1].send - samples[0].send > 10e9 else 0.0
    start = samples[0].send
    forward = [s.reply.arrival - s.send - rate * (s.send - start) for s in samples]
    back = [s.reply.received - s.reply.arrival - s.reply.residence + rate * (s.send - start)
            for s in samples]
    base = min(forward) + min(back)
    parts = [{'seq': s.reply.seq, 'uuid': str(uuid.UUID(bytes=s.reply.uuid)),
              'rtt_ns': s.reply.received - s.send,
              'forward_pdv_ns': round(f - min(forward)),
              'residence_ns': s.reply.residence,
              'return_pdv_ns': round(b - min(back))}
             for s, f, b in zip(samples, forward, back)]
    return round(base), rate, parts


def check_deltas(samples):
    """Deltas are the differences of the arrivals, exactly, and no arrival is before an earlier."""
    for before, after in zip(samples, samples[1:]):
        if after.reply.delta != after.reply.arrival - before.reply.arrival:
            raise ProtocolError('the delta of message %d is not that of the arrivals'
                                % after.reply.seq)


def measure(client, count, interval=0.0, padding=0, reply_padding=0):
    samples = []
    for seq in range(1, count + 1):
        samples.append(client.ask(seq, os.urandom(padding), reply_padding))
        if client.goodbye:
            break
        if interval and seq < count:
            time.sleep(interval)
    check_deltas(samples)
    return samples


def main():
    parser = argparse.ArgumentParser(description='Measure a tcptimer server over its native'
                                                 ' protocol.')
    parser.add_argument('--count', type=int, default=10)
    parser.add_argument('--interval', type=float, default=0.0, help='between messages [s]')
    parser.add_argument('--padding', type=int, default=0, help='of a request [bytes]')
    parser.add_argument('--reply-padding', type=int, default=0, help='of a reply [bytes]')
    parser.add_argument('--json', action='store_true')
    parser.add_argument('host')
    parser.add_argument('port', type=int)
    args = parser.parse_args()

    try:
        client = connect(args.host, args.port)
        samples = measure(client, args.count, args.interval, args.padding, args.reply_padding)
        client.finish()
    except (OSError, ProtocolError, Refused, Echoed, Ended) as error:
        print('%s: %s' % (type(error).__name__, error), file=sys.stderr)
        return 2

    base, rate, parts = take_apart(samples)
    stamped = sum(bool(s.reply.flags & KERNEL_STAMP) for s in samples)
    if args.json:
        json.dump({'welcome': client.welcome, 'base_ns': base, 'clock_skew_ppm': rate * 1e6,
                   'kernel_stamps': stamped, 'messages': parts}, sys.stdout)
        print()
        return 0

    print('%d messages, base %.1f us, server clock %+.1f ppm, %d arrivals stamped by the kernel'
          % (len(parts), base / 1e3, rate * 1e6, stamped))
    print('  seq     rtt  =   base + forward + residence +  return   [us]')
    for part in parts:
        print('%5d %7.1f  = %6.1f + %7.1f + %9.1f + %7.1f' % (
            part['seq'], part['rtt_ns'] / 1e3, base / 1e3, part['forward_pdv_ns'] / 1e3,
            part['residence_ns'] / 1e3, part['return_pdv_ns'] / 1e3))
    return 0


if __name__ == '__main__':
    sys.exit(main())
