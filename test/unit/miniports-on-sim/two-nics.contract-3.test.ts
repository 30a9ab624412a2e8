/**
 * Two adapters on one wire (contract 3.1, 3.2, and NDIS's rule that adapters share no state). Layer: test/unit.
 * Rule: each pair of chips talks both ways without loss; halting one leaves the other untouched.
 */
import { expect, test } from 'vitest';
import { createSim } from '../../../src/sim/index.ts';
import { numbered, numbersOf, range, rigOn } from './rig.ts';

const PAIRS = [
  ['igb', 'igb'],
  ['igb', 'e1000e'],
  ['e1000e', 'e1000e'],
] as const;

test.each(PAIRS)('an %s and an %s exchange 600 frames each way and one survives the other', async (first, second) => {
  const simA = createSim({ chip: first, profile: 'qemu', mac: Uint8Array.of(2, 0, 0, 0, 0, 0xa) });
  const simB = createSim({ chip: second, mac: Uint8Array.of(2, 0, 0, 0, 0, 0xb), world: simA });
  const a = await rigOn(simA, {}, false);
  const b = await rigOn(simB, {}, false);
  await a.start();
  await b.start();
  for (let round = 0; round < 30; round += 1) {
    a.send(...range(20, 20 * round).map((n) => numbered(simB.mac, n, 60 + (n % 1400))));
    b.send(...range(20, 20 * round).map((n) => numbered(simA.mac, n, 60 + (n % 900))));
    await simA.settle();
  }
  expect(numbersOf(b.take())).toEqual(range(600));
  expect(numbersOf(a.take())).toEqual(range(600));
  await a.stop();
  a.released();
  b.send(numbered(simA.mac, 1, 64));
  simB.peer.send(numbered(simB.mac, 7, 64));
  await simA.settle();
  expect(b.completed.length).toBe(601);
  expect(numbersOf(b.take())).toEqual([7]);
  await b.stop();
  b.released();
  a.clean();
  b.clean();
});
