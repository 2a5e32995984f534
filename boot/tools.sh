# Installs what a host needs to build and boot Proxima. run.sh sources this file.
# shellcheck shell=bash
: "${root:?is set by run.sh}"

# need_tools [machine] [fuzzer] [decoder] [comparison]: installs what is missing to build Proxima; for `machine`, to boot it; for
# `fuzzer`, to build libFuzzer; for `decoder`, to decode firmware's tables a second time; for `comparison`, to build other heaps. Ends the script if something cannot be installed.
need_tools() {
    local packages=()
    need_compilers
    [[ " $* " != *" machine "* ]] || need_machine
    [[ " $* " != *" fuzzer "* ]] || need_fuzzer
    [[ " $* " != *" decoder "* ]] || need_decoder
    [[ " $* " != *" comparison "* ]] || need_comparison
    install_packages "${packages[@]}"
    install_toolchain
    cargo_quietly "Proxima" cargo fetch --quiet
}

# need PACKAGE REASON: adds a package to the list of missing ones, and says why it is needed.
need() {
    say "Missing: $1, $2"
    packages+=("$1")
}

need_compilers() {
    if ! type -P cc >/dev/null; then
        need gcc "which links host programs and compiles drivers"
        need libc6-dev "which host programs are linked with"
    elif ! cc -x c -o /dev/null - <<<'int main(void) { return 0; }' 2>/dev/null; then
        need libc6-dev "which host programs are linked with"
    fi
    type -P objcopy >/dev/null || need binutils "whose objcopy takes what only debuggers read out of the kernel's file"
    # rustup installs there. A shell that was open before the installation does not have it in its PATH.
    PATH=${CARGO_HOME:-$HOME/.cargo}/bin:$PATH
    if ! type -P rustup >/dev/null; then
        type -P curl >/dev/null || need curl "which fetches rustup"
        [[ -e /etc/ssl/certs/ca-certificates.crt || ! -e /etc/debian_version ]] ||
            need ca-certificates "without which curl trusts no server"
    fi
}

need_fuzzer() {
    type -P c++ >/dev/null || need g++ "which compiles libFuzzer"
}

need_decoder() {
    type -P iasl >/dev/null || need acpica-tools "whose iasl says what tables of real machines hold"
}

need_comparison() {
    type -P make >/dev/null || need make "which builds jemalloc, one of the heaps"
}

need_machine() {
    type -P qemu-system-x86_64 >/dev/null || need qemu-system-x86 "the machine that Proxima boots on"
    [[ -d /usr/share/OVMF || -d /usr/share/edk2 ]] || need ovmf "the UEFI firmware of that machine"
    type -P setpriv >/dev/null || need util-linux "whose setpriv lets no QEMU outlive this script"
}

install_packages() {
    (($# > 0)) || return 0
    local command="apt-get update && apt-get install --yes --no-install-recommends $*" log answer
    if ! type -P apt-get >/dev/null; then
        fail "this system has no apt; install these packages, or what they are called here: $*"
    elif ((EUID != 0)); then
        command="sudo sh -c '$command'"
        if [[ ! -t 0 || ! -t 2 ]] || ! type -P sudo >/dev/null; then
            fail "install them with: $command"
        fi
        read -r -p "run.sh: Install them? ($command) [Y/n] " answer
        [[ ${answer:-y} == [yY]* ]] || fail "install them with: $command"
    fi
    say "Installing $*"
    log=$(mktemp)
    if ! DEBIAN_FRONTEND=noninteractive bash -c "$command" >"$log" 2>&1 </dev/null; then
        fail "apt could not install them: $(grep '^E:' "$log" | tail -n 1)"
    fi
    rm "$log"
}

# Installs the toolchain that rust-toolchain.toml names, if a part of it is missing.
install_toolchain() {
    local script channel components targets part installed missing=
    if ! type -P rustup >/dev/null; then
        say "Installing rustup, which brings the Rust toolchain, to ${CARGO_HOME:-$HOME/.cargo}"
        # The script behind sh.rustup.rs, on the server that also has the toolchain.
        script=$(curl --proto '=https' --tlsv1.2 --silent --show-error --fail \
            https://static.rust-lang.org/rustup/rustup-init.sh 2>&1) || fail "rustup cannot be fetched: $script"
        unless_it_fails sh -s -- -y --quiet --no-modify-path --default-toolchain none <<<"$script" ||
            fail "rustup could not be installed; https://rustup.rs says how else"
    fi
    channel=$(toolchain_file channel)
    components=$(toolchain_file components)
    targets=$(toolchain_file targets)
    installed=$(RUSTUP_AUTO_INSTALL=0 rustup component list --toolchain "$channel" --installed 2>/dev/null) || true
    for part in rustc $components $targets; do
        [[ $part != *-*-* ]] || part=rust-std-$part
        grep -qE "^$part(-|$)" <<<"$installed" || missing=yes
    done
    [[ -n $missing ]] || return 0
    say "Installing Rust $channel, which rust-toolchain.toml asks for"
    unless_it_fails rustup --quiet toolchain install "$channel" --profile minimal --no-self-update \
        --component "${components// /,}" --target "${targets// /,}" ||
        fail "Rust $channel could not be installed"
}

# unless_it_fails COMMAND...: runs a command and shows its output only if it fails. rustup's installer warns of an older TLS in
# curl, and praises itself.
unless_it_fails() {
    local log status=0
    log=$(mktemp)
    "$@" >"$log" 2>&1 || status=$?
    ((status == 0)) || cat "$log" >&2
    rm "$log"
    return "$status"
}

# toolchain_file KEY: prints the words of one key of rust-toolchain.toml.
toolchain_file() {
    sed -n "s/^$1 = //p" "$root/rust-toolchain.toml" | tr -d '[],"'
}
