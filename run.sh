#!/usr/bin/env bash
# The one door to Proxima: builds it, boots it, tests it. `./run.sh --help` lists what it does.
set -euo pipefail

root=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
# The paths of the images are promised, wherever else this user's cargo builds.
export CARGO_TARGET_DIR=$root/target
# What cargo runs ends with cargo, and that with this script: no QEMU stays behind, however it is ended.
export CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER="setpriv --pdeathsig KILL"

host=x86_64-unknown-linux-gnu

# The long proofs: a function soak_NAME that is given a count; the count of the whole, and that of the sample which
# `test` runs.
soaks=(
    "properties 100000 1000"
    "machines 1000000 1000"
    "mutations 1000000000 1000000"
    "fuzz 20000000 200000"
    "boots 200 5"
    "threads 50 1"
    "loom 3 1"
    "pages-host 1000000000 10000000"
    "pages 100000000 300000"
    "fail-allocation 100000 8"
    "shapes 50 12"
    "flips 64 8"
    "oracle 10 1"
)

usage() {
    cat <<'END'
usage: ./run.sh [VERB] [OPTION...] [-- QEMU ARGUMENT...]

  boot          build and boot the two-node machine; the exit status is the kernel's verdict (0: all well).
                The verb when none is given
  test          all that CI runs: host tests, tests that boot QEMU, a sample of each long proof
  check         formatting, lints, the C header against its source, documentation
  image         only build target/proxima-bios.img and target/proxima-uefi.img
  bench         run the benchmarks and show them as a table
  compare       measure the page allocator side by side with other crates' (-- --help says more)
  soak [NAME]   run the long proofs, or one of them: properties, machines, mutations, fuzz, boots, threads,
                loom, pages-host, pages, fail-allocation, shapes, flips, oracle

Options of boot:
  --firmware bios|uefi   bios when left out (also of bench)
  --cmdline "WORDS"      kernel parameters in place of "selftest"; "exit" is added
  --drivers FILE...      load these drivers beside the examples (also of bench and image)
  -- ARGUMENT...         for QEMU, as they are (also of bench); for the comparison
END
}

say() { echo "run.sh: $*" >&2; }

fail() {
    say "$@"
    exit 1
}

# shellcheck source=boot/tools.sh
source "$root/boot/tools.sh"

# ---- building ----------------------------------------------------------------------------------------------------

# cargo_quietly WHAT COMMAND...: speaks only of what went wrong; of a missing network in one line.
cargo_quietly() {
    local what=$1 log
    shift
    mkdir -p "$root/target"
    log=$(mktemp "$root/target/build.XXXXXX")
    if (cd "$root" && "$@") >"$log" 2>&1; then
        cat "$log" >&2
        rm "$log"
        return
    fi
    mv "$log" "$root/target/build.log"
    if grep -qiE "could ?n.t resolve|could not resolve|failed to download|network failure|failed to get .* as a dependency" \
        "$root/target/build.log"; then
        fail "$what cannot be built without network; what cargo said is in target/build.log"
    fi
    cat "$root/target/build.log" >&2
    fail "$what cannot be built"
}

# attached COMMAND...: a command that ends when this script does.
attached() { setpriv --pdeathsig KILL "$@"; }

announce_unless_built() {
    [[ -e $root/target/$1 ]] || say "$2"
}

# The boot loader compiles its own stages with an unstable feature of cargo. That permission is given to this one
# package, in a folder of its own, so that nothing else is built anew for it.
loader_cargo() {
    env -u CARGO_TARGET_DIR RUSTC_BOOTSTRAP=1 cargo "$1" --quiet --release --package image \
        --target-dir target/image-builder "${@:2}"
}

# The page allocator beside other crates: a workspace of its own, as nothing else needs those.
comparison=kernel/libs/page-alloc/comparison
comparison_cargo() {
    cargo "$1" --manifest-path "$comparison/Cargo.toml" --locked --target-dir target/comparison "${@:2}"
}

# The fuzz targets: a workspace of its own, as nothing else needs libFuzzer.
fuzz=kernel/libs/topology/fuzz
fuzz_cargo() {
    cargo "$1" --manifest-path "$fuzz/Cargo.toml" --locked --target-dir target/fuzz "${@:2}"
}

# What cargo-fuzz passes as well, but for the sanitizers: all that is fuzzed forbids unsafe code. With a target named,
# build scripts are spared.
fuzz_targets=(srat slit madt hmat msct root topology)
build_fuzz_targets() {
    local sancov=-Cllvm-args=-sanitizer-coverage
    announce_unless_built "fuzz/$host/release/topology" "Building the fuzz targets"
    RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module $sancov-level=4 $sancov-inline-8bit-counters $sancov-pc-table \
        $sancov-trace-compares" cargo_quietly "the fuzz targets" fuzz_cargo build --quiet --release --target "$host" \
        --features libfuzzer "${fuzz_targets[@]/#/--bin=}"
}

build_runner() {
    announce_unless_built debug/boot "Building what starts QEMU"
    cargo_quietly "what starts QEMU" cargo build --quiet --package boot
}

# build_images DRIVER...: both images, with the example drivers and these.
build_images() {
    local examples files=()
    announce_unless_built x86_64-unknown-none/release/kernel "Building the kernel"
    cargo_quietly "the kernel" cargo kernel --quiet
    announce_unless_built image-builder/release/image "Building the boot loader: about two minutes, once"
    cargo_quietly "the boot loader" loader_cargo build
    build_runner
    examples=$("$root/target/debug/boot" drivers) || exit 1
    mapfile -t files < <(printf %s "$examples")
    files+=("$@")
    "$root/target/image-builder/release/image" --kernel "$root/target/x86_64-unknown-none/release/kernel" \
        --bios "$root/target/proxima-bios.img" --uefi "$root/target/proxima-uefi.img" \
        ${files:+--drivers "${files[@]}"} || exit 1
}

# ---- verbs -------------------------------------------------------------------------------------------------------

verb_boot() {
    need_tools machine
    build_images "${drivers[@]}"
    exec "$root/target/debug/boot" run --firmware "$firmware" --cmdline "$cmdline" -- "${behind[@]}"
}

verb_image() {
    need_tools
    build_images "${drivers[@]}"
}

verb_bench() {
    need_tools machine
    build_images "${drivers[@]}"
    say "Measuring, on a clock that counts instructions"
    exec "$root/target/debug/boot" bench --firmware "$firmware" -- "${behind[@]}"
}

verb_compare() {
    need_tools
    announce_unless_built comparison/release/comparison "Building the comparison"
    cargo_quietly "the comparison" comparison_cargo build --quiet --release
    exec "$root/target/comparison/release/comparison" "${behind[@]}"
}

verb_test() {
    local name whole sample
    need_tools machine fuzzer decoder
    cd "$root"
    say "Tests on the host"
    attached cargo test --quiet -- --show-output
    loader_cargo test
    build_images
    cargo_quietly "the kernel that checks itself" cargo checked-kernel --quiet
    say "Tests that boot QEMU"
    attached cargo test --quiet --package boot
    for soak in "${soaks[@]}"; do
        read -r name whole sample <<<"$soak"
        say "Sample of soak $name: $sample of $whole"
        "soak_$name" "$sample"
    done
}

verb_check() {
    need_tools fuzzer
    cd "$root"
    export RUSTDOCFLAGS="-D warnings"
    local kernel=(--package kernel --target x86_64-unknown-none)
    # Workspaces of their own.
    local rust_drivers=(ddk/examples/*/Cargo.toml) driver
    say "Formatting"
    cargo fmt --all --check
    cargo fmt --manifest-path "$comparison/Cargo.toml" --check
    cargo fmt --manifest-path "$fuzz/Cargo.toml" --check
    for driver in "${rust_drivers[@]%/*}"; do
        (cd "$driver" && cargo fmt --check)
    done
    say "Lints"
    cargo clippy --quiet --all-targets -- -D warnings
    cargo clippy --quiet --package boot --all-targets -- -D warnings
    cargo clippy --quiet --release "${kernel[@]}" -- -D warnings
    cargo clippy --quiet --profile checked "${kernel[@]}" -- -D warnings
    loader_cargo clippy --all-targets -- -D warnings
    for driver in "${rust_drivers[@]%/*}"; do
        (cd "$driver" && cargo clippy --quiet --release --locked --target-dir "$CARGO_TARGET_DIR/ddk" -- -D warnings)
    done
    comparison_cargo clippy --quiet --all-targets -- -D warnings
    fuzz_cargo clippy --quiet --all-targets --features libfuzzer -- -D warnings
    if type -P shellcheck >/dev/null; then
        shellcheck -x run.sh boot/tools.sh boot/oracle.sh .ci/run ddk/examples/*/build.sh
    fi
    say "The C header against its source"
    cargo run --quiet --package header -- --check
    say "Documentation"
    cargo doc --quiet --no-deps
    cargo doc --quiet --no-deps --package boot
    cargo doc --quiet --no-deps --release "${kernel[@]}"
}

verb_soak() {
    local name whole sample found=
    for soak in "${soaks[@]}"; do
        read -r name whole sample <<<"$soak"
        [[ -z $soak_name || $soak_name == "$name" ]] || continue
        if [[ -z $found ]]; then
            need_tools machine fuzzer
            cd "$root"
            build_images
            found=yes
        fi
        say "Soak $name: $whole (a sample in \`test\`: $sample)"
        "soak_$name" "$whole"
    done
    [[ -n $found ]] || fail "no soak $soak_name; there are: ${soaks[*]%% *}"
}

# Each property of the host tests on so many cases.
soak_properties() {
    PROPTEST_CASES=$1 attached cargo test --quiet --release
    echo "soak properties: $1 cases of each property"
}

# The properties of the topology, on so many machines.
soak_machines() {
    PROPTEST_CASES=$1 attached cargo test --quiet --release --package topology --lib properties
    echo "soak machines: $1 cases of each property"
}

# So many mutated tables, the collection's among them where it is.
soak_mutations() {
    cargo_quietly "the mutations" fuzz_cargo build --quiet --release --bin mutations
    attached "$root/target/fuzz/release/mutations" "$1" "$root/../shared/tables"
}

# So many runs of each fuzz target. Those of the sample are the same each time; the whole starts from what earlier ones
# found, in target/fuzz/corpus.
soak_fuzz() {
    local target log corpus=()
    build_fuzz_targets
    for target in "${fuzz_targets[@]}"; do
        log=$root/target/fuzz/$target.log
        if [[ $1 == "$whole" ]]; then
            corpus=("$root/target/fuzz/corpus/$target")
            mkdir -p "${corpus[@]}"
        fi
        if ! attached "$root/target/fuzz/$host/release/$target" -runs="$1" -seed=1 -max_len=4096 -timeout=60 \
            -artifact_prefix="$root/target/fuzz/$target-" "${corpus[@]}" >"$log" 2>&1; then
            tail -n 40 "$log" >&2
            fail "target $target fails; target/fuzz/$host/release/$target FILE does it again, with the file named above"
        fi
        echo "soak fuzz: $1 runs of $target, $(grep -oE 'cov: [0-9]+' "$log" | tail -n 1)"
    done
}

# So many boots of the two-node machine in a row.
soak_boots() {
    attached "$root/target/debug/boot" repeat "$1"
}

# A thousand threads under load, on so many boots.
soak_threads() {
    attached "$root/target/debug/boot" repeat "$1" --cmdline load
}

# Crates with models of what CPUs do to each other, in tests/loom.rs.
loom_crates=(page-alloc cpu-requests)

# Every interleaving with no more than so many preemptions; with 3 or more, every interleaving of two CPUs, but for the models
# that take too many steps.
soak_loom() {
    local loom=(env RUSTFLAGS="--cfg loom" cargo test --quiet --release --target-dir target/loom
        "${loom_crates[@]/#/--package=}" --test loom --)
    if (($1 < 3)); then
        LOOM_MAX_PREEMPTIONS=$1 attached "${loom[@]}"
    else
        attached "${loom[@]}" --skip three_cpus --skip over_two_words
        LOOM_MAX_PREEMPTIONS=$1 attached "${loom[@]}" three_cpus over_two_words
    fi
    echo "soak loom: up to $1 preemptions"
}

# So many operations on the page allocator by two threads of the host.
soak_pages-host() {
    attached cargo run --quiet --release --package page-alloc --example soak "$1"
}

# So many operations on the page allocator by eight CPUs on four nodes.
soak_pages() {
    attached "$root/target/debug/boot" stress-pages "$1"
}

# Boots, at most so many, each with another allocation made to fail.
soak_fail-allocation() {
    attached "$root/target/debug/boot" fail-allocation "$1"
}

# So many of the fifty shapes of machine, evenly spaced, each with exactly the topology that it was built with.
soak_shapes() {
    long_proof shapes shapes_are_understood_as_they_are_described "$1"
}

# So many single bits of SRAT and SLIT flipped, one a boot.
soak_flips() {
    long_proof tables flips::no_single_bit_costs_memory_or_cpus "$1"
}

# On so many of those shapes, Linux sees what Proxima sees.
soak_oracle() {
    local status=0
    "$root/boot/oracle.sh" || status=$?
    case $status in
    0) long_proof shapes linux_sees_the_same "$1" ;;
    2) echo "soak oracle: skipped, as there is no Linux to ask" ;;
    *) fail "boot/oracle.sh could not pack what it fetched" ;;
    esac
}

# long_proof PROGRAM TEST COUNT: a test that is left out of `cargo test`, on so many of its cases.
long_proof() {
    PROXIMA_CASES=$3 attached cargo test --quiet --package boot --test "$1" -- --ignored --nocapture --exact "$2"
}

# ---- the command line --------------------------------------------------------------------------------------------

# only VERB...: refuses the option $option for all other verbs.
only() {
    [[ " $* " == *" $verb "* ]] || fail "$verb takes no $option (see --help)"
}

verb=boot
firmware=bios
cmdline=selftest
drivers=()
# What stands behind `--`.
behind=()
soak_name=

case ${1-} in
boot | test | check | image | bench | compare | soak)
    verb=$1
    shift
    ;;
esac
if [[ $verb == soak && $# -gt 0 && $1 != -* ]]; then
    soak_name=$1
    shift
fi

while (($# > 0)); do
    option=$1
    shift
    case $option in
    -h | --help)
        usage
        exit
        ;;
    --firmware)
        only boot bench
        firmware=${1-}
        [[ $firmware == bios || $firmware == uefi ]] || fail "--firmware is followed by bios or uefi"
        shift
        ;;
    --cmdline)
        only boot
        (($# > 0)) || fail "--cmdline is followed by the kernel's parameters"
        cmdline=$1
        shift
        ;;
    --drivers)
        only boot bench image
        [[ $# -gt 0 && $1 != -* ]] || fail "--drivers is followed by files"
        while [[ $# -gt 0 && $1 != -* ]]; do
            [[ -f $1 && -r $1 ]] || fail "$1: no such driver file"
            drivers+=("$1")
            shift
        done
        ;;
    --)
        only boot bench compare
        behind=("$@")
        break
        ;;
    *) fail "$option: no such verb or option (see --help)" ;;
    esac
done

"verb_$verb"
