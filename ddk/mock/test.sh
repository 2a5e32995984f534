#!/bin/sh
# Tests a driver in C on the host: ddk/mock/test.sh FOLDER [CC OPTION...]. The driver is the C files of the folder, which may be anywhere, and
# its tests those of the folder `host` in it.
set -eu
mock=$(dirname "$(realpath "$0")")
root=$(realpath "$mock/../..")
folder=$(realpath "${1:?usage: test.sh FOLDER [CC OPTION...]}")
shift
target=$(realpath -m "${CARGO_TARGET_DIR:-$root/target}")
program=$target/ddk/host/$(printf %s "$folder" | cksum | tr ' ' -)

mkdir -p "$target/ddk/host"
(cd "$root" && cargo rustc --quiet --package driver_mock --lib --crate-type staticlib --target-dir "$target")
cc -std=gnu17 -g -O1 -Wall -Wextra -DPROXIMA_HOST "$@" -I "$root/ddk/include" -I "$mock/include" \
    "$folder"/*.c "$folder"/host/*.c "$target/debug/libdriver_mock.a" -lpthread -ldl -lm -o "$program"
"$program"
echo "The tests pass."
