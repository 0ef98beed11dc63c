// SPDX-License-Identifier: Apache-2.0
#include "net/proxy_protocol.h"

#include <errno.h>

static const struct str signature = STR_INIT("\r\n\r\n\0\r\nQUIT\n");

enum {
    COMMAND_LOCAL = 0,
    COMMAND_PROXY = 1,
};

// Type-length-values, section 2.2.
enum {
    TLV_AUTHORITY = 0x02,
    TLV_CRC32C = 0x03,
    TLV_UNIQUE_ID = 0x05,
    TLV_SSL = 0x20,
};
#define TLV_HEAD_BYTES       3u
#define UNIQUE_ID_BYTES_MAX  128u
#define SSL_FIXED_BYTES      5u
#define SSL_CLIENT_SPOKE_TLS 1u

static uint8_t byte_at(struct str data, size_t at)
{
    return (uint8_t)data.data[at];
}

static uint16_t number_at(struct str data, size_t at)
{
    return (uint16_t)(byte_at(data, at) << 8 | byte_at(data, at + 1));
}

static int refuse(struct error *err, const char *why)
{
    return error_set(err, -EPROTO, "PROXY protocol: %s", why);
}

ssize_t proxy_header_len(struct str data, struct error *err)
{
    size_t known = MIN(data.len, signature.len);
    if (known > 0 && memcmp(data.data, signature.data, known) != 0)
        return refuse(err, "the connection does not begin with a header of version 2");
    if (data.len > 12 && byte_at(data, 12) >> 4 != 2)
        return refuse(err, "the header's version is not 2");
    if (data.len < PROXY_HEADER_FIXED_BYTES)
        return -EAGAIN;
    size_t len = PROXY_HEADER_FIXED_BYTES + number_at(data, 14);
    if (len > PROXY_HEADER_BYTES_MAX)
        return error_set(err, -EPROTO, "PROXY protocol: a header of %zu bytes, the limit is %u",
                         len, PROXY_HEADER_BYTES_MAX);
    return (ssize_t)len;
}

// ---- addresses ----------------------------------------------------------------------------------

static const struct family {
    uint8_t code; // family and transport
    uint8_t family;
    size_t ip_len;
    size_t len;
} families[] = {
    {.code = 0x00, .len = 0},                            // unknown
    {.code = 0x11, .family = 4, .ip_len = 4, .len = 12}, // TCP over IPv4
    {.code = 0x21, .family = 6, .ip_len = 16, .len = 36},
    {.code = 0x31, .len = 216}, // Unix stream
};

static const struct family *find_family(uint8_t code)
{
    for (size_t i = 0; i < ARRAY_LEN(families); i++)
        if (families[i].code == code)
            return &families[i];
    return NULL;
}

static struct net_endpoint endpoint_at(const struct family *family, struct str data, size_t ip_at,
                                       size_t port_at)
{
    struct net_endpoint endpoint = {.family = family->family};
    memcpy(endpoint.ip, data.data + ip_at, family->ip_len);
    endpoint.port = number_at(data, port_at);
    return endpoint;
}

// ---- extensions ---------------------------------------------------------------------------------

#define CRC32C_POLYNOMIAL 0x82F63B78u // reflected

static uint32_t crc32c_of(uint32_t crc, uint8_t byte)
{
    crc ^= byte;
    for (int bit = 0; bit < 8; bit++)
        crc = crc & 1 ? crc >> 1 ^ CRC32C_POLYNOMIAL : crc >> 1;
    return crc;
}

// Over the whole header, the checksum itself counting as zeros.
static bool checksum_fits(struct str header, size_t at)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < header.len; i++)
        crc = crc32c_of(crc, i - at < 4 ? 0 : byte_at(header, i));
    uint32_t sent = (uint32_t)number_at(header, at) << 16 | number_at(header, at + 2);
    return ~crc == sent;
}

static int take_value(struct str header, size_t at, uint8_t type, size_t len,
                      struct proxy_header *out, struct error *err)
{
    struct str value = str_sub(header, at, len);
    switch (type) {
    case TLV_AUTHORITY:
        out->authority = value;
        break;
    case TLV_UNIQUE_ID:
        if (len > UNIQUE_ID_BYTES_MAX)
            return refuse(err, "the connection's id is longer than 128 bytes");
        out->unique_id = value;
        break;
    case TLV_CRC32C:
        if (len != 4 || !checksum_fits(header, at))
            return refuse(err, "the checksum is wrong");
        break;
    case TLV_SSL:
        if (len < SSL_FIXED_BYTES)
            return refuse(err, "the part about TLS is too short");
        out->is_tls = byte_at(value, 0) & SSL_CLIENT_SPOKE_TLS;
        break;
    default: // open-ended by the specification
        break;
    }
    return 0;
}

static int take_values(struct str header, size_t at, struct proxy_header *out, struct error *err)
{
    while (at < header.len) {
        if (header.len - at < TLV_HEAD_BYTES)
            return refuse(err, "an extension is cut");
        uint8_t type = byte_at(header, at);
        size_t len = number_at(header, at + 1);
        at += TLV_HEAD_BYTES;
        if (len > header.len - at)
            return refuse(err, "an extension is longer than the header");
        int rc = take_value(header, at, type, len, out, err);
        if (rc < 0)
            return rc;
        at += len;
    }
    return 0;
}

int proxy_header_parse(struct str data, struct proxy_header *out, struct error *err)
{
    struct proxy_header header = {0};
    ssize_t len = proxy_header_len(data, err);
    if (len == -EAGAIN || (len > 0 && (size_t)len != data.len))
        return refuse(err, "the header is not complete");
    if (len < 0)
        return (int)len;
    unsigned command = byte_at(data, 12) & 15;
    if (command > COMMAND_PROXY)
        return refuse(err, "an unknown command");
    // Whatever else stands there is not looked at then.
    header.is_local = command == COMMAND_LOCAL;
    if (!header.is_local) {
        const struct family *family = find_family(byte_at(data, 13));
        if (!family)
            return refuse(err, "addresses that are none of a stream");
        if (family->len > data.len - PROXY_HEADER_FIXED_BYTES)
            return refuse(err, "the addresses are cut");
        if (family->family) {
            size_t at = PROXY_HEADER_FIXED_BYTES, ips = 2 * family->ip_len;
            header.source = endpoint_at(family, data, at, at + ips);
            header.destination = endpoint_at(family, data, at + family->ip_len, at + ips + 2);
        }
        int rc = take_values(data, PROXY_HEADER_FIXED_BYTES + family->len, &header, err);
        if (rc < 0)
            return rc;
    }
    *out = header;
    return 0;
}
