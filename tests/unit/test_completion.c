/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/test.h"

#include "client/completion.h"
#include "client/options.h"

static char *print(void (*print_completion)(FILE *out))
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);

    assert_non_null(f);
    print_completion(f);
    assert_int_equal(fclose(f), 0);
    return text;
}

/* Every option, in the form that the shell's file has it, is there. */
static void assert_complete(char *text, const char *before, const char *after)
{
    struct option_info info;

    for (size_t i = 0; options_describe(i, &info); i++) {
        char word[64];
        const char *at;

        (void)snprintf(word, sizeof(word), "%s%s", before, info.name);
        at = strstr(text, word);
        while (at && !strchr(after, at[strlen(word)]))
            at = strstr(at + 1, word);
        if (!at)
            fail_msg("no option '%s'", word);
    }
    free(text);
}

static void test_bash_knows_every_option(void **state)
{
    (void)state;
    assert_complete(print(completion_print_bash), "--", " ')|");
}

static void test_fish_knows_every_option(void **state)
{
    (void)state;
    assert_complete(print(completion_print_fish), " -l ", " \n");
}

static void test_zsh_knows_every_option(void **state)
{
    (void)state;
    assert_complete(print(completion_print_zsh), "'--", "=[':");
}

static void test_values_are_offered(void **state)
{
    char *bash = print(completion_print_bash);
    char *fish = print(completion_print_fish);
    char *zsh = print(completion_print_zsh);

    (void)state;
    assert_non_null(strstr(bash, "--protocol=)\n        COMPREPLY=($(compgen -W 'auto native text'"));
    assert_non_null(strstr(fish, "-l protocol -x -a 'auto native text'"));
    assert_non_null(strstr(zsh, "'--protocol=[auto, native or text (auto)]:P:(auto native text)'"));
    free(bash);
    free(fish);
    free(zsh);
}

/* An argument that may be left out can only stand behind an equals sign. */
static void test_optional_argument_is_not_the_next_word(void **state)
{
    char *bash = print(completion_print_bash);
    char *fish = print(completion_print_fish);
    char *zsh = print(completion_print_zsh);

    (void)state;
    assert_non_null(strstr(bash, " --log-file=)"));
    assert_null(strstr(bash, "--log-file|"));
    assert_non_null(strstr(fish, "-l log-file -F"));
    assert_non_null(strstr(zsh, "'--log-file=-["));
    free(bash);
    free(fish);
    free(zsh);
}

static void test_quotes_are_escaped(void **state)
{
    char *fish = print(completion_print_fish);
    char *zsh = print(completion_print_zsh);

    (void)state;
    assert_non_null(strstr(fish, "leave Nagle\\'s algorithm on"));
    assert_non_null(strstr(zsh, "leave Nagle'\\''s algorithm on"));
    free(fish);
    free(zsh);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bash_knows_every_option),
        cmocka_unit_test(test_fish_knows_every_option),
        cmocka_unit_test(test_zsh_knows_every_option),
        cmocka_unit_test(test_values_are_offered),
        cmocka_unit_test(test_optional_argument_is_not_the_next_word),
        cmocka_unit_test(test_quotes_are_escaped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
