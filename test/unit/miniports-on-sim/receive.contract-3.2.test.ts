/**
 * Receiving (contract 3.2, 3.5, 1.12; 82574 7.1, 82576 7.1). Layer: test/unit.
 * Rule: frames reach the protocol in order and once; a DPC keeps its budget and repeats as a macrotask; when buffers
 * run low the protocol is told to copy, and nothing is lost that the device could keep.
 */
import { describe, expect, test } from 'vitest';
import { NDIS_RECEIVE_FLAGS_RESOURCES } from '../../../src/ndis/index.ts';
import { COMMON } from '../../../src/sim/index.ts';
import { BROADCAST, CASES, createRig, numbered, numbersOf, range, startRig } from './rig.ts';

describe.each(CASES)('%s by %s', (chip, profile) => {
  test('a frame for the station reaches the protocol unchanged', async () => {
    const rig = await startRig(chip, { profile });
    const frame = numbered(rig.sim.mac, 1, 321);
    rig.sim.peer.send(frame);
    await rig.sim.settle();
    expect(rig.take()).toEqual([frame]);
    expect(rig.adapter.receivesOutstanding).toBe(0);
    await rig.stop();
    rig.released();
    rig.clean();
  });

  test.each(['msix', 'msi', 'line'] as const)('2000 frames in bursts arrive in order with %s', async (interrupts) => {
    const rig = await startRig(chip, { profile, interrupts });
    let number = 0;
    for (let burst = 0; burst < 40; burst += 1) {
      for (let i = 0; i < 50; i += 1) {
        rig.sim.peer.send(numbered(i % 5 === 0 ? BROADCAST : rig.sim.mac, number, 60 + ((number * 13) % 1455)));
        number += 1;
      }
      await rig.sim.settle();
    }
    expect(numbersOf(rig.take())).toEqual(range(number));
    await rig.stop();
    rig.clean();
  });

  test('a DPC indicates at most its budget and the repeat leaves the event loop room', async () => {
    const rig = await startRig(chip, { profile, dpcBudget: 8 });
    const order: string[] = [];
    rig.onBatch = () => {
      order.push('batch');
      if (order.length === 1) setImmediate(() => order.push('loop'));
    };
    for (const n of range(50)) rig.sim.peer.send(numbered(rig.sim.mac, n, 64));
    await rig.sim.settle();
    expect(numbersOf(rig.take())).toEqual(range(50));
    expect(Math.max(...rig.batches)).toBeLessThanOrEqual(8);
    const counters = rig.adapter.interrupt!.messages[0]!;
    expect(counters.maxNblsInOneDpc).toBeLessThanOrEqual(8);
    expect(counters.dpcBudgetExhausted).toBeGreaterThanOrEqual(6);
    expect(order.indexOf('loop')).toBeGreaterThan(0);
    expect(order.indexOf('loop')).toBeLessThan(order.lastIndexOf('batch'));
    await rig.stop();
    rig.clean();
  });

  test('the interrupt stays masked while the DPC repeats', async () => {
    const rig = await startRig(chip, { profile, dpcBudget: 4 });
    const before = rig.isrCalls[0]!;
    for (const n of range(40)) rig.sim.peer.send(numbered(rig.sim.mac, n, 64));
    // Only while full budgets are used: every such DPC must leave the message masked.
    const stopAt = 9;
    rig.onBatch = () => {
      if (rig.batches.length < stopAt) rig.sim.peer.send(numbered(rig.sim.mac, 99, 64));
    };
    await rig.sim.settle();
    expect(rig.received.length).toBeGreaterThan(40);
    expect(rig.isrCalls[0]! - before).toBeLessThanOrEqual(2);
    await rig.stop();
    rig.clean();
  });

  test('a protocol that keeps everything is told to copy when buffers run low, and no frame is lost', async () => {
    const rig = await startRig(chip, { profile });
    rig.holding = true;
    const { count } = rig.sim.nic.receivePointers();
    const total = count + 200;
    for (let n = 0; n < total; n += 16) {
      for (const m of range(Math.min(16, total - n), n)) rig.sim.peer.send(numbered(rig.sim.mac, m, 64));
      await rig.sim.settle();
    }
    expect(numbersOf(rig.received.map((one) => one.bytes))).toEqual(range(total));
    expect(rig.received.some((one) => (one.flags & NDIS_RECEIVE_FLAGS_RESOURCES) !== 0)).toBe(true);
    expect(rig.held.length).toBeLessThan(count);
    rig.giveBack();
    await rig.sim.settle();
    expect(rig.adapter.receivesOutstanding).toBe(0);
    rig.holding = false;
    rig.take();
    for (const m of range(100)) rig.sim.peer.send(numbered(rig.sim.mac, m, 64));
    await rig.sim.settle();
    expect(numbersOf(rig.take())).toEqual(range(100));
    await rig.stop();
    rig.clean();
  });

  test('damaged frames are dropped and counted, the good ones around them arrive', async () => {
    const rig = await startRig(chip, { profile });
    rig.sim.peer.send(numbered(rig.sim.mac, 1, 64));
    rig.sim.peer.send(numbered(rig.sim.mac, 2, 64), 'crc');
    rig.sim.peer.send(numbered(rig.sim.mac, 3, 64), 'alignment');
    rig.sim.peer.send(numbered(rig.sim.mac, 4, 64), 'symbol');
    rig.sim.peer.send(numbered(rig.sim.mac, 5, 64));
    await rig.sim.settle();
    expect(numbersOf(rig.take())).toEqual([1, 5]);
    const statistics = await rig.run(rig.adapter.statistics());
    expect(statistics.ifInErrors).toBe(3);
    await rig.stop();
    rig.clean();
  });

  test('a damaged frame that the device passes on is not indicated', async () => {
    const rig = await startRig(chip, { profile });
    const { registers } = rig.sim.nic;
    registers.set(COMMON.RCTL, registers.get(COMMON.RCTL) | 4); // SBP: store bad packets
    for (const error of ['crc', 'alignment', 'symbol'] as const) {
      rig.sim.peer.send(numbered(rig.sim.mac, 2, 64), error);
    }
    rig.sim.peer.send(numbered(rig.sim.mac, 3, 64));
    await rig.sim.settle();
    expect(numbersOf(rig.take())).toEqual([3]);
    await rig.stop();
    rig.clean();
  });

  test('a frame longer than the MTU allows is not indicated and the next one is', async () => {
    const rig = await startRig(chip, { profile });
    rig.sim.peer.send(numbered(rig.sim.mac, 1, 1519));
    rig.sim.peer.send(numbered(rig.sim.mac, 2, 3000));
    rig.sim.peer.send(numbered(rig.sim.mac, 3, 1514));
    await rig.sim.settle();
    expect(numbersOf(rig.take())).toEqual([3]);
    await rig.stop();
    rig.clean();
  });

  test('frames that arrive while the adapter is paused are not indicated and cost no buffer', async () => {
    const rig = await createRig(chip, { profile });
    await rig.start();
    await rig.run(rig.adapter.pause());
    for (const n of range(40)) rig.sim.peer.send(numbered(rig.sim.mac, n, 64));
    await rig.sim.advance(100);
    expect(rig.received.length).toBe(0);
    await rig.run(rig.adapter.restart());
    await rig.sim.advance(1000);
    rig.take();
    for (const n of range(100, 1000)) rig.sim.peer.send(numbered(rig.sim.mac, n, 64));
    await rig.sim.settle();
    expect(numbersOf(rig.take())).toEqual(range(100, 1000));
    await rig.stop();
    rig.clean();
  });

  test('with a packet filter of 0 nothing is indicated', async () => {
    const rig = await createRig(chip, { profile });
    await rig.start(0);
    for (const to of [rig.sim.mac, BROADCAST]) rig.sim.peer.send(numbered(to, 1, 64));
    await rig.sim.settle();
    expect(rig.received.length).toBe(0);
    await rig.stop();
    rig.clean();
  });

  test('a frame whose interrupt was lost is found by the watchdog', async () => {
    const rig = await startRig(chip, { profile });
    rig.sim.nic.interrupts.lose(0, 1);
    rig.sim.peer.send(numbered(rig.sim.mac, 1, 64));
    await rig.sim.settle();
    expect(rig.received.length).toBe(0);
    await rig.sim.advance(5000);
    expect(numbersOf(rig.take())).toEqual([1]);
    rig.sim.peer.send(numbered(rig.sim.mac, 2, 64));
    await rig.sim.settle();
    expect(numbersOf(rig.take())).toEqual([2]);
    await rig.stop();
    rig.clean();
  });

  test('a frame that came during the DPC is taken at once even if its message is lost on arming', async () => {
    const rig = await startRig(chip, { profile });
    rig.onBatch = () => {
      if (rig.batches.length > 1) return;
      rig.sim.peer.send(numbered(rig.sim.mac, 2, 64));
      rig.sim.nic.interrupts.lose(0, 1);
    };
    rig.sim.peer.send(numbered(rig.sim.mac, 1, 64));
    await rig.sim.settle();
    expect(numbersOf(rig.take())).toEqual([1, 2]);
    await rig.stop();
    rig.clean();
  });
});
