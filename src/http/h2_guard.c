// SPDX-License-Identifier: Apache-2.0
#include "http/h2_impl.h"

#define NS_PER_SECOND (1000 * NS_PER_MS)

bool h2_bucket_take(struct h2_bucket *bucket, uint64_t now, uint32_t burst, uint32_t per_second)
{
    uint64_t per_token = NS_PER_SECOND / per_second;
    uint64_t earned = (now - bucket->refilled) / per_token;
    if (earned > 0) {
        bucket->tokens = (uint32_t)MIN(bucket->tokens + earned, (uint64_t)burst);
        bucket->refilled += earned * per_token;
    }
    if (bucket->tokens == 0)
        return false;
    bucket->tokens--;
    return true;
}
