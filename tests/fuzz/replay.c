/* SPDX-License-Identifier: MIT */
/*
 * Runs a harness over the files of a directory, for builds without libFuzzer: what fuzzing found
 * once stays a test.
 */
#include <dirent.h>
#include <limits.h>
#include <stdbool.h>

#include "common/base.h"
#include "tests/fuzz/fuzz.h"

#define INPUT_MAX (1 << 20)

/* Returns whether the file could be read. */
static bool replay(const char *path)
{
    _cleanup_(freep) uint8_t *data = malloc(INPUT_MAX);
    FILE *file = fopen(path, "re");
    _cleanup_(freep) uint8_t *exact = NULL;
    size_t n;

    if (!data || !file) {
        perror(path);
        return false;
    }
    n = fread(data, 1, INPUT_MAX, file);
    (void)fclose(file);

    exact = fuzz_copy(data, n);
    (void)LLVMFuzzerTestOneInput(exact, n);
    return true;
}

int main(int argc, char **argv)
{
    struct dirent **entries;
    int n = argc == 2 ? scandir(argv[1], &entries, NULL, alphasort) : -1;
    int n_replayed = 0;
    bool ok = true;

    if (n < 0) {
        (void)fprintf(stderr, "usage: %s CORPUS-DIRECTORY\n", argv[0]);
        return EXIT_FAILURE;
    }

    for (int i = 0; i < n; i++) {
        char path[PATH_MAX];

        if (entries[i]->d_name[0] != '.') {
            (void)snprintf(path, sizeof(path), "%s/%s", argv[1], entries[i]->d_name);
            ok = replay(path) && ok;
            n_replayed++;
        }
        free(entries[i]);
    }
    free(entries);

    (void)printf("%d inputs replayed\n", n_replayed);
    return ok && n_replayed > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
