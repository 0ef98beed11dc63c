// SPDX-License-Identifier: Apache-2.0
#include "trap_kind.h"

// Parts of messages: theirs, and what ours for the same kind of trap has.
static const struct {
    struct str expected;
    struct str ours;
} kinds[] = {
    {STR_INIT("unknown handle index"), STR_INIT("unknown handle index")},
    {STR_INIT("used with the wrong type"), STR_INIT("refers to a ")},
    {STR_INIT("cannot remove owned resource while borrowed"), STR_INIT("it has lends")},
    {STR_INIT("borrow handles still remain"), STR_INIT("borrow handles still remain")},
    {STR_INIT("cannot leave component instance"), STR_INIT("cannot leave component instance")},
    {STR_INIT("invalid `char` bit pattern"), STR_INIT("is not a Unicode scalar value")},
    {STR_INIT("invalid variant discriminant"), STR_INIT(" of a type with ")},
    {STR_INIT("utf-8"), STR_INIT("is not valid UTF-8")},
    {STR_INIT("unaligned"), STR_INIT(" is not aligned to ")},
    {STR_INIT("result not aligned"), STR_INIT(" is not aligned to ")},
    {STR_INIT("out-of-bounds"), STR_INIT(" are outside the memory of ")},
    {STR_INIT("out of bounds of memory"), STR_INIT(" are outside the memory of ")},
    {STR_INIT("beyond end of memory"), STR_INIT(" are outside the memory of ")},
    {STR_INIT("cannot enter component instance"), STR_INIT("cannot enter component instance")},
    {STR_INIT("cannot enter component instance"), STR_INIT("trapped or exited before")},
    {STR_INIT("cannot block a synchronous task"), STR_INIT("cannot block a synchronous task")},
    {STR_INIT("deadlock"), STR_INIT("deadlock")},
    {STR_INIT("busy stream"), STR_INIT("while a copy goes on")},
    {STR_INIT("cannot drop future write end"), STR_INIT("without writing it")},
    {STR_INIT("cannot drop a subtask"), STR_INIT("cannot drop subtask")},
    {STR_INIT("cannot drop waitable set"), STR_INIT("cannot drop waitable set")},
    {STR_INIT("it's in a waitable set"), STR_INIT("it is in a waitable set")},
    {STR_INIT("being notified that"), STR_INIT("being notified that")},
    {STR_INIT("after previous"), STR_INIT("being notified that")},
    {STR_INIT("intra-component"), STR_INIT("within one component instance")},
    {STR_INIT("`unreachable` instruction"), STR_INIT("`unreachable` instruction")},
};

bool trap_is_of_kind(struct str expected, struct str message)
{
    bool is_known = false;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (str_find(expected, kinds[i].expected) < 0)
            continue;
        if (str_find(message, kinds[i].ours) >= 0)
            return true;
        is_known = true;
    }
    return !is_known;
}
