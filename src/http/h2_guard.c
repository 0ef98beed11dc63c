// SPDX-License-Identifier: Apache-2.0
// What protects against peers that break the rules or bend them.
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

// ---- frame heads --------------------------------------------------------------------------------

size_t h2_scan_next(struct h2_scan *scan, const uint8_t *data, size_t len, bool *complete)
{
    size_t skipped = MIN(scan->skip, len);
    size_t part = MIN(sizeof(scan->head) - scan->have, len - skipped);
    scan->skip -= (uint32_t)skipped;
    if (part)
        memcpy(scan->head + scan->have, data + skipped, part);
    scan->have += (uint32_t)part;
    *complete = scan->have == sizeof(scan->head);
    if (*complete) {
        scan->have = 0;
        scan->skip = (uint32_t)h2_scan_head(scan).length;
    }
    return skipped + part;
}

// RFC 9113 section 4.1.
nghttp2_frame_hd h2_scan_head(const struct h2_scan *scan)
{
    const uint8_t *head = scan->head;
    uint32_t id = (uint32_t)head[5] << 24 | (uint32_t)head[6] << 16 | (uint32_t)head[7] << 8 |
                  (uint32_t)head[8];
    return (nghttp2_frame_hd){
        .length = (size_t)head[0] << 16 | (size_t)head[1] << 8 | (size_t)head[2],
        .type = head[3],
        .flags = head[4],
        .stream_id = (int32_t)(id & INT32_MAX),
    };
}

// ---- closed streams -----------------------------------------------------------------------------

static void set_bit(uint64_t *bits, uint32_t index, bool value)
{
    uint64_t mask = 1ull << (index % 64);
    uint64_t *word = &bits[index % H2_HISTORY_STREAMS / 64];
    *word = value ? *word | mask : *word & ~mask;
}

static bool get_bit(const uint64_t *bits, uint32_t index)
{
    return bits[index % H2_HISTORY_STREAMS / 64] >> (index % 64) & 1;
}

static bool is_remembered(const struct h2_history *history, uint32_t index)
{
    return history->any && index <= history->newest && history->newest - index < H2_HISTORY_STREAMS;
}

bool h2_history_is_new(const struct h2_history *history, int32_t id)
{
    return !history->any || (uint32_t)id / 2 > history->newest;
}

void h2_history_open(struct h2_history *history, int32_t id)
{
    uint32_t index = (uint32_t)id / 2;
    uint32_t skipped = history->any ? index - history->newest : index + 1;
    // Those in between can never be opened.
    for (uint32_t i = 0; i < MIN(skipped, H2_HISTORY_STREAMS); i++) {
        set_bit(history->opened, index - i, false);
        set_bit(history->cut, index - i, false);
    }
    set_bit(history->opened, index, true);
    // Until it is known to be otherwise: nghttp2 may refuse the stream.
    set_bit(history->cut, index, true);
    history->newest = index;
    history->any = true;
}

void h2_history_close(struct h2_history *history, int32_t id, bool ended)
{
    if (is_remembered(history, (uint32_t)id / 2))
        set_bit(history->cut, (uint32_t)id / 2, !ended);
}

uint32_t h2_history_verdict(const struct h2_history *history, int32_t id, bool is_headers)
{
    uint32_t index = (uint32_t)id / 2;
    if (!is_remembered(history, index) || get_bit(history->cut, index))
        return NGHTTP2_NO_ERROR;
    return is_headers && !get_bit(history->opened, index) ? NGHTTP2_PROTOCOL_ERROR
                                                          : NGHTTP2_STREAM_CLOSED;
}
