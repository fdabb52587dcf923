# SPDX-License-Identifier: MIT
"""The packages themselves, without installing them: complete, clean by the distributions' own
checkers, hardened, and the same bytes when built again elsewhere.

What is built here, in TCPTIMER_PACKAGES, the tests that install packages use.
"""

import glob
import os
import re
import shutil
import subprocess

import support

SOURCE = os.path.abspath(os.path.join(os.path.dirname(__file__), '..', '..'))
PACKAGES = os.environ.get('TCPTIMER_PACKAGES', '')

CLIENT_FILES = {'/usr/bin/tcptimer', '/usr/share/man/man1/tcptimer.1.gz',
                '/usr/share/man/man7/tcptimer-protocol.7.gz',
                '/usr/share/bash-completion/completions/tcptimer',
                '/usr/share/fish/vendor_completions.d/tcptimer.fish'}
DAEMON_FILES = {'/usr/sbin/tcptimerd', '/etc/tcptimer/tcptimerd.conf',
                '/usr/lib/systemd/catalog/tcptimer.catalog',
                '/usr/lib/firewalld/services/tcptimer.xml',
                '/usr/lib/systemd/system/tcptimer.service', '/usr/lib/systemd/system/tcptimer.socket',
                '/usr/share/man/man5/tcptimerd.conf.5.gz', '/usr/share/man/man8/tcptimerd.8.gz'}


def run(*command, **how):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, **how)
    output = done.stdout.decode('utf-8', 'replace')
    if done.returncode != 0:
        raise AssertionError('%s: status %d\n%s' % (' '.join(command), done.returncode, output))
    return output


def read(*path):
    with open(os.path.join(SOURCE, *path), encoding='utf-8') as file:
        return file.read()


class PackageCase(support.Case):
    """Builds once for all cases, in the directory from which others install."""

    BUILDER = None          # in packaging/
    TOOLS = ()
    PATTERN = None          # of the files that must be the same every time

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        missing = [tool for tool in cls.TOOLS if shutil.which(tool) is None]
        if missing:
            cls.cannot_run_here(' and '.join(missing) + ' not installed')
        cls.out = os.path.join(PACKAGES, cls.BUILDER)
        shutil.rmtree(cls.out, ignore_errors=True)
        run(os.path.join(SOURCE, 'packaging', cls.BUILDER), cls.out)

    def one(self, pattern):
        found = glob.glob(os.path.join(self.out, pattern))
        self.assertEqual(len(found), 1, pattern)
        return found[0]

    def check_reproducible(self):
        """Another copy of the sources, other times and another umask, another output directory."""
        copy, out = self.path('elsewhere'), self.path('out')
        run(os.path.join(SOURCE, 'packaging', 'export-source'), copy)
        for name in glob.glob(os.path.join(copy, '**'), recursive=True):
            os.utime(name)
        run('sh', '-c', 'umask 077 && exec "$@"', 'sh',
            os.path.join(copy, 'packaging', self.BUILDER), out,
            env=dict(os.environ, TZ='Pacific/Auckland', LC_ALL='C',
                     DEB_BUILD_OPTIONS='nocheck', RPMBUILD_OPTIONS='--without check'))
        built = sorted(map(os.path.basename, glob.glob(os.path.join(self.out, self.PATTERN))))
        self.assertTrue(built)
        for name in built:
            run('cmp', os.path.join(self.out, name), os.path.join(out, name))

    def check_hardened(self, program):
        header = run('readelf', '--wide', '--file-header', '--segments', '--dynamic', program)
        self.assertRegex(header, r'Type:\s+DYN')                    # position independent
        self.assertRegex(header, r'GNU_RELRO')
        self.assertRegex(header, r'BIND_NOW|Flags: .*NOW')
        self.assertRegex(header, r'GNU_STACK .* RW ')               # and not executable
        symbols = run('readelf', '--wide', '--dyn-syms', program)
        self.assertRegex(symbols, r'__stack_chk_fail')
        self.assertRegex(symbols, r'__\w+_chk@')                    # fortified
        self.assertNotIn('__assert_fail', symbols)                  # as the release preset has it
        self.assertNotIn('.debug_info', run('readelf', '--wide', '--sections', program))

    def check_version(self, version):
        self.assertRegex(read('CMakeLists.txt'), r'project\(tcptimer VERSION %s ' % version)
        self.assertRegex(read('NEWS.md'), r'(?m)^## %s$' % version)


class TestDeb(PackageCase):
    BUILDER = 'build-deb'
    TOOLS = ('dpkg-buildpackage', 'dh', 'lintian')
    PATTERN = '*.deb'

    def files(self, pattern):
        listed = run('dpkg-deb', '--contents', self.one(pattern))
        return {line.split()[5].lstrip('.') for line in listed.splitlines()
                if not line.startswith('d')}

    def scripts(self):
        """The maintainer scripts of the daemon's package, as name -> text."""
        run('dpkg-deb', '--control', self.one('tcptimerd_*.deb'), self.path('control'))
        scripts = {}
        for name in ('preinst', 'postinst', 'prerm', 'postrm'):
            path = self.path(os.path.join('control', name))
            if os.path.exists(path):
                with open(path, encoding='utf-8') as file:
                    scripts[name] = file.read()
        return scripts

    def test_contents(self):
        daemon = self.files('tcptimerd_*.deb')
        self.assertEqual(DAEMON_FILES - daemon, set())
        # On the other side of the link to /usr, dpkg would not know its own files again.
        self.assertEqual([name for name in daemon if name.startswith('/lib')], [])
        client = CLIENT_FILES | {'/usr/share/zsh/vendor-completions/_tcptimer'}
        self.assertEqual(client - self.files('tcptimer_*.deb'), set())

    def test_lintian_finds_nothing(self):
        run('lintian', '--allow-root', '--pedantic', '--fail-on', 'error,warning,pedantic',
            self.one('*.changes'))

    def test_installation_starts_the_socket_only(self):
        postinst = self.scripts()['postinst']
        self.assertEqual(re.findall(r"deb-systemd-helper enable '(\S+)'", postinst),
                         ['tcptimer.socket'])
        self.assertEqual(re.findall(r"deb-systemd-invoke start '(\S+)'", postinst),
                         ['tcptimer.socket'])
        self.assertEqual(re.findall(r"deb-systemd-invoke \S*restart\S* '(\S+)'", postinst),
                         ['tcptimer.service'])

    def test_upgrade_does_not_stop_the_socket(self):
        scripts = self.scripts()
        self.assertNotIn('preinst', scripts)
        stopping = re.findall(r'(?ms)^if (.*?)^fi$', scripts['prerm'])
        self.assertTrue(stopping)
        for block in stopping:
            self.assertIn('"$1" = remove', block)

    def test_version_is_the_same_everywhere(self):
        self.check_version(re.match(r'tcptimer \(([\d.]+)\)',
                                    read('packaging', 'debian', 'changelog')).group(1))

    def test_programs_are_hardened_and_symbols_apart(self):
        for name in ('tcptimer', 'tcptimerd'):
            run('dpkg-deb', '--extract', self.one(name + '_*.deb'), self.path('files'))
            self.one(name + '-dbgsym_*.deb')
        self.check_hardened(self.path('files/usr/bin/tcptimer'))
        self.check_hardened(self.path('files/usr/sbin/tcptimerd'))

    def test_same_bytes_when_built_elsewhere(self):
        self.check_reproducible()


class TestRpm(PackageCase):
    BUILDER = 'build-rpm'
    TOOLS = ('rpmbuild', 'rpmlint')
    PATTERN = '*.rpm'

    def files(self, pattern):
        return set(run('rpm', '--query', '--list', '--package', self.one(pattern)).splitlines())

    def test_contents(self):
        self.assertEqual(DAEMON_FILES - self.files('tcptimerd-[0-9]*.rpm'), set())
        client = CLIENT_FILES | {'/usr/share/zsh/site-functions/_tcptimer'}
        self.assertEqual(client - self.files('tcptimer-[0-9]*.rpm'), set())
        configuration = run('rpm', '--query', '--configfiles', '--package',
                            self.one('tcptimerd-[0-9]*.rpm'))
        self.assertEqual(configuration.split(), ['/etc/tcptimer/tcptimerd.conf'])

    def test_rpmlint_finds_nothing(self):
        found = run('rpmlint', '--config', os.path.join(SOURCE, 'packaging/rpm/rpmlint.toml'),
                    *glob.glob(os.path.join(self.out, '*.rpm')),
                    os.path.join(SOURCE, 'packaging/rpm/tcptimer.spec'))
        self.assertRegex(found, r'; 0 errors, 0 warnings')

    def test_scripts_never_stop_the_socket_on_upgrade(self):
        scripts = run('rpm', '--query', '--scripts', '--package', self.one('tcptimerd-[0-9]*.rpm'))
        stopping = re.search(r'(?ms)^preuninstall.*?^(.*?)^postuninstall', scripts).group(1)
        self.assertRegex(stopping, r'"\$1" -eq 0')
        self.assertNotRegex(scripts, r'restart tcptimer\.socket')

    def test_version_is_the_same_everywhere(self):
        self.check_version(re.search(r'(?m)^Version: +([\d.]+)$',
                                     read('packaging', 'rpm', 'tcptimer.spec')).group(1))

    def test_programs_are_hardened_and_symbols_apart(self):
        for name in ('tcptimer', 'tcptimerd'):
            run('sh', '-c', 'mkdir -p "$2" && cd "$2" && rpm2cpio "$1" | cpio --quiet -id', 'sh',
                self.one(name + '-[0-9]*.rpm'), self.path('files'))
        self.one('tcptimer-debuginfo-*.rpm')
        self.check_hardened(self.path('files/usr/bin/tcptimer'))
        self.check_hardened(self.path('files/usr/sbin/tcptimerd'))

    def test_same_bytes_when_built_elsewhere(self):
        self.check_reproducible()


if __name__ == '__main__':
    support.main()
