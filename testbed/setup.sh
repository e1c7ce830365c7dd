#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Installs what the tests use besides Rust and a C compiler, where it is missing.
#
#   tshark   reads what left the switch, and is asked whether anything is malformed
set -euo pipefail

if command -v tshark >/dev/null; then
    exit 0
fi
if [ "$(id -u)" -ne 0 ]; then
    echo "tshark is missing: install the Debian package tshark, as root" >&2
    exit 3
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends tshark
