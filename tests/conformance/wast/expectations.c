// SPDX-License-Identifier: Apache-2.0
// The list of directives that are expected not to pass: FILE, line, `fail` or `skip`, reason, split
// by tabs; `#` begins a comment.
#include <errno.h>

#include "base/file.h"
#include "base/vec.h"
#include "wast.h"

static int parse_row(struct str row, struct wast_expectation *out)
{
    struct str line;
    struct str kind;
    uint64_t number;
    if (!str_cut(row, '\t', &out->file, &row) || !str_cut(row, '\t', &line, &row) ||
        !str_cut(row, '\t', &kind, &out->reason) || str_to_u64(line, UINT32_MAX, &number) < 0)
        return -EINVAL;
    out->line = (uint32_t)number;
    out->is_skip = str_is(kind, "skip");
    return out->is_skip || str_is(kind, "fail") ? 0 : -EINVAL;
}

int wast_expectations_read(const char *path, struct wast_expectations *out, struct error *err)
{
    BUF(content, WAST_FILE_BYTES_MAX);
    int rc = file_read(path, &content, err);
    if (rc < 0)
        return rc;
    out->text = buf_take(&content);
    struct str rest = str_from(out->text);
    struct str row;
    for (unsigned line = 1; rest.len > 0; line++) {
        (void)str_cut(rest, '\n', &row, &rest);
        if (row.len == 0 || row.data[0] == '#')
            continue;
        struct wast_expectation *item = vec_push(out);
        if (parse_row(row, item) < 0)
            return error_set(err, -EINVAL, "%s:%u: not FILE, line, fail or skip, reason", path,
                             line);
    }
    return 0;
}

void wast_expectations_done(struct wast_expectations *expectations)
{
    free(expectations->items);
    free(expectations->text);
    memset(expectations, 0, sizeof(*expectations));
}
