# SPDX-License-Identifier: Apache-2.0 OR MIT
"""finsy, which also speaks of roles with a configuration, and cleans a switch up by itself."""

import asyncio
from pathlib import Path

import finsy as fy
from finsy.p4entity import P4ValueSetMember
from finsy.proto import stratum

from wire import ADDRESS, P4INFO, PATIENCE, PROGRAM, Port, check, frame, limit, mac, request

limit(120)

OPTIONS = fy.SwitchOptions(p4info=Path(P4INFO), p4blob=Path(PROGRAM))


def address(last):
    return int.from_bytes(mac(last), "big")


async def first(stream):
    async for one in stream:
        return one


async def listed(switch, entity):
    return [one async for one in switch.read(entity)]


async def receive(port):
    return await asyncio.get_running_loop().run_in_executor(None, port.receive)


async def refused(call, code):
    try:
        await call
    except fy.P4ClientError as error:
        check([one.canonical_code for one in error.details.values()], [code])
    else:
        raise AssertionError("was accepted")


async def entries(switch, port1, port2):
    host = fy.P4TableEntry("hosts", match=fy.Match(dst=address(1)), action=fy.Action("to_host", port=2),
                           metadata=b"mine")
    await switch.insert([host])
    await refused(switch.insert([host]), fy.GRPCStatusCode.ALREADY_EXISTS)
    port1.send(frame(1, 7))
    check(await receive(port2), frame(1, 7))
    asked = fy.P4TableEntry("hosts", counter_data=fy.P4CounterData())
    found = await listed(switch, asked)
    check([(one.metadata, one.counter_data.packet_count) for one in found], [(b"mine", 1)])
    await switch.modify([fy.P4DirectCounterEntry("host_hits", table_entry=host,
                                                 data=fy.P4CounterData(packet_count=9))])
    found = await listed(switch, fy.P4DirectCounterEntry("host_hits", table_entry=host))
    check([one.packet_count for one in found], [9])
    meter = fy.P4MeterConfig(cir=1, cburst=2, pir=3, pburst=4)
    await switch.modify([fy.P4DirectMeterEntry(table_entry=host, config=meter)])
    found = await listed(switch, fy.P4DirectMeterEntry(table_entry=host))
    check([one.config for one in found], [meter])
    await switch.delete([host])
    await refused(switch.delete([host]), fy.GRPCStatusCode.NOT_FOUND)


async def selectors(switch, port1, port2):
    types = fy.P4ValueSetEntry("request_types", members=[P4ValueSetMember(0x1234)])
    forward = fy.Action("forward", port=2)
    route = fy.Match(address="10.0.0.0/8")
    await switch.write([
        ~types,
        +fy.P4ActionProfileMember("hops", member_id=1, action=forward),
        +fy.P4ActionProfileGroup("hops", group_id=1, members=[fy.P4Member(1, weight=1)]),
        +fy.P4TableEntry("routes", match=route, action=fy.P4IndirectAction(group_id=1)),
        +fy.P4TableEntry("acl", match=fy.Match(address="10.0.0.0/8", port="10...20", kind=2),
                         action=fy.Action("deny"), priority=3),
    ])
    check([one.members for one in await listed(switch, types)], [types.members])
    port1.send(request(7, 2, 0x0A000001, 15))
    port1.send(request(7, 2, 0x0A000001, 21))
    check(await receive(port2), request(7, 2, 0x0A000001, 21, 20))
    found = await listed(switch, fy.P4TableEntry("acl", counter_data=fy.P4CounterData()))
    check([one.counter_data.packet_count for one in found], [1])
    await switch.modify([fy.P4RegisterEntry("last_address", index=1, data=3)])
    found = await listed(switch, fy.P4RegisterEntry("last_address", index=1))
    check([one.data for one in found], [3])
    found = await listed(switch, fy.P4CounterEntry("port_packets", index=1))
    check(found[0].packet_count > 0, True)


async def messages(switch, port1, port2, port3):
    await switch.insert([
        fy.P4DigestEntry("learn_t", max_list_size=1, ack_timeout_ns=10**12),
        fy.P4MulticastGroupEntry(4, replicas=[2, 3]),
        fy.P4CloneSessionEntry(4, replicas=[(3, 1)]),
    ])
    digest = asyncio.create_task(first(switch.read_digests("learn_t")))
    packet = asyncio.create_task(first(switch.read_packets()))
    idle = asyncio.create_task(first(switch.read_idle_timeouts()))
    # The tasks have to be listening before the packet comes.
    await asyncio.sleep(0)
    port1.send(frame(0x55, 0x77))
    heard = await asyncio.wait_for(digest, PATIENCE)
    check((heard[0]["src"], heard[0]["port"]), (address(0x77), 1))
    await switch.write([heard.ack()])
    heard = await asyncio.wait_for(packet, PATIENCE)
    check((heard.payload, heard["ingress_port"]), (frame(0x55, 0x77), 1))
    await switch.write([fy.P4PacketOut(frame(1, 2), egress_port=2, unused=0)])
    check(await receive(port2), frame(1, 2))
    await switch.insert([
        fy.P4TableEntry("hosts", match=fy.Match(dst=address(3)), action=fy.Action("to_host", port=1),
                        idle_timeout_ns=10**8),
        fy.P4TableEntry("hosts", match=fy.Match(dst=address(0xff)), action=fy.Action("flood", group=4)),
    ])
    heard = await asyncio.wait_for(idle, PATIENCE)
    check(heard[0].match["dst"], address(3))
    port1.send(frame(0xff, 7))
    check((await receive(port2), await receive(port3)), (frame(0xff, 7), frame(0xff, 7)))


async def roles(switch, port1):
    hosts = switch.p4info.tables["hosts"].id
    config = stratum.P4RoleConfig(exclusive_p4_ids=[hosts], receives_packet_ins=False,
                                  can_push_pipeline=False)
    options = OPTIONS(role_name="hosts", role_config=config, initial_election_id=3)
    host = fy.P4TableEntry("hosts", match=fy.Match(dst=address(4)), action=fy.Action("to_host", port=1))
    source = fy.P4TableEntry("sources", match=fy.Match(src=address(4)), action=fy.Action("NoAction"))
    async with fy.Switch("roles", ADDRESS, options) as other:
        check((other.is_primary, other.role_name), (True, "hosts"))
        await other.insert([host])
        await refused(other.insert([source]), fy.GRPCStatusCode.PERMISSION_DENIED)
        await refused(switch.delete([host]), fy.GRPCStatusCode.PERMISSION_DENIED)
        await switch.insert([source])
        await other.delete([host])
    # The switch remembers what a role has, until its primary says something else.
    await refused(switch.insert([host]), fy.GRPCStatusCode.PERMISSION_DENIED)
    shared = stratum.P4RoleConfig(shared_p4_ids=[hosts])
    options = options(role_config=shared, initial_election_id=4)
    async with fy.Switch("roles", ADDRESS, options) as other:
        await switch.insert([host])
        await other.delete([host])


async def main():
    ports = [Port(n) for n in (1, 2, 3)]
    async with fy.Switch("one", ADDRESS, OPTIONS) as switch:
        check(switch.is_primary, True)
        check(str(switch.p4runtime_version)[:2], "1.")
        await entries(switch, *ports[:2])
        await selectors(switch, *ports[:2])
        await messages(switch, *ports)
        await roles(switch, ports[0])
        await switch.delete_all()
        check(await listed(switch, fy.P4TableEntry("hosts")), [])
    # The pipeline stays, and a second session finds it there.
    async with fy.Switch("again", ADDRESS, OPTIONS) as switch:
        check(switch.is_primary, True)
    print("done")


asyncio.run(main())
