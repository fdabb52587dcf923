# SPDX-License-Identifier: MIT
"""Ways to get the project into a machine."""

import os
import subprocess

import machine

BUILD = os.environ.get('TCPTIMER_BUILD', '')
CONFIG = '/etc/tcptimer/tcptimerd.conf'


def suites_of_tree():
    """Where programs of this host run: on its own release, and on later ones."""
    own = machine.host_suite()
    return machine.SUITES[machine.SUITES.index(own):] if own else ()


def tree(host):
    """The build tree's own installation, as make install does it."""
    installed = subprocess.run(['cmake', '--install', BUILD], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               env=dict(os.environ, DESTDIR=host.path('/').rstrip('/')))
    if installed.returncode != 0:
        raise AssertionError('no installation:\n' + installed.stdout.decode())
    host.run('journalctl', '--update-catalog')
    host.run('systemctl', 'daemon-reload')
