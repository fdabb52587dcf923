# SPDX-License-Identifier: MIT
"""Ways to get the project into a machine."""

import os
import subprocess

import support

BUILD = os.environ.get('TCPTIMER_BUILD', '')
CONFIG = '/etc/tcptimer/tcptimerd.conf'


def tree(machine):
    """The build tree's own installation, as make install does it."""
    installed = subprocess.run(['cmake', '--install', BUILD], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               env=dict(os.environ, DESTDIR=machine.path('/').rstrip('/')))
    if installed.returncode != 0:
        raise AssertionError('no installation:\n' + installed.stdout.decode())
    machine.run('journalctl', '--update-catalog')
    machine.run('systemctl', 'daemon-reload')
