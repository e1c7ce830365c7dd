#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Installs what the tests use besides Rust and a C compiler, where it is missing.
#
#   tshark   reads what left the switch, and is asked whether anything is malformed; a peer of the codecs
#   pyD3TN   a peer of the codecs, from PyPI into target/python
#   ip       makes the interfaces of `make test-interfaces`
#   etcd     holds the lease of controllers on several machines
#   p4runtime, p4runtime-shell, finsy
#            clients of the P4Runtime server, from PyPI into target/p4runtime and target/finsy
#
# With the argument kmod, what the kernel module and its guest need instead: headers, qemu, busybox; with kmod
# uml User-Mode Linux in place of qemu. With the argument mininet, what the topologies of testbed/mininet need: no kernel module, and no Open vSwitch.
set -euo pipefail
cd "$(dirname "$0")/.."

# Installs Debian packages.
debian() {
    if [ "$(id -u)" -ne 0 ]; then
        echo "missing: install the Debian packages $*, as root" >&2
        exit 3
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends "$@"
}

# Whether a folder has an environment with these packages, written NAME==VERSION.
has() {
    local folder=$1
    shift
    "$folder/bin/python" - "$@" 2>/dev/null <<'END'
import sys
from importlib.metadata import version
wanted = [one.split("==") for one in sys.argv[1:]]
sys.exit(any(version(name) != number for name, number in wanted))
END
}

# Makes an environment with these packages, unless it is there.
environment() {
    local folder=$1
    shift
    if has "$folder" "$@"; then
        return
    fi
    if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
        debian python3 python3-venv
    fi
    rm -rf "$folder"
    python3 -m venv "$folder"
    "$folder/bin/pip" install --quiet --disable-pip-version-check "$@"
}

has_guest() {
    for program in qemu-system-x86_64 busybox make gcc; do
        command -v "$program" >/dev/null || return
    done
    compgen -G '/usr/src/linux-headers-*-amd64' >/dev/null
}

if [ "${1:-}" = kmod ] && [ "${2:-}" = uml ]; then
    for program in linux.uml busybox make gcc bc flex bison xz; do
        command -v "$program" >/dev/null && continue
        debian user-mode-linux busybox-static make gcc libc6-dev bc flex bison xz-utils
        break
    done
    exit
fi

if [ "${1:-}" = kmod ]; then
    has_guest || debian qemu-system-x86 busybox-static linux-headers-amd64 make gcc libc6-dev
    exit
fi

if [ "${1:-}" = mininet ]; then
    # Mininet is a package of Debian's own Python.
    if ! command -v ethtool >/dev/null || ! /usr/bin/python3 -c 'import mininet' 2>/dev/null; then
        debian mininet ethtool iproute2 net-tools procps
    fi
    exit
fi

if ! command -v tshark >/dev/null; then
    debian tshark
fi
if ! command -v ip >/dev/null; then
    debian iproute2
fi
if ! command -v etcd >/dev/null; then
    debian etcd-server
fi
environment target/python pyD3TN==0.15.2 cbor2==5.8.0
# The shell wants an older protobuf than finsy does, so that each has a folder of its own.
environment target/p4runtime p4runtime==1.4.1 p4runtime-shell==0.0.6
environment target/finsy finsy==0.30.0
