/** Rules of the pages `nf-ndis-ndisallocatememorywithtagpriority` and `nf-ndis-ndisfreememory`. Layer: test (ndis). */
import { describe, expect, it } from 'vitest';
import {
  NdisAllocateMemoryWithTagPriority,
  NdisFreeMemory,
  NdisMoveMemory,
  NdisZeroMemory,
  NormalPoolPriority,
} from '../../../src/ndis/index.ts';
import { callAtIrql } from '../../../src/ndis/irql.ts';
import { DIRQL, DISPATCH_LEVEL, type NDIS_HANDLE } from '../../../src/ndis/types.ts';
import { initialized } from './fake-miniport.ts';
import { microtasks } from './fake-pci.ts';

const TAG = 0x34333231;

describe('NdisAllocateMemoryWithTagPriority', () => {
  it('gives as many bytes as asked for, up to DISPATCH_LEVEL, and each block is its own', async () => {
    const { miniport } = await initialized();
    const take = () => NdisAllocateMemoryWithTagPriority(miniport.handle, 100, TAG, NormalPoolPriority);
    const [one, two] = [callAtIrql(DISPATCH_LEVEL, take), take()];
    expect([one?.length, two?.length]).toEqual([100, 100]);
    expect(one?.buffer).not.toBe(two?.buffer);
  });

  it('may not be called at DIRQL', async () => {
    const { miniport } = await initialized();
    const take = () => NdisAllocateMemoryWithTagPriority(miniport.handle, 100, TAG, NormalPoolPriority);
    expect(() => callAtIrql(DIRQL, take)).toThrow(/DISPATCH_LEVEL/);
  });

  it('gives null without a handle, without a length, and when there is no such amount of memory', async () => {
    const { miniport, log } = await initialized();
    const take = (handle: NDIS_HANDLE, bytes: number) =>
      NdisAllocateMemoryWithTagPriority(handle, bytes, TAG, NormalPoolPriority);
    expect(take({} as NDIS_HANDLE, 8)).toBeNull();
    expect(take(miniport.handle, 0)).toBeNull();
    expect(take(miniport.handle, 2 ** 53 - 1)).toBeNull();
    expect(log.at(-1)?.message).toMatch(/tag '1234'/);
  });

  it('not freed by MiniportHaltEx is reported with its tag, and taken back', async () => {
    const { adapter, miniport, log } = await initialized();
    const block = NdisAllocateMemoryWithTagPriority(miniport.handle, 64, TAG, NormalPoolPriority);
    await adapter.halt();
    expect(log.filter((entry) => entry.kind === 'leak').map((entry) => entry.message)).toEqual([
      "MiniportHaltEx left 64 bytes of memory with tag '1234' behind",
    ]);
    expect(block?.length).toBe(0);
  });
});

describe('NdisFreeMemory', () => {
  it('takes the block and its length, or 0 for the length, and leaves nothing to read', async () => {
    const { adapter, miniport, log, faults } = await initialized();
    for (const length of [64, 0]) {
      const block = NdisAllocateMemoryWithTagPriority(miniport.handle, 64, TAG, 0) as Uint8Array;
      NdisFreeMemory(block, length, 0);
      expect(block[0]).toBeUndefined();
    }
    await adapter.halt();
    expect([log.filter((entry) => entry.kind === 'leak'), faults]).toEqual([[], []]);
  });

  it('of a block that was freed, or is part of one, is refused', async () => {
    const { miniport } = await initialized();
    const block = NdisAllocateMemoryWithTagPriority(miniport.handle, 64, TAG, 0) as Uint8Array;
    expect(() => NdisFreeMemory(block.subarray(4), 60, 0)).toThrow(RangeError);
    NdisFreeMemory(block, 64, 0);
    expect(() => NdisFreeMemory(block, 64, 0)).toThrow(/freed twice/);
  });

  it('with another length is a fault and frees nothing', async () => {
    const { miniport, faults } = await initialized();
    const block = NdisAllocateMemoryWithTagPriority(miniport.handle, 64, TAG, 0) as Uint8Array;
    NdisFreeMemory(block, 32, 0);
    await microtasks();
    expect(faults[0]?.message).toMatch(/64 bytes.*length of 32/);
    expect(block[0]).toBe(0);
  });
});

describe('NdisZeroMemory and NdisMoveMemory', () => {
  it('work on the first bytes only', () => {
    const bytes = Uint8Array.of(1, 2, 3, 4);
    NdisZeroMemory(bytes, 2);
    NdisMoveMemory(bytes, Uint8Array.of(9, 9), 1);
    expect([...bytes]).toEqual([9, 0, 3, 4]);
    expect(() => NdisMoveMemory(bytes, Uint8Array.of(1), 2)).toThrow(RangeError);
  });
});
