/**
 * Surprise removal (contract 2.9; lab notes: all ones on hardware, zero under QEMU). Layer: test/unit.
 * Rule: in every state the adapter comes to Halted, completes every send, frees everything, and stops touching the
 * device; the protocol gets an answer to all it asks.
 */
import { describe, expect, test } from 'vitest';
import { CASES, createRig, numbered, PEER, type Rig, range, startRig } from './rig.ts';

const KINDS = ['ones', 'zero'] as const;

async function end(rig: Rig): Promise<void> {
  await rig.run(rig.adapter.surpriseRemoved());
  expect(rig.adapter.state).toBe('Halted');
  expect(rig.outstanding).toBe(0);
  rig.released();
  rig.clean(true);
}

describe.each(CASES)('%s by %s', (chip, profile) => {
  describe.each(KINDS)('reads give %s', (kind) => {
    test('in state Paused', async () => {
      const rig = await createRig(chip, { profile });
      await rig.initialize();
      rig.sim.nic.remove(kind);
      await end(rig);
    });

    test('in state Running without traffic', async () => {
      const rig = await startRig(chip, { profile });
      rig.sim.nic.remove(kind);
      await end(rig);
    });

    test('with sends on the ring and in the queue', async () => {
      const rig = await startRig(chip, { profile });
      rig.sim.nic.transmitEngine.mode = 'hold';
      rig.send(...range(1200).map((n) => numbered(PEER, n, 64)));
      rig.sim.nic.remove(kind);
      await end(rig);
      expect(rig.completed.length).toBe(1200);
    });

    test('while the protocol holds received NBLs', async () => {
      const rig = await startRig(chip, { profile });
      rig.holding = true;
      for (const n of range(20)) rig.sim.peer.send(numbered(rig.sim.mac, n, 64));
      await rig.sim.settle();
      rig.sim.nic.remove(kind);
      const removal = rig.adapter.surpriseRemoved();
      await rig.sim.advance(100);
      rig.giveBack();
      await rig.run(removal);
      expect(rig.adapter.state).toBe('Halted');
      rig.released();
      rig.clean();
    });

    test('during a reset', async () => {
      const rig = await startRig(chip, { profile });
      rig.send(numbered(PEER, 1, 64));
      const reset = rig.adapter.reset().catch(() => undefined);
      rig.sim.nic.remove(kind);
      await rig.run(reset);
      await end(rig);
    });

    test('while initialising', async () => {
      const rig = await createRig(chip, { profile });
      const started = rig.adapter.initialize().then(
        () => true,
        () => false,
      );
      await rig.sim.clock.step(1000);
      rig.sim.nic.remove(kind);
      if (await rig.run(started)) await end(rig);
      expect(rig.adapter.state).toBe('Halted');
      rig.released();
      rig.clean();
    });

    test('unannounced: the check for hang notices, touches the device no more, and sends still complete', async () => {
      const rig = await startRig(chip, { profile });
      rig.send(numbered(PEER, 1, 64));
      await rig.sim.settle();
      rig.sim.nic.remove(kind);
      await rig.sim.advance(10_000);
      const before = rig.sim.nic.accessesWhenGone;
      await rig.sim.advance(10_000);
      expect(rig.sim.nic.accessesWhenGone - before).toBeLessThanOrEqual(2);
      rig.send(numbered(PEER, 2, 64));
      await rig.sim.advance(5000);
      if (rig.adapter.state !== 'Halted') await end(rig);
      expect(rig.outstanding).toBe(0);
      rig.released();
      rig.clean(true);
    });

    test('statistics and filters still get an answer', async () => {
      const rig = await startRig(chip, { profile });
      rig.sim.nic.remove(kind);
      await rig.run(rig.adapter.statistics().catch(() => undefined));
      await rig.run(rig.adapter.setPacketFilter(0).catch(() => undefined));
      await end(rig);
    });
  });
});
