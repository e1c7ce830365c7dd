#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Builds the module, boots a kernel with it in a guest, and runs a job there. The guest is Debian's kernel in
# qemu, or with GUEST=uml Debian's User-Mode Linux, which runs as fast as any other process of this host.
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
# daemon and bench need bpsockd and the tools in the folder PROGRAMS (target/release). UML and UML_SOURCE say
# where another User-Mode Linux is, and the folder that it was built in.
set -euo pipefail
cd "$(dirname "$0")/../../.."

GUEST=${GUEST:-qemu}
OUT=${OUT:-out}/kmod
LIMIT=${GUEST_SECONDS:-900}
CPUS=${GUEST_CPUS:-1}
mkdir -p "$OUT"
OUT=$(cd "$OUT" && pwd)

say() { echo "kmod: $*" >&2; }

# The kernel: a package, unpacked and not installed.
qemu_kernel() {
    local package
    package=$(apt-cache depends linux-image-amd64 | awk '/Depends: linux-image/ { print $2; exit }')
    VERSION=${package#linux-image-}
    VMLINUZ=$OUT/boot/vmlinuz-$VERSION
    HEADERS=${HEADERS:-/usr/src/linux-headers-$VERSION}
    FOR=(ARCH=x86 KBUILD_MODPOST_WARN=)
    VETH=$OUT/lib/modules/$VERSION/kernel/drivers/net/veth.ko
    if [ ! -e "$VMLINUZ" ] || [ ! -e "$VETH" ]; then
        say "unpacking $package"
        (cd "$OUT" && apt-get download -qq "$package" && dpkg-deb --fsys-tarfile "$package"_*.deb |
            tar -x --wildcards './boot/vmlinuz-*' "./${VETH#"$OUT/"}" && rm "$package"_*.deb)
    fi
}

# The package has no headers: its source is prepared with its configuration.
uml_kernel() {
    local package version
    UML=${UML:-linux.uml}
    VERSION=$("$UML" --version)
    HEADERS=${UML_SOURCE:-$OUT/uml/linux-source-${VERSION%.*}}
    # Without the symbols of all of the kernel, modpost cannot know those that the module uses.
    FOR=(ARCH=um KBUILD_MODPOST_WARN=1)
    VETH=
    [ -e "$HEADERS/include/generated/autoconf.h" ] && return
    package=linux-source-${VERSION%.*}
    version=$(apt-cache madison "$package" | awk -v of="$VERSION-" 'index($3, of) == 1 { print $3; exit }')
    say "preparing $package $version"
    mkdir -p "$OUT/uml"
    (cd "$OUT/uml" && apt-get download -qq "$package=$version" && dpkg-deb --fsys-tarfile "$package"_*.deb |
        tar -xO "./usr/src/$package.tar.xz" | tar -xJ && rm "$package"_*.deb)
    "$UML" --showconfig >"$HEADERS/.config"
    make -s -C "$HEADERS" ARCH=um olddefconfig modules_prepare >"$OUT/uml/prepare.log" 2>&1 ||
        { cat "$OUT/uml/prepare.log" >&2; exit 1; }
}

module() {
    BUILD=$OUT/build-$GUEST
    mkdir -p "$BUILD"
    cp -r --update bpsock/kmod bpsock/uapi "$BUILD"
    make -s -C "$HEADERS" "${FOR[@]}" M="$BUILD/kmod" W=1 modules \
        >"$BUILD/log" 2>&1 || { cat "$BUILD/log" >&2; exit 1; }
    if grep warning: "$BUILD/log"; then
        cat "$BUILD/log" >&2
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
    [ -z "$VETH" ] || cp "$VETH" "$root/veth.ko"
    for file in ${GUEST_FILES:-}; do cp "$file" "$root/"; done
    strip --strip-debug -o "$root/af_bp.ko" "$BUILD/kmod/af_bp.ko"
    printf '%s\n' "$JOB" >"$root/job"
    (cd "$root" && find . | busybox cpio -o -H newc 2>/dev/null | gzip -1 >"$OUT/initrd.gz")
}

qemu_boot() {
    timeout "$LIMIT" nice -n 5 qemu-system-x86_64 -accel tcg -m 512 -smp "$CPUS" -nographic -no-reboot -net none \
        -kernel "$VMLINUZ" -initrd "$OUT/initrd.gz" \
        -append "console=ttyS0 quiet no_timer_check panic=-1 oops=panic watchdog_thresh=20 slub_debug=${SLUB_DEBUG--}" \
        </dev/null
}

uml_boot() {
    timeout "$LIMIT" nice -n 5 "$UML" mem=512M initrd="$OUT/initrd.gz" con0=null,fd:1 con=null quiet panic=-1 oops=panic \
        </dev/null
}

boot() {
    "${GUEST}_boot" | sed -u 's/\r//' | tee "$OUT/console.log" | { grep -v '^# [a-z]' || true; }
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
    [ "$GUEST" = qemu ] || { say "$GUEST has no virtual Ethernet: daemon needs qemu"; exit 2; }
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

"${GUEST}_kernel"
module
make -s -C bpsock/suite OUT="$OUT/suite" LDFLAGS=-static
initrd
boot
verdict
