/**
 * Everything at once (contract 4.4: ownership, exactly-once completion, quiet after halt). Layer: test/unit.
 * Property: whatever order of sends, receptions, pauses, resets, link flaps, diagnostic masks, lost and ghost messages
 * comes, no NBL is lost or completed twice, no rule of the data sheets, of DMA or of NDIS is broken, frames that arrive
 * are unchanged and in order, and once things calm down the adapter works.
 */
import { describe, expect, test } from 'vitest';
import {
  NdisDiagnosticDisableInterrupt,
  NdisDiagnosticDisableMessageInterrupt,
  NdisDiagnosticEnableInterrupt,
  NdisDiagnosticEnableMessageInterrupt,
} from '../../../src/ndis/index.ts';
import { Random } from '../../../src/sim/index.ts';
import { CASES, numbered, numbersOf, PEER, type Rig, range, sameFrames, startRig } from './rig.ts';

const SEEDS = Array.from({ length: 10 }, (_, i) => 4000 + 31 * i);

const rising = (numbers: readonly number[]) => numbers.every((n, i) => i === 0 || n > numbers[i - 1]!);

function diagnose(rig: Rig, message: number, disable: boolean): void {
  const handle = rig.adapter.interrupt?.handle;
  if (handle === undefined) return;
  if (rig.isLine) (disable ? NdisDiagnosticDisableInterrupt : NdisDiagnosticEnableInterrupt)(handle);
  else (disable ? NdisDiagnosticDisableMessageInterrupt : NdisDiagnosticEnableMessageInterrupt)(handle, message);
}

async function storm(rig: Rig, random: Random, steps: number): Promise<void> {
  const { nic, peer, wire } = rig.sim;
  const lengths = new Map<number, number>();
  let received = 0;
  let sent = 0;
  const masked = new Set<number>();
  for (let step = 0; step < steps; step += 1) {
    const what = random.integer(0, 99);
    if (what < 35) {
      for (let i = random.integer(1, 12); i > 0; i -= 1) {
        lengths.set(received, random.integer(60, 1514));
        peer.send(numbered(rig.sim.mac, received, lengths.get(received)!));
        received += 1;
      }
    } else if (what < 70) {
      const count = random.integer(1, 12);
      rig.send(...range(count, sent).map((n) => numbered(PEER, n, random.integer(60, 1514))));
      sent += count;
    } else if (what < 74) {
      await rig.run(rig.adapter.reset());
    } else if (what < 77) {
      rig.giveBack();
      rig.holding = false;
      await rig.run(rig.adapter.pause());
      await rig.run(rig.adapter.restart());
    } else if (what < 80) {
      wire.setCarrier(!wire.up);
    } else if (what < 84) {
      const message = random.integer(0, Math.min(2, rig.adapter.interrupt!.messages.length - 1));
      if (masked.delete(message)) {
        diagnose(rig, message, false);
      } else {
        masked.add(message);
        diagnose(rig, message, true);
      }
    } else if (what < 87) {
      nic.interrupts.lose(random.integer(0, 2), 1);
    } else if (what < 90) {
      nic.interrupts.ghost(random.integer(0, 2));
    } else if (what < 93) {
      const modes = ['now', 'turn', 'random'] as const;
      nic.receiveWriteback.mode = modes[random.integer(0, 2)]!;
      nic.transmitEngine.mode = modes[random.integer(0, 2)]!;
      nic.transmitWriteback.mode = modes[random.integer(0, 2)]!;
    } else if (what < 95) {
      rig.holding = !rig.holding;
      if (!rig.holding) rig.giveBack();
    } else {
      await rig.sim.advance(random.integer(0, 700));
    }
    if (random.chance(0.5)) await rig.sim.settle();
  }
  for (const message of masked) diagnose(rig, message, false);
  for (let vector = 0; vector < 10; vector += 1) nic.interrupts.lose(vector, 0);
  rig.holding = false;
  rig.giveBack();
  wire.setCarrier(true);
  await rig.sim.advance(20_000);
  const frames = rig.take();
  expect(rising(numbersOf(frames))).toBe(true);
  expect(
    sameFrames(
      frames,
      numbersOf(frames).map((n) => numbered(rig.sim.mac, n, lengths.get(n)!)),
    ),
  ).toBe(true);
  expect(rising(numbersOf(peer.take()))).toBe(true);
  expect(rig.outstanding).toBe(0);
  expect(rig.completed.length).toBe(sent);
}

describe.each(CASES)('%s by %s', (chip, profile) => {
  test.each(SEEDS)('seed %i', async (seed) => {
    const random = new Random(seed);
    const rig = await startRig(chip, {
      profile,
      seed,
      interrupts: (['msix', 'msix', 'msix', 'msi', 'line'] as const)[random.integer(0, 4)]!,
      messageLimit: [1, 2, 3, 10][random.integer(0, 3)]!,
      hardwareMask: random.chance(0.7),
      dpcBudget: [2, 8, 64][random.integer(0, 2)]!,
      quirks: random.chance(0.3) ? { throttleUs: 128, ghostInterrupts: true } : {},
    });
    await storm(rig, random, 150);
    rig.completed.length = 0;
    for (const n of range(50)) rig.sim.peer.send(numbered(rig.sim.mac, n, 64));
    rig.send(...range(50).map((n) => numbered(PEER, n, 64)));
    await rig.sim.advance(50);
    expect(numbersOf(rig.take())).toEqual(range(50));
    expect(numbersOf(rig.sim.peer.take())).toEqual(range(50));
    expect(rig.completed).toEqual(new Array(50).fill(0));
    await rig.stop();
    rig.released();
    rig.clean();
  });
});
