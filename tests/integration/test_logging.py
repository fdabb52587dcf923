# SPDX-License-Identifier: MIT
"""What the daemon writes down, where, and that writing never stands in the way of answering."""

import ctypes
import os
import re
import shutil
import signal
import subprocess
import time

import support
from peers import UUID, TextPeer, new_uuid, new_uuids

RFC3339 = r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}[+-]\d\d:\d\d'
CLONE_NEWNS = 0x00020000


def read(path):
    try:
        with open(path, encoding='utf-8') as file:
            return file.read()
    except FileNotFoundError:
        return ''


class LogCase(support.Case):
    def setUp(self):
        super().setUp()
        self.directory = self.path('logs')
        os.mkdir(self.directory)
        self.log_file = os.path.join(self.directory, 'tcptimerd.log')

    def await_in_file(self, text, path=None):
        path = path or self.log_file
        support.poll_until(lambda: text in read(path), '%r in %s' % (text, path))

    def start(self, *options, **how):
        return self.daemon('--log-file=' + self.log_file, *options, **how)

    def start_quiet(self, *options):
        """The file is its only log."""
        server = self.start('--log-target=none', *options, ready=False)
        server.notify.tape.wait('^READY=1$')
        self.await_in_file('listening on')
        listening = re.search(r'listening on (\S+)', read(self.log_file))
        server.addresses = [support.parse_address(listening.group(1))]
        return server


class TestLines(LogCase):
    def test_each_line_has_time_and_level(self):
        server = self.start('--log-messages=on')
        TextPeer(self, server.address).exchange(new_uuid())
        self.assertEqual(server.stop(), 0)
        lines = read(self.log_file).splitlines()
        self.assertGreater(len(lines), 3)
        for line in lines:
            self.assertRegex(line, r'\A' + RFC3339 + r' \S')

    def test_life_is_told_at_info(self):
        server = self.start('--workers=2')
        self.assertEqual(server.stop(), 0)
        text = read(self.log_file)
        self.assertRegex(text, r'(?i)2 workers')
        self.assertIn('listening on 127.0.0.1:%d' % server.port, text)
        self.assertRegex(text, r'(?i)stopp')

    def test_connects_are_told_at_debug_only(self):
        for level, expected in (('info', False), ('debug', True)):
            with self.subTest(level=level):
                server = self.daemon('--log-level=' + level)
                peer = TextPeer(self, server.address)
                peer.exchange(new_uuid())
                port = peer.socket.getsockname()[1]
                peer.close()
                self.assertEqual(server.stop(), 0)
                self.assertEqual(bool(server.log.matches(r'127\.0\.0\.1:%d' % port)), expected)

    def test_level_filters(self):
        server = self.daemon('--log-level=warning', ready=False)
        server.notify.tape.wait('^READY=1$')
        self.assertEqual(server.stop(), 0)
        self.assertEqual(server.stderr, '')

    def test_target_none_is_silent(self):
        server = self.daemon('--log-target=none', ready=False)
        server.notify.tape.wait('^READY=1$')
        self.assertEqual(server.stop(), 0)
        self.assertEqual(server.stderr, '')

    def test_statistics_on_request(self):
        server = self.daemon()
        peer = TextPeer(self, server.address)
        peer.exchange(*new_uuids(7))
        rubbish = TextPeer(self, server.address)
        rubbish.send(b'x')
        rubbish.rest()
        server.await_statistics(messages=7, accepted=2, bad_messages=1)

    def test_log_messages(self):
        server = self.start('--log-messages=on')
        peer = TextPeer(self, server.address)
        messages = new_uuids(50)
        replies = [peer.exchange(message)[0] for message in messages]
        self.assertEqual(server.stop(), 0)
        text = read(self.log_file)
        for reply in replies:
            line = re.search(r'.*%s.*' % reply.uuid.decode(), text).group(0)
            self.assertIn('%d.%06d' % divmod(reply.delta_us, 1000000), line)
            self.assertIn('127.0.0.1:%d' % peer.socket.getsockname()[1], line)

    def test_messages_are_not_logged_unasked(self):
        server = self.start()
        message = new_uuid()
        TextPeer(self, server.address).exchange(message)
        self.assertEqual(server.stop(), 0)
        self.assertNotIn(message.decode(), read(self.log_file))

    @support.measures_time()
    def test_slow_threshold(self):
        server = self.start('--slow-threshold=200ms')
        peer = TextPeer(self, server.address)
        quick, slow = new_uuid(), new_uuid()
        peer.exchange(quick)
        time.sleep(0.25)
        reply = peer.exchange(slow)[0]
        self.assertEqual(server.stop(), 0)
        text = read(self.log_file)
        line = re.search(r'.*%s.*' % slow.decode(), text).group(0)
        self.assertIn('%d.%06d' % divmod(reply.delta_us, 1000000), line)
        self.assertNotIn(quick.decode(), text)

    def test_what_is_dropped_is_counted_and_said(self):
        """Far more messages than a ring holds: logged and dropped ones add up to all."""
        server = self.start_quiet('--log-messages=on', '--workers=1', '--log-file-size=1G')
        peer = TextPeer(self, server.address)
        count = 100000
        for _ in range(count // 1000):
            peer.exchange(*new_uuids(1000))
        self.assertEqual(server.stop(), 0)
        text = read(self.log_file)
        logged = len(re.findall(UUID, text))
        dropped = sum(int(number) for number in re.findall(r'(\d+) log entries were dropped', text))
        self.assertEqual(logged + dropped, count)


class TestRotation(LogCase):
    LIMIT = 16 * 1024

    def fill(self, options, rounds):
        server = self.start_quiet('--log-messages=on', '--log-file-size=16K', *options)
        peer = TextPeer(self, server.address)
        messages = []
        for _ in range(rounds):
            batch = new_uuids(20)
            peer.exchange(*batch)
            messages += batch
        self.assertEqual(server.stop(), 0)
        return [message.decode() for message in messages]

    def check_kept(self, count, messages):
        names = ['tcptimerd.log'] + ['tcptimerd.log.%d' % number for number in range(1, count + 1)]
        self.assertEqual(sorted(os.listdir(self.directory)), sorted(names))
        kept = []
        for name in reversed(names):
            text = read(os.path.join(self.directory, name))
            self.assertLessEqual(len(text), self.LIMIT)
            self.assertTrue(text.endswith('\n'), 'a line is cut')
            kept += re.findall(UUID, text)
        self.assertGreater(len(kept), 20)
        self.assertEqual(kept, messages[-len(kept):], 'not the last ones, or not in order')

    def test_old_files_are_kept_up_to_the_count(self):
        for count in (1, 3):
            with self.subTest(count=count):
                messages = self.fill(['--log-file-count=%d' % count], 100)
                self.check_kept(count, messages)
                shutil.rmtree(self.directory)
                os.mkdir(self.directory)

    def test_count_of_zero_starts_over_in_place(self):
        with open(self.log_file, 'w', encoding='utf-8') as file:
            inode = os.fstat(file.fileno()).st_ino
        messages = self.fill(['--log-file-count=0'], 50)
        self.assertEqual(os.listdir(self.directory), ['tcptimerd.log'])
        self.assertEqual(os.stat(self.log_file).st_ino, inode)
        self.assertLessEqual(os.stat(self.log_file).st_size, self.LIMIT)
        kept = re.findall(UUID, read(self.log_file))
        self.assertEqual(kept, messages[len(messages) - len(kept):])

    def test_restart_appends(self):
        first = self.start('--log-messages=on')
        message = new_uuid()
        TextPeer(self, first.address).exchange(message)
        self.assertEqual(first.stop(), 0)
        self.start().stop()
        self.assertIn(message.decode(), read(self.log_file))
        self.assertEqual(os.listdir(self.directory), ['tcptimerd.log'])

    def test_reopen_on_request(self):
        """What logrotate's postrotate asks for."""
        server = self.start('--log-messages=on')
        peer = TextPeer(self, server.address)
        before, after = new_uuid(), new_uuid()
        peer.exchange(before)
        self.await_in_file(before.decode())
        moved = self.log_file + '.moved'
        os.rename(self.log_file, moved)
        server.signal(signal.SIGUSR2)
        support.poll_until(lambda: os.path.exists(self.log_file), 'the file is opened anew')
        peer.exchange(after)
        self.await_in_file(after.decode())
        self.assertNotIn(after.decode(), read(moved))


class TestFailure(LogCase):
    """The log may fail; the answers may not."""

    def test_directory_removed_and_made_anew(self):
        server = self.start('--log-messages=on', '--log-file-size=4K')
        peer = TextPeer(self, server.address)
        peer.exchange(new_uuid())
        shutil.rmtree(self.directory)
        for _ in range(20):
            peer.exchange(*new_uuids(20))
        server.log.wait(r'tcptimerd\.log.*No such file|No such file.*tcptimerd\.log')
        self.assert_said_once(server)
        os.mkdir(self.directory)
        self.check_resumes(server, peer)

    def test_disk_full(self):
        self.mount_tmpfs('size=64k')
        server = self.start('--log-messages=on', '--log-file-size=1G')
        peer = TextPeer(self, server.address)
        peer.exchange(new_uuid())
        filler = os.path.join(self.directory, 'filler')
        with open(filler, 'wb', buffering=0) as file:
            try:
                while True:
                    file.write(b'x' * 4096)
            except OSError:
                pass
        for _ in range(20):
            peer.exchange(*new_uuids(100))
        server.log.wait(r'No space left')
        for _ in range(20):
            peer.exchange(*new_uuids(100))
        self.assert_said_once(server)
        os.unlink(filler)
        self.check_resumes(server, peer)

    def test_start_with_an_unusable_file_answers_all_the_same(self):
        self.log_file = os.path.join(self.directory, 'absent', 'tcptimerd.log')
        server = self.start()
        TextPeer(self, server.address).exchange(new_uuid())
        server.log.wait(r'absent')

    def assert_said_once(self, server):
        failures = server.log.matches(r'(?i)\b(err|error)\b.*tcptimerd\.log')
        self.assertEqual(len(failures), 1, server.stderr)

    def check_resumes(self, server, peer):
        """By itself, with the next messages; and it says how many were lost."""
        def arrived():
            message = new_uuid()
            peer.exchange(message)
            time.sleep(0.05)
            return message.decode() in read(self.log_file)

        support.poll_until(arrived, 'the file is written to again')
        server.log.wait(r'(?i)again|resume')

    def mount_tmpfs(self, options):
        """In a mount namespace of this process's own, which ends with it."""
        if os.geteuid() != 0:
            self.cannot_run_here('mounting a small file system needs root')
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(CLONE_NEWNS) != 0:
            self.cannot_run_here('no mount namespace: ' + os.strerror(ctypes.get_errno()))
        for command in (['mount', '--make-rprivate', '/'],
                        ['mount', '-t', 'tmpfs', '-o', options, 'tmpfs', self.directory]):
            done = subprocess.run(command, stderr=subprocess.PIPE, check=False)
            if done.returncode != 0:
                self.cannot_run_here('%s: %s' % (' '.join(command), done.stderr.decode().strip()))
        self.addCleanup(subprocess.run, ['umount', '--lazy', self.directory], check=False)


if __name__ == '__main__':
    support.main()
