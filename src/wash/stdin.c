// SPDX-License-Identifier: Apache-2.0
#include "wash/stdin.h"

#include <errno.h>

int stdin_read_all(struct buf *content, struct error *err)
{
    for (;;) {
        char part[65536];
        ssize_t got = read(STDIN_FILENO, part, sizeof(part));
        if (got == 0)
            return 0;
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_set_errno(err, -errno, "read standard input");
        if (buf_add(content, part, (size_t)got) < 0)
            return error_set(err, -EFBIG, "standard input holds more than %zu bytes", content->max);
    }
}
