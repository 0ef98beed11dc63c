// SPDX-License-Identifier: Apache-2.0
#include "http/server_clients.h"

#include <assert.h>
#include <pthread.h>
#include <sys/random.h>

#define BUCKETS ((size_t)4096)

struct client {
    struct client *next;
    uint8_t ip[8];
    uint8_t family;
    uint32_t connections;
};

struct http_clients {
    pthread_mutex_t lock;
    uint32_t connections_max;
    uint32_t refs; // atomic
    uint64_t seed; // nobody else knows which addresses share a bucket
    struct client *buckets[BUCKETS];
};

struct http_clients *http_clients_new(uint32_t connections_max)
{
    struct http_clients *clients = mem_new(struct http_clients);
    pthread_mutex_init(&clients->lock, NULL);
    clients->connections_max = connections_max;
    clients->refs = 1;
    if (getrandom(&clients->seed, sizeof(clients->seed), GRND_NONBLOCK) < 0)
        clients->seed = (uint64_t)(uintptr_t)clients;
    return clients;
}

struct http_clients *http_clients_ref(struct http_clients *clients)
{
    if (clients)
        __atomic_fetch_add(&clients->refs, 1, __ATOMIC_RELAXED);
    return clients;
}

void http_clients_unref(struct http_clients *clients)
{
    if (!clients || __atomic_sub_fetch(&clients->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    for (size_t i = 0; i < BUCKETS; i++)
        assert(!clients->buckets[i]);
    pthread_mutex_destroy(&clients->lock);
    free(clients);
}

static struct client key_of(const struct net_endpoint *peer)
{
    struct client key = {.family = peer->family};
    memcpy(key.ip, peer->ip, peer->family == 4 ? 4 : sizeof(key.ip));
    return key;
}

// The link to the client, or to the end of its bucket.
static struct client **find(struct http_clients *clients, const struct client *key)
{
    uint64_t hash = clients->seed;
    for (size_t i = 0; i < sizeof(key->ip); i++)
        hash = (hash ^ key->ip[i] ^ key->family) * 0x9e3779b97f4a7c15ull;
    struct client **link = &clients->buckets[(hash >> 40) % BUCKETS];
    while (*link && ((*link)->family != key->family || memcmp((*link)->ip, key->ip, 8) != 0))
        link = &(*link)->next;
    return link;
}

bool http_clients_take(struct http_clients *clients, const struct net_endpoint *peer)
{
    struct client key = key_of(peer);
    if (key.family == 0)
        return true;
    pthread_mutex_lock(&clients->lock);
    struct client **link = find(clients, &key);
    if (!*link) {
        *link = mem_new(struct client);
        **link = key;
    }
    bool has_room = (*link)->connections < clients->connections_max;
    (*link)->connections += has_room;
    pthread_mutex_unlock(&clients->lock);
    return has_room;
}

void http_clients_give(struct http_clients *clients, const struct net_endpoint *peer)
{
    struct client key = key_of(peer);
    if (key.family == 0)
        return;
    pthread_mutex_lock(&clients->lock);
    struct client **link = find(clients, &key);
    struct client *client = *link;
    assert(client && client->connections > 0);
    if (--client->connections == 0) {
        *link = client->next;
        free(client);
    }
    pthread_mutex_unlock(&clients->lock);
}
