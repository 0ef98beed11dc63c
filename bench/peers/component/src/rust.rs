// SPDX-License-Identifier: Apache-2.0
use std::cell::RefCell;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use wasmtime::component::{Component, Instance, Linker, WasmList};
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Result, Store,
    StoreContextMut,
};

use crate::{LARGE, PARKED, SMALL, TEXT, allocated, measure, report};

thread_local! {
    static ELSEWHERE: RefCell<Vec<u8>> = RefCell::new(vec![0; LARGE]);
}

struct State {
    copies: bool,
}

/// The same settings as wash's: pool, memory kept resident, epochs. Concurrency only where it is
/// what is measured, as it costs the rest some.
fn engine(concurrent: bool) -> Result<Engine> {
    let mut pool = PoolingAllocationConfig::default();
    pool.linear_memory_keep_resident(1 << 20);
    pool.pagemap_scan(Enabled::Auto);
    let mut config = Config::new();
    config.epoch_interruption(true);
    config.concurrency_support(concurrent);
    config.wasm_component_model_async(concurrent);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config)
}

fn store(engine: &Engine) -> Store<State> {
    let mut store = Store::new(engine, State { copies: false });
    store.set_epoch_deadline(1 << 40);
    store
}

fn take(store: StoreContextMut<'_, State>, (data,): (WasmList<u8>,)) -> Result<(u32,)> {
    let bytes = data.as_le_slice(&store);
    if store.data().copies {
        ELSEWHERE.with_borrow_mut(|to| to[..bytes.len()].copy_from_slice(bytes));
    }
    Ok((bytes.len() as u32,))
}

fn open(engine: &Engine, path: String) -> Result<(Store<State>, Instance)> {
    let component = Component::from_file(engine, path)?;
    let mut linker: Linker<State> = Linker::new(engine);
    let mut host = linker.instance("bench:component/host")?;
    host.func_wrap("add", |_: StoreContextMut<'_, State>, (a, b): (u32, u32)| {
        Ok((a.wrapping_add(b),))
    })?;
    host.func_wrap("take", take)?;
    let mut store = store(engine);
    let instance = linker.instantiate(&mut store, &component)?;
    Ok((store, instance))
}

fn measure_calls(guests: &str) -> Result<()> {
    let engine = engine(false)?;
    let (mut store, instance) = open(&engine, format!("{guests}/micro.wasm"))?;
    instance.get_typed_func::<(), ()>(&mut store, "fill")?.call(&mut store, ())?;
    let add = instance.get_typed_func::<(u32, u32), (u32,)>(&mut store, "add")?;
    measure("host-guest add", |n| {
        for i in 0..n {
            add.call(&mut store, (i, n)).unwrap();
        }
    });
    let source = vec![b'x'; LARGE];
    let take = instance.get_typed_func::<(&[u8],), (u32,)>(&mut store, "take")?;
    for size in [0, SMALL, LARGE] {
        measure(&format!("host-guest list {size}"), |n| {
            for _ in 0..n {
                take.call(&mut store, (&source[..size],)).unwrap();
            }
        });
    }
    let give = instance.get_typed_func::<(u32,), (WasmList<u8>,)>(&mut store, "give")?;
    for size in [SMALL, LARGE] {
        measure(&format!("host-guest result {size}"), |n| {
            for _ in 0..n {
                give.call(&mut store, (size as u32,)).unwrap();
            }
        });
    }
    let loops = [
        ("guest-host add", "run-host-add", 0, false),
        ("guest-host list 4096", "run-host-take", SMALL as u32, false),
        ("guest-host list 1048576", "run-host-take", LARGE as u32, false),
        ("guest-host copy 4096", "run-host-take", SMALL as u32, true),
        ("guest-host copy 1048576", "run-host-take", LARGE as u32, true),
        ("component add", "run-add", 0, false),
        ("component echo 4096", "run-echo", SMALL as u32, false),
        ("text utf8 utf8", "run-text-utf8-utf8", TEXT, false),
        ("text utf8 utf16", "run-text-utf8-utf16", TEXT, false),
        ("text utf8 latin1", "run-text-utf8-latin1", TEXT, false),
        ("text utf16 utf8", "run-text-utf16-utf8", TEXT, false),
    ];
    for (name, export, size, copies) in loops {
        let run = instance.get_typed_func::<(u32, u32), ()>(&mut store, export)?;
        store.data_mut().copies = copies;
        measure(name, |n| run.call(&mut store, (n, size)).unwrap());
    }
    Ok(())
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return value;
        }
    }
}

fn measure_async(guests: &str) -> Result<()> {
    let engine = engine(true)?;
    let component = Component::from_file(&engine, format!("{guests}/async.wasm"))?;
    let linker: Linker<State> = Linker::new(&engine);
    let mut store = store(&engine);
    let instance = wait(linker.instantiate_async(&mut store, &component))?;
    let ready = instance.get_typed_func::<(u32, u32), ()>(&mut store, "run-ready")?;
    measure("async ready", |n| wait(ready.call_async(&mut store, (n, 0))).unwrap());
    let park = instance.get_typed_func::<(u32, u32), ()>(&mut store, "run-park")?;
    wait(park.call_async(&mut store, (1, 0)))?;
    let before = allocated();
    wait(park.call_async(&mut store, (PARKED, 0)))?;
    report("async parked", (allocated() - before) as f64 / f64::from(PARKED));
    Ok(())
}

fn measure_instances(path: &str) -> Result<()> {
    let engine = engine(false)?;
    let component = Component::from_file(&engine, path)?;
    let mut linker: Linker<State> = Linker::new(&engine);
    linker.define_unknown_imports_as_traps(&component)?;
    let pre = linker.instantiate_pre(&component)?;
    measure("instantiate", |n| {
        for _ in 0..n {
            pre.instantiate(&mut store(&engine)).unwrap();
        }
    });
    Ok(())
}

pub fn run(guests: &str, instance: &str) -> Result<()> {
    measure_calls(guests)?;
    measure_instances(instance)?;
    measure_async(guests)
}
