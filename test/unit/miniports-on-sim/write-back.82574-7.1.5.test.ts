/**
 * Descriptor write-backs at any legal moment (82574 7.1.5 and 7.2.10, 82576 7.1.5 and 7.2.2.4). Layer: test/unit.
 * Property: however late and in whatever bunches the device writes back (in ring order, payload before DD, the length
 * before DD, DD before the interrupt), every frame arrives once, in order and unchanged, and every send completes once.
 */
import { describe, expect, test } from 'vitest';
import { Random } from '../../../src/sim/index.ts';
import { CASES, numbered, numbersOf, PEER, sameFrames, startRig } from './rig.ts';

const SEEDS = Array.from({ length: 12 }, (_, i) => 1000 + 17 * i);

describe.each(CASES)('%s by %s', (chip, profile) => {
  test.each(SEEDS)('seed %i', async (seed) => {
    const random = new Random(seed);
    const interrupts = (['msix', 'msix', 'msi', 'line'] as const)[random.integer(0, 3)]!;
    const rig = await startRig(chip, { profile, seed, interrupts, dpcBudget: [1, 3, 16, 64][random.integer(0, 3)]! });
    const { nic, peer } = rig.sim;
    const expected: Uint8Array[] = [];
    const sent: Uint8Array[] = [];
    rig.holding = random.chance(0.3);
    for (let step = 0; step < 120; step += 1) {
      if (step % 10 === 0) {
        const modes = ['now', 'turn', 'random'] as const;
        nic.receiveWriteback.mode = modes[random.integer(0, 2)]!;
        nic.transmitEngine.mode = modes[random.integer(0, 2)]!;
        nic.transmitWriteback.mode = modes[random.integer(0, 2)]!;
      }
      for (let i = random.integer(0, 6); i > 0; i -= 1) {
        const frame = numbered(rig.sim.mac, expected.length, random.integer(60, 1514));
        expected.push(frame);
        peer.send(frame);
      }
      const lists = [];
      for (let i = random.integer(0, 6); i > 0; i -= 1) {
        const frame = numbered(PEER, sent.length, random.integer(60, 1514));
        sent.push(frame);
        const cut = random.integer(1, frame.length - 1);
        lists.push(random.chance(0.5) ? rig.make(frame) : rig.make(frame.subarray(0, cut), frame.subarray(cut)));
      }
      rig.sendLists(lists);
      if (random.chance(0.1)) nic.interrupts.ghost(random.integer(0, 2));
      if (random.chance(0.3)) rig.giveBack(random.integer(1, 20));
      if (random.chance(0.4)) await rig.sim.settle();
      else if (random.chance(0.3)) await new Promise<void>((resolve) => setImmediate(resolve));
    }
    rig.holding = false;
    rig.giveBack();
    await rig.sim.settle();
    await rig.sim.settle();
    const received = rig.take();
    const onWire = peer.take();
    expect(numbersOf(received)).toEqual(numbersOf(expected));
    expect(sameFrames(received, expected)).toBe(true);
    expect(numbersOf(onWire)).toEqual(numbersOf(sent));
    expect(sameFrames(onWire, sent)).toBe(true);
    expect(rig.outstanding).toBe(0);
    expect(rig.completed.every((status) => status === 0)).toBe(true);
    await rig.stop();
    rig.released();
    rig.clean();
  });
});
