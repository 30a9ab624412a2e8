/**
 * The simulated TAP and clock keep their contracts. Layer: test/unit/sim.
 * Tap and Clock of src/platform: level-triggered readability, bounded queues, timers in the order they are due.
 */
import { describe, expect, test } from 'vitest';
import { SimClock, SimTap, TurnQueue } from '../../../src/sim/index.ts';

describe('SimTap', () => {
  test('calls back once a turn while frames wait and stops when listening stops', async () => {
    const turns = new TurnQueue();
    const tap = new SimTap(turns);
    const memory = new Uint8Array(4096);
    const pairs = Uint32Array.of(0, 2048);
    const read: number[] = [];
    tap.setReadable(() => {
      pairs[1] = 2048;
      expect(tap.readBatch(memory, pairs, 1)).toBe(1);
      read.push(memory[0]!);
      if (read.length === 3) tap.setReadable(undefined);
    });
    for (let i = 0; i < 5; i += 1) tap.push(Uint8Array.of(i, 1, 2));
    await turns.settle();
    expect(read).toEqual([0, 1, 2]);
    expect(tap.waiting).toBe(2);
    expect(pairs[1]).toBe(3);
  });

  test('takes no more frames than its capacity and says how many', () => {
    const tap = new SimTap(new TurnQueue(), { capacity: 2 });
    const memory = Uint8Array.of(1, 2, 3, 4, 5, 6);
    const pairs = Uint32Array.of(0, 2, 2, 2, 4, 2);
    expect(tap.writeBatch(memory, pairs, 0, 3)).toBe(2);
    expect(tap.take().map((frame) => [...frame])).toEqual([
      [1, 2],
      [3, 4],
    ]);
    expect(tap.writeBatch(memory, pairs, 2, 1)).toBe(1);
  });

  test('counts writes to an interface that is down as errors and as taken', () => {
    const tap = new SimTap(new TurnQueue());
    tap.down = true;
    expect(tap.writeBatch(new Uint8Array(4), Uint32Array.of(0, 4), 0, 1)).toBe(1);
    expect(tap.writeErrors).toBe(1);
    expect(tap.take()).toEqual([]);
  });
});

describe('SimClock', () => {
  test('runs timers in the order they are due and only when time passes', async () => {
    const clock = new SimClock(new TurnQueue());
    const order: string[] = [];
    clock.after(20, () => order.push('b'));
    clock.after(10, () => order.push('a'));
    const every = clock.every(8, () => order.push('e'));
    clock.after(5, () => order.push('never')).cancel();
    await clock.advance(9);
    expect(order).toEqual(['e']);
    await clock.advance(12);
    expect(order).toEqual(['e', 'a', 'e', 'b']);
    every.cancel();
    await clock.advance(100);
    expect(order.length).toBe(4);
    expect(clock.softwareTimers).toBe(0);
  });

  test('lets hardware timers pass during a stall and keeps software timers back', async () => {
    const clock = new SimClock(new TurnQueue());
    const order: string[] = [];
    clock.afterHardware(50, () => order.push('hardware'));
    clock.after(0.01, () => order.push('software'));
    clock.stall(100);
    expect(order).toEqual(['hardware']);
    await clock.advance(1);
    expect(order).toEqual(['hardware', 'software']);
  });
});
