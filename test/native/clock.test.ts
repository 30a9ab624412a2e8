/** Clock, stall and limits. Layer: test. Rule: src/host/addon.ts. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/host/clock.ts';
import { addon, failureOf } from './support.ts';

describe('readClock', () => {
  it('writes CLOCK_MONOTONIC, the clock of process.hrtime, as seconds and nanoseconds', () => {
    const parts = new Uint32Array(2);
    const before = process.hrtime.bigint();
    addon.readClock(parts);
    const after = process.hrtime.bigint();
    const read = BigInt(parts[0]!) * 1_000_000_000n + BigInt(parts[1]!);
    expect(read >= before && read <= after).toBe(true);
  });

  it('refuses arrays that are too short, of another type, or detached', () => {
    expect(failureOf(() => addon.readClock(new Uint32Array(1)))[0]).toBe('ERR_RANGE');
    expect(failureOf(() => addon.readClock(new Float64Array(2) as unknown as Uint32Array))[0]).toBe('ERR_ARGUMENT');
    const detached = new Uint32Array(2);
    structuredClone(detached.buffer, { transfer: [detached.buffer] });
    expect(failureOf(() => addon.readClock(detached))[0]).toBe('ERR_RANGE');
  });
});

describe('stall', () => {
  it.each([0, 1, 50, 3000])('of %d us takes at least that long', (delayUs) => {
    const start = systemClock.nowUs();
    addon.stall(delayUs);
    expect(systemClock.nowUs() - start).toBeGreaterThanOrEqual(delayUs);
  });

  it.each([-1, 1_000_001, Number.NaN, Number.POSITIVE_INFINITY])('of %d us is refused', (delayUs) => {
    expect(failureOf(() => addon.stall(delayUs))[0]).toBe('ERR_RANGE');
  });
});

describe('the system clock', () => {
  it('never goes back and has a resolution below 10 us', () => {
    let last = systemClock.nowUs();
    let smallest = Number.POSITIVE_INFINITY;
    for (let i = 0; i < 10_000; i += 1) {
      const now = systemClock.nowUs();
      expect(now).toBeGreaterThanOrEqual(last);
      if (now > last) smallest = Math.min(smallest, now - last);
      last = now;
    }
    expect(smallest).toBeLessThan(10);
  });

  it('calls back after the delay, repeatedly, and not after cancel', async () => {
    const calls: string[] = [];
    systemClock.after(5, () => calls.push('after'));
    systemClock.after(1, () => calls.push('cancelled')).cancel();
    const every = systemClock.every(2, () => calls.push('every'));
    const start = systemClock.nowUs();
    await systemClock.sleep(40);
    expect(systemClock.nowUs() - start).toBeGreaterThanOrEqual(39_000); // Node rounds timers to whole milliseconds
    const repeats = () => calls.filter((call) => call === 'every').length;
    for (let round = 0; round < 200 && repeats() < 4; round += 1) await systemClock.sleep(10); // a busy machine is late
    every.cancel();
    every.cancel();
    const count = calls.length;
    await systemClock.sleep(10);
    expect(calls).toHaveLength(count);
    expect(calls).toContain('after');
    expect(calls).not.toContain('cancelled');
    expect(repeats()).toBeGreaterThanOrEqual(4);
  });
});

it('memlockLimit is the soft limit of /proc/self/limits', () => {
  const soft = /^Max locked memory\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
  expect(addon.memlockLimit()).toBe(soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft));
});
