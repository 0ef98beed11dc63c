// SPDX-License-Identifier: Apache-2.0
// Reads paths of binaries, one a line, from standard input and prints for each whether it is a
// valid component: "ok PATH" or "no PATH: reason". For tools/fuzz-diff.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "component/decode.h"
#include "component/validate.h"
#include "core_code.h"

#define FILE_BYTES_MAX ((size_t)64 << 20)

static int validate_code(struct core_code *core, const struct component *component,
                         struct error *err)
{
    int rc = 0;
    // Components nest to a depth that the decoder limits.
    for (uint32_t i = 0; i < component->def_count && rc == 0; i++) {
        const struct definition *def = &component->defs[i];
        if (def->kind == DEF_CORE_MODULE)
            rc = core_code_validate(core, def->module, err);
        else if (def->kind == DEF_COMPONENT)
            rc = validate_code(core, def->component, err);
    }
    return rc;
}

static int validate(struct core_code *core, const char *path, struct error *err)
{
    BUF(content, FILE_BYTES_MAX);
    int rc = file_read(path, &content, err);
    if (rc < 0)
        return rc;
    struct component *component;
    rc = component_decode_any(buf_str(&content), &component, err);
    if (rc < 0)
        return rc;
    rc = component_validate(component, NULL, err);
    if (rc == 0)
        rc = validate_code(core, component, err);
    component_free(component);
    return rc;
}

int main(void)
{
    struct core_code *core = core_code_new();
    char path[4096];
    while (fgets(path, sizeof(path), stdin)) {
        path[strcspn(path, "\n")] = '\0';
        ERROR(err);
        if (validate(core, path, &err) == 0)
            printf("ok %s\n", path);
        else
            printf("no %s: %s\n", path, error_text(&err));
        // What is lost when a later file ends the process must not be this one's line.
        fflush(stdout);
    }
    core_code_free(core);
    return 0;
}
