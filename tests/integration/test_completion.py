# SPDX-License-Identifier: MIT
"""What bash offers for a command line that was begun, by the completion installed for it."""

import os
import shutil
import subprocess

import support

COMPLETION = os.path.join(os.environ.get('TCPTIMER_BUILD', ''), 'client', 'bash', 'tcptimer')

# As readline does, which takes an equals sign for a word of its own.
SCRIPT = '''
    . "$1" || exit
    shift
    COMP_WORDS=(tcptimer "$@")
    COMP_CWORD=$#
    COMPREPLY=()
    _tcptimer tcptimer "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
    [ ${#COMPREPLY[@]} -eq 0 ] || printf '%s\\n' "${COMPREPLY[@]}"
'''


class TestBash(support.Case):
    def setUp(self):
        super().setUp()
        if shutil.which('bash') is None:
            self.cannot_run_here('bash is not installed')
        os.mkdir(self.path('with blank'))
        self.write('with blank/x.hgrm', '')

    def offers(self, *words):
        """What there is for the last of the words."""
        done = subprocess.run(['bash', '--norc', '-c', SCRIPT, 'bash', COMPLETION, *words],
                              cwd=self.tmp, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, universal_newlines=True)
        self.assertEqual((done.returncode, done.stderr), (0, ''))
        return done.stdout.splitlines()

    def test_options(self):
        self.assertEqual(self.offers('--proto'), ['--protocol'])
        self.assertIn('--json', self.offers('-c', '5', '-'))

    def test_value_as_the_next_word(self):
        self.assertEqual(self.offers('--protocol', 'n'), ['native'])
        self.assertEqual(self.offers('--protocol', ''), ['auto', 'native', 'text'])

    def test_value_behind_an_equals_sign(self):
        self.assertEqual(self.offers('--protocol', '=', 'n'), ['native'])
        self.assertEqual(self.offers('--protocol', '='), ['auto', 'native', 'text'])
        self.assertEqual(self.offers('-c', '5', '--arrivals', '=', 'p'), ['poisson'])

    def test_nothing_for_a_number(self):
        self.assertEqual(self.offers('--count', ''), [])
        self.assertEqual(self.offers('--count', '='), [])

    def test_files_into_directories_with_blanks(self):
        for form in (['--hgrm'], ['--hgrm', '='], ['--log-file', '=']):
            with self.subTest(form=form):
                self.assertEqual(self.offers(*form, 'wi'), ['with blank'])
                self.assertEqual(self.offers(*form, 'with blank/'), ['with blank/x.hgrm'])

    def test_optional_argument_is_not_the_next_word(self):
        self.assertNotIn('with blank', self.offers('--log-file', 'wi'))
        self.assertEqual(self.offers('--busy-poll', '--proto'), ['--protocol'])


if __name__ == '__main__':
    support.main()
