/**
 * Rows about which frames pass: borders of length, damaged frames, filters, tags. Layer: test.
 */
import {
  NDIS_PACKET_TYPE_ALL_MULTICAST,
  NDIS_PACKET_TYPE_BROADCAST,
  NDIS_PACKET_TYPE_DIRECTED,
  NDIS_PACKET_TYPE_MULTICAST,
  NDIS_PACKET_TYPE_PROMISCUOUS,
  NDIS_STATUS_MULTICAST_FULL,
  NDIS_STATUS_SUCCESS,
  NdisRequestSetInformation,
  OID_802_3_MULTICAST_LIST,
} from '../../src/ndis/index.ts';
import { type Bench, USUAL_FILTER } from './bench.ts';
import { BROADCAST, ETHERTYPE_2, group, numbered, numberOf, padded, tagged } from './frames.ts';

/** 802.1Q tag: priority 5, VLAN 42. */
const TAG = (5 << 13) | 42;
const STRANGER = Uint8Array.of(0x02, 0x77, 0, 0, 0, 1);

/** InvalidPackets. */
export async function invalidPackets(bench: Bench): Promise<void> {
  const jumbo = { configuration: { '*JumboPacket': 9014 } };
  const { dut, support } = await bench.pair({}, USUAL_FILTER, jumbo);
  const before = await dut.adapter.statistics();
  // Longer than any frame of a 1500-byte MTU, with a VLAN tag and FCS (1522).
  const lengths = [1523, 1600, 2048, 4096, 9014];
  support.send(lengths.map((length, n) => numbered(dut.mac, support.mac, n, length)));
  await bench.settled(support);
  await bench.quiet();
  bench.equal(dut.received.length, 0, 'oversized frames indicated');
  let injected = 0;
  if (bench.target.sendDamaged !== undefined) {
    for (const damage of ['crc', 'alignment', 'symbol'] as const) {
      for (let n = 0; n < 5; n += 1) {
        bench.target.sendDamaged(numbered(dut.mac, support.mac, n, 60 + 200 * n), damage);
        injected += 1;
      }
    }
    await bench.quiet();
    bench.equal(dut.received.length, 0, 'damaged frames indicated');
    const errors = (await dut.adapter.statistics()).ifInErrors - before.ifInErrors;
    bench.equal(errors, lengths.length + injected, 'ifInErrors');
    bench.note(`${injected} damaged frames: none indicated, each counted in ifInErrors`);
  } else {
    bench.note('this wire cannot damage a frame: bad CRC, alignment and symbols are left to the simulated target');
  }
  // What NDIS must never pass on: the send comes back as failed and nothing is on the wire.
  support.takeReceived();
  const failedBefore = dut.completed.length;
  const tooLong = [1519, 9000].map((length, n) => dut.makePieces([numbered(support.mac, dut.mac, n, length)]));
  dut.sendLists([...tooLong, dut.makePieces([])]);
  await bench.settled(dut);
  await bench.quiet();
  bench.equal(dut.completed.length - failedBefore, 3, 'completions of sends that are no frames');
  bench.check(!dut.completed.slice(failedBefore).includes(NDIS_STATUS_SUCCESS), 'a send that is no frame succeeded');
  bench.equal(support.received.length, 0, 'frames on the wire from sends that are none');
  await bench.deliver(
    support,
    dut,
    bench.frames(support, dut.mac, 10, (n) => 60 + 100 * n),
  );
  await bench.deliver(
    dut,
    support,
    bench.frames(dut, support.mac, 10, (n) => 60 + 100 * n),
  );
  bench.note(
    `${lengths.length} frames of ${lengths[0]} to 9014 bytes: none indicated; sends of 0, 1519, 9000 bytes refused`,
  );
}

/** ShortPackets. */
export async function shortPackets(bench: Bench): Promise<void> {
  const { dut, support } = await bench.pair();
  for (const [from, to] of [
    [dut, support],
    [support, dut],
  ] as const) {
    const frames = Array.from({ length: 60 - 18 + 1 }, (_, i) => numbered(to.mac, from.mac, i, 18 + i));
    // A header alone: nothing of an earlier frame may follow it in the padding.
    const bare = numbered(to.mac, from.mac, 0, 18).slice(0, 14);
    await bench.deliver(from, to, [...frames, bare, bare.slice()]);
  }
  bench.note('every length from 14 and 18 to 60 bytes both ways: padded with zeros to 60, payload unchanged');
}

/** MultiCast. */
export async function multicast(bench: Bench): Promise<void> {
  const { dut, support } = await bench.pair({}, NDIS_PACKET_TYPE_DIRECTED | NDIS_PACKET_TYPE_MULTICAST);
  const probe = async (members: readonly number[], others: readonly number[], what: string): Promise<void> => {
    dut.takeReceived();
    for (const list of [members, others]) {
      for (let at = 0; at < list.length; at += 16) {
        support.send(list.slice(at, at + 16).map((index) => numbered(group(index), support.mac, index, 100)));
        await bench.settled(support);
        await bench.target.turn();
      }
    }
    // The last frame tells that all before it have been decided on.
    support.send([numbered(dut.mac, support.mac, 9999, 60)]);
    await bench.until(what, () => dut.received.some((frame) => numberOf(frame) === 9999));
    const arrived = dut.takeReceived().map(numberOf);
    bench.equal(arrived.join(), [...members, 9999].join(), what);
  };
  const range = (count: number, from: number): number[] => Array.from({ length: count }, (_, i) => from + i);
  const set = (count: number): Promise<void> => dut.adapter.setMulticastList(range(count, 0).map(group));
  await probe([], range(8, 0), 'no list');
  for (const count of [1, 2, 8, 15]) {
    await set(count);
    await probe(range(count, 0), range(8, 500), `a list of ${count}`);
  }
  for (const count of [16, 32, dut.adapter.generalAttributes!.MaxMulticastListSize]) {
    await set(count);
    // Beyond the exact filters both chips hash: other groups may pass, members must.
    await probe(range(count, 0), [], `a list of ${count}`);
  }
  await set(2);
  const most = dut.adapter.generalAttributes!.MaxMulticastListSize;
  const long = new Uint8Array((most + 1) * 6);
  for (let i = 0; i <= most; i += 1) long.set(group(i), 6 * i);
  const full = await bench.oid(dut, NdisRequestSetInformation, OID_802_3_MULTICAST_LIST, long);
  bench.status(full.status, NDIS_STATUS_MULTICAST_FULL, `a list of ${most + 1}`);
  await probe([0, 1], range(8, 500), 'the list before the refused one');
  await set(0);
  await probe([], range(8, 0), 'an empty list');
  bench.note(`lists of 0, 1, 2, 8, 15 exact; 16, 32, ${most} without loss; ${most + 1} refused and the old one kept`);
}

/** PacketFilters. */
export async function packetFilters(bench: Bench): Promise<void> {
  const { dut, support } = await bench.pair();
  await dut.adapter.setMulticastList([group(1)]);
  const probes: ReadonlyArray<readonly [string, Uint8Array]> = [
    ['directed', dut.mac],
    ['stranger', STRANGER],
    ['listed', group(1)],
    ['unlisted', group(700)],
    ['broadcast', BROADCAST],
  ];
  const D = NDIS_PACKET_TYPE_DIRECTED;
  const M = NDIS_PACKET_TYPE_MULTICAST;
  const A = NDIS_PACKET_TYPE_ALL_MULTICAST;
  const B = NDIS_PACKET_TYPE_BROADCAST;
  const P = NDIS_PACKET_TYPE_PROMISCUOUS;
  const cases: ReadonlyArray<readonly [string, number, string]> = [
    ['nothing', 0, ''],
    ['DIRECTED', D, 'directed'],
    ['MULTICAST', M, 'listed'],
    ['ALL_MULTICAST', A, 'listed,unlisted'],
    ['BROADCAST', B, 'broadcast'],
    ['DIRECTED BROADCAST', D | B, 'directed,broadcast'],
    ['DIRECTED MULTICAST BROADCAST', D | M | B, 'directed,listed,broadcast'],
    ['DIRECTED ALL_MULTICAST', D | A, 'directed,listed,unlisted'],
    ['PROMISCUOUS', P, 'directed,stranger,listed,unlisted,broadcast'],
    ['PROMISCUOUS DIRECTED', P | D, 'directed,stranger,listed,unlisted,broadcast'],
    ['nothing again', 0, ''],
  ];
  for (const [name, bits, expected] of cases) {
    await dut.adapter.setPacketFilter(bits);
    dut.takeReceived();
    support.send(probes.map(([, to], n) => numbered(to, support.mac, n, 80)));
    await bench.settled(support);
    await bench.quiet();
    const passed = dut.takeReceived().map((frame) => probes[numberOf(frame)]![0]);
    // NDIS_PACKET_TYPE_ALL_MULTICAST says nothing of the broadcast address, which is a group address.
    const compared = (bits & (B | P)) === 0 && (bits & A) !== 0 ? passed.filter((one) => one !== 'broadcast') : passed;
    bench.equal(compared.join(), expected, `frames through ${name}`);
  }
  await dut.adapter.setPacketFilter(USUAL_FILTER);
  await bench.deliver(
    support,
    dut,
    bench.frames(support, dut.mac, 5, () => 100),
  );
  bench.note(`${cases.length} filters, ${probes.length} kinds of destination each, none too many and none missing`);
}

/** VlanSendRecv. */
export async function vlan(bench: Bench): Promise<void> {
  const { dut, support } = await bench.pair();
  for (const [from, to] of [
    [dut, support],
    [support, dut],
  ] as const) {
    const frames = [60, 61, 500, 1514].map((length, n) => tagged(numbered(to.mac, from.mac, n, length), TAG));
    await bench.deliver(from, to, frames);
  }
  bench.note('802.1Q frames of 64 to 1518 bytes both ways, tag in place and untouched (no tag offload is declared)');
}

/** SingleEtherType. */
export async function singleEtherType(bench: Bench): Promise<void> {
  const { dut, support } = await bench.pair();
  const frames = Array.from({ length: bench.count(64, 32) }, (_, n) =>
    numbered(dut.mac, support.mac, n, 100, n % 3 === 0 ? ETHERTYPE_2 : undefined),
  );
  await bench.deliver(support, dut, frames);
  bench.equal(dut.mixedTypes, 0, 'indications of several types that claim to hold one');
  bench.note(`${frames.length} frames of two EtherTypes; no indication claims what does not hold`);
}

/** LoopbackSend. */
export async function loopback(bench: Bench): Promise<void> {
  const { dut, support } = await bench.pair({}, USUAL_FILTER | NDIS_PACKET_TYPE_ALL_MULTICAST);
  dut.takeReceived();
  const frames = [BROADCAST, group(1), dut.mac].map((to, n) => numbered(to, dut.mac, n, 80));
  support.takeReceived();
  dut.send(frames);
  await bench.settled(dut);
  await bench.quiet();
  bench.equal(dut.received.length, 0, 'own frames the miniport indicated, which declares NDIS_MAC_OPTION_NO_LOOPBACK');
  bench.equal(support.received.map(numberOf).join(), '0', 'frames on the wire for the other station');
  bench.same(support.takeReceived(), frames.slice(0, 1).map(padded), 'the broadcast');
  bench.note('broadcast, group and own address: sent, none comes back');
}
