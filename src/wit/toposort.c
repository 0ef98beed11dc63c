// SPDX-License-Identifier: Apache-2.0
#include "wit/toposort.h"

void toposort_init(struct toposort *t, size_t count)
{
    *t = (struct toposort){.count = (uint32_t)count};
    t->waits_for = mem_new_array(uint32_t, count + 1);
    t->first = mem_new_array(uint32_t, count + 1);
    t->ready = mem_new_array(uint32_t, count + 1);
    memset(t->waits_for, 0, count * sizeof(uint32_t));
    memset(t->first, 0, count * sizeof(uint32_t));
}

void toposort_done(struct toposort *t)
{
    free(t->waits_for);
    free(t->first);
    free(t->ready);
    vec_done(&t->edges);
}

void toposort_add(struct toposort *t, uint32_t index, uint32_t before)
{
    *vec_push(&t->edges) = (struct toposort_edge){index, t->first[before]};
    t->first[before] = (uint32_t)t->edges.len;
    t->waits_for[index]++;
}

static void push_ready(struct toposort *t, uint32_t index)
{
    uint32_t at = t->ready_count++;
    for (; at > 0 && t->ready[(at - 1) / 2] > index; at = (at - 1) / 2)
        t->ready[at] = t->ready[(at - 1) / 2];
    t->ready[at] = index;
}

static uint32_t pop_ready(struct toposort *t)
{
    uint32_t least = t->ready[0];
    uint32_t last = t->ready[--t->ready_count];
    uint32_t at = 0;
    for (uint32_t child; (child = 2 * at + 1) < t->ready_count; at = child) {
        if (child + 1 < t->ready_count && t->ready[child + 1] < t->ready[child])
            child++;
        if (t->ready[child] >= last)
            break;
        t->ready[at] = t->ready[child];
    }
    t->ready[at] = last;
    return least;
}

uint32_t toposort_run(struct toposort *t, uint32_t *out)
{
    uint32_t done = 0;
    for (uint32_t i = 0; i < t->count; i++)
        if (t->waits_for[i] == 0)
            push_ready(t, i);
    while (t->ready_count > 0) {
        uint32_t index = pop_ready(t);
        out[done++] = index;
        for (uint32_t edge = t->first[index]; edge > 0; edge = t->edges.items[edge - 1].next)
            if (--t->waits_for[t->edges.items[edge - 1].to] == 0)
                push_ready(t, t->edges.items[edge - 1].to);
    }
    return done;
}
