#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds the component with the first Rust toolchain that can: one with the target wasm32-wasip2
# (`rustup target add wasm32-wasip2`), or the one that tools/guest-toolchain of the wash sources sets up.
# As long as the sources are those of the prebuilt component, that is taken and none is needed.
set -eu
cd "$(dirname "$0")"
mkdir -p target
out=target/http_hello_world.wasm
sources_sum() { cat src/*.rs Cargo.toml Cargo.lock | sha256sum | cut -d' ' -f1; }

guest=$(ls -d "${WASH_BUILD_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/wash-build}"/guest-rust-*/bin/cargo 2>/dev/null | tail -n 1)
if [ -d "$(rustc --print target-libdir --target wasm32-wasip2 2>/dev/null)" ]; then
    cargo build --locked --release --target wasm32-wasip2
    built=target/wasm32-wasip2/release/http_hello_world.wasm
elif [ -n "$guest" ]; then
    "$guest" build --locked --release
    built=target/wasm32-wasip1/release/http_hello_world.wasm
elif [ "$(sources_sum)" = "$(cat prebuilt/sources.sha256)" ]; then
    echo "build.sh: the sources are unchanged; taking the prebuilt component" >&2
    built=prebuilt/http_hello_world.wasm
elif [ -x ../../tools/guest-toolchain ]; then
    echo "build.sh: the sources changed: setting up a Rust toolchain for WebAssembly, once, about a minute" >&2
    "$(../../tools/guest-toolchain)/cargo" build --locked --release
    built=target/wasm32-wasip1/release/http_hello_world.wasm
else
    echo "build.sh: the sources changed and no Rust toolchain for WebAssembly was found;" >&2
    echo "build.sh: run \`rustup target add wasm32-wasip2\`, or tools/guest-toolchain of the wash sources on Debian" >&2
    exit 1
fi
cp "$built" "$out.new"
mv "$out.new" "$out"
[ "${1:-}" = --prebuild ] && { cp "$out" prebuilt/; sources_sum >prebuilt/sources.sha256; }
exit 0
