# SPDX-License-Identifier: MIT
"""Ways to get the project into a machine."""

import glob
import os
import subprocess

import machine

SOURCE = os.path.abspath(os.path.join(os.path.dirname(__file__), '..', '..'))
PACKAGES = os.environ.get('TCPTIMER_PACKAGES', '')      # where system/packages puts them
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


def package(builder, pattern):
    """The one package of that name that a builder has made."""
    found = glob.glob(os.path.join(PACKAGES, builder, pattern))
    if len(found) != 1:
        raise AssertionError('%s of %s: found %s; system/packages builds it'
                             % (pattern, builder, found))
    return found[0]
