// SPDX-License-Identifier: Apache-2.0
#include "component/waitable.h"

#include <assert.h>

#include "component/async.h"

static void list_init(struct waitable_list *list)
{
    list->first = NULL;
    list->end = &list->first;
}

static void list_remove(struct waitable_list *list, struct waitable *waitable)
{
    *waitable->link = waitable->next;
    if (waitable->next)
        waitable->next->link = waitable->link;
    else
        list->end = waitable->link;
    waitable->next = NULL;
    waitable->link = NULL;
}

static void list_append(struct waitable_list *list, struct waitable *waitable)
{
    waitable->next = NULL;
    waitable->link = list->end;
    *list->end = waitable;
    list->end = &waitable->next;
}

static struct waitable_list *list_of(struct waitable *waitable)
{
    return waitable->has_event ? &waitable->set->pending : &waitable->set->idle;
}

struct waitable_set *waitable_set_new(void)
{
    struct waitable_set *set = mem_new(struct waitable_set);
    list_init(&set->pending);
    list_init(&set->idle);
    return set;
}

static void clear(struct waitable_list *list)
{
    while (list->first) {
        struct waitable *waitable = list->first;
        list_remove(list, waitable);
        waitable->set = NULL;
    }
}

void waitable_set_free(struct waitable_set *set)
{
    clear(&set->pending);
    clear(&set->idle);
    free(set);
}

bool waitable_set_is_empty(const struct waitable_set *set)
{
    return !set->pending.first && !set->idle.first;
}

struct event waitable_take(struct waitable *waitable)
{
    assert(waitable->has_event);
    waitable_clear_event(waitable);
    return waitable->deliver(waitable);
}

struct event waitable_set_take(struct waitable_set *set)
{
    return waitable_take(set->pending.first);
}

static void wake_waiters(struct waitable_set *set)
{
    for (struct async_thread *thread = set->waiters; thread; thread = thread->wait_next)
        async_thread_wake(thread);
}

void waitable_join(struct waitable *waitable, struct waitable_set *set)
{
    if (waitable->set)
        list_remove(list_of(waitable), waitable);
    waitable->set = set;
    if (!set)
        return;
    list_append(list_of(waitable), waitable);
    if (waitable->has_event)
        wake_waiters(set);
}

void waitable_set_event(struct waitable *waitable)
{
    if (waitable->has_event)
        return;
    if (waitable->set)
        list_remove(&waitable->set->idle, waitable);
    waitable->has_event = true;
    if (waitable->set) {
        list_append(&waitable->set->pending, waitable);
        wake_waiters(waitable->set);
    }
    if (waitable->waiter)
        async_thread_wake(waitable->waiter);
}

void waitable_clear_event(struct waitable *waitable)
{
    if (!waitable->has_event)
        return;
    if (waitable->set)
        list_remove(&waitable->set->pending, waitable);
    waitable->has_event = false;
    if (waitable->set)
        list_append(&waitable->set->idle, waitable);
}
