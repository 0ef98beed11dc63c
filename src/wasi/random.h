// SPDX-License-Identifier: Apache-2.0
// What both versions of wasi:random share. The insecure interfaces answer from the same generator:
// it is fast enough, and nothing is lost by better numbers.
#pragma once

#include "component/canon.h"

_must_use_ int random_fill(struct canon_call *call, void *data, size_t len);
// What seeds hash maps: the same as long as the instance lives.
_must_use_ int random_insecure_seed(struct canon_call *call, uint64_t *first, uint64_t *second);
// Bytes in the call's arena; at most WASI_RANDOM_BYTES_MAX.
_must_use_ int random_bytes(struct canon_call *call, uint64_t len, struct str *ret);
