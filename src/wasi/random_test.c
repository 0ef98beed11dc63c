// SPDX-License-Identifier: Apache-2.0
// wasi:random of both versions.
#include "testing/test.h"
#include "wasi/p2.h"
#include "wasi/p3.h"
#include "wasi/task_fake.h"

TEST(the_insecure_seed_is_one_of_the_instance)
{
    struct fake fake, other;
    struct p2_tuple_u64_u64 first = {0};
    struct p3_tuple_u64_u64 again = {0}, elsewhere = {0};
    fake_init(&fake, false);
    CHECK_INT(p2_random_insecure_seed_insecure_seed(&fake.call, &first), 0);
    CHECK_INT(p3_random_insecure_seed_get_insecure_seed(&fake.call, &again), 0);
    CHECK(first.f0 == again.f0 && first.f1 == again.f1);
    fake_init(&other, false);
    CHECK_INT(p3_random_insecure_seed_get_insecure_seed(&other.call, &elsewhere), 0);
    CHECK(first.f0 != elsewhere.f0 || first.f1 != elsewhere.f1);
    fake_done(&other);
    fake_done(&fake);
}

TEST(bytes_are_as_many_as_asked_for_up_to_the_limit)
{
    struct fake fake;
    struct str bytes = STR("x");
    fake_init(&fake, false);
    CHECK_INT(p3_random_random_get_random_bytes(&fake.call, 0, &bytes), 0);
    CHECK_INT(bytes.len, 0);
    CHECK_INT(p3_random_random_get_random_bytes(&fake.call, UINT64_MAX, &bytes), 0);
    CHECK_INT(bytes.len, WASI_RANDOM_BYTES_MAX);
    CHECK_INT(p2_random_random_get_random_bytes(&fake.call, 5, &bytes), 0);
    CHECK_INT(bytes.len, 5);
    CHECK(p2_random_random_get_random_bytes(&fake.call, WASI_RANDOM_BYTES_MAX + 1, &bytes) < 0);
    fake_done(&fake);
}
