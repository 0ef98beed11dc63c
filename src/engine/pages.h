// SPDX-License-Identifier: Apache-2.0
// Which pages of a mapping the process has written (Linux 6.7 on, ioctl PAGEMAP_SCAN;
// "Documentation/ admin-guide/mm/pagemap.rst" of the kernel).
#pragma once

#include <stddef.h>
#include <stdint.h>

// [start, end), addresses; laid out as the kernel's struct page_region.
struct page_range {
    uint64_t start, end;
    uint64_t categories;
};

// A descriptor of this process's page map, or -1 where it cannot be scanned.
int pages_open(void);

// The ranges of pages in [start, start + len) that are private copies, written since they were
// mapped. Returns their count; -E2BIG when there are more than `ranges_max` ranges or `pages_max`
// pages; another negative code when the kernel refuses.
int pages_written(int fd, const void *start, size_t len, struct page_range *ranges,
                  uint32_t ranges_max, uint64_t pages_max);

// Page faults that this thread took so far. A first write to a page takes one: as long as the
// number stays, a thread has no pages of its own but those that it had before.
uint64_t pages_faults(void);
