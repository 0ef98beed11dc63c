// SPDX-License-Identifier: Apache-2.0
//! Copies the generated C headers of libwasmtime (conf.h matches this very build) to $WASH_WASMTIME_INCLUDE.
use std::{env, fs, io, path::Path};

fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

fn main() {
    println!("cargo:rerun-if-env-changed=WASH_WASMTIME_INCLUDE");
    let headers = env::var("DEP_WASMTIME_C_API_INCLUDE").expect("wasmtime-c-api-impl names its headers");
    if let Ok(out) = env::var("WASH_WASMTIME_INCLUDE") {
        println!("cargo:rerun-if-changed={out}/wasmtime.h");
        copy_tree(Path::new(&headers), Path::new(&out)).expect("copy the headers of libwasmtime");
    }
}
