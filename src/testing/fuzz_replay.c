// SPDX-License-Identifier: Apache-2.0
// Runs a fuzz target over the files and folders named as arguments, so that every seed and every
// input that once found a bug is a test in ordinary builds. Prints TAP, one line per folder or
// file.
#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

#include "base/buf.h"

#define FUZZ_INPUT_BYTES_MAX ((size_t)64 * 1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rbe");
    if (!file)
        return -errno;
    BUF(content, FUZZ_INPUT_BYTES_MAX);
    char part[65536];
    size_t got;
    int rc = 0;
    while (rc == 0 && (got = fread(part, 1, sizeof(part), file)) > 0)
        rc = buf_add(&content, part, got);
    fclose(file);
    if (rc < 0)
        return rc;
    // An exact heap copy lets AddressSanitizer see reads behind the end.
    _cleanup_(mem_freep) uint8_t *exact = mem_dup(content.data, content.len);
    LLVMFuzzerTestOneInput(exact, content.len);
    return 0;
}

static int replay(const char *path)
{
    struct stat info;
    if (stat(path, &info) < 0)
        return -errno;
    if (!S_ISDIR(info.st_mode)) {
        int rc = replay_file(path);
        return rc < 0 ? rc : 1;
    }
    DIR *dir = opendir(path);
    if (!dir)
        return -errno;
    int count = 0;
    for (struct dirent *entry; count >= 0 && (entry = readdir(dir));) {
        if (entry->d_name[0] == '.')
            continue;
        _cleanup_(mem_freep) char *child = mem_printf("%s/%s", path, entry->d_name);
        int rc = replay(child);
        count = rc < 0 ? rc : count + rc;
    }
    closedir(dir);
    return count;
}

int main(int argc, char **argv)
{
    int failures = 0;
    printf("1..%d\n", argc - 1);
    for (int i = 1; i < argc; i++) {
        int count = replay(argv[i]);
        if (count <= 0)
            printf("# %s: %s\n", argv[i], count ? strerror(-count) : "no inputs");
        printf("%sok %d - %s (%d inputs)\n", count <= 0 ? "not " : "", i, argv[i], count);
        failures += count <= 0;
    }
    return failures > 0;
}
