#!/bin/sh
# Builds this driver: ./build.sh [OUTPUT]. Without OUTPUT it writes write_disks.so to the repository's target folder.
set -eu
here=$(dirname "$(realpath "$0")")
target=$(realpath -m "${CARGO_TARGET_DIR:-$here/../../../target}/ddk")
output=$(realpath -m "${1:-$target/write_disks.so}")
cd "$here"

# These variables would replace the flags of .cargo/config.toml.
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS
cargo build --release --locked --quiet --target-dir "$target"

# Links the static library into a shared object, as the object files of a C driver are linked.
cc -shared -nostdlib -s -Wl,-z,now,-z,separate-code,--gc-sections \
    -Wl,--version-script=exports.map,--undefined=Driver_Init,--undefined=Driver_Exit \
    "$target/x86_64-unknown-none/release/libwrite_disks.a" -o "$output"
