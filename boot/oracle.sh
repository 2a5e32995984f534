#!/usr/bin/env bash
# Fetches a Debian Linux kernel and packs an initrd whose first program prints the topology that Linux sees. Writes
# target/oracle/vmlinuz and target/oracle/initrd. Exits with status 2 and the reason if they cannot be had.
set -euo pipefail
folder=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../target/oracle

skip() {
    echo "oracle.sh: skipped: $*" >&2
    exit 2
}

[[ ! -e $folder/vmlinuz || ! -e $folder/initrd ]] || exit 0
type -P apt-get dpkg-deb >/dev/null || skip "there is no apt to fetch Linux with"
mkdir -p "$folder/packages" "$folder/root/bin"
cd "$folder"

# The name of the package that holds the kernel itself.
linux=$(apt-cache depends linux-image-amd64 2>/dev/null | sed -n 's/^ *Depends: //p' | head -n 1) || true
[[ -n $linux ]] || skip "apt knows no linux-image-amd64 (apt-get update?)"
for package in "$linux" busybox-static; do
    compgen -G "packages/${package}_*.deb" >/dev/null ||
        (cd packages && apt-get download "$package") >download.log 2>&1 ||
        skip "apt cannot fetch $package: $(grep '^E:' download.log | tail -n 1)"
    # Only one file of each package is unpacked: the kernel's modules take half a gigabyte.
    case $package in
    busybox-static) dpkg-deb --fsys-tarfile packages/busybox-static_*.deb | tar -xO --wildcards '*/bin/busybox' >root/bin/busybox ;;
    *) dpkg-deb --fsys-tarfile "packages/${package}"_*.deb | tar -xO --wildcards '*/boot/vmlinuz-*' >vmlinuz.part ;;
    esac
done
chmod +x root/bin/busybox

cat >root/init <<'END'
#!/bin/busybox sh
alias_of() { for name in "$@"; do alias "$name=busybox $name"; done; }
alias_of cat dd dmesg grep mkdir mount sed
mkdir -p /proc /sys /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
# Memory and CPUs as the firmware's tables place them, and the fallback order of each node.
dmesg | grep -E 'SRAT: (Node|PXM)|Fallback order' | sed 's/^\[[^]]*\] */oracle /'
# Prints a pair of lines for each CPU: oracle cpu NUMBER, oracle apicid ID.
sed -n 's/^processor[^:]*: /oracle cpu /p; s/^apicid[^:]*: /oracle apicid /p' /proc/cpuinfo
for node in /sys/devices/system/node/node[0-9]*; do
    number=${node##*/node}
    memory=$(sed -n 's/.*MemTotal: *\([0-9]*\).*/\1/p' "$node/meminfo")
    echo "oracle node $number memory $memory cpus $(cat "$node/cpulist") distances $(cat "$node/distance")"
done
echo "oracle end"
# Reports success as Proxima does, through isa-debug-exit.
printf '\020' | dd of=/dev/port bs=1 seek=244 conv=notrunc 2>/dev/null
busybox poweroff -f
END
chmod +x root/init
(cd root && find . | bin/busybox cpio -o -H newc 2>/dev/null) | gzip >initrd.part
mv initrd.part initrd
mv vmlinuz.part vmlinuz
