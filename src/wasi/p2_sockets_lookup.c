// SPDX-License-Identifier: Apache-2.0
// wasi:sockets/ip-name-lookup 0.2. getaddrinfo(3) runs on the thread pool; a job outlives the
// stream that asked when that is dropped first.
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>

#include "base/log.h"
#include "wasi/p2_sockets.h"
#include "wasi/p2_sockets_name.h"

#define CODE(name) P2_SOCKETS_NETWORK_ERROR_CODE_##name

typedef struct p2_sockets_ip_name_lookup_resolve_address_stream stream;

// Of one instance; its jobs may outlive it.
struct wasi_lookups {
    uint32_t refs; // the instance and its jobs
    uint32_t under_way;
};

struct job {
    struct wasi_lookups *lookups;
    stream *owner; // NULL: nobody waits any more
    char *name;
    // Set on the pool's thread.
    struct p2_sockets_network_ip_address *addresses;
    size_t len;
    bool failed;
    enum p2_sockets_network_error_code failure;
};

struct p2_sockets_ip_name_lookup_resolve_address_stream {
    uint32_t refs;   // the handle and its pollables
    struct job *job; // NULL: done
    struct wasi_event event;
    struct p2_sockets_network_ip_address *addresses;
    size_t len, next;
    bool failed;
    enum p2_sockets_network_error_code failure;
};

static _Thread_local uint32_t jobs_under_way;

void wasi_lookups_unref(struct wasi_lookups *lookups)
{
    if (lookups && --lookups->refs == 0)
        free(lookups);
}

static struct wasi_lookups *lookups_of(struct wasi *wasi)
{
    if (!wasi->lookups) {
        wasi->lookups = mem_new(struct wasi_lookups);
        wasi->lookups->refs = 1;
    }
    return wasi->lookups;
}

static bool has_too_many(struct wasi *wasi)
{
    return jobs_under_way >= LOOKUPS_PER_THREAD_MAX ||
           lookups_of(wasi)->under_way >= LOOKUPS_PER_INSTANCE_MAX;
}

// ---- addresses ----------------------------------------------------------------------------------

// IPv4-mapped IPv6 addresses are never told (resolve-next-address): they become IPv4 ones.
static void address_out(int family, const void *bytes, struct p2_sockets_network_ip_address *out)
{
    const uint8_t *four = bytes;
    if (family == AF_INET6 && IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)bytes))
        four += 12;
    else if (family == AF_INET6)
        four = NULL;
    if (four) {
        out->tag = P2_SOCKETS_NETWORK_IP_ADDRESS_IPV4;
        out->ipv4 = (struct p2_tuple_u8_u8_u8_u8){four[0], four[1], four[2], four[3]};
        return;
    }
    uint16_t g[8];
    memcpy(g, bytes, sizeof(g));
    out->tag = P2_SOCKETS_NETWORK_IP_ADDRESS_IPV6;
    out->ipv6 = (struct p2_tuple_u16_u16_u16_u16_u16_u16_u16_u16){
        ntohs(g[0]), ntohs(g[1]), ntohs(g[2]), ntohs(g[3]),
        ntohs(g[4]), ntohs(g[5]), ntohs(g[6]), ntohs(g[7]),
    };
}

static bool parse_literal(struct str name, struct p2_sockets_network_ip_address *out)
{
    char text[INET6_ADDRSTRLEN];
    bool in_brackets = name.len > 2 && name.data[0] == '[' && name.data[name.len - 1] == ']';
    if (in_brackets)
        name = str_sub(name, 1, name.len - 2);
    if (name.len >= sizeof(text))
        return false;
    memcpy(text, name.data, name.len);
    text[name.len] = 0;
    struct in6_addr address;
    if (strlen(text) != name.len)
        return false;
    int family = !in_brackets && inet_pton(AF_INET, text, &address) == 1 ? AF_INET
                 : inet_pton(AF_INET6, text, &address) == 1              ? AF_INET6
                                                                         : AF_UNSPEC;
    if (family != AF_UNSPEC)
        address_out(family, &address, out);
    return family != AF_UNSPEC;
}

// ---- the job ------------------------------------------------------------------------------------

static enum p2_sockets_network_error_code resolver_code(int eai, int number)
{
    static const struct {
        int eai;
        enum p2_sockets_network_error_code code;
    } codes[] = {
        {EAI_NONAME, CODE(NAME_UNRESOLVABLE)},     {EAI_NODATA, CODE(NAME_UNRESOLVABLE)},
        {EAI_ADDRFAMILY, CODE(NAME_UNRESOLVABLE)}, {EAI_AGAIN, CODE(TEMPORARY_RESOLVER_FAILURE)},
        {EAI_MEMORY, CODE(OUT_OF_MEMORY)},
    };
    for (size_t i = 0; i < ARRAY_LEN(codes); i++)
        if (codes[i].eai == eai)
            return codes[i].code;
    // The system's trouble (descriptors, say) passes.
    return eai == EAI_SYSTEM && (number == EMFILE || number == ENFILE || number == ENOMEM)
               ? CODE(TEMPORARY_RESOLVER_FAILURE)
               : CODE(PERMANENT_RESOLVER_FAILURE);
}

static void keep_addresses(struct job *job, const struct addrinfo *first)
{
    for (const struct addrinfo *info = first; info && job->len < LOOKUP_ADDRESSES_MAX;
         info = info->ai_next) {
        const void *bytes = NULL;
        if (info->ai_family == AF_INET)
            bytes = &((const struct sockaddr_in *)info->ai_addr)->sin_addr;
        else if (info->ai_family == AF_INET6)
            bytes = &((const struct sockaddr_in6 *)info->ai_addr)->sin6_addr;
        if (!bytes)
            continue;
        job->addresses = mem_realloc_array(job->addresses, job->len + 1, sizeof(*job->addresses));
        address_out(info->ai_family, bytes, &job->addresses[job->len++]);
    }
}

static void work(void *arg)
{
    struct job *job = arg;
    // One entry for each address, not for each kind of socket as well.
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int eai = getaddrinfo(job->name, NULL, &hints, &found);
    if (eai == 0) {
        keep_addresses(job, found);
        freeaddrinfo(found);
    }
    job->failed = eai != 0 || job->len == 0;
    job->failure = eai != 0 ? resolver_code(eai, errno) : CODE(NAME_UNRESOLVABLE);
}

static void work_done(void *arg)
{
    struct job *job = arg;
    jobs_under_way--;
    job->lookups->under_way--;
    wasi_lookups_unref(job->lookups);
    stream *owner = job->owner;
    if (owner) {
        owner->job = NULL;
        owner->failed = job->failed;
        owner->failure = job->failure;
        owner->len = job->len;
        owner->addresses = TAKE(job->addresses);
        wasi_event_wake(&owner->event);
    }
    free(job->addresses);
    free(job->name);
    free(job);
}

// ---- the stream ---------------------------------------------------------------------------------

static stream *lookup_stream_new(void)
{
    stream *new_stream = mem_new(stream);
    new_stream->refs = 1;
    return new_stream;
}

static void stream_unref(void *source)
{
    stream *self = source;
    if (--self->refs > 0)
        return;
    if (self->job)
        self->job->owner = NULL;
    free(self->addresses);
    free(self);
}

static void start_job(struct wasi *wasi, stream *owner, char *ascii)
{
    struct job *job = mem_new(struct job);
    job->owner = owner;
    job->name = ascii;
    job->lookups = lookups_of(wasi);
    owner->job = job;
    job->lookups->refs++;
    job->lookups->under_way++;
    jobs_under_way++;
    loop_work(wasi->loop, work, work_done, job);
}

// Starts a lookup: 0 or a negative errno, -EBUSY when too many are under way.
static int look_up(struct wasi *wasi, struct str name, stream **out)
{
    struct p2_sockets_network_ip_address literal;
    if (parse_literal(name, &literal)) {
        *out = lookup_stream_new();
        (*out)->addresses = mem_dup(&literal, sizeof(literal));
        (*out)->len = 1;
        return 0;
    }
    char *ascii;
    int rc = name_to_ascii(name, &ascii);
    if (rc < 0)
        return rc;
    rc = sock_check_use(wasi, WASI_NETWORK_LOOKUP, NULL, str_from(ascii));
    if (rc == 0 && has_too_many(wasi)) {
        log_debug("%s is not looked up: too many lookups are under way", ascii);
        rc = -EBUSY;
    }
    if (rc < 0) {
        free(ascii);
        return rc;
    }
    *out = lookup_stream_new();
    start_job(wasi, *out, ascii);
    return 0;
}

int p2_sockets_ip_name_lookup_resolve_addresses(
    struct canon_call *call, struct p2_sockets_network_network *network, struct str name,
    struct p2_result_sockets_ip_name_lookup_resolve_address_stream_sockets_network_error_code *ret)
{
    int rc = look_up(wasi_of(call), name, &ret->ok);
    if (rc == 0)
        return 0;
    ret->is_err = true;
    ret->err = rc == -EBUSY ? CODE(TEMPORARY_RESOLVER_FAILURE) : sock_error_code(rc);
    return 0;
}

int p2_sockets_ip_name_lookup_resolve_address_stream_resolve_next_address(
    struct canon_call *call, stream *self,
    struct p2_result_option_sockets_network_ip_address_sockets_network_error_code *ret)
{
    if (self->job || self->failed) {
        ret->is_err = true;
        ret->err = self->job ? CODE(WOULD_BLOCK) : self->failure;
        return 0;
    }
    ret->ok.is_some = self->next < self->len;
    if (ret->ok.is_some)
        ret->ok.some = self->addresses[self->next++];
    return 0;
}

static bool stream_ready(void *source)
{
    return !((stream *)source)->job;
}

int p2_sockets_ip_name_lookup_resolve_address_stream_subscribe(struct canon_call *call,
                                                               stream *self,
                                                               struct p2_io_poll_pollable **ret)
{
    static const struct pollable_ops ops = {.ready = stream_ready, .drop = stream_unref};
    self->refs++;
    *ret = pollable_new(&ops, self, &self->event);
    return 0;
}

int p2_sockets_ip_name_lookup_resolve_address_stream_drop(struct canon_call *call, stream *self)
{
    stream_unref(self);
    return 0;
}
