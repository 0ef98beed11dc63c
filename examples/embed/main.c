// SPDX-License-Identifier: Apache-2.0
// Runs tests/fixtures/adder.wasm: calls a function of numbers without values between, then one of
// strings, which calls back into this program.
//
//     cc main.c -lwash -o adder && ./adder adder.wasm
#include <stdio.h>
#include <stdlib.h>
#include <wash/wash.h>

// test:log/sink.line: func(text: string) -> bool
static int line(struct wash_call *call, void *data, const struct wash_value *args,
                struct wash_value *result)
{
    printf("guest: %.*s\n", (int)args[0].str.len, args[0].str.data);
    result->boolean = true;
    return 0;
}

// Runs inside the instance: add is called on the guest's stack at once.
static int add(struct wash_call *call, void *func)
{
    union wash_scalar values[WASH_SCALARS_MAX] = {{.s32 = 40}, {.s32 = 2}};
    int rc = wash_call_scalars(call, func, values);
    if (rc == 0)
        printf("40 + 2 = %d\n", values[0].s32);
    return rc;
}

static int failed(struct wash_error *error)
{
    fprintf(stderr, "%s\n", wash_error_message(error));
    wash_error_free(error);
    return 1;
}

int main(int argc, char **argv)
{
    struct wash_error *error = NULL;
    struct wash_engine *engine = NULL;
    struct wash_component *component = NULL;
    struct wash_program *program = NULL;
    struct wash_thread *thread = NULL;
    struct wash_instance *instance = NULL;
    struct wash_value text = {.str = {"hello from C", 12}}, result = {0};
    if (argc != 2)
        return fprintf(stderr, "usage: %s COMPONENT.wasm\n", argv[0]), 2;

    if (wash_engine_new(NULL, &engine, &error) < 0)
        return failed(error);
    struct wash_linker *linker = wash_linker_new(engine);
    wash_linker_func(linker, "test:log/sink@1.2.0", "line", line, NULL);

    int rc = wash_component_load(engine, argv[1], &component, &error);
    if (rc == 0)
        rc = wash_link(linker, component, &program, &error);
    if (rc == 0)
        rc = wash_thread_new(engine, &thread, &error);
    if (rc == 0)
        rc = wash_instance_new(thread, program, NULL, &instance, &error);
    if (rc == 0)
        rc = wash_enter(instance, add, (void *)wash_program_func(program, NULL, "add"), &error);
    if (rc == 0)
        rc = wash_call(instance, wash_program_func(program, "test:adder/talk@0.1.0", "say"), &text,
                       &result, &error);
    if (rc == 0)
        printf("say answered %s\n", result.boolean ? "true" : "false");

    wash_instance_free(instance);
    wash_thread_free(thread);
    wash_program_free(program);
    wash_component_free(component);
    wash_linker_free(linker);
    wash_engine_free(engine);
    return rc < 0 ? failed(error) : 0;
}
