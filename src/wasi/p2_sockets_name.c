// SPDX-License-Identifier: Apache-2.0
#include "wasi/p2_sockets_name.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>

#include "wasi/p2_sockets.h"

#define NAME_BYTES_MAX  253 // RFC 1035 2.3.4, without the dot of the root
#define LABEL_BYTES_MAX 63

// libidn2 is loaded at run time: nothing but names beyond ASCII needs it.
typedef int idn2_lookup(const uint8_t *name, uint8_t **ascii, int flags);
#define IDN2_NFC_INPUT            1
#define IDN2_NONTRANSITIONAL      8
#define IDN2_USE_STD3_ASCII_RULES 16

static idn2_lookup *idn2;

static void load_idn2(void)
{
    void *library = dlopen("libidn2.so.0", RTLD_NOW | RTLD_LOCAL);
    if (library)
        *(void **)&idn2 = dlsym(library, "idn2_lookup_u8");
}

static int convert(struct str name, char **out)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load_idn2);
    if (!idn2)
        return -EINVAL;
    _cleanup_(mem_freep) char *text = str_dup(name);
    uint8_t *ascii = NULL;
    int rc = idn2((const uint8_t *)text, &ascii,
                  IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL | IDN2_USE_STD3_ASCII_RULES);
    if (rc != 0)
        return -EINVAL;
    *out = (char *)ascii;
    return 0;
}

// Letters, digits, hyphens inside; underscores as in names of services.
static bool is_label(struct str label)
{
    if (label.len == 0 || label.len > LABEL_BYTES_MAX || label.data[0] == '-' ||
        label.data[label.len - 1] == '-')
        return false;
    for (size_t i = 0; i < label.len; i++) {
        char c = label.data[i];
        if (!ascii_is_alpha(c) && !ascii_is_digit(c) && c != '-' && c != '_')
            return false;
    }
    return true;
}

static bool is_host_name(struct str name)
{
    if (name.len > 0 && name.data[name.len - 1] == '.')
        name.len--;
    if (name.len == 0 || name.len > NAME_BYTES_MAX)
        return false;
    struct str label;
    bool more;
    do {
        more = str_cut(name, '.', &label, &name);
        if (!is_label(label))
            return false;
    } while (more);
    return true;
}

static bool is_ascii(struct str name)
{
    for (size_t i = 0; i < name.len; i++)
        if ((unsigned char)name.data[i] >= 0x80)
            return false;
    return true;
}

int name_to_ascii(struct str name, char **out)
{
    if (name.len == 0 || name.len > LOOKUP_NAME_BYTES_MAX || str_find_char(name, 0) >= 0)
        return -EINVAL;
    char *ascii;
    int rc = 0;
    if (is_ascii(name))
        ascii = str_dup(name);
    else
        rc = convert(name, &ascii);
    if (rc < 0)
        return rc;
    if (!is_host_name(str_from(ascii))) {
        free(ascii);
        return -EINVAL;
    }
    *out = ascii;
    return 0;
}
