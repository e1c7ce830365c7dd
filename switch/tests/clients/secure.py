# SPDX-License-Identifier: Apache-2.0 OR MIT
"""TLS: the shell with a certificate of the right authority, and clients without one."""

import os

import grpc
import p4runtime_sh.shell as sh
from p4.v1 import p4runtime_pb2 as p4
from p4.v1 import p4runtime_pb2_grpc
from p4runtime_sh.p4runtime import SSLOptions
from p4runtime_sh.shell import FwdPipeConfig

from wire import ADDRESS, P4INFO, PATIENCE, PROGRAM, check, limit

limit(120)


def path(name):
    return os.path.join(os.environ["TLS"], name)


def read(name):
    with open(path(name), "rb") as file:
        return file.read()


def version(channel):
    stub = p4runtime_pb2_grpc.P4RuntimeStub(channel)
    try:
        return stub.Capabilities(p4.CapabilitiesRequest(), timeout=PATIENCE).p4runtime_api_version
    except grpc.RpcError as error:
        return error.code()


def secure(authority, name=None):
    key, chain = (read(f"{name}.key"), read(f"{name}.pem")) if name else (None, None)
    credentials = grpc.ssl_channel_credentials(read(authority), key, chain)
    return grpc.secure_channel(ADDRESS, credentials)


def main():
    refused = grpc.StatusCode.UNAVAILABLE
    check(version(grpc.insecure_channel(ADDRESS)), refused)
    check(version(secure("ca.pem")), refused)
    check(version(secure("ca.pem", "intruder")), refused)
    check(version(secure("stranger.pem", "controller")), refused)
    check(version(secure("ca.pem", "controller"))[:2], "1.")
    options = SSLOptions(False, path("ca.pem"), path("controller.pem"), path("controller.key"))
    sh.setup(1, ADDRESS, (0, 1), config=FwdPipeConfig(P4INFO, PROGRAM), ssl_options=options,
             verbose=False)
    try:
        entry = sh.TableEntry("hosts")(action="to_host")
        entry.match["dst"] = "02:00:00:00:00:01"
        entry.action["port"] = "2"
        entry.insert()
        check(len(list(sh.TableEntry("hosts").read())), 1)
    finally:
        sh.teardown()
    print("done")


main()
