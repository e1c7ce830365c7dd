#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Builds the module, boots Debian's kernel with it in qemu, and runs a job there.
#
#   this host                             guest: no disk, no network, 512 MiB
#   +---------------------------+        +------------------------------------------+
#   | headers -> af_bp.ko       |        | init: insmod, job, rmmod                 |
#   | cc -> bp-suite, bp-testd  | initrd |   bp-suite --AF 28--> af_bp.ko           |
#   | linux-image -> vmlinuz    | -----> |                          | netlink       |
#   +---------------------------+        |                       bp-testd, bpsockd  |
#            ^ serial line, out/kmod/console.log <---+-------------------------------+
#
# usage: run.sh [suite [OPTION...] | daemon [TEST...] | bench | stress SECONDS | shell COMMAND]
# daemon and bench need bpsockd and the tools in the folder PROGRAMS (target/release).
set -euo pipefail
cd "$(dirname "$0")/../../.."

OUT=${OUT:-out}/kmod
LIMIT=${GUEST_SECONDS:-900}
CPUS=${GUEST_CPUS:-1}
mkdir -p "$OUT"
OUT=$(cd "$OUT" && pwd)

say() { echo "kmod: $*" >&2; }

# The kernel: a package, unpacked and not installed.
kernel() {
    local package
    package=$(apt-cache depends linux-image-amd64 | awk '/Depends: linux-image/ { print $2; exit }')
    VERSION=${package#linux-image-}
    VMLINUZ=$OUT/boot/vmlinuz-$VERSION
    HEADERS=${HEADERS:-/usr/src/linux-headers-$VERSION}
    VETH=$OUT/lib/modules/$VERSION/kernel/drivers/net/veth.ko
    if [ ! -e "$VMLINUZ" ] || [ ! -e "$VETH" ]; then
        say "unpacking $package"
        (cd "$OUT" && apt-get download -qq "$package" && dpkg-deb --fsys-tarfile "$package"_*.deb |
            tar -x --wildcards './boot/vmlinuz-*' "./${VETH#"$OUT/"}" && rm "$package"_*.deb)
    fi
}

module() {
    mkdir -p "$OUT/build"
    cp -r --update bpsock/kmod bpsock/uapi "$OUT/build"
    make -s -C "$HEADERS" M="$OUT/build/kmod" W=1 KBUILD_MODPOST_WARN= modules \
        >"$OUT/build.log" 2>&1 || { cat "$OUT/build.log" >&2; exit 1; }
    if grep -q warning: "$OUT/build.log"; then
        cat "$OUT/build.log" >&2
        exit 1
    fi
}

# A program with the libraries that it is linked to.
dynamic() {
    [ -e "$1" ] || { say "$1 is missing: make build"; exit 1; }
    strip -o "$2/bin/$(basename "$1")" "$1"
    ldd "$1" | grep -o '/[^ ]*' | while read -r library; do
        mkdir -p "$2$(dirname "$library")"
        cp "$library" "$2$library"
    done
}

initrd() {
    local root=$OUT/root
    rm -rf "$root"
    mkdir -p "$root"/{bin,dev,proc,sys,tmp,store}
    cp /bin/busybox "$root/bin/"
    ln -s busybox "$root/bin/sh"
    cp bpsock/kmod/guest/init "$root/init"
    cp "$OUT/suite"/bp-* "$root/bin/"
    cp "$OUT/suite/echo" "$root/bin/echo-bp"
    for program in $NEEDED; do dynamic "$program" "$root"; done
    cp bpsock/kmod/guest/{daemon,bench} "$root/bin/"
    cp "$VETH" "$root/veth.ko"
    for file in ${GUEST_FILES:-}; do cp "$file" "$root/"; done
    strip --strip-debug -o "$root/af_bp.ko" "$OUT/build/kmod/af_bp.ko"
    printf '%s\n' "$JOB" >"$root/job"
    (cd "$root" && find . | busybox cpio -o -H newc 2>/dev/null | gzip -1 >"$OUT/initrd.gz")
}

boot() {
    timeout "$LIMIT" nice -n 5 qemu-system-x86_64 -accel tcg -m 512 -smp "$CPUS" -nographic -no-reboot -net none \
        -kernel "$VMLINUZ" -initrd "$OUT/initrd.gz" \
        -append "console=ttyS0 quiet no_timer_check panic=-1 oops=panic watchdog_thresh=20 slub_debug=${SLUB_DEBUG--}" \
        </dev/null | sed -u 's/\r//' | tee "$OUT/console.log" | { grep -v '^# [a-z]' || true; }
}

# Nothing that the kernel says when it is in trouble, and the guest's last word.
verdict() {
    if grep -E 'BUG|Oops|WARNING|Call Trace|soft lockup|Kernel panic|leaked|refcount_t|general protection|FAILED' \
        "$OUT/console.log"; then
        say "the kernel complained: $OUT/console.log"
        exit 1
    fi
    grep -q '^GUEST PASSED$' "$OUT/console.log" || { say "the guest did not pass: $OUT/console.log"; exit 1; }
}

NEEDED=
case ${1:-suite} in
daemon)
    shift
    PROGRAMS=${PROGRAMS:-target/release}
    NEEDED="$PROGRAMS/bpsockd $PROGRAMS/bpping"
    JOB="insmod /veth.ko; check daemon $*; rmmod veth"
    ;;
suite)
    shift || true
    JOB="check bp-suite --kernel --scripted --echo /bin/echo-bp --daemon 'bp-testd /tmp/store' $*"
    ;;
bench)
    PROGRAMS=${PROGRAMS:-target/release}
    NEEDED=$PROGRAMS/bpsockd
    JOB="check bench"
    ;;
stress) JOB="check bp-stress $2" ;;
shell) JOB=$2 ;;
*) sed -n 's/^# //p' "$0" >&2; exit 2 ;;
esac

kernel
module
make -s -C bpsock/suite OUT="$OUT/suite" LDFLAGS=-static
initrd
boot
verdict
