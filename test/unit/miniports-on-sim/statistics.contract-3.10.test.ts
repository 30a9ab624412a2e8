/**
 * OID_GEN_STATISTICS (contract 3.10; 82574 10.2.7, 82576 8.18). Layer: test/unit.
 * Rule: frames and octets on the wire, in the device's registers and in NDIS's counters agree exactly, over samplings,
 * resets and pauses; a clear-on-read register is never counted twice.
 */
import { describe, expect, test } from 'vitest';
import { OCTETS, Random } from '../../../src/sim/index.ts';
import { BROADCAST, CASES, numbered, PEER, range, startRig } from './rig.ts';

const GROUP = Uint8Array.of(0x01, 0, 0x5e, 1, 2, 3);

describe.each(CASES)('%s by %s', (chip, profile) => {
  test('equal the frames and octets on the wire, by kind', async () => {
    const rig = await startRig(chip, { profile });
    await rig.run(rig.adapter.setPacketFilter(0x20)); // promiscuous
    const random = new Random(5);
    const zero = await rig.run(rig.adapter.statistics());
    const want = { in: [0, 0, 0], inOctets: [0, 0, 0], out: [0, 0, 0], outOctets: [0, 0, 0] };
    for (let round = 0; round < 20; round += 1) {
      for (let i = 0; i < 20; i += 1) {
        const kind = random.integer(0, 2);
        const length = random.integer(60, 1514);
        rig.sim.peer.send(numbered([rig.sim.mac, GROUP, BROADCAST][kind]!, i, length));
        want.in[kind]! += 1;
        want.inOctets[kind]! += length;
        rig.send(numbered([PEER, GROUP, BROADCAST][kind]!, i, length));
        want.out[kind]! += 1;
        want.outOctets[kind]! += length;
      }
      await rig.sim.settle();
      if (round % 5 === 2) await rig.run(rig.adapter.statistics());
      if (round % 7 === 3) await rig.sim.advance(3000);
    }
    const now = await rig.run(rig.adapter.statistics());
    const delta = (name: keyof typeof now) => now[name] - zero[name];
    const sum = (values: number[]) => values.reduce((a, b) => a + b, 0);
    expect([delta('ifHCInUcastPkts'), delta('ifHCInMulticastPkts'), delta('ifHCInBroadcastPkts')]).toEqual(want.in);
    expect([delta('ifHCOutUcastPkts'), delta('ifHCOutMulticastPkts'), delta('ifHCOutBroadcastPkts')]).toEqual(want.out);
    expect([delta('ifHCInUcastOctets'), delta('ifHCInMulticastOctets'), delta('ifHCInBroadcastOctets')]).toEqual(
      want.inOctets,
    );
    expect([delta('ifHCOutUcastOctets'), delta('ifHCOutMulticastOctets'), delta('ifHCOutBroadcastOctets')]).toEqual(
      want.outOctets,
    );
    expect(delta('ifHCInOctets')).toBe(sum(want.inOctets));
    expect(delta('ifHCOutOctets')).toBe(sum(want.outOctets));
    expect([delta('ifInErrors'), delta('ifInDiscards'), delta('ifOutErrors'), delta('ifOutDiscards')]).toEqual([
      0, 0, 0, 0,
    ]);
    await rig.stop();
    rig.clean();
  });

  test('keep what was counted before a reset', async () => {
    const rig = await startRig(chip, { profile });
    for (const n of range(25)) rig.sim.peer.send(numbered(rig.sim.mac, n, 100));
    rig.send(...range(13).map((n) => numbered(PEER, n, 100)));
    await rig.sim.settle();
    await rig.run(rig.adapter.reset());
    await rig.sim.advance(1500);
    for (const n of range(5)) rig.sim.peer.send(numbered(rig.sim.mac, n, 100));
    await rig.sim.settle();
    const statistics = await rig.run(rig.adapter.statistics());
    expect(statistics.ifHCInUcastPkts).toBe(30);
    expect(statistics.ifHCOutUcastPkts).toBe(13);
    await rig.stop();
    rig.clean();
  });

  test('count frames lost for want of buffers as discards', async () => {
    const rig = await startRig(chip, { profile: 'datasheet' });
    const { nic } = rig.sim;
    nic.receiveWriteback.mode = 'hold';
    const { count } = nic.receivePointers();
    // The ring's descriptors, then the packet buffer of 32 KiB, then nothing is left.
    const fits = count - 1 + Math.floor((32 * 1024) / 1518);
    for (const n of range(fits + 10)) rig.sim.peer.send(numbered(rig.sim.mac, n, 1514));
    nic.receiveWriteback.mode = 'now';
    nic.receiveWriteback.run(Number.POSITIVE_INFINITY);
    await rig.sim.settle();
    expect(rig.received.length).toBe(fits);
    const statistics = await rig.run(rig.adapter.statistics());
    expect(statistics.ifInDiscards).toBe(10);
    await rig.stop();
    rig.clean();
  });

  test('octet counters carry into their high words', async () => {
    const rig = await startRig(chip, { profile });
    const before = await rig.run(rig.adapter.statistics());
    const { registers } = rig.sim.nic;
    registers.set(OCTETS.GORC + 4, 3);
    registers.set(OCTETS.GOTC + 4, 2);
    rig.sim.peer.send(numbered(rig.sim.mac, 1, 100));
    await rig.sim.settle();
    const after = await rig.run(rig.adapter.statistics());
    expect(after.ifHCInOctets - before.ifHCInOctets).toBe(3 * 2 ** 32 + 100);
    expect(after.ifHCOutOctets - before.ifHCOutOctets).toBe(2 * 2 ** 32);
    await rig.stop();
    rig.clean();
  });
});
