/** Rules of the pages `nf-ndis-ndisinterlocked...`: counters and lists. Layer: test (ndis). */
import { describe, expect, it } from 'vitest';
import {
  InsertTailList,
  IsListEmpty,
  type LIST_ENTRY,
  listEntry,
  NdisAcquireSpinLock,
  NdisAllocateSpinLock,
  NdisInitializeListHead,
  NdisInitializeSListHead,
  NdisInterlockedAddLargeStatistic,
  NdisInterlockedAddUlong,
  NdisInterlockedDecrement,
  NdisInterlockedIncrement,
  NdisInterlockedInsertHeadList,
  NdisInterlockedInsertTailList,
  NdisInterlockedPopEntrySList,
  NdisInterlockedPushEntrySList,
  NdisInterlockedRemoveHeadList,
  NdisQueryDepthSList,
  NdisReleaseSpinLock,
  out,
  RemoveEntryList,
  RemoveHeadList,
  type SLIST_ENTRY,
  spinLock,
} from '../../../src/ndis/index.ts';
import { callAtIrql } from '../../../src/ndis/irql.ts';
import { DIRQL } from '../../../src/ndis/types.ts';

function lock() {
  const made = spinLock();
  NdisAllocateSpinLock(made);
  return made;
}

function list() {
  const head = listEntry();
  NdisInitializeListHead(head);
  return head;
}

const named = (name: string): LIST_ENTRY & { readonly name: string } => ({ ...listEntry(), name });

describe('the interlocked counters', () => {
  it('count in a LONG, give the new value, and wrap', () => {
    const count = out(0x7fff_ffff);
    expect(NdisInterlockedIncrement(count)).toBe(-0x8000_0000);
    expect(NdisInterlockedDecrement(count)).toBe(0x7fff_ffff);
    expect(callAtIrql(DIRQL, () => NdisInterlockedDecrement(count))).toBe(0x7fff_fffe);
  });

  it('NdisInterlockedAddUlong gives the value from before, and wraps at 2^32', () => {
    const sum = out(0xffff_fff0);
    expect(NdisInterlockedAddUlong(sum, 0x20, lock())).toBe(0xffff_fff0);
    expect(sum.Value).toBe(0x10);
  });

  it('NdisInterlockedAddLargeStatistic passes 2^32', () => {
    const sum = out(0xffff_ffff);
    NdisInterlockedAddLargeStatistic(sum, 2);
    expect(sum.Value).toBe(2 ** 32 + 1);
  });
});

describe('the interlocked lists', () => {
  it('give the first and the last as they were before an entry came, null when there was none', () => {
    const [head, guard] = [list(), lock()];
    const [a, b, c] = [named('a'), named('b'), named('c')];
    expect(NdisInterlockedInsertTailList(head, a, guard)).toBeNull();
    expect(NdisInterlockedInsertTailList(head, b, guard)).toBe(a);
    expect(NdisInterlockedInsertHeadList(head, c, guard)).toBe(a);
    expect([1, 2, 3].map(() => NdisInterlockedRemoveHeadList(head, guard))).toEqual([c, a, b]);
    expect(NdisInterlockedRemoveHeadList(head, guard)).toBeNull();
    expect(IsListEmpty(head)).toBe(true);
  });

  it('take no lock that is held, or used at both DIRQL and below', () => {
    const [head, guard] = [list(), lock()];
    NdisAcquireSpinLock(guard);
    expect(() => NdisInterlockedRemoveHeadList(head, guard)).toThrow(/deadlock/);
    NdisReleaseSpinLock(guard);
    expect(() => callAtIrql(DIRQL, () => NdisInterlockedRemoveHeadList(head, guard))).toThrow(/one level/);
    const device = lock();
    expect(callAtIrql(DIRQL, () => NdisInterlockedRemoveHeadList(head, device))).toBeNull();
    expect(() => NdisAcquireSpinLock(device)).toThrow(/DIRQL/);
    expect(() => NdisInterlockedRemoveHeadList(head, spinLock())).toThrow(/not initialized/);
  });

  it('refuse an entry that is in a list, and an entry to remove that is in none', () => {
    const head = list();
    const a = named('a');
    InsertTailList(head, a);
    expect(() => InsertTailList(head, a)).toThrow(/in a list already/);
    expect(RemoveEntryList(a)).toBe(true);
    expect(() => RemoveEntryList(a)).toThrow(/in no list/);
    expect(RemoveHeadList(head)).toBe(head);
    expect(() => InsertTailList(listEntry(), a)).toThrow(/not initialized/);
  });

  it('with a sequenced head are last in, first out, and know their depth', () => {
    const head = { Next: null as SLIST_ENTRY | null, Depth: 0 };
    NdisInitializeSListHead(head);
    const [a, b, guard] = [{ Next: null }, { Next: null }, lock()];
    expect(NdisInterlockedPushEntrySList(head, a, guard)).toBeNull();
    expect(NdisInterlockedPushEntrySList(head, b, guard)).toBe(a);
    expect(NdisQueryDepthSList(head)).toBe(2);
    expect([1, 2, 3].map(() => NdisInterlockedPopEntrySList(head, guard))).toEqual([b, a, null]);
    expect(NdisQueryDepthSList(head)).toBe(0);
  });
});
