/* SPDX-License-Identifier: MIT */
#include "client/completion.h"

#include <stdbool.h>
#include <string.h>

#include "client/options.h"

#define HEADER "# Completion of tcptimer(1); generated from its table of options.\n"

/* "a|b" with another separator. */
static void put_values(FILE *out, const char *values, char separator)
{
    for (; *values; values++)
        (void)fputc(*values == '|' ? separator : *values, out);
}

static void put_names(FILE *out, const struct option_info *info, const char *separator)
{
    if (info->letter)
        (void)fprintf(out, "-%c%s", info->letter, separator);
    (void)fprintf(out, "--%s", info->name);
}

/* ---- bash ---- */

void completion_print_bash(FILE *out)
{
    struct option_info info;

    (void)fputs(HEADER
                "_tcptimer()\n"
                "{\n"
                "    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}\n"
                "    case $previous in\n", out);
    for (size_t i = 0; options_describe(i, &info); i++) {
        if (!info.argument || info.is_argument_optional)
            continue;
        (void)fputs("    ", out);
        put_names(out, &info, "|");
        (void)fputs(") COMPREPLY=(", out);
        if (info.is_file) {
            (void)fputs("$(compgen -f -- \"$current\")", out);
        } else if (info.values) {
            (void)fputs("$(compgen -W '", out);
            put_values(out, info.values, ' ');
            (void)fputs("' -- \"$current\")", out);
        } else if (strcmp(info.name, "host") == 0) {
            (void)fputs("$(compgen -A hostname -- \"$current\")", out);
        }
        (void)fputs("); return;;\n", out);
    }
    (void)fputs("    esac\n"
                "    case $current in\n"
                "    -*) COMPREPLY=($(compgen -W '", out);
    for (size_t i = 0; options_describe(i, &info); i++)
        (void)fprintf(out, "%s--%s", i > 0 ? " " : "", info.name);
    (void)fputs("' -- \"$current\"));;\n"
                "    *) COMPREPLY=($(compgen -A hostname -- \"$current\"));;\n"
                "    esac\n"
                "}\n"
                "complete -F _tcptimer tcptimer\n", out);
}

/* ---- fish ---- */

/* Quoted for fish and zsh alike, where the texts have no backslashes. */
static void put_quoted(FILE *out, const char *text, const char *quote)
{
    for (; *text; text++) {
        if (*text == '\'')
            (void)fputs(quote, out);
        else
            (void)fputc(*text, out);
    }
}

void completion_print_fish(FILE *out)
{
    struct option_info info;

    (void)fputs(HEADER "complete -c tcptimer -f -a '(__fish_print_hostnames)'\n", out);
    for (size_t i = 0; options_describe(i, &info); i++) {
        (void)fputs("complete -c tcptimer", out);
        if (info.letter)
            (void)fprintf(out, " -s %c", info.letter);
        (void)fprintf(out, " -l %s", info.name);
        if (info.argument && !info.is_argument_optional)
            (void)fputs(info.is_file ? " -r -F" : " -x", out);
        if (info.values) {
            (void)fputs(" -a '", out);
            put_values(out, info.values, ' ');
            (void)fputc('\'', out);
        }
        if (info.help) {
            (void)fputs(" -d '", out);
            put_quoted(out, info.help, "\\'");
            (void)fputc('\'', out);
        }
        (void)fputc('\n', out);
    }
}

/* ---- zsh ---- */

/* In a specification of _arguments, brackets and colons have a meaning. */
static void put_zsh_help(FILE *out, const char *help)
{
    for (; *help; help++) {
        if (strchr("[]:", *help))
            (void)fputc('\\', out);
        if (*help == '\'')
            (void)fputs("'\\''", out);
        else
            (void)fputc(*help, out);
    }
}

static void put_zsh_option(FILE *out, const struct option_info *info, bool is_letter)
{
    if (is_letter)
        (void)fprintf(out, "    '-%c%s", info->letter, info->argument ? "+" : "");
    else
        (void)fprintf(out, "    '--%s%s", info->name,
                      !info->argument              ? ""
                      : info->is_argument_optional ? "=-"
                                                   : "=");
    if (info->help) {
        (void)fputc('[', out);
        put_zsh_help(out, info->help);
        (void)fputc(']', out);
    }
    if (info->argument) {
        (void)fputs(info->is_argument_optional ? "::" : ":", out);
        put_zsh_help(out, info->argument);
        (void)fputc(':', out);
        if (info->values) {
            (void)fputc('(', out);
            put_values(out, info->values, ' ');
            (void)fputc(')', out);
        } else if (info->is_file) {
            (void)fputs("_files", out);
        }
    }
    (void)fputs("' \\\n", out);
}

void completion_print_zsh(FILE *out)
{
    struct option_info info;

    (void)fputs("#compdef tcptimer\n" HEADER "_arguments -s -S \\\n", out);
    for (size_t i = 0; options_describe(i, &info); i++) {
        put_zsh_option(out, &info, false);
        if (info.letter)
            put_zsh_option(out, &info, true);
    }
    (void)fputs("    '1:host:_hosts'\n", out);
}
