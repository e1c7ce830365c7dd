#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Runs the scenarios of the paper's figures 6 and 7 in Mininet, and prints a report.

Run it as root, in a network namespace of its own: `unshare --net`. Nothing of the machine's network
is touched. Exit status: 0 all is as it should be, 1 something is not, 3 a scenario could not run.
"""

import argparse
import ctypes
import os
import shutil
import socket
import subprocess
import sys
import traceback

from mininet.log import setLogLevel

from figure6 import Figure6
from figure7 import Figure7
from sddtn import Failed, HERE, Programs, interrupted

SCENARIOS = {"figure7": Figure7, "figure6": Figure6}
# A number of the kernel that Python has no name for.
CLONE_NEWNS = 0x20000
TOOLS = ("ethtool", "ip", "ifconfig", "mnexec")


def own_namespace():
    """Whether this is not the network of the machine: there is nothing but loopback."""
    return [name for _, name in socket.if_nameindex()] == ["lo"]


def show_interfaces():
    """Makes /sys show the interfaces of this namespace, to this program and what it starts.

    BMv2 looks there whether a port is up, and lets nothing in at a port that it does not find.
    """
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), "cannot have mounts of its own")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(["mount", "-t", "sysfs", "sysfs", "/sys"], check=True)


def run(name, programs, quick):
    scenario = SCENARIOS[name](programs, quick)
    try:
        scenario.build()
        scenario.run()
    finally:
        programs.stop_all()
        scenario.stop()
    scenario.report.save(programs.file("report.json"))
    print(scenario.report.text(), flush=True)
    return not scenario.report.faults


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
                                     epilog="example: unshare --net testbed/mininet/run.py --quick figure7")
    parser.add_argument("scenarios", nargs="*", choices=[[], *SCENARIOS], help="default: all")
    parser.add_argument("--out", default="out/testbed", help="folder for everything that is written; logs and stores in it are removed")
    parser.add_argument("--switch", choices=("sddtn", "bmv2"), default="sddtn",
                        help="bmv2 needs simple_switch_grpc and p4c-bm2-ss on the PATH")
    parser.add_argument("--programs", default=os.path.join(HERE, "../../target/release"), help="folder")
    parser.add_argument("--quick", action="store_true", help="less traffic, fewer contacts")
    args = parser.parse_args()
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if os.geteuid() or missing or not own_namespace():
        print(f"run.py: needs root, a namespace of its own (unshare --net), and the tools {TOOLS}; "
              f"missing: {missing}", file=sys.stderr)
        return 3
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    if args.switch == "bmv2":
        show_interfaces()
    setLogLevel("warning")
    interrupted()
    good = True
    for name in args.scenarios or SCENARIOS:
        programs = Programs(args.programs, os.path.join(args.out, name), args.switch)
        try:
            good &= run(name, programs, args.quick)
        except (Failed, subprocess.SubprocessError, OSError) as error:
            traceback.print_exc()
            print(f"run.py: {name}: {error}; logs are in {programs.out}", file=sys.stderr)
            return 3
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
