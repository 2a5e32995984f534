#!/bin/sh
# Builds this driver: ./build.sh [OUTPUT], or else hello_rust.so in the repository's target folder.
set -eu
here=$(dirname "$(realpath "$0")")
target=$(realpath -m "${CARGO_TARGET_DIR:-$here/../../../target}/ddk")
output=$(realpath -m "${1:-$target/hello_rust.so}")
cd "$here"

# Flags from outside would replace those of .cargo/config.toml.
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS
cargo build --release --locked --quiet --target-dir "$target"

# A static library into a shared object, as C's object files would be.
cc -shared -nostdlib -s -Wl,-z,now,-z,separate-code,--gc-sections \
    -Wl,--version-script=exports.map,--undefined=Driver_Init,--undefined=Driver_Exit \
    "$target/x86_64-unknown-none/release/libhello_rust.a" -o "$output"
