/* SPDX-License-Identifier: MIT */
/* Part of the build, not installed: prints the completion for the shell in argv[1]. */
#include <stdio.h>
#include <string.h>

#include "client/completion.h"
#include "common/base.h"

int main(int argc, char **argv)
{
    static const struct {
        const char *shell;
        void (*print)(FILE *out);
    } completions[] = {
        {"bash", completion_print_bash},
        {"fish", completion_print_fish},
        {"zsh", completion_print_zsh},
    };

    for (size_t i = 0; argc == 2 && i < ARRAY_SIZE(completions); i++) {
        if (strcmp(argv[1], completions[i].shell) == 0) {
            completions[i].print(stdout);
            return fflush(stdout) == 0 ? 0 : 1;
        }
    }
    (void)fputs("usage: completion bash|fish|zsh\n", stderr);
    return 2;
}
