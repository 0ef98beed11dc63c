// SPDX-License-Identifier: Apache-2.0
#include "trap_kind.h"

// Parts of messages: theirs, and what ours for the same kind of trap has. The first row whose part
// of theirs occurs decides.
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
    {STR_INIT("`unreachable` instruction"), STR_INIT("`unreachable` instruction")},
};

bool trap_is_of_kind(struct str expected, struct str message)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (str_find(expected, kinds[i].expected) >= 0)
            return str_find(message, kinds[i].ours) >= 0;
    return true;
}
