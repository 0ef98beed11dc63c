// SPDX-License-Identifier: Apache-2.0
// What the files of the encoder share.
#pragma once

#include "component/encode.h"

// Section ids of a component.
enum encode_section {
    ENCODE_CUSTOM,
    ENCODE_CORE_MODULE,
    ENCODE_CORE_INSTANCE,
    ENCODE_CORE_TYPE,
    ENCODE_COMPONENT,
    ENCODE_INSTANCE,
    ENCODE_ALIAS,
    ENCODE_TYPE,
    ENCODE_CANON,
    ENCODE_START,
    ENCODE_IMPORT,
    ENCODE_EXPORT,
};

// Begins a definition of that section, or the declarator of that kind; its bytes follow.
struct writer *encode_begin(struct encoder *e, enum encode_section section);
uint32_t encode_new_index(struct encoder *e, enum sort sort);

void encode_sort(struct writer *w, enum sort sort);
void encode_val_ref(struct writer *w, const struct val_ref *ref);
// A function's result: none, or one.
void encode_result(struct writer *w, bool has_result, const struct val_ref *result);
