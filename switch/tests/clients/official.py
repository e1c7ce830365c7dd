# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The stubs of the P4Runtime project, without anything around them."""

import queue
import threading

import grpc
from google.protobuf import text_format
from google.rpc import code_pb2, status_pb2
from p4.config.v1 import p4info_pb2
from p4.v1 import p4runtime_pb2 as p4
from p4.v1 import p4runtime_pb2_grpc

from wire import ADDRESS, P4INFO, PATIENCE, PROGRAM, Port, check, frame, limit, mac, request

limit(120)

INFO = text_format.Parse(open(P4INFO).read(), p4info_pb2.P4Info())
CHANNEL = grpc.insecure_channel(ADDRESS)
STUB = p4runtime_pb2_grpc.P4RuntimeStub(CHANNEL)
INSERT, MODIFY, DELETE = p4.Update.INSERT, p4.Update.MODIFY, p4.Update.DELETE


def number(kind, name):
    found = [one.preamble.id for one in getattr(INFO, kind) if one.preamble.alias == name]
    check(len(found), 1)
    return found[0]


class Stream:
    """One stream, and what comes back on it, by kind."""

    def __init__(self, election, role=None, device=1):
        self.out = queue.Queue()
        self.waiting = []
        self.arrived = threading.Condition()
        self.ended = None
        self.responses = STUB.StreamChannel(iter(self.out.get, None))
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        self.arbitrate(election, role, device)

    def read(self):
        try:
            for message in self.responses:
                with self.arrived:
                    self.waiting.append(message)
                    self.arrived.notify_all()
        except grpc.RpcError as error:
            with self.arrived:
                self.ended = error.code()
                self.arrived.notify_all()

    def arbitrate(self, election, role=None, device=1):
        message = p4.StreamMessageRequest()
        message.arbitration.device_id = device
        message.arbitration.election_id.low = election
        if role is not None:
            message.arbitration.role.name = role
        self.out.put(message)

    def next(self, kind, patience=PATIENCE):
        """The next message of a kind; None if there is none in time and that is no fault."""

        def position():
            for at, message in enumerate(self.waiting):
                if message.WhichOneof("update") == kind:
                    return at
            return None

        with self.arrived:
            if not self.arrived.wait_for(lambda: position() is not None, patience):
                assert patience < PATIENCE, f"no {kind}"
                return None
            return getattr(self.waiting.pop(position()), kind)

    def end(self):
        with self.arrived:
            assert self.arrived.wait_for(lambda: self.ended is not None, PATIENCE), "still open"
            return self.ended

    def close(self):
        self.out.put(None)
        self.responses.cancel()


def write(updates, election=10, role="", device=1, atomicity=p4.WriteRequest.CONTINUE_ON_ERROR):
    """Codes of the updates, or the one code of the call."""
    message = p4.WriteRequest(device_id=device, role=role, atomicity=atomicity)
    message.election_id.low = election
    for kind, entity in updates:
        message.updates.add(type=kind).entity.CopyFrom(entity)
    try:
        STUB.Write(message, timeout=PATIENCE)
        return [code_pb2.OK] * len(updates)
    except grpc.RpcError as error:
        if error.code() != grpc.StatusCode.UNKNOWN:
            return error.code()
        return outcomes(error)


def outcomes(error):
    details = dict(error.trailing_metadata())["grpc-status-details-bin"]
    codes = []
    for packed in status_pb2.Status.FromString(details).details:
        one = p4.Error()
        assert packed.Unpack(one)
        codes.append(one.canonical_code)
    return codes


def one(kind, entity, **options):
    codes = write([(kind, entity)], **options)
    return codes[0] if isinstance(codes, list) else codes


def read(*entities):
    message = p4.ReadRequest(device_id=1)
    for entity in entities:
        message.entities.add().CopyFrom(entity)
    return [entity for part in STUB.Read(message, timeout=PATIENCE) for entity in part.entities]


def table_entry(table, match, action=None, params=(), **fields):
    entity = p4.Entity()
    entry = entity.table_entry
    entry.table_id = number("tables", table)
    for field, (kind, value) in match.items():
        given = entry.match.add(field_id=field)
        if kind == "exact":
            given.exact.value = value
        elif kind == "lpm":
            given.lpm.value, given.lpm.prefix_len = value
        elif kind == "ternary":
            given.ternary.value, given.ternary.mask = value
        elif kind == "range":
            given.range.low, given.range.high = value
        elif kind == "optional":
            given.optional.value = value
    if action is not None:
        entry.action.action.action_id = number("actions", action)
        for position, value in enumerate(params):
            entry.action.action.params.add(param_id=position + 1, value=value)
    for name, value in fields.items():
        if name in ("counter_data", "meter_config", "time_since_last_hit"):
            getattr(entry, name).CopyFrom(value)
        else:
            setattr(entry, name, value)
    return entity


def arbitration():
    check(STUB.Capabilities(p4.CapabilitiesRequest()).p4runtime_api_version[:2], "1.")
    unwritten = table_entry("hosts", {1: ("exact", mac(1))}, "to_host", [b"\x01"])
    check(write([(INSERT, unwritten)]), grpc.StatusCode.PERMISSION_DENIED)
    primary = Stream(10)
    first = primary.next("arbitration")
    check((first.status.code, first.election_id.low), (code_pb2.OK, 10))
    backup = Stream(5)
    check(backup.next("arbitration").status.code, code_pb2.ALREADY_EXISTS)
    check(Stream(10).end(), grpc.StatusCode.INVALID_ARGUMENT)
    check(Stream(1, device=77).end(), grpc.StatusCode.NOT_FOUND)
    check(write([(INSERT, unwritten)]), grpc.StatusCode.FAILED_PRECONDITION)
    check(write([(INSERT, unwritten)], election=5), grpc.StatusCode.PERMISSION_DENIED)
    check(write([(INSERT, unwritten)], device=2), grpc.StatusCode.NOT_FOUND)
    check(write([(INSERT, unwritten)], role="nobody"), grpc.StatusCode.NOT_FOUND)
    return primary, backup


def pipeline():
    message = p4.SetForwardingPipelineConfigRequest(device_id=1)
    message.election_id.low = 10
    message.action = message.COMMIT
    check(code_of(STUB.SetForwardingPipelineConfig, message), grpc.StatusCode.NOT_FOUND)
    message.action = message.VERIFY_AND_COMMIT
    check(code_of(STUB.SetForwardingPipelineConfig, message), grpc.StatusCode.INVALID_ARGUMENT)
    message.config.p4info.CopyFrom(INFO)
    message.config.p4_device_config = b"no program"
    check(code_of(STUB.SetForwardingPipelineConfig, message), grpc.StatusCode.INVALID_ARGUMENT)
    message.config.p4_device_config = open(PROGRAM, "rb").read()
    message.config.cookie.cookie = 4711
    for action in (message.VERIFY, message.VERIFY_AND_COMMIT):
        message.action = action
        STUB.SetForwardingPipelineConfig(message, timeout=60)
    asked = p4.GetForwardingPipelineConfigRequest(device_id=1)
    found = STUB.GetForwardingPipelineConfig(asked).config
    check((found.cookie.cookie, found.p4info), (4711, INFO))
    asked.response_type = asked.COOKIE_ONLY
    found = STUB.GetForwardingPipelineConfig(asked).config
    check((found.cookie.cookie, found.HasField("p4info")), (4711, False))


def code_of(call, message):
    try:
        call(message, timeout=PATIENCE)
        return grpc.StatusCode.OK
    except grpc.RpcError as error:
        return error.code()


def tables(port1, port2):
    host = table_entry("hosts", {1: ("exact", mac(1))}, "to_host", [b"\x02"], metadata=b"mine")
    wrong = table_entry("hosts", {1: ("exact", mac(2))}, "forward", [b"\x02"])
    wide = table_entry("hosts", {1: ("exact", mac(2))}, "to_host", [b"\x02\x00"])
    punt = table_entry("hosts", {1: ("exact", mac(2))}, "punt")
    found = write([(INSERT, host), (INSERT, wrong), (INSERT, wide), (INSERT, punt), (INSERT, host)])
    wanted = [code_pb2.OK, code_pb2.INVALID_ARGUMENT, code_pb2.OUT_OF_RANGE,
              code_pb2.PERMISSION_DENIED, code_pb2.ALREADY_EXISTS]
    check(found, wanted)
    port1.send(frame(1, 7))
    check(port2.receive(), frame(1, 7))
    asked = table_entry("hosts", {1: ("exact", mac(1))}, counter_data=p4.CounterData())
    entry = read(asked)[0].table_entry
    check((entry.counter_data.packet_count, entry.counter_data.byte_count), (1, 16))
    check((entry.metadata, entry.action.action.params[0].value), (b"mine", b"\x02"))
    host.table_entry.action.action.params[0].value = b"\x01"
    check(one(MODIFY, host), code_pb2.OK)
    port2.send(frame(1, 7))
    check(port1.receive(), frame(1, 7))
    check(one(DELETE, host), code_pb2.OK)
    check(one(DELETE, host), code_pb2.NOT_FOUND)
    check(one(MODIFY, host), code_pb2.NOT_FOUND)
    full = [(INSERT, table_entry("hosts", {1: ("exact", mac(n))}, "to_host", [b"\x02"]))
            for n in range(20, 25)]
    check(write(full)[-2:], [code_pb2.OK, code_pb2.RESOURCE_EXHAUSTED])
    atomic = p4.WriteRequest.ROLLBACK_ON_ERROR
    gone = [(DELETE, entity) for _, entity in full]
    check(write(gone, atomicity=atomic)[-1], code_pb2.NOT_FOUND)
    check(len(read(table_entry("hosts", {}))), 4)
    check(write(gone[:4], atomicity=atomic), [code_pb2.OK] * 4)
    constant = table_entry("kinds", {1: ("exact", b"\x01")}, "classify", [b"\x01"])
    check(one(MODIFY, constant), code_pb2.PERMISSION_DENIED)
    check(one(DELETE, constant), code_pb2.PERMISSION_DENIED)
    shown = read(table_entry("kinds", {}))
    check(sorted(e.table_entry.match[0].exact.value for e in shown), [b"\x01", b"\x02"])
    check(all(e.table_entry.is_const for e in shown), True)


    once = table_entry("kinds", {1: ("exact", b"\x01")})
    check(one(MODIFY, once), code_pb2.OK)
    once.table_entry.is_const = True
    check(one(MODIFY, once), code_pb2.INVALID_ARGUMENT)


def details():
    host = {1: ("exact", mac(1))}
    for wrong, code in [
        (dict(is_const=True), code_pb2.INVALID_ARGUMENT),
        (dict(time_since_last_hit=p4.TableEntry.IdleTimeout()), code_pb2.INVALID_ARGUMENT),
        (dict(idle_timeout_ns=-1), code_pb2.INVALID_ARGUMENT),
        (dict(priority=1), code_pb2.INVALID_ARGUMENT),
        (dict(metadata=b"x" * 5000), code_pb2.RESOURCE_EXHAUSTED),
        (dict(meter_config=p4.MeterConfig(eburst=1)), code_pb2.INVALID_ARGUMENT),
        (dict(counter_data=p4.CounterData(packet_count=-1)), code_pb2.INVALID_ARGUMENT),
    ]:
        check((wrong, one(INSERT, table_entry("hosts", host, "to_host", [b"\x01"], **wrong))), (wrong, code))
    check(one(INSERT, table_entry("hosts", {}, "to_host", [b"\x01"])), code_pb2.INVALID_ARGUMENT)
    check(one(INSERT, table_entry("hosts", host, "to_host")), code_pb2.INVALID_ARGUMENT)
    check(one(INSERT, table_entry("hosts", host, "to_host", [b""])), code_pb2.OUT_OF_RANGE)
    check(one(INSERT, table_entry("hosts", host)), code_pb2.INVALID_ARGUMENT)
    for match in [("lpm", (b"\x0a\x00\x00\x01", 8)), ("lpm", (b"\x0a\x00\x00\x00", 33)),
                  ("lpm", (b"\x00", 0)), ("exact", b"\x0a")]:
        entry = table_entry("routes", {1: match})
        entry.table_entry.action.action_profile_member_id = 1
        check((match, one(INSERT, entry)), (match, code_pb2.INVALID_ARGUMENT))
    default = table_entry("hosts", {}, "to_host", [b"\x02"], is_default_action=True, metadata=b"def",
                          counter_data=p4.CounterData(packet_count=3))
    check(one(INSERT, default), code_pb2.INVALID_ARGUMENT)
    check(one(DELETE, default), code_pb2.INVALID_ARGUMENT)
    check(one(MODIFY, default), code_pb2.OK)
    asked = table_entry("hosts", {}, is_default_action=True, counter_data=p4.CounterData())
    found = read(asked)[0].table_entry
    check((found.metadata, found.counter_data.packet_count), (b"def", 3))
    default.table_entry.idle_timeout_ns = 1
    check(one(MODIFY, default), code_pb2.INVALID_ARGUMENT)
    check(one(MODIFY, table_entry("hosts", {}, is_default_action=True)), code_pb2.OK)
    found = read(asked)[0].table_entry
    check((found.metadata, found.counter_data.packet_count), (b"", 0))
    check(found.action.action.action_id, number("actions", "punt"))
    constant = table_entry("kinds", {}, "classify", [b"\x01"], is_default_action=True)
    check(one(MODIFY, constant), code_pb2.PERMISSION_DENIED)
    direct = p4.Entity()
    direct.direct_counter_entry.table_entry.CopyFrom(table_entry("hosts", host).table_entry)
    extern = p4.Entity()
    extern.extern_entry.SetInParent()
    kinds = table_entry("kinds", {})
    message = p4.ReadRequest(device_id=1, entities=[direct, kinds, extern, p4.Entity()])
    found, codes = [], None
    try:
        for part in STUB.Read(message, timeout=PATIENCE):
            found += part.entities
    except grpc.RpcError as error:
        check(error.code(), grpc.StatusCode.UNKNOWN)
        codes = outcomes(error)
    check((len(found), codes), (2, [code_pb2.NOT_FOUND, 0, 0, code_pb2.INVALID_ARGUMENT]))


def acl(port1, port2):
    value_set = p4.Entity()
    value_set.value_set_entry.value_set_id = number("value_sets", "request_types")
    member = value_set.value_set_entry.members.add().match.add(field_id=1)
    member.exact.value = b"\x12\x34"
    check(one(INSERT, value_set), code_pb2.INVALID_ARGUMENT)
    check(one(MODIFY, value_set), code_pb2.OK)
    check(read(value_set), [value_set])
    route = {1: ("lpm", (b"\x0a\x00\x00\x00", 8))}
    profile = number("action_profiles", "hops")
    hop = p4.Entity()
    hop.action_profile_member.action_profile_id = profile
    hop.action_profile_member.member_id = 1
    hop.action_profile_member.action.action_id = number("actions", "forward")
    hop.action_profile_member.action.params.add(param_id=1, value=b"\x02")
    group = p4.Entity()
    group.action_profile_group.action_profile_id = profile
    group.action_profile_group.group_id = 1
    group.action_profile_group.members.add(member_id=1, weight=2, watch_port=b"\x02")
    check(one(INSERT, group), code_pb2.NOT_FOUND)
    check(one(INSERT, hop), code_pb2.OK)
    check(one(INSERT, group), code_pb2.OK)
    check(read(hop, group), [hop, group])
    group.action_profile_group.members[0].watch_port = b"\x63"
    check(one(MODIFY, group), code_pb2.INVALID_ARGUMENT)
    group.action_profile_group.members[0].watch_port = b""
    group.action_profile_group.members[0].weight = 0
    check(one(MODIFY, group), code_pb2.INVALID_ARGUMENT)
    group.action_profile_group.max_size = 5
    check(one(MODIFY, group), code_pb2.INVALID_ARGUMENT)
    shot = table_entry("routes", {1: ("lpm", (b"\x0b\x00\x00\x00", 8))})
    action_set = shot.table_entry.action.action_profile_action_set
    action_set.action_profile_actions.add(action=hop.action_profile_member.action, weight=1)
    check(one(INSERT, shot), code_pb2.INVALID_ARGUMENT)
    atomic = p4.WriteRequest.DATAPLANE_ATOMIC
    empty = p4.Entity()
    empty.value_set_entry.value_set_id = value_set.value_set_entry.value_set_id
    check(write([(MODIFY, empty), (INSERT, hop)], atomicity=atomic)[1], code_pb2.ALREADY_EXISTS)
    check(read(value_set), [value_set])
    twice = p4.Entity()
    twice.CopyFrom(value_set)
    twice.value_set_entry.members.add().CopyFrom(value_set.value_set_entry.members[0])
    check(one(MODIFY, twice), code_pb2.ALREADY_EXISTS)
    entry = table_entry("routes", route)
    entry.table_entry.action.action_profile_group_id = 1
    check(one(INSERT, entry), code_pb2.OK)
    check(one(DELETE, hop), code_pb2.FAILED_PRECONDITION)
    check(one(DELETE, group), code_pb2.FAILED_PRECONDITION)
    port1.send(request(7, 1, 0x0A000001, 80))
    check(port2.receive(), request(7, 1, 0x0A000001, 80, 10))
    every = {1: ("ternary", (b"\x0a\x00\x00\x00", b"\xff\x00\x00\x00")),
             2: ("range", (b"\x50", b"\x60")), 3: ("optional", b"\x02")}
    check(one(INSERT, table_entry("acl", every, "deny")), code_pb2.INVALID_ARGUMENT)
    denied = table_entry("acl", every, "deny", priority=5)
    check(one(INSERT, denied), code_pb2.OK)
    port1.send(request(7, 2, 0x0A000001, 0x58))
    port1.send(request(7, 2, 0x0A000001, 0x61))
    check(port2.receive(), request(7, 2, 0x0A000001, 0x61, 20))
    counted = p4.Entity()
    counted.direct_counter_entry.table_entry.CopyFrom(denied.table_entry)
    check(read(counted)[0].direct_counter_entry.data.packet_count, 1)
    check(one(DELETE, denied), code_pb2.OK)


def replication(port1, port2, port3):
    session = p4.Entity()
    clone = session.packet_replication_engine_entry.clone_session_entry
    clone.session_id = 3
    clone.packet_length_bytes = 14
    clone.replicas.add(port=b"\x03", instance=1)
    check(one(INSERT, session), code_pb2.OK)
    check(read(session), [session])
    copied = table_entry("acl", {}, "mirror", [b"\x03"], priority=1)
    check(one(INSERT, copied), code_pb2.OK)
    port1.send(request(7, 3, 0x0A000001, 1))
    check(port2.receive(), request(7, 3, 0x0A000001, 1))
    check(port3.receive(), request(7, 3, 0x0A000001, 1)[:14])
    check(write([(DELETE, copied), (DELETE, session)]), [code_pb2.OK] * 2)
    entity = p4.Entity()
    group = entity.packet_replication_engine_entry.multicast_group_entry
    group.multicast_group_id = 9
    group.replicas.add(port=b"\x02", instance=1)
    group.replicas.add(port=b"\x02", instance=1)
    check(one(INSERT, entity), code_pb2.INVALID_ARGUMENT)
    group.replicas[1].port = b"\x03"
    check(one(INSERT, entity), code_pb2.OK)
    check(read(entity), [entity])
    flood = table_entry("hosts", {1: ("exact", mac(0xff))}, "flood", [b"\x09"])
    check(one(INSERT, flood), code_pb2.OK)
    port1.send(frame(0xff, 7))
    check((port2.receive(), port3.receive()), (frame(0xff, 7), frame(0xff, 7)))
    check(write([(DELETE, flood), (DELETE, entity)]), [code_pb2.OK] * 2)


def arrays():
    counter = p4.Entity()
    counter.counter_entry.counter_id = number("counters", "port_packets")
    counter.counter_entry.index.index = 1
    assert read(counter)[0].counter_entry.data.packet_count > 0
    counter.counter_entry.data.packet_count = 0
    check(one(INSERT, counter), code_pb2.INVALID_ARGUMENT)
    check(one(MODIFY, counter), code_pb2.OK)
    check(read(counter)[0].counter_entry.data.packet_count, 0)
    counter.counter_entry.index.index = 16
    check(one(MODIFY, counter), code_pb2.OUT_OF_RANGE)
    counter.counter_entry.index.index = -1
    check(one(MODIFY, counter), code_pb2.INVALID_ARGUMENT)
    register = p4.Entity()
    register.register_entry.register_id = number("registers", "last_address")
    register.register_entry.index.index = 1
    check(read(register)[0].register_entry.data.bitstring, b"\x0a\x00\x00\x01")
    meter = p4.Entity()
    meter.meter_entry.meter_id = number("meters", "port_rate")
    meter.meter_entry.index.index = 2
    meter.meter_entry.config.CopyFrom(p4.MeterConfig(cir=1, cburst=2, pir=3, pburst=4))
    check(one(MODIFY, meter), code_pb2.OK)
    check(read(meter), [meter])
    meter.meter_entry.config.eburst = 1
    check(one(MODIFY, meter), code_pb2.INVALID_ARGUMENT)


def messages(primary, backup, port1, port2):
    digest = p4.Entity()
    digest.digest_entry.digest_id = number("digests", "learn_t")
    digest.digest_entry.config.max_list_size = 1
    digest.digest_entry.config.ack_timeout_ns = 10**12
    check(one(INSERT, digest), code_pb2.OK)
    check(read(digest), [digest])
    port1.send(frame(0x55, 0x77))
    heard = primary.next("digest")
    check([m.bitstring for m in heard.data[0].struct.members], [mac(0x77), b"\x01"])
    ack = p4.StreamMessageRequest()
    ack.digest_ack.digest_id, ack.digest_ack.list_id = heard.digest_id, heard.list_id
    primary.out.put(ack)
    # The same frame is reported once more when the acknowledgement has arrived.
    for _ in range(100):
        port1.send(frame(0x55, 0x77))
        again = primary.next("digest", patience=0.2)
        if again is not None:
            break
    check([m.bitstring for m in again.data[0].struct.members], [mac(0x77), b"\x01"])
    packet = primary.next("packet")
    check((packet.payload, packet.metadata[0].value), (frame(0x55, 0x77), b"\x01"))
    out = p4.StreamMessageRequest()
    out.packet.payload = frame(1, 2)
    out.packet.metadata.add(metadata_id=1, value=b"\x02")
    out.packet.metadata.add(metadata_id=2, value=b"\x00")
    primary.out.put(out)
    check(port2.receive(), frame(1, 2))
    backup.out.put(out)
    check(backup.next("error").canonical_code, code_pb2.PERMISSION_DENIED)
    del out.packet.metadata[1]
    primary.out.put(out)
    wrong = primary.next("error")
    check((wrong.canonical_code, wrong.WhichOneof("details")), (code_pb2.INVALID_ARGUMENT, "packet_out"))
    ack.digest_ack.digest_id = 1
    primary.out.put(ack)
    wrong = primary.next("error")
    check((wrong.canonical_code, wrong.WhichOneof("details")),
          (code_pb2.INVALID_ARGUMENT, "digest_list_ack"))
    idle = table_entry("hosts", {1: ("exact", mac(3))}, "to_host", [b"\x01"], idle_timeout_ns=10**8)
    check(one(INSERT, idle), code_pb2.OK)
    reported = primary.next("idle_timeout_notification").table_entry[0]
    check(reported.match[0].exact.value, mac(3))
    check(one(DELETE, idle), code_pb2.OK)


def roles(primary, backup):
    other = Stream(3, role="watcher")
    mine = other.next("arbitration")
    check((mine.status.code, mine.role.name), (code_pb2.OK, "watcher"))
    entry = table_entry("sources", {1: ("exact", mac(0x70))}, "NoAction")
    check(one(INSERT, entry, election=3, role="watcher"), code_pb2.OK)
    check(one(DELETE, entry), code_pb2.OK)
    other.close()
    primary.close()
    gone = backup.next("arbitration")
    check((gone.status.code, gone.election_id.low), (code_pb2.NOT_FOUND, 10))
    backup.arbitrate(11)
    check(backup.next("arbitration").status.code, code_pb2.OK)
    check(one(INSERT, entry), grpc.StatusCode.PERMISSION_DENIED)
    check(one(INSERT, entry, election=11), code_pb2.OK)


def main():
    ports = [Port(n) for n in (1, 2, 3)]
    primary, backup = arbitration()
    pipeline()
    tables(*ports[:2])
    details()
    acl(*ports[:2])
    replication(*ports)
    arrays()
    messages(primary, backup, *ports[:2])
    roles(primary, backup)
    print("done")


main()
