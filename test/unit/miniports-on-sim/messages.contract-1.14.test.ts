/**
 * Interrupt messages (contract 1.4, 1.8, 1.14, 1.16; 82574 7.4, 82576 7.3). Layer: test/unit.
 * Rule: each cause arrives on its message; a message disabled by the diagnostic call gives no ISR, keeps one event in
 * the table's pending bit, and gives exactly one ISR when it is enabled again; traffic then recovers.
 */
import { describe, expect, test } from 'vitest';
import {
  NDIS_CONNECT_LINE_BASED,
  NDIS_CONNECT_MESSAGE_BASED,
  NDIS_STATUS_SUCCESS,
  NdisDiagnosticDisableInterrupt,
  NdisDiagnosticDisableMessageInterrupt,
  NdisDiagnosticEnableInterrupt,
  NdisDiagnosticEnableMessageInterrupt,
} from '../../../src/ndis/index.ts';
import { E1000E } from '../../../src/sim/index.ts';
import { CASES, numbered, numbersOf, PEER, type Rig, range, startRig } from './rig.ts';

async function traffic(rig: Rig, base: number): Promise<void> {
  for (const n of range(30, base)) rig.sim.peer.send(numbered(rig.sim.mac, n, 64));
  rig.send(...range(30, base).map((n) => numbered(PEER, n, 64)));
  await rig.sim.settle();
  expect(numbersOf(rig.take())).toEqual(range(30, base));
  expect(numbersOf(rig.sim.peer.take())).toEqual(range(30, base));
  expect(rig.outstanding).toBe(0);
}

/** Difference of ISR calls per message while `action` runs. */
async function isrsDuring(rig: Rig, action: () => void): Promise<number[]> {
  const before = rig.isrCalls;
  action();
  await rig.sim.settle();
  return rig.isrCalls.map((count, i) => count - before[i]!);
}

describe.each(CASES)('%s by %s', (chip, profile) => {
  test('with three messages or more receive, transmit and link each arrive on their own', async () => {
    const rig = await startRig(chip, { profile });
    expect(rig.adapter.interrupt!.type).toBe(NDIS_CONNECT_MESSAGE_BASED);
    expect(rig.adapter.interrupt!.messageCount).toBeGreaterThanOrEqual(3);
    const receive = await isrsDuring(rig, () => rig.sim.peer.send(numbered(rig.sim.mac, 1, 64)));
    const transmit = await isrsDuring(rig, () => rig.send(numbered(PEER, 1, 64)));
    const link = await isrsDuring(rig, () => rig.sim.wire.setCarrier(false));
    expect(receive.slice(0, 3)).toEqual([1, 0, 0]);
    expect(transmit.slice(0, 3)).toEqual([0, 1, 0]);
    expect(link.slice(0, 3)).toEqual([0, 0, 1]);
    await rig.stop();
    rig.clean();
  });

  test('with two messages the queues share the first and the link keeps the second', async () => {
    const rig = await startRig(chip, { profile, messageLimit: 2 });
    expect(rig.adapter.interrupt!.messageCount).toBe(2);
    expect(await isrsDuring(rig, () => rig.sim.peer.send(numbered(rig.sim.mac, 1, 64)))).toEqual([1, 0]);
    expect(await isrsDuring(rig, () => rig.send(numbered(PEER, 1, 64)))).toEqual([1, 0]);
    expect(await isrsDuring(rig, () => rig.sim.wire.setCarrier(false))).toEqual([0, 1]);
    rig.sim.wire.setCarrier(true);
    await rig.sim.advance(1000);
    rig.take();
    rig.sim.peer.take();
    await traffic(rig, 100);
    await rig.stop();
    rig.clean();
  });

  test.each([
    ['msix', 1],
    ['msi', 1],
    ['line', 1],
  ] as const)('with %s and one message everything arrives on it', async (interrupts, messageLimit) => {
    const rig = await startRig(chip, { profile, interrupts, messageLimit });
    expect(rig.adapter.interrupt!.type).toBe(
      interrupts === 'line' ? NDIS_CONNECT_LINE_BASED : NDIS_CONNECT_MESSAGE_BASED,
    );
    expect((await isrsDuring(rig, () => rig.sim.peer.send(numbered(rig.sim.mac, 1, 64))))[0]).toBeGreaterThanOrEqual(1);
    expect((await isrsDuring(rig, () => rig.send(numbered(PEER, 1, 64))))[0]).toBeGreaterThanOrEqual(1);
    rig.sim.wire.setCarrier(false);
    await rig.sim.advance(50);
    rig.sim.wire.setCarrier(true);
    await rig.sim.advance(1000);
    expect(rig.adapter.linkState.MediaConnectState).toBe(1);
    rig.take();
    rig.sim.peer.take();
    await traffic(rig, 100);
    await rig.stop();
    rig.released();
    rig.clean();
  });

  describe.each([true, false])('table mappable: %s', (hardwareMask) => {
    test.each([0, 1, 2])(
      'message %i disabled, fired five times, enabled: no ISR, then exactly one',
      async (message) => {
        const rig = await startRig(chip, { profile, hardwareMask });
        const { handle } = rig.adapter.interrupt!;
        expect(NdisDiagnosticDisableMessageInterrupt(handle, message)).toBe(NDIS_STATUS_SUCCESS);
        const wakes = rig.adapter.interrupt!.messages[message]!.wakes;
        const masked = await isrsDuring(rig, () => {
          for (let i = 0; i < 5; i += 1) rig.fire(message);
        });
        expect(masked[message]).toBe(0);
        // Masked at its source either way: not even the event loop wakes.
        expect(rig.adapter.interrupt!.messages[message]!.wakes).toBe(wakes);
        expect(rig.adapter.interrupt!.messages[message]!.diagnosticDisabled).toBe(true);
        if (hardwareMask) {
          expect(rig.adapter.tableEntryMasked(message)).toBe(true);
          expect(rig.adapter.tableEntryPending(message)).toBe(true);
        }
        const after = await isrsDuring(rig, () => {
          expect(NdisDiagnosticEnableMessageInterrupt(handle, message)).toBe(NDIS_STATUS_SUCCESS);
        });
        expect(after[message]).toBe(1);
        expect(rig.adapter.tableEntryPending(message)).toBe(false);
        await traffic(rig, 10);
        await rig.stop();
        rig.released();
        rig.clean();
      },
    );

    test('traffic under a disabled receive message waits and arrives when it is enabled', async () => {
      const rig = await startRig(chip, { profile, hardwareMask });
      const { handle } = rig.adapter.interrupt!;
      NdisDiagnosticDisableMessageInterrupt(handle, 0);
      for (const n of range(20)) rig.sim.peer.send(numbered(rig.sim.mac, n, 64));
      await rig.sim.settle();
      expect(rig.received.length).toBe(0);
      NdisDiagnosticEnableMessageInterrupt(handle, 0);
      await rig.sim.settle();
      expect(numbersOf(rig.take())).toEqual(range(20));
      await traffic(rig, 50);
      await rig.stop();
      rig.clean();
    });

    test('the watchdog does not work round a diagnostic mask', async () => {
      const rig = await startRig(chip, { profile, hardwareMask });
      const { handle } = rig.adapter.interrupt!;
      NdisDiagnosticDisableMessageInterrupt(handle, 0);
      const before = rig.isrCalls[0]!;
      rig.sim.peer.send(numbered(rig.sim.mac, 1, 64));
      await rig.sim.advance(8000);
      expect(rig.isrCalls[0]).toBe(before);
      expect(rig.resets).toEqual([]);
      NdisDiagnosticEnableMessageInterrupt(handle, 0);
      await rig.sim.settle();
      expect(rig.received.length).toBe(1);
      await rig.stop();
      rig.clean();
    });
  });

  test('work whose pending bit was lost under the mask is found when the message is enabled', async () => {
    const rig = await startRig(chip, { profile });
    const { handle } = rig.adapter.interrupt!;
    NdisDiagnosticDisableMessageInterrupt(handle, 0);
    for (const n of range(5)) rig.sim.peer.send(numbered(rig.sim.mac, n, 64));
    await rig.sim.settle();
    rig.sim.nic.interrupts.clearPending(0);
    NdisDiagnosticEnableMessageInterrupt(handle, 0);
    await rig.sim.advance(5000);
    expect(numbersOf(rig.take())).toEqual(range(5));
    await rig.stop();
    rig.clean();
  });

  test('a line disabled by the diagnostic call is silent and delivers once enabled', async () => {
    const rig = await startRig(chip, { profile, interrupts: 'line' });
    const { handle } = rig.adapter.interrupt!;
    expect(NdisDiagnosticDisableInterrupt(handle)).toBe(NDIS_STATUS_SUCCESS);
    for (const n of range(5)) rig.sim.peer.send(numbered(rig.sim.mac, n, 64));
    await rig.sim.settle();
    expect(rig.received.length).toBe(0);
    expect(NdisDiagnosticEnableInterrupt(handle)).toBe(NDIS_STATUS_SUCCESS);
    await rig.sim.settle();
    expect(numbersOf(rig.take())).toEqual(range(5));
    await traffic(rig, 50);
    await rig.stop();
    rig.clean();
  });

  test('wake-ups without a cause do no harm on any message', async () => {
    const rig = await startRig(chip, { profile });
    for (let round = 0; round < 20; round += 1) {
      for (let message = 0; message < 3; message += 1) rig.sim.nic.interrupts.ghost(message);
      await rig.sim.settle();
    }
    await traffic(rig, 0);
    await rig.stop();
    rig.clean();
  });

  test('traffic flows while the device throttles and sends ghosts like QEMU’s e1000e', async () => {
    const rig = await startRig(chip, { profile, quirks: { throttleUs: 128, ghostInterrupts: true } });
    for (let round = 0; round < 20; round += 1) {
      for (const n of range(10, 10 * round)) rig.sim.peer.send(numbered(rig.sim.mac, n, 64));
      rig.send(...range(10, 10 * round).map((n) => numbered(PEER, n, 64)));
      await rig.sim.advance(1);
    }
    await rig.sim.advance(10);
    expect(numbersOf(rig.take())).toEqual(range(200));
    expect(numbersOf(rig.sim.peer.take())).toEqual(range(200));
    expect(rig.outstanding).toBe(0);
    await rig.stop();
    rig.clean();
  });
});

describe.each(['datasheet', 'qemu'] as const)('82574 by %s', (profile) => {
  test.each([
    ['RXO', 1 << 6],
    ['MDAC', 1 << 9],
    ['SRPD', 1 << 16],
    ['ACK', 1 << 17],
    ['MNG', 1 << 18],
  ])('the cause %s, which nobody enabled, costs one interrupt at most and no storm (10.2.4.1)', async (_, cause) => {
    const rig = await startRig('e1000e', { profile });
    const counts = await isrsDuring(rig, () => rig.sim.nic.write32(E1000E.ICS, cause));
    expect(counts.reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(1);
    const link = await isrsDuring(rig, () => rig.sim.wire.setCarrier(false));
    expect(link[2]).toBe(1);
    expect(rig.adapter.linkState.MediaConnectState).toBe(2);
    await rig.stop();
    rig.clean();
  });
});
