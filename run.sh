#!/usr/bin/env bash
# The one door to Proxima: builds it, boots it, tests it. `./run.sh --help` lists the verbs.
#
# This script installs what is missing and builds the program `boot`, which does the rest (boot/src/main.rs).
set -euo pipefail

root=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
# The paths of the images are promised, wherever else this user's cargo builds.
export CARGO_TARGET_DIR=$root/target
# A program that cargo runs ends with cargo, and cargo ends with this script: no QEMU stays behind.
export CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER="setpriv --pdeathsig KILL"

usage() {
    cat <<'END'
usage: ./run.sh [VERB] [OPTION...] [-- QEMU ARGUMENT...]

  boot          build and boot the two-node machine; the exit status is the kernel's verdict (0: all well).
                The verb when none is given
  shell         boot the two-node machine with this terminal at its console: help lists the commands
  push DRIVER   send a driver, a file or a folder to build, to the kernel that runs under shell; it is loaded, or takes the
                place of the loaded one of its name
  test [NAME [TEST]]
                all that CI runs: host tests, tests that boot QEMU, a sample of each long proof; or those of one
                package, test program or soak; or only the tests whose name contains TEST
  check         formatting, imports, lints, the C header against its source, documentation
  docs          build the documents in docs as a book, and say where its first page is
  image         build target/proxima-bios.img and target/proxima-uefi.img, and say how to write a USB stick for a machine
  bench         run the benchmarks and show them as a table
  compare [pages|heap]
                measure the page allocator, or the heap, side by side with others (-- --help says more)
  new-driver NAME --c|--rust [--pci VENDOR:DEVICE]
                make the folder of a driver that builds and boots; NAME may be a path that ends with the name
  soak [NAME [COUNT [SEED]]]
                run the long proofs, or one of them: properties, machines, mutations, fuzz, boots, threads,
                loom, pages-host, pages, heap-host, heap, disks, reloads, wild-writes, faults, exports,
                fail-allocation, shapes, flips, oracle, newer-qemu

Options of boot:
  --firmware bios|uefi   bios when left out (also of shell and bench)
  --cmdline "WORDS"      kernel parameters in place of "selftest"; "exit" is added (also of shell and image, which have no others)
  --drivers DRIVER...    load these drivers beside the examples: files, or folders to build (also of shell, bench, image)
  -- ARGUMENT...         for QEMU, as they are (also of shell and bench); for the comparison
END
}

say() { echo "run.sh: $*" >&2; }

fail() {
    say "$@"
    exit 1
}

# shellcheck source=boot/tools.sh
source "$root/boot/tools.sh"

# cargo_quietly WHAT COMMAND...: shows the command's output only if it fails or warns. Says in one line that the network is
# missing.
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

for word in "$@"; do
    case $word in
    --) break ;;
    -h | --help)
        usage
        exit
        ;;
    esac
done

verb=boot
if (($# > 0)) && [[ $1 != -* ]]; then
    verb=$1
    shift
fi
case $verb in
boot | shell | bench) need_tools machine ;;
docs | image | new-driver | push) need_tools ;;
compare) need_tools comparison ;;
check) need_tools fuzzer ;;
soak) need_tools machine fuzzer ;;
test) need_tools machine fuzzer decoder ;;
*) fail "$verb: no such verb or option (see --help)" ;;
esac

[[ -e $root/target/debug/boot ]] || say "Building what starts QEMU"
cargo_quietly "what starts QEMU" cargo build --quiet --package boot
exec "$root/target/debug/boot" "$verb" "$@"
