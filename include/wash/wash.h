// SPDX-License-Identifier: Apache-2.0
// libwash: run WebAssembly components in a C program.
//
//     engine ── component ─┐
//          └─── linker ────┴─ program ── instance ── call
//
// An engine compiles and may be shared by threads, and so may components, linkers that are
// complete, and programs. A thread (struct wash_thread) is an event loop; an instance belongs to
// one and is used from its thread only. Objects are freed in any order: each keeps what it needs.
//
// Functions that can fail return 0 or a negative errno; with `error` not NULL they put the reason
// there, to be freed with wash_error_free().
#ifndef WASH_WASH_H
#define WASH_WASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WASH_API __attribute__((visibility("default")))

struct wash_error;
struct wash_engine;
struct wash_component;
struct wash_linker;
struct wash_program;
struct wash_thread;
struct wash_instance;
struct wash_func;
struct wash_type;
struct wash_call;
struct wash_job;
struct wash_stream;

// The reason of a failure, one or more lines of UTF-8 text.
WASH_API const char *wash_error_message(const struct wash_error *error);
WASH_API void wash_error_free(struct wash_error *error); // NULL is allowed

// ---- engine and components ----------------------------------------------------------------------

struct wash_engine_options {
    const char *cache_dir;     // of compiled code; NULL: $XDG_CACHE_HOME/wash/compiled; "": none
    uint32_t instances_max;    // live core instances; 0: 1000
    uint64_t memory_bytes_max; // largest linear memory; 0: 4 GiB
};

// `options` NULL: all defaults.
WASH_API int wash_engine_new(const struct wash_engine_options *options, struct wash_engine **out,
                             struct wash_error **error);
WASH_API void wash_engine_free(struct wash_engine *engine);

// Decodes, validates, plans and compiles the binary of a component, which is copied.
WASH_API int wash_component_new(struct wash_engine *engine, const void *bytes, size_t len,
                                struct wash_component **out, struct wash_error **error);
WASH_API int wash_component_load(struct wash_engine *engine, const char *path,
                                 struct wash_component **out, struct wash_error **error);
WASH_API void wash_component_free(struct wash_component *component);

// Checks the binary of a component against the specification, core code apart. -EINVAL and the
// reason, with the byte's offset and the item, when it breaks a rule.
WASH_API int wash_validate(const void *bytes, size_t len, struct wash_error **error);

// ---- types --------------------------------------------------------------------------------------

enum wash_kind {
    WASH_BOOL,
    WASH_S8,
    WASH_U8,
    WASH_S16,
    WASH_U16,
    WASH_S32,
    WASH_U32,
    WASH_S64,
    WASH_U64,
    WASH_F32,
    WASH_F64,
    WASH_CHAR,
    WASH_STRING,
    WASH_ERROR_CONTEXT,
    WASH_LIST,
    WASH_FIXED_LIST,
    WASH_MAP,
    WASH_RECORD,
    WASH_TUPLE,
    WASH_VARIANT,
    WASH_ENUM,
    WASH_OPTION,
    WASH_RESULT,
    WASH_FLAGS,
    WASH_OWN,
    WASH_BORROW,
    WASH_STREAM,
    WASH_FUTURE
};

WASH_API enum wash_kind wash_type_kind(const struct wash_type *type);
// Of a list, option, stream or future; a result's ok; a map's key. NULL: none.
WASH_API const struct wash_type *wash_type_element(const struct wash_type *type);
// A result's error, a map's value. NULL: none.
WASH_API const struct wash_type *wash_type_error(const struct wash_type *type);
// Fields of a record or tuple, cases of a variant or enum, flags.
WASH_API uint32_t wash_type_field_count(const struct wash_type *type);
WASH_API const struct wash_type *wash_type_field(const struct wash_type *type, uint32_t i);
// The field's name, not terminated: its length is *len.
WASH_API const char *wash_type_field_name(const struct wash_type *type, uint32_t i, size_t *len);
// As WIT text, to be freed with free().
WASH_API char *wash_type_text(const struct wash_type *type);

// ---- values -------------------------------------------------------------------------------------

struct wash_text {
    const char *data; // UTF-8, not terminated
    size_t len;
};

// A value beside its type, which says what is in it.
struct wash_value {
    union {
        bool boolean;
        int64_t s64;  // s8 ... s64
        uint64_t u64; // u8 ... u64
        float f32;
        double f64;
        uint32_t c;           // char
        uint32_t flags;       // bit i: flag i
        struct wash_text str; // string; list<u8> as its bytes
        struct {              // other lists, maps (tuples of key and value), records, tuples
            struct wash_value *items;
            uint32_t count;
        };
        struct { // variant, enum, option (0 none, 1 some), result (0 ok, 1 error)
            struct wash_value *payload; // NULL: none
            uint32_t index;
        };
        struct { // own, borrow of a resource: see wash_linker_resource()
            const void *resource;
            void *rep;
        };
        struct wash_stream *stream; // stream, future
    };
};

// ---- linking ------------------------------------------------------------------------------------

// A function of the host. Arguments are valid until it returns. It puts the result, whose parts
// come from wash_alloc() or live long enough, into *result and returns 0; or fails with
// wash_trap(). A function of asynchronous type may return WASH_PENDING instead, after it took
// wash_call_job().
typedef int (*wash_host_func)(struct wash_call *call, void *data, const struct wash_value *args,
                              struct wash_value *result);
#define WASH_PENDING 1

WASH_API int wash_trap(struct wash_call *call, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
WASH_API void *wash_alloc(struct wash_call *call, size_t size);
// What was given to wash_instance_new().
WASH_API void *wash_call_data(struct wash_call *call);

// Answers a pending call, once, from the instance's thread. `dropped` (may be NULL) runs instead
// when the instance ends before.
WASH_API struct wash_job *wash_call_job(struct wash_call *call, void (*dropped)(void *data),
                                        void *data);
WASH_API void *wash_job_alloc(struct wash_job *job, size_t size);
WASH_API void wash_job_return(struct wash_job *job, const struct wash_value *result);
WASH_API void wash_job_trap(struct wash_job *job, const char *message);

WASH_API struct wash_linker *wash_linker_new(struct wash_engine *engine);
WASH_API void wash_linker_free(struct wash_linker *linker);
// Defines a function for imports of this interface ("ns:pkg/name@1.2.0"; any compatible version; ""
// for a function imported by name alone). It takes the type that the component declares.
WASH_API void wash_linker_func(struct wash_linker *linker, const char *interface, const char *name,
                               wash_host_func func, void *data);
// Defines a resource; the returned identity goes into values beside the representation. `drop` (may
// be NULL) runs when its last own handle goes.
WASH_API const void *wash_linker_resource(struct wash_linker *linker, const char *interface,
                                          const char *name, void (*drop)(void *rep));

// Binds all imports; the error lists what is missing, a line each.
WASH_API int wash_link(struct wash_linker *linker, struct wash_component *component,
                       struct wash_program **out, struct wash_error **error);
WASH_API void wash_program_free(struct wash_program *program);

// An exported function: interface NULL or "" for one of the component itself. NULL: there is none.
// It lives as long as the program.
WASH_API const struct wash_func *wash_program_func(const struct wash_program *program,
                                                   const char *interface, const char *name);
WASH_API uint32_t wash_func_param_count(const struct wash_func *func);
WASH_API const struct wash_type *wash_func_param(const struct wash_func *func, uint32_t i);
WASH_API const struct wash_type *wash_func_result(const struct wash_func *func); // NULL: none
WASH_API bool wash_func_is_async(const struct wash_func *func);

// ---- threads and instances ----------------------------------------------------------------------

WASH_API int wash_thread_new(struct wash_engine *engine, struct wash_thread **out,
                             struct wash_error **error);
WASH_API void wash_thread_free(struct wash_thread *thread); // its instances are freed before
// Handles what is ready; waits for something if `wait`. True while something is under way.
WASH_API bool wash_thread_turn(struct wash_thread *thread, bool wait);

struct wash_instance_options {
    void *data;                // for wash_call_data()
    uint64_t memory_bytes_max; // all linear memories together; 0: 256 MiB
    uint64_t wall_time_ms;     // of each call, waiting included; 0: no limit
};

WASH_API int wash_instance_new(struct wash_thread *thread, struct wash_program *program,
                               const struct wash_instance_options *options,
                               struct wash_instance **out, struct wash_error **error);
WASH_API void wash_instance_free(struct wash_instance *instance);

// ---- calls --------------------------------------------------------------------------------------

// Calls a function and turns the thread's loop until it has ended. The result's parts are valid
// until the instance's next call. After a trap the instance is of no more use.
WASH_API int wash_call(struct wash_instance *instance, const struct wash_func *func,
                       const struct wash_value *args, struct wash_value *result,
                       struct wash_error **error);

// The same without waiting: `done` runs once, from wash_thread_turn() or before this returns.
typedef void (*wash_done)(void *data, const struct wash_value *result, const char *failure);
WASH_API int wash_start(struct wash_instance *instance, const struct wash_func *func,
                        const struct wash_value *args, wash_done done, void *data,
                        struct wash_error **error);

// Typed calls without values: runs `body` inside the instance, where wash_call_scalars() calls
// functions of synchronous type whose parameters and result are bools, integers, floats, chars,
// enums and flags: `values` holds the arguments, in order, and the result afterwards.
union wash_scalar {
    int32_t s32;
    uint32_t u32;
    int64_t s64;
    uint64_t u64;
    float f32;
    double f64;
    uint8_t reserved[16];
};
#define WASH_SCALARS_MAX 17 // room that `values` needs
WASH_API int wash_enter(struct wash_instance *instance,
                        int (*body)(struct wash_call *call, void *data), void *data,
                        struct wash_error **error);
WASH_API int wash_call_scalars(struct wash_call *call, const struct wash_func *func,
                               union wash_scalar *values);

// ---- streams of bytes ---------------------------------------------------------------------------

// What the host's side of a stream<u8> is told, on the instance's thread. Each may be NULL.
struct wash_stream_ops {
    // The guest waits: as the writer, for wash_stream_space(); as the reader, with
    // wash_stream_bytes().
    int (*ready)(struct wash_stream *stream, void *data);
    // The other side is gone: the stream ends with this call.
    void (*dropped)(struct wash_stream *stream, void *data);
};

// A stream that the host writes, to be passed to the guest as a result.
WASH_API struct wash_stream *wash_stream_new(struct wash_call *call,
                                             const struct wash_stream_ops *ops, void *data);
// Reads a stream that the guest passed; or closes it.
WASH_API int wash_stream_read(struct wash_stream *stream, const struct wash_stream_ops *ops,
                              void *data);
// The reader's memory, room for *len bytes (0: it does not wait now), and how many were written.
WASH_API int wash_stream_space(struct wash_stream *stream, void **out, uint32_t *len);
WASH_API int wash_stream_wrote(struct wash_stream *stream, uint32_t len);
// The writer's bytes in place (0: it does not wait now), and how many were read.
WASH_API int wash_stream_bytes(struct wash_stream *stream, const void **out, uint32_t *len);
WASH_API int wash_stream_consumed(struct wash_stream *stream, uint32_t len);
// The host gives up its side; its callbacks do not run any more.
WASH_API void wash_stream_close_writer(struct wash_stream *stream);
WASH_API void wash_stream_close_reader(struct wash_stream *stream);

#ifdef __cplusplus
}
#endif
#endif
