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

/* The words behind which stands a value of the option. */
static void put_bash_pattern(FILE *out, const struct option_info *info)
{
    if (!info->is_argument_optional) {
        put_names(out, info, "|");
        (void)fputc('|', out);
    }
    (void)fprintf(out, "--%s=", info->name);
}

static void put_bash_value(FILE *out, const struct option_info *info)
{
    if (info->is_file) {
        /* Readline then knows directories, and quotes blanks; there is none to tell in a test. */
        (void)fputs("compopt -o filenames 2>/dev/null\n"
                    "        mapfile -t COMPREPLY < <(compgen -f -- \"$current\")", out);
    } else if (info->values) {
        (void)fputs("COMPREPLY=($(compgen -W '", out);
        put_values(out, info->values, ' ');
        (void)fputs("' -- \"$current\"))", out);
    } else if (strcmp(info->name, "host") == 0) {
        (void)fputs("COMPREPLY=($(compgen -A hostname -- \"$current\"))", out);
    } else {
        (void)fputs("COMPREPLY=()", out);
    }
}

void completion_print_bash(FILE *out)
{
    struct option_info info;

    (void)fputs(HEADER
                "_tcptimer()\n"
                "{\n"
                "    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}\n"
                "    # --option=value is three words to readline.\n"
                "    if [[ $current == = ]]; then\n"
                "        current= previous+==\n"
                "    elif [[ $previous == = ]]; then\n"
                "        previous=${COMP_WORDS[COMP_CWORD-2]}=\n"
                "    fi\n"
                "    case $previous in\n", out);
    for (size_t i = 0; options_describe(i, &info); i++) {
        if (!info.argument)
            continue;
        (void)fputs("    ", out);
        put_bash_pattern(out, &info);
        (void)fputs(")\n        ", out);
        put_bash_value(out, &info);
        (void)fputs("; return;;\n", out);
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
        if (info.is_file)
            (void)fputs(info.is_argument_optional ? " -F" : " -r -F", out);
        else if (info.argument && !info.is_argument_optional)
            (void)fputs(" -x", out);
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
