#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds the Rust guests anew into this folder. Needs tools/guest-toolchain once.
set -eu
cd "$(dirname "$0")"
bin=$(../../tools/guest-toolchain)
"$bin/cargo" build --release --locked --manifest-path src/rust/Cargo.toml
for file in src/rust/target/wasm32-wasip1/release/p[23]_*.wasm src/rust/target/wasm32-wasip1/release/p[23]-*.wasm; do
    [ -e "$file" ] || continue
    name=$(basename "$file" .wasm | tr _ -)
    [ "$name" = p2-reply ] || cp "$file" "$name.wasm"
done
