// SPDX-License-Identifier: Apache-2.0
#include "component/wave_types_test.h"

static const struct type bool_ = {.kind = TYPE_BOOL}, s8 = {.kind = TYPE_S8},
                         u8 = {.kind = TYPE_U8}, u64 = {.kind = TYPE_U64}, s64 = {.kind = TYPE_S64},
                         f32 = {.kind = TYPE_F32}, f64 = {.kind = TYPE_F64},
                         char_ = {.kind = TYPE_CHAR}, string = {.kind = TYPE_STRING};
static const struct type bytes = {.kind = TYPE_LIST, .element = &u8};
static const struct type strings = {.kind = TYPE_LIST, .element = &string};
static const struct type triple = {.kind = TYPE_FIXED_LIST, .element = &u8, .length = 3};
static const struct type map = {.kind = TYPE_MAP, .element = &string, .error = &u8};
static const struct type_field pair[] = {{STR_INIT(""), &string}, {STR_INIT(""), &u8}};
static const struct type tuple = {.kind = TYPE_TUPLE, .fields = pair, .field_count = 2};
static const struct type option = {.kind = TYPE_OPTION, .element = &u8};
static const struct type nested = {.kind = TYPE_OPTION, .element = &option};
static const struct type_field fields[] = {{STR_INIT("must-have"), &u8},
                                           {STR_INIT("optional"), &option}};
static const struct type record = {.kind = TYPE_RECORD, .fields = fields, .field_count = 2};
static const struct type_field optional_fields[] = {{STR_INIT("true"), &option},
                                                    {STR_INIT("b"), &option}};
static const struct type optionals = {
    .kind = TYPE_RECORD, .fields = optional_fields, .field_count = 2};
static const struct type_field cases[] = {
    {STR_INIT("empty"), NULL}, {STR_INIT("body"), &bytes}, {STR_INIT("err"), &string}};
static const struct type variant = {.kind = TYPE_VARIANT, .fields = cases, .field_count = 3};
static const struct type_field labels[] = {{STR_INIT("ok"), NULL}, {STR_INIT("not-found"), NULL}};
static const struct type enum_ = {.kind = TYPE_ENUM, .fields = labels, .field_count = 2};
static const struct type result = {.kind = TYPE_RESULT, .element = &u8, .error = &string};
static const struct type units = {.kind = TYPE_RESULT};
static const struct type_field permissions[] = {{STR_INIT("read"), NULL},
                                                {STR_INIT("write"), NULL}};
static const struct type flags = {.kind = TYPE_FLAGS, .fields = permissions, .field_count = 2};
static const struct resource_type blob = {.name = STR_INIT("blob")};
static const struct type own = {.kind = TYPE_OWN, .resource = &blob};

static const struct type *const types[] = {
    [WAVE_BOOL] = &bool_,      [WAVE_S8] = &s8,
    [WAVE_U8] = &u8,           [WAVE_U64] = &u64,
    [WAVE_S64] = &s64,         [WAVE_F32] = &f32,
    [WAVE_F64] = &f64,         [WAVE_CHAR] = &char_,
    [WAVE_STRING] = &string,   [WAVE_BYTES] = &bytes,
    [WAVE_STRINGS] = &strings, [WAVE_TRIPLE] = &triple,
    [WAVE_MAP] = &map,         [WAVE_TUPLE] = &tuple,
    [WAVE_RECORD] = &record,   [WAVE_OPTIONALS] = &optionals,
    [WAVE_VARIANT] = &variant, [WAVE_ENUM] = &enum_,
    [WAVE_OPTION] = &option,   [WAVE_NESTED] = &nested,
    [WAVE_RESULT] = &result,   [WAVE_UNITS] = &units,
    [WAVE_FLAGS] = &flags,     [WAVE_OWN] = &own,
};

const struct type *wave_type(enum wave_type type)
{
    return types[type];
}
