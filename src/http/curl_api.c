// SPDX-License-Identifier: Apache-2.0
#include "http/curl_api.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>

#define LIBCURL "libcurl.so.4"

struct curl_api curl_api;
static char failure[256]; // empty: loaded

static void load_symbol(void *library, const char *name, void *member)
{
    void *symbol = dlsym(library, name);
    memcpy(member, &symbol, sizeof(symbol));
    if (!symbol)
        snprintf(failure, sizeof(failure), "%s has no %s", LIBCURL, name);
}

static void load(void)
{
    void *library = dlopen(LIBCURL, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        snprintf(failure, sizeof(failure), "%s", dlerror());
        return;
    }
#define CURL_API_LOAD(member, function) load_symbol(library, #function, &curl_api.member);
    CURL_API(CURL_API_LOAD)
#undef CURL_API_LOAD
    if (!failure[0] && curl_api.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        snprintf(failure, sizeof(failure), "%s cannot be initialised", LIBCURL);
}

int curl_api_load(struct error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load);
    if (failure[0])
        return error_set(err, -ENOENT, "load the HTTP client: %s", failure);
    return 0;
}
