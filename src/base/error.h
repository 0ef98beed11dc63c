// SPDX-License-Identifier: Apache-2.0
// The reason of a failure, in words for a person.
//
// A fallible function returns 0 or a negative errno; where a person reads the reason its last
// parameter is `struct error *err`, which may be NULL. A message names what was being done, to
// what, what was wrong and what would fix it. Context is added on the way up: "outer: inner".
#pragma once

#include "base/str.h"

struct error {
    int code;      // negative errno, 0 when empty
    char *message; // heap, NULL when empty
};

#define ERROR_INIT ((struct error){0, NULL})

// Declares an error that is released at the end of scope.
#define ERROR(name) _cleanup_(error_done) struct error name = {0, NULL}

// Fills `err` (if not NULL, replacing what it held) and returns `code`.
int error_set(struct error *err, int code, const char *fmt, ...) _printf_(3, 4);

// The same, with ": strerror(-code)" appended.
int error_set_errno(struct error *err, int code, const char *fmt, ...) _printf_(3, 4);

// Puts "context: " before the message; returns the error's code.
int error_wrap(struct error *err, const char *fmt, ...) _printf_(2, 3);

// Moves the content of `from` to `to` (if not NULL) and returns the code.
int error_move(struct error *to, struct error *from);

// Releases; the error is empty again.
void error_done(struct error *err);

// The message, or a text for an empty error; never NULL.
const char *error_text(const struct error *err);
