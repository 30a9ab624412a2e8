/**
 * Eventfd -> uv_poll -> callback scope. Layer: test. Rule: house.md, facts on DPCs as microtasks and on eventfds.
 * openEventfds() uses the same poll, drain and callback path as the interrupts of a device.
 */
import { describe, expect, it } from 'vitest';
import { addon, failureOf, nextTurn, openFds, runFixture } from './support.ts';

describe('the order of things', () => {
  it('is ISR, its DPC, next ISR, its DPC, next turn of the loop: 10,000 wake-ups, two vectors at once', async () => {
    const rounds = 5000;
    const log = new Uint8Array(rounds * 5);
    let length = 0;
    const set = addon.openEventfds(2, (vector) => {
      log[length++] = vector;
      queueMicrotask(() => {
        log[length++] = 0x10 | vector;
      });
    });
    await nextTurn(); // from here on every round starts in a check phase
    for (let round = 0; round < rounds; round += 1) {
      set.trigger(0);
      set.trigger(1);
      await nextTurn(); // its continuation is a microtask of the check phase, after the poll phase
      log[length++] = 0x20;
    }
    set.close();
    const turns = new Set<string>();
    for (let round = 0; round < rounds; round += 1) turns.add(log.subarray(round * 5, round * 5 + 5).join(' '));
    expect(length).toBe(rounds * 5);
    // Which vector comes first is the kernel's choice; that nothing comes between an ISR and its DPC is not.
    const allowed = ['0 16 1 17 32', '1 17 0 16 32'];
    expect([...turns].filter((turn) => !allowed.includes(turn))).toEqual([]);
  });

  it('runs a chain of microtasks and process.nextTick before the next vector', async () => {
    const log: string[] = [];
    const set = addon.openEventfds(2, (vector) => {
      log.push(`isr${vector}`);
      process.nextTick(() => log.push(`tick${vector}`));
      Promise.resolve()
        .then(() => log.push(`first${vector}`))
        .then(() => log.push(`second${vector}`));
    });
    set.trigger(0);
    set.trigger(1);
    await nextTurn();
    set.close();
    const of = (vector: number) => ['isr', 'tick', 'first', 'second'].map((step) => `${step}${vector}`);
    const first = log[0] === 'isr0' ? 0 : 1;
    expect(log).toEqual([...of(first), ...of(1 - first)]);
  });
});

it('signals before the wake-up are folded into one call that tells their number', async () => {
  const calls: number[][] = [];
  const set = addon.openEventfds(3, (vector, wakes) => calls.push([vector, wakes]));
  for (let shot = 0; shot < 5; shot += 1) set.trigger(1);
  await nextTurn();
  await nextTurn();
  set.close();
  expect(calls).toEqual([[1, 5]]);
});

it('each of 64 vectors calls with its own number', async () => {
  const wakes = new Array<number>(64).fill(0);
  const set = addon.openEventfds(64, (vector, count) => {
    wakes[vector]! += count;
  });
  for (let vector = 0; vector < 64; vector += 1) {
    for (let shot = 0; shot <= vector; shot += 1) set.trigger(vector);
  }
  await nextTurn();
  set.close();
  expect(wakes).toEqual(wakes.map((_, vector) => vector + 1));
});

describe('after close', () => {
  it('no call follows, also not for a wake-up already signalled', async () => {
    let calls = 0;
    const set = addon.openEventfds(1, () => {
      calls += 1;
    });
    set.trigger(0);
    set.close();
    await nextTurn();
    await nextTurn();
    expect(calls).toBe(0);
  });

  it('by the first of two vectors that woke together, the second is not called', async () => {
    const calls: number[] = [];
    for (let round = 0; round < 100; round += 1) {
      const set = addon.openEventfds(2, (vector) => {
        calls.push(vector);
        set.close();
      });
      set.trigger(0);
      set.trigger(1);
      await nextTurn();
    }
    await nextTurn();
    expect(calls).toHaveLength(100);
  });

  it('a set opened inside of the call, with the same descriptors, is not woken by the old signals', async () => {
    const calls: string[] = [];
    let second: ReturnType<typeof addon.openEventfds> | undefined;
    const first = addon.openEventfds(2, (vector) => {
      calls.push(`first${vector}`);
      first.close();
      second = addon.openEventfds(2, (other) => calls.push(`second${other}`));
    });
    first.trigger(0);
    first.trigger(1);
    await nextTurn();
    await nextTurn();
    expect(calls).toHaveLength(1);
    second?.trigger(1);
    await nextTurn();
    second?.close();
    expect(calls).toEqual([calls[0], 'second1']);
  });

  it('close does nothing and every other use is ERR_CLOSED', () => {
    const set = addon.openEventfds(1, () => {});
    const { trigger } = set;
    set.close();
    set.close();
    expect(failureOf(() => set.trigger(0))).toEqual(['ERR_CLOSED', '', 'irq', 'Error']);
    expect(failureOf(() => trigger(0))[0]).toBe('ERR_CLOSED');
  });
});

it('opening and closing 500 sets leaves no descriptor and no handle', async () => {
  const before = openFds();
  for (let round = 0; round < 500; round += 1) {
    const set = addon.openEventfds(4, () => {});
    set.trigger(round % 4);
    if (round % 2 === 0) await nextTurn();
    set.close();
  }
  await nextTurn();
  expect(openFds()).toBe(before);
  expect(Object.values(addon.handleCounts()).every((count) => count === 0)).toBe(true);
});

it('wrong arguments are refused by type and range', () => {
  const open = addon.openEventfds as (...args: unknown[]) => { trigger(vector: unknown): void; close(): void };
  expect(failureOf(() => open(0, () => {}))).toEqual(['ERR_RANGE', '', 'openEventfds(count)', 'RangeError']);
  expect(failureOf(() => open('1', () => {}))).toEqual(['ERR_ARGUMENT', '', 'openEventfds(count)', 'TypeError']);
  expect(failureOf(() => open(1, 'x'))).toEqual(['ERR_ARGUMENT', '', 'openEventfds(callback)', 'TypeError']);
  const set = open(2, () => {});
  for (const vector of [-1, 2, 0.5, Number.NaN]) {
    expect(failureOf(() => set.trigger(vector))).toEqual(['ERR_RANGE', '', 'trigger(vector)', 'RangeError']);
  }
  set.close();
});

it('a set without a device answers mask like VFIO does for MSI-X: ENOTTY', () => {
  const set = addon.openEventfds(1, () => {});
  expect(failureOf(() => set.mask(0))[0]).toBe('ENOTTY');
  expect(failureOf(() => set.unmask(0))[0]).toBe('ENOTTY');
  set.close();
});

describe('a listener that throws', () => {
  it('raises uncaughtException, its DPC still runs before the next vector, and the poll goes on', () => {
    const run = runFixture<string[]>('irq', 'throws');
    expect([run.status, run.stderr]).toEqual([0, '']);
    const log = run.result ?? [];
    const [first] = log;
    expect(log.slice(0, 6)).toEqual(
      first === 'isr0'
        ? ['isr0', 'uncaught boom 0', 'dpc0', 'isr1', 'uncaught boom 1', 'dpc1']
        : ['isr1', 'uncaught boom 1', 'dpc1', 'isr0', 'uncaught boom 0', 'dpc0'],
    );
    expect(log.slice(6)).toEqual(['isr0', 'uncaught boom 0', 'dpc0']);
  });

  it('ends the process with its stack when nobody handles that', () => {
    const run = runFixture('irq', 'throws-unhandled');
    expect([run.status, run.signal]).toEqual([1, null]);
    expect(run.stderr).toContain('Error: nobody catches this');
  });

  it('and one whose microtask throws raises uncaughtException as well', () => {
    expect(runFixture<string[]>('irq', 'microtask-throws').result).toEqual([
      'isr0',
      'uncaught dpc',
      'isr0',
      'uncaught dpc',
    ]);
  });
});

it('a wake-up allocates nothing on the heap', () => {
  const run = runFixture<{ bytesPerWake: number; wakes: number }>('irq', 'heap', {
    nodeOptions: ['--expose-gc', '--max-semi-space-size=128', '--min-semi-space-size=64'],
  });
  expect(run.status).toBe(0);
  expect(run.result?.wakes).toBe(100_000);
  // The smallest object has 16 bytes; what remains is one page of the young generation, spread over all wake-ups.
  expect(run.result?.bytesPerWake).toBeLessThan(4);
});

it.each(['exit', 'fall-through', 'exit-inside'])('a process may end with open handles: %s', (scenario) => {
  const run = runFixture('irq', scenario);
  expect([run.status, run.signal, run.stderr]).toEqual([0, null, '']);
});
