// SPDX-License-Identifier: Apache-2.0
//! The component C API, called through its C functions as a C program would.
use std::ffi::c_void;
use std::ptr::{null, null_mut};

use wasmtime_c_api as c;

use crate::{LARGE, SMALL, measure};

type Value = c::wasmtime_component_val_t;
type Failure = Option<Box<c::wasmtime_error_t>>;

extern "C" fn add(
    _: *mut c_void,
    _: c::WasmtimeStoreContextMut<'_>,
    _: &c::wasmtime_component_func_type_t,
    args: *mut Value,
    _: usize,
    results: *mut Value,
    _: usize,
) -> Failure {
    unsafe {
        if let (Value::U32(a), Value::U32(b)) = (&*args, &*args.add(1)) {
            *results = Value::U32(a.wrapping_add(*b));
        }
    }
    None
}

extern "C" fn take(
    _: *mut c_void,
    _: c::WasmtimeStoreContextMut<'_>,
    _: &c::wasmtime_component_func_type_t,
    args: *mut Value,
    _: usize,
    results: *mut Value,
    _: usize,
) -> Failure {
    unsafe {
        if let Value::List(list) = &*args {
            *results = Value::U32(list.as_slice().len() as u32);
        }
    }
    None
}

fn check(failure: Failure) {
    assert!(failure.is_none(), "a function of the C API failed");
}

struct Guest {
    store: Box<c::wasmtime_store_t>,
    instance: wasmtime::component::Instance,
}

impl Guest {
    fn func(&mut self, name: &str) -> wasmtime::component::Func {
        unsafe {
            let index = c::wasmtime_component_instance_get_export_index(
                &self.instance,
                c::wasmtime_store_context(&mut self.store),
                null(),
                name.as_ptr(),
                name.len(),
            );
            let mut func = std::mem::MaybeUninit::uninit();
            assert!(c::wasmtime_component_instance_get_func(
                &self.instance,
                c::wasmtime_store_context(&mut self.store),
                &index.unwrap(),
                &mut *func.as_mut_ptr(),
            ));
            func.assume_init()
        }
    }

    fn call(&mut self, func: &wasmtime::component::Func, args: &[Value], results: &mut [Value]) {
        let context = c::wasmtime_store_context(&mut self.store);
        check(unsafe {
            c::wasmtime_component_func_call(
                func,
                context,
                args.as_ptr(),
                args.len(),
                results.as_mut_ptr(),
                results.len(),
            )
        });
    }
}

fn engine() -> Box<c::wasm_engine_t> {
    let mut config = c::wasm_config_new();
    c::wasmtime_config_epoch_interruption_set(&mut config, true);
    c::wasmtime_config_concurrency_support_set(&mut config, false);
    c::wasm_engine_new_with_config(config)
}

fn open(engine: &c::wasm_engine_t, path: &str) -> Guest {
    let bytes = std::fs::read(path).unwrap();
    let host = "bench:component/host";
    unsafe {
        let mut component = null_mut();
        check(c::wasmtime_component_new(engine, bytes.as_ptr(), bytes.len(), &mut component));
        let linker = Box::leak(c::wasmtime_component_linker_new(engine));
        {
            let root = Box::leak(c::wasmtime_component_linker_root(&mut *(&raw mut *linker)));
            let mut inner = null_mut();
            check(c::wasmtime_component_linker_instance_add_instance(
                root,
                host.as_ptr(),
                host.len(),
                &mut inner,
            ));
            for (name, func) in [("add", add as c::wasmtime_component_func_callback_t), ("take", take)]
            {
                check(c::wasmtime_component_linker_instance_add_func(
                    &mut *inner,
                    name.as_ptr(),
                    name.len(),
                    func,
                    null_mut(),
                    None,
                ));
            }
        }
        let mut store = c::wasmtime_store_new(engine, null_mut(), None);
        let context = c::wasmtime_store_context(&mut store);
        c::wasmtime_context_set_epoch_deadline(context, 1 << 40);
        let mut instance = std::mem::MaybeUninit::uninit();
        let context = c::wasmtime_store_context(&mut store);
        check(c::wasmtime_component_linker_instantiate(
            linker,
            context,
            &*component,
            &mut *instance.as_mut_ptr(),
        ));
        Guest { store, instance: instance.assume_init() }
    }
}

fn bytes(size: usize) -> Value {
    Value::List(vec![Value::U8(b'x'); size].into())
}

pub fn run(guests: &str, _: &str) {
    let engine = engine();
    let mut guest = open(&engine, &format!("{guests}/micro.wasm"));
    let mut result = [Value::U32(0)];
    let add = guest.func("add");
    measure("host-guest add", |n| {
        for i in 0..n {
            guest.call(&add, &[Value::U32(i), Value::U32(n)], &mut result);
        }
    });
    let take = guest.func("take");
    for size in [0, SMALL, LARGE] {
        measure(&format!("host-guest list {size}"), |n| {
            for _ in 0..n {
                guest.call(&take, &[bytes(size)], &mut result);
            }
        });
    }
    let give = guest.func("give");
    for size in [SMALL, LARGE] {
        measure(&format!("host-guest result {size}"), |n| {
            for _ in 0..n {
                guest.call(&give, &[Value::U32(size as u32)], &mut result);
            }
        });
    }
    for (name, export, size) in [
        ("guest-host add", "run-host-add", 0),
        ("guest-host list 4096", "run-host-take", SMALL),
        ("guest-host list 1048576", "run-host-take", LARGE),
    ] {
        let run = guest.func(export);
        measure(name, |n| {
            guest.call(&run, &[Value::U32(n), Value::U32(size as u32)], &mut []);
        });
    }
}
