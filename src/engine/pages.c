// SPDX-License-Identifier: Apache-2.0
#include "engine/pages.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

// <linux/fs.h> of 6.7 on; older headers lack it.
struct scan {
    uint64_t size;
    uint64_t flags;
    uint64_t start, end;
    uint64_t walk_end; // out: where the scan stopped
    uint64_t ranges;
    uint64_t ranges_max;
    uint64_t pages_max; // 0: no limit
    uint64_t inverted;
    uint64_t all_of;
    uint64_t any_of;
    uint64_t returned;
};
#define SCAN _IOWR('f', 16, struct scan)

enum {
    PAGE_FILE = 1 << 2,
    PAGE_PRESENT = 1 << 3,
    PAGE_SWAPPED = 1 << 4,
    PAGE_ZERO = 1 << 5,
};

int pages_written(int fd, const void *start, size_t len, struct page_range *ranges,
                  uint32_t ranges_max, uint64_t pages_max)
{
    uint64_t begin = (uint64_t)(uintptr_t)start;
    struct scan scan = {
        .size = sizeof(scan),
        .start = begin,
        .end = begin + len,
        .ranges = (uint64_t)(uintptr_t)ranges,
        .ranges_max = ranges_max,
        .pages_max = pages_max + 1,
        // Neither the file's own page nor the one of zeros.
        .inverted = PAGE_FILE | PAGE_ZERO,
        .all_of = PAGE_FILE | PAGE_ZERO,
        .any_of = PAGE_PRESENT | PAGE_SWAPPED,
        .returned = PAGE_PRESENT,
    };
    int count = ioctl(fd, SCAN, &scan);
    if (count < 0)
        return -errno;
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), pages = 0;
    for (int i = 0; i < count; i++)
        pages += (ranges[i].end - ranges[i].start) / page;
    return pages > pages_max || scan.walk_end < scan.end ? -E2BIG : count;
}

int pages_open(void)
{
    int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    struct page_range ranges[1];
    // Something that is surely mapped: this stack frame's page.
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    const void *here = (const void *)((uintptr_t)ranges & ~(page - 1));
    if (pages_written(fd, here, page, ranges, 1, 1) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

uint64_t pages_faults(void)
{
    struct rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    return (uint64_t)usage.ru_minflt + (uint64_t)usage.ru_majflt;
}
