/**
 * A vector that delivers nothing any more. Layer: test/unit/miniports.
 */
import { expect, it } from 'vitest';
import { NDIS_STATUS_SUCCESS } from '../../../src/ndis/index.ts';
import { CASES, numbered, numbersOf, range, startRig } from '../miniports-on-sim/rig.ts';

it.each(CASES)('is recovered frame by frame and ends in a reset: %s by %s', async (chip, profile) => {
  const rig = await startRig(chip, { profile });
  rig.sim.nic.interrupts.lose(0, 1000);
  for (const n of range(12)) {
    rig.sim.peer.send(numbered(rig.sim.mac, n, 64));
    await rig.sim.advance(2000);
  }
  // The watchdog found them although no interrupt came, and the third time asked for a reset.
  expect(rig.hangs).toBeGreaterThanOrEqual(1);
  expect(rig.resets[0]).toBe(NDIS_STATUS_SUCCESS);
  expect(numbersOf(rig.take()).length).toBeGreaterThan(4);
  rig.sim.nic.interrupts.lose(0, 0);
  await rig.sim.advance(6000);
  rig.take();
  rig.sim.peer.send(numbered(rig.sim.mac, 99, 64));
  await rig.sim.settle();
  expect(numbersOf(rig.take())).toEqual([99]);
  await rig.stop();
  rig.clean();
});
