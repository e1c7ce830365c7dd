# SPDX-License-Identifier: Apache-2.0 OR MIT
"""p4runtime-shell, as a person would use it."""

import p4runtime_sh.shell as sh
from p4runtime_sh.p4runtime import P4RuntimeWriteException
from p4runtime_sh.shell import FwdPipeConfig

from wire import ADDRESS, P4INFO, PATIENCE, PROGRAM, Port, check, frame, limit, request

limit(120)


def refused(call, code):
    try:
        call()
    except P4RuntimeWriteException as error:
        check([one.canonical_code for _, one in error.errors], [code])
    else:
        raise AssertionError("was accepted")


def hosts(port1, port2):
    entry = sh.TableEntry("hosts")(action="to_host")
    entry.match["dst"] = "02:00:00:00:00:01"
    entry.action["port"] = "2"
    entry.insert()
    refused(entry.insert, 6)
    port1.send(frame(1, 7))
    check(port2.receive(), frame(1, 7))
    counter = sh.DirectCounterEntry("host_hits")
    counter.table_entry.match["dst"] = "02:00:00:00:00:01"
    found = [(one.packet_count, one.byte_count) for one in counter.read()]
    check(found, [(1, 16)])
    meter = sh.DirectMeterEntry("host_rate")
    meter.table_entry.match["dst"] = "02:00:00:00:00:01"
    meter.cir, meter.cburst, meter.pir, meter.pburst = 1, 2, 3, 4
    meter.modify()
    check([(one.cir, one.pburst) for one in meter.read()], [(1, 4)])
    entry.action["port"] = "3"
    entry.modify()
    check([one.action["port"].value for one in sh.TableEntry("hosts").read()], [b"\x03"])
    entry.delete()
    refused(entry.delete, 5)


def routes(port1, port2):
    member = sh.ActionProfileMember("hops")(member_id=1, action="forward")
    member.action["port"] = "2"
    member.insert()
    group = sh.ActionProfileGroup("hops")(group_id=1)
    group.add(1, weight=3)
    group.insert()
    check([[m.member_id for m in one.members] for one in sh.ActionProfileGroup("hops").read()], [[1]])
    entry = sh.TableEntry("routes")(group_id=1)
    entry.match["address"] = "10.0.0.0/8"
    entry.insert()
    refused(group.delete, 9)
    update = sh.p4runtime_pb2.Update(type=sh.p4runtime_pb2.Update.MODIFY)
    update.entity.value_set_entry.value_set_id = [
        one.preamble.id for one in sh.context.p4info.value_sets][0]
    update.entity.value_set_entry.members.add().match.add(field_id=1).exact.value = b"\x12\x34"
    sh.client.write_update(update)
    port1.send(request(7, 1, 0x0A000001, 80))
    check(port2.receive(), request(7, 1, 0x0A000001, 80, 10))
    entry.delete()
    group.delete()
    member.delete()
    oneshot = sh.TableEntry("routes")
    oneshot.match["address"] = "10.0.0.0/8"
    action = sh.Action("forward")
    action["port"] = "2"
    actions = sh.Oneshot("routes")
    actions.add(action, weight=2)
    oneshot.oneshot = actions
    oneshot.insert()
    port1.send(request(7, 2, 0x0A000002, 80))
    check(port2.receive(), request(7, 2, 0x0A000002, 80, 20))
    found = [one.msg().action.action_profile_action_set.action_profile_actions
             for one in sh.TableEntry("routes").read()]
    check([(one.weight, one.action.params[0].value) for one in found[0]], [(2, b"\x02")])
    acl = sh.TableEntry("acl")(action="deny", priority=3)
    acl.match["address"] = "10.0.0.0&&&255.0.0.0"
    acl.match["port"] = "10..20"
    acl.match["kind"] = "2"
    acl.insert()
    port1.send(request(7, 2, 0x0A000002, 15))
    port1.send(request(7, 2, 0x0A000002, 21))
    check(port2.receive(), request(7, 2, 0x0A000002, 21, 20))
    acl.delete()
    oneshot.delete()


def arrays():
    counter = sh.CounterEntry("port_packets")
    check(len(list(counter.read())), 16)
    counter.index = 1
    counter.packet_count, counter.byte_count = 5, 6
    counter.modify()
    check([(one.packet_count, one.byte_count) for one in counter.read()], [(5, 6)])
    meter = sh.MeterEntry("port_rate")
    meter.index = 1
    meter.cir, meter.cburst, meter.pir, meter.pburst = 1, 2, 3, 4
    meter.modify()
    check([(one.cir, one.pir) for one in meter.read()], [(1, 3)])


def replication(port1, port2, port3):
    group = sh.MulticastGroupEntry(1).add(2, 1).add(3, 1)
    group.insert()
    flood = sh.TableEntry("hosts")(action="flood")
    flood.match["dst"] = "02:00:00:00:00:ff"
    flood.action["group"] = "1"
    flood.insert()
    port1.send(frame(0xff, 7))
    check((port2.receive(), port3.receive()), (frame(0xff, 7), frame(0xff, 7)))
    check([len(one.replicas) for one in sh.MulticastGroupEntry().read()], [2])
    session = sh.CloneSessionEntry(5).add(3, 1)
    session.insert()
    check([one.session_id for one in sh.CloneSessionEntry().read()], [5])
    for one in (flood, group, session):
        one.delete()


def messages(port1, port2):
    digest = sh.DigestEntry("learn_t")
    digest.max_list_size = 1
    digest.insert()
    digests, packets, idles = sh.DigestList(), sh.PacketIn(), sh.IdleTimeoutNotification()
    port1.send(frame(0x55, 0x77))
    heard = digests.digest_list_queue.get(timeout=PATIENCE).digest
    check(heard.data[0].struct.members[1].bitstring, b"\x01")
    check(packets.packet_in_queue.get(timeout=PATIENCE).packet.payload, frame(0x55, 0x77))
    out = sh.PacketOut(frame(1, 2), egress_port="2")
    out.send()
    check(port2.receive(), frame(1, 2))
    idle = sh.TableEntry("hosts")(action="to_host", idle_timeout_ns=10**8)
    idle.match["dst"] = "02:00:00:00:00:03"
    idle.action["port"] = "1"
    idle.insert()
    found = idles.notification_queue.get(timeout=PATIENCE).idle_timeout_notification.table_entry
    check(found[0].match[0].exact.value, bytes([2, 0, 0, 0, 0, 3]))
    idle.delete()


def main():
    ports = [Port(n) for n in (1, 2, 3)]
    sh.setup(1, ADDRESS, (0, 1), config=FwdPipeConfig(P4INFO, PROGRAM), verbose=False)
    try:
        check(sh.APIVersion()[:2], "1.")
        hosts(*ports[:2])
        routes(*ports[:2])
        arrays()
        replication(*ports)
        messages(*ports[:2])
    finally:
        sh.teardown()
    print("done")


main()
