#!/usr/bin/env bash
# Builds a Debian 13 with its QEMU and Bochs in target/newer-debian, and runs programs of this repository in it.
#
# newer_debian.sh             builds it, once; exits with status 2 and the reason if this host cannot
# newer_debian.sh COMMAND...  runs a command in it as root, at the top of the repository, which has the same path there
set -euo pipefail
top=$(readlink -f "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/..")
folder=$top/target/newer-debian
system=$folder/root
suite=trixie
packages=(qemu-system-x86 ovmf bochs bochs-sdl bochsbios vgabios)

skip() {
    echo "newer_debian.sh: skipped: $*" >&2
    exit 2
}

# enter COMMAND...: runs a command in the system. Its mounts and processes are in namespaces of their own, and end with it.
enter() {
    # shellcheck disable=SC2016  # The inner shell expands these.
    exec unshare --mount --pid --fork --kill-child bash -c '
        set -e
        system=$1 top=$2
        shift 2
        mount -t proc proc "$system/proc"
        mount --rbind /dev "$system/dev"
        mount -t tmpfs tmp "$system/tmp"
        # Last, as the repository may lie in /tmp.
        mkdir -p "$system$top"
        mount --bind "$top" "$system$top"
        exec chroot "$system" sh -c "cd \"\$0\" && exec \"\$@\"" "$top" "$@"
    ' bash "$system" "$top" "$@"
}

# mirror: prints the address from which apt fetches Debian.
mirror() {
    apt-get indextargets --format '$(REPO_URI) $(ORIGIN) $(LABEL)' 'Identifier: Packages' 2>/dev/null |
        sed -n 's,/* Debian Debian$,,p' | grep -m 1 '^http' || true
}

build() {
    local mirror http_proxy
    type -P debootstrap >/dev/null || skip "debootstrap is missing"
    unshare --mount true 2>/dev/null || skip "this root may not mount"
    mirror=$(mirror)
    [[ -n $mirror ]] || skip "apt names no mirror of Debian (apt-get update?)"
    mkdir -p "$folder"
    /usr/lib/apt/apt-helper download-file "$mirror/dists/$suite/Release" "$folder/Release" >"$folder/log" 2>&1 ||
        skip "$mirror does not answer, or has no $suite"
    # The proxy that apt is configured with. A proxy of the environment is used in any case.
    eval "$(apt-config shell http_proxy Acquire::http::Proxy)"
    [[ -z ${http_proxy:-} ]] || export http_proxy

    echo "newer_debian.sh: Installing Debian $suite into $folder: some minutes and 900 MB, once" >&2
    rm -rf --one-file-system "$system"
    unshare --mount --pid --fork --kill-child \
        debootstrap --variant=minbase "$suite" "$system" "$mirror" >"$folder/log" 2>&1
    (enter sh -c 'apt-get update && apt-get install --yes --no-install-recommends "$@" && apt-get clean' sh "${packages[@]}") \
        >>"$folder/log" 2>&1
    touch "$folder/complete"
}

if (($# > 0)); then
    enter "$@"
elif ((EUID != 0)); then
    skip "only root can install a system in a folder, and enter it"
elif [[ ! -e $folder/complete ]]; then
    trap 'status=$?; ((status == 0 || status == 2)) || echo "newer_debian.sh: failed; what was said is in $folder/log" >&2' EXIT
    build
fi
