// SPDX-License-Identifier: Apache-2.0
// Names of hosts: getaddrinfo(3) on the loop's thread pool, once for all who ask meanwhile; answers
// are kept for a short time. A look-up outlives those who asked, and the client.
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>

#include "http/client_impl.h"

struct client_lookup {
    struct http_client *client; // NULL: it is gone
    struct client_lookup *prev, *next;
    struct client_name_waiter *waiters;
    char *host;
    bool is_running;
    // Set on the pool's thread.
    struct client_addresses addresses;
    int failure; // EAI_*
    int failure_errno;
};

static bool take_literal(const char *host, struct client_addresses *out)
{
    struct net_address address = {0};
    struct sockaddr_in *four = (struct sockaddr_in *)&address.storage;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)&address.storage;
    if (inet_pton(AF_INET, host, &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        address.len = sizeof(*four);
    } else if (inet_pton(AF_INET6, host, &six->sin6_addr) == 1) {
        six->sin6_family = AF_INET6;
        address.len = sizeof(*six);
    } else {
        return false;
    }
    out->items[0] = address;
    out->count = 1;
    return true;
}

static struct client_name *slot_of(struct http_client *client, const char *host)
{
    return &client->names[str_hash(str_from(host)) % CLIENT_NAME_SLOTS];
}

bool client_name_known(struct http_client *client, const char *host, struct client_addresses *out)
{
    if (take_literal(host, out))
        return true;
    const struct client_name *name = slot_of(client, host);
    if (!name->host || strcmp(name->host, host) != 0 || name->until < loop_now(client->loop))
        return false;
    *out = *name->addresses;
    return true;
}

// ---- on the pool's thread -----------------------------------------------------------------------

static void keep_addresses(struct client_addresses *out, const struct addrinfo *found)
{
    for (; found && out->count < CLIENT_ADDRESSES_MAX; found = found->ai_next) {
        if ((found->ai_family != AF_INET && found->ai_family != AF_INET6) ||
            found->ai_addrlen > sizeof(out->items[0].storage))
            continue;
        struct net_address *address = &out->items[out->count++];
        memset(address, 0, sizeof(*address));
        memcpy(&address->storage, found->ai_addr, found->ai_addrlen);
        address->len = found->ai_addrlen;
    }
}

static void work(void *arg)
{
    struct client_lookup *lookup = arg;
    // One entry for each address, not for each kind of socket as well.
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    lookup->failure = getaddrinfo(lookup->host, NULL, &hints, &found);
    lookup->failure_errno = errno;
    if (lookup->failure)
        return;
    keep_addresses(&lookup->addresses, found);
    freeaddrinfo(found);
    if (lookup->addresses.count == 0)
        lookup->failure = EAI_NONAME;
}

// ---- the answer ---------------------------------------------------------------------------------

static void remember(struct http_client *client, const struct client_lookup *lookup)
{
    struct client_name *name = slot_of(client, lookup->host);
    free(name->host);
    free(name->addresses);
    name->host = mem_strdup(lookup->host);
    name->addresses = mem_dup(&lookup->addresses, sizeof(lookup->addresses));
    name->until = loop_now(client->loop) + CLIENT_NAME_SECONDS * 1000 * CLIENT_NS_PER_MS;
}

static void unlink_waiter(struct client_name_waiter *waiter)
{
    if (waiter->prev)
        waiter->prev->next = waiter->next;
    else
        waiter->lookup->waiters = waiter->next;
    if (waiter->next)
        waiter->next->prev = waiter->prev;
    *waiter = (struct client_name_waiter){.done = waiter->done};
}

static void unlink_lookup(struct client_lookup *lookup)
{
    if (lookup->prev)
        lookup->prev->next = lookup->next;
    else
        lookup->client->lookups = lookup->next;
    if (lookup->next)
        lookup->next->prev = lookup->prev;
}

static void lookup_free(struct client_lookup *lookup)
{
    free(lookup->host);
    free(lookup);
}

static void work_done(void *arg);

static void run_next(struct http_client *client)
{
    for (struct client_lookup *lookup = client->lookups; lookup; lookup = lookup->next) {
        if (client->lookups_under_way >= CLIENT_LOOKUPS_AT_ONCE)
            return;
        if (lookup->is_running)
            continue;
        lookup->is_running = true;
        client->lookups_under_way++;
        loop_work(client->loop, work, work_done, lookup);
    }
}

static void work_done(void *arg)
{
    struct client_lookup *lookup = arg;
    struct http_client *client = lookup->client;
    char reason[CLIENT_LOOKUP_REASON_SIZE];
    if (!client) {
        lookup_free(lookup);
        return;
    }
    snprintf(reason, sizeof(reason), "%s",
             lookup->failure == EAI_SYSTEM ? strerror(lookup->failure_errno)
                                           : gai_strerror(lookup->failure));
    unlink_lookup(lookup);
    client->lookups_under_way--;
    if (!lookup->failure)
        remember(client, lookup);
    while (lookup->waiters) {
        struct client_name_waiter *waiter = lookup->waiters;
        unlink_waiter(waiter);
        waiter->done(waiter, lookup->failure ? NULL : &lookup->addresses, reason);
    }
    lookup_free(lookup);
    run_next(client);
}

// ---- asking -------------------------------------------------------------------------------------

static struct client_lookup *find(struct http_client *client, const char *host)
{
    for (struct client_lookup *lookup = client->lookups; lookup; lookup = lookup->next)
        if (strcmp(lookup->host, host) == 0)
            return lookup;
    struct client_lookup *lookup = mem_new(struct client_lookup);
    lookup->client = client;
    lookup->host = mem_strdup(host);
    lookup->next = client->lookups;
    if (lookup->next)
        lookup->next->prev = lookup;
    client->lookups = lookup;
    return lookup;
}

void client_name_look_up(struct http_client *client, const char *host,
                         struct client_name_waiter *waiter)
{
    struct client_lookup *lookup = find(client, host);
    waiter->lookup = lookup;
    waiter->prev = NULL;
    waiter->next = lookup->waiters;
    if (waiter->next)
        waiter->next->prev = waiter;
    lookup->waiters = waiter;
    run_next(client);
}

void client_name_cancel(struct client_name_waiter *waiter)
{
    struct client_lookup *lookup = waiter->lookup;
    if (!lookup)
        return;
    unlink_waiter(waiter);
    if (!lookup->waiters && !lookup->is_running) {
        unlink_lookup(lookup);
        lookup_free(lookup);
    }
}

void client_names_done(struct http_client *client)
{
    for (struct client_lookup *lookup = client->lookups, *next; lookup; lookup = next) {
        next = lookup->next;
        lookup->client = NULL; // its end frees it
        if (!lookup->is_running)
            lookup_free(lookup);
    }
    client->lookups = NULL;
    for (size_t i = 0; i < CLIENT_NAME_SLOTS; i++) {
        free(client->names[i].host);
        free(client->names[i].addresses);
    }
}
