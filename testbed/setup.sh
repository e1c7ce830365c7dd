#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Installs what the tests use besides Rust and a C compiler, where it is missing.
#
#   tshark   reads what left the switch, and is asked whether anything is malformed; a peer of the codecs
#   pyD3TN   a peer of the codecs, from PyPI into target/python
#
# With the argument kmod, what the kernel module and its guest need instead: headers, qemu, busybox.
set -euo pipefail
cd "$(dirname "$0")/.."

PYD3TN=0.15.2
CBOR2=5.8.0
PYTHON=target/python

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

has_pyd3tn() {
    "$PYTHON/bin/python" - "$PYD3TN" "$CBOR2" 2>/dev/null <<'END'
import sys
from importlib.metadata import version
sys.exit([version("pyD3TN"), version("cbor2")] != sys.argv[1:])
END
}

has_guest() {
    for program in qemu-system-x86_64 busybox make gcc; do
        command -v "$program" >/dev/null || return
    done
    compgen -G '/usr/src/linux-headers-*-amd64' >/dev/null
}

if [ "${1:-}" = kmod ]; then
    has_guest || debian qemu-system-x86 busybox-static linux-headers-amd64 make gcc libc6-dev
    exit
fi
if ! command -v tshark >/dev/null; then
    debian tshark
fi
if ! has_pyd3tn; then
    if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
        debian python3 python3-venv
    fi
    rm -rf "$PYTHON"
    python3 -m venv "$PYTHON"
    "$PYTHON/bin/pip" install --quiet --disable-pip-version-check "pyD3TN==$PYD3TN" "cbor2==$CBOR2"
fi
