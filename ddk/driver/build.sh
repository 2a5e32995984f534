#!/bin/sh
# Builds a driver in Rust: ddk/driver/build.sh FOLDER [OUTPUT]. The folder has a Cargo package of the type `staticlib`, and may be anywhere.
# Without OUTPUT, the driver goes to target/ddk/NAME.so in the repository.
set -eu
crate=$(dirname "$(realpath "$0")")
root=$(realpath "$crate/../..")
folder=$(realpath "${1:?usage: build.sh FOLDER [OUTPUT]}")
target=$(realpath -m "${CARGO_TARGET_DIR:-$root/target}/ddk")
name=$(sed -n 's/^name = "\(.*\)"$/\1/p' "$folder/Cargo.toml" | head -n 1 | tr - _)
output=$(realpath -m "${2:-$target/$name.so}")
triple=x86_64-unknown-none

# Cargo takes two packages of one name for the same, if both are workspaces of their own. In the repository all names differ.
case $folder in
"$root"/*) ;;
*) target=$target/outside/$(printf %s "$folder" | cksum | tr ' ' -) ;;
esac

# These variables would replace the flags below.
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS
# The kernel's toolchain, which rustup would not find outside of the repository.
RUSTUP_TOOLCHAIN=$(sed -n 's/^channel = "\(.*\)"$/\1/p' "$root/rust-toolchain.toml")
export RUSTUP_TOOLCHAIN

# A driver is code that runs at any address. The kernel's flags, which Cargo finds in the repository, come before these.
cd "$folder"
cargo build --release --locked --quiet --target-dir "$target" --target "$triple" \
    --config "target.$triple.rustflags = ['-C', 'relocation-model=pic', '-C', 'code-model=small', '-C', 'force-unwind-tables=yes']"

# Links the whole static library into a shared object, then leaves out what the exported symbols do not need.
cc -shared -nostdlib -Wl,--strip-debug -Wl,-z,now,-z,separate-code,--gc-sections "-Wl,--version-script=$crate/exports.map" \
    -Wl,--whole-archive "$target/$triple/release/lib$name.a" -o "$output"
