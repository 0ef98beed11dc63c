// SPDX-License-Identifier: Apache-2.0
// libcurl, loaded when the first outgoing request needs it: with some thirty libraries of its own
// it would take more of a program's start than everything else together.
#pragma once

#define CURL_DISABLE_TYPECHECK // its macros would get in the way of calls through the table
#include <curl/curl.h>

#include "base/error.h"

#undef curl_easy_setopt
#undef curl_easy_getinfo
#undef curl_multi_setopt

// name in the table, name in the library
#define CURL_API(X)                                                                                \
    X(global_init, curl_global_init)                                                               \
    X(easy_init, curl_easy_init)                                                                   \
    X(easy_cleanup, curl_easy_cleanup)                                                             \
    X(easy_setopt, curl_easy_setopt)                                                               \
    X(easy_getinfo, curl_easy_getinfo)                                                             \
    X(easy_pause, curl_easy_pause)                                                                 \
    X(easy_strerror, curl_easy_strerror)                                                           \
    X(multi_init, curl_multi_init)                                                                 \
    X(multi_cleanup, curl_multi_cleanup)                                                           \
    X(multi_setopt, curl_multi_setopt)                                                             \
    X(multi_assign, curl_multi_assign)                                                             \
    X(multi_add_handle, curl_multi_add_handle)                                                     \
    X(multi_remove_handle, curl_multi_remove_handle)                                               \
    X(multi_info_read, curl_multi_info_read)                                                       \
    X(multi_socket_action, curl_multi_socket_action)                                               \
    X(slist_append, curl_slist_append)                                                             \
    X(slist_free_all, curl_slist_free_all)

struct curl_api {
#define CURL_API_MEMBER(member, function) __typeof__(function) *member;
    CURL_API(CURL_API_MEMBER)
#undef CURL_API_MEMBER
};

// Filled by curl_api_load(), which every request goes through.
extern struct curl_api curl_api;

// Loads and initialises the library, once, from any thread. 0, or -ENOENT with the loader's reason.
_must_use_ int curl_api_load(struct error *err);
