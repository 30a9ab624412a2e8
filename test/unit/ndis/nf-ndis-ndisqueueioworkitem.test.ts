/** Rules of the page `nf-ndis-ndisqueueioworkitem`, a test each. Layer: test (ndis). */
import { describe, expect, it } from 'vitest';
import {
  KeGetCurrentIrql,
  type NDIS_HANDLE,
  NdisAllocateIoWorkItem,
  NdisFreeIoWorkItem,
  NdisQueueIoWorkItem,
} from '../../../src/ndis/index.ts';
import { callAtIrql } from '../../../src/ndis/irql.ts';
import { DIRQL, DISPATCH_LEVEL, PASSIVE_LEVEL } from '../../../src/ndis/types.ts';
import { initialized } from './fake-miniport.ts';
import { microtasks, turn } from './fake-pci.ts';

async function withItem() {
  const made = await initialized();
  const item = NdisAllocateIoWorkItem(made.miniport.handle) as NDIS_HANDLE;
  return { ...made, item };
}

describe('NdisQueueIoWorkItem', () => {
  it('called at DISPATCH_LEVEL runs the routine at PASSIVE_LEVEL, in a later turn of the event loop', async () => {
    const { item } = await withItem();
    const calls: unknown[] = [];
    callAtIrql(DISPATCH_LEVEL, () =>
      NdisQueueIoWorkItem(item, (context, handle) => void calls.push(context, handle, KeGetCurrentIrql()), 'context'),
    );
    await microtasks();
    expect(calls).toEqual([]);
    await turn();
    expect(calls).toEqual(['context', item, PASSIVE_LEVEL]);
  });

  it('may queue the item again from its own routine, with a turn of the event loop between', async () => {
    const { item } = await withItem();
    let runs = 0;
    const routine = (): void => {
      if (++runs < 3) NdisQueueIoWorkItem(item, routine, null);
    };
    NdisQueueIoWorkItem(item, routine, null);
    await turn();
    expect(runs).toBe(1);
    await turn();
    await turn();
    expect(runs).toBe(3);
    NdisFreeIoWorkItem(item);
  });

  it('of an item that is queued is a fault', async () => {
    const { item, faults } = await withItem();
    NdisQueueIoWorkItem(item, () => {}, null);
    NdisQueueIoWorkItem(item, () => {}, null);
    await microtasks();
    expect(faults[0]?.message).toMatch(/queued already/);
  });

  it('whose routine throws, or whose Promise rejects, is a fault', async () => {
    for (const routine of [() => Promise.reject(new Error('late')), () => badly()]) {
      const { item, faults } = await withItem();
      NdisQueueIoWorkItem(item, routine, null);
      await turn();
      await turn();
      expect(faults[0]?.message).toBe('A work item threw');
    }
    function badly(): void {
      throw new Error('at once');
    }
  });

  it('may not be called at DIRQL, nor may items be made or freed there', async () => {
    const { item, miniport } = await withItem();
    for (const call of [
      () => NdisQueueIoWorkItem(item, () => {}, null),
      () => NdisFreeIoWorkItem(item),
      () => NdisAllocateIoWorkItem(miniport.handle),
    ]) {
      expect(() => callAtIrql(DIRQL, call)).toThrow(/DISPATCH_LEVEL/);
    }
  });
});

describe('NdisFreeIoWorkItem', () => {
  it('in the routine itself is allowed, and ends the handle', async () => {
    const { item, faults } = await withItem();
    NdisQueueIoWorkItem(item, (_context, handle) => NdisFreeIoWorkItem(handle), null);
    await turn();
    expect(faults).toEqual([]);
    expect(() => NdisQueueIoWorkItem(item, () => {}, null)).toThrow(/no longer valid/);
  });

  it('of a queued item is a fault, and the routine does not run', async () => {
    const { item, faults } = await withItem();
    let runs = 0;
    NdisQueueIoWorkItem(item, () => void runs++, null);
    NdisFreeIoWorkItem(item);
    await turn();
    expect([runs, faults.length]).toEqual([0, 1]);
  });

  it('forgotten until MiniportHaltEx has returned is reported as a leak', async () => {
    const { adapter, item, log } = await withItem();
    let runs = 0;
    NdisQueueIoWorkItem(item, () => void runs++, null);
    await turn();
    await adapter.halt();
    expect(log.filter((entry) => entry.kind === 'leak').map((entry) => entry.message)).toEqual([
      'MiniportHaltEx left a work item behind',
    ]);
    expect(runs).toBe(1);
  });
});

describe('NdisAllocateIoWorkItem', () => {
  it('gives null for what is no miniport handle', () => {
    expect(NdisAllocateIoWorkItem({} as NDIS_HANDLE)).toBeNull();
  });
});
