# SPDX-License-Identifier: MIT
"""The examples of tcptimerd(8), as commands that a machine can run."""

import os
import re

import install

PAGE = os.path.join(install.SOURCE, 'daemon', 'tcptimerd.8.scd')


def examples():
    """Heading -> the lines of its literal block, as the page shows them."""
    with open(PAGE, encoding='utf-8') as file:
        _, _, section = file.read().partition('\n# EXAMPLES\n')
    section = re.split(r'\n# [A-Z]', section)[0]
    blocks = re.findall(r'(?ms)^## (.*?)$.*?^```\n(.*?)^```$', section)
    return {heading: re.sub(r'\\(.)', r'\1', block) for heading, block in blocks}


def script(example):
    """What the lines are to a shell: commands after "# ", and what is typed into systemctl edit."""
    lines = ['set -e']
    edited = False
    for line in example.replace('\\\n', '').splitlines():
        edit = re.match(r'# systemctl edit (\S+)$', line)
        if line.startswith('# ') and edited:
            lines += ['EOF', 'systemctl daemon-reload']
            edited = False
        if edit:
            lines += ['mkdir -p /etc/systemd/system/%s.d' % edit.group(1),
                      'cat >/etc/systemd/system/%s.d/override.conf <<"EOF"' % edit.group(1)]
            edited = True
        else:
            lines.append(line[2:] if line.startswith('# ') else line)
    if edited:
        lines += ['EOF', 'systemctl daemon-reload']
    return '\n'.join(lines)
