// SPDX-License-Identifier: Apache-2.0
#include "wash/wasi1_adapter.h"

// The assembler takes the files in: symbols at the begin of each and behind it.
#define EMBED(symbol, file)                                                                        \
    __asm__(".section .rodata\n"                                                                   \
            ".balign 16\n" #symbol ":\n"                                                           \
            ".incbin \"" ADAPTERS "/" file "\"\n" #symbol "_end:\n"                                \
            ".balign 16\n"                                                                         \
            ".previous\n");                                                                        \
    extern const char symbol[] __attribute__((visibility("hidden")));                              \
    extern const char symbol##_end[] __attribute__((visibility("hidden")))

EMBED(wash_wasi1_command, "wasi_snapshot_preview1.command-48.0.0.wasm");
EMBED(wash_wasi1_reactor, "wasi_snapshot_preview1.reactor-48.0.0.wasm");

static struct str between(const char *begin, const char *end)
{
    return str_of(begin, (size_t)((uintptr_t)end - (uintptr_t)begin));
}

struct str wasi1_adapter(bool is_command)
{
    return is_command ? between(wash_wasi1_command, wash_wasi1_command_end)
                      : between(wash_wasi1_reactor, wash_wasi1_reactor_end);
}
