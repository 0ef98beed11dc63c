// SPDX-License-Identifier: Apache-2.0
//! libwasmtime's C API, and the few things that the C API lacks.
//!
//! The structs of the C API are single-field wrappers whose field is private to their crate; `inner`
//! reaches the Rust type behind them after checking size and alignment.
pub use wasmtime_c_api::*;

use std::ffi::c_void;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::ptr;

use wasmtime_c_api as capi;
use wasmtime_c_api::wasmtime::{self as wt, Extern, Instance, Module};

type Data = capi::WasmtimeStoreData;
type Context<'a> = capi::WasmtimeStoreContextMut<'a>;
type CError = Option<Box<capi::wasmtime_error_t>>;

unsafe fn inner<W, T>(wrapper: &W) -> &T {
    const { assert!(size_of::<W>() == size_of::<T>() && align_of::<W>() == align_of::<T>()) };
    unsafe { &*ptr::from_ref(wrapper).cast() }
}

unsafe fn inner_mut<W, T>(wrapper: &mut W) -> &mut T {
    const { assert!(size_of::<W>() == size_of::<T>() && align_of::<W>() == align_of::<T>()) };
    unsafe { &mut *ptr::from_mut(wrapper).cast() }
}

/// `wasm_engine_new_with_config` that returns an error where that one aborts. Takes the config.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wash_wasm_engine_new(
    config: Box<capi::wasm_config_t>,
    out: &mut *mut capi::wasm_engine_t,
) -> CError {
    const {
        assert!(size_of::<wt::Engine>() == size_of::<capi::wasm_engine_t>());
    }
    let config: &wt::Config = unsafe { inner(&*config) };
    match wt::Engine::new(config) {
        Ok(engine) => {
            let engine = ManuallyDrop::new(engine);
            let wrapped = unsafe { ptr::from_ref(&*engine).cast::<capi::wasm_engine_t>().read() };
            *out = Box::into_raw(Box::new(wrapped));
            None
        }
        Err(error) => Some(Box::new(error.into())),
    }
}

/// Lets the pool reset only the pages that were written (Linux 6.7 on), where the kernel can tell.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wash_pooling_pagemap_scan(
    config: &mut capi::wasmtime_pooling_allocation_config_t,
) {
    let config: &mut wt::PoolingAllocationConfig = unsafe { inner_mut(config) };
    config.pagemap_scan(wt::Enabled::Auto);
}

/// Asked before a memory or table grows from `current` to `desired` (bytes, elements); creation counts
/// as growth from 0. False refuses.
type Growing = extern "C" fn(env: *mut c_void, current: usize, desired: usize) -> bool;

struct Limiter {
    env: *mut c_void,
    memory: Growing,
    table: Growing,
}
unsafe impl Send for Limiter {}
unsafe impl Sync for Limiter {}

impl wt::ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wt::Result<bool> {
        Ok((self.memory)(self.env, current, desired))
    }
    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wt::Result<bool> {
        Ok((self.table)(self.env, current, desired))
    }
}

struct LimiterPtr(*mut Limiter);
unsafe impl Send for LimiterPtr {}
unsafe impl Sync for LimiterPtr {}
impl LimiterPtr {
    fn get(&self) -> *mut Limiter {
        self.0
    }
}
impl Drop for LimiterPtr {
    fn drop(&mut self) {
        drop(unsafe { Box::from_raw(self.0) });
    }
}

/// Sets callbacks that decide on growth in this store.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wash_store_limiter(
    store: &mut capi::wasmtime_store_t,
    env: *mut c_void,
    memory: Growing,
    table: Growing,
) {
    let store: &mut wt::Store<Data> = unsafe { inner_mut(store) };
    let limiter = LimiterPtr(Box::into_raw(Box::new(Limiter { env, memory, table })));
    store.limiter(move |_| unsafe { &mut *limiter.get() });
}

/// `wasmtime_instance_new` for stores with asynchronous functions; polled like any call future.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wash_instance_new_async<'a>(
    store: Context<'a>,
    module: &'a capi::wasmtime_module_t,
    imports: *const capi::wasmtime_extern_t,
    import_count: usize,
    out: &'a mut Instance,
    error_out: &'a mut *mut capi::wasmtime_error_t,
) -> Box<capi::wasmtime_call_future_t<'a>> {
    let module: &Module = unsafe { inner(module) };
    let imports: Vec<Extern> = (0..import_count)
        .map(|i| unsafe { (*imports.add(i)).to_extern() })
        .collect();
    let future = async move {
        match Instance::new_async(store, module, &imports).await {
            Ok(instance) => *out = instance,
            Err(error) => *error_out = Box::into_raw(Box::new(error.into())),
        }
    };
    let future: Pin<Box<dyn Future<Output = ()> + 'a>> = Box::pin(future);
    // `wasmtime_call_future_t` is a transparent wrapper of just this type.
    const {
        assert!(
            size_of::<capi::wasmtime_call_future_t<'static>>()
                == size_of::<Pin<Box<dyn Future<Output = ()>>>>()
        )
    };
    Box::new(unsafe { std::mem::transmute_copy(&ManuallyDrop::new(future)) })
}
