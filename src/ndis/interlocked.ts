/**
 * Interlocked counters and lists. Layer: ndis.
 * Invariants: counters wrap as the C types do; a list entry is in one list at most, and an entry that leaves a list
 * points nowhere. An object that has the members of LIST_ENTRY is its own CONTAINING_RECORD.
 */
import { type NDIS_SPIN_LOCK, passThrough } from './spin-lock.ts';
import type { Out } from './types.ts';

/** Adds 1 to a LONG and returns the new value. Any IRQL. [nf-ndis-ndisinterlockedincrement] */
export function NdisInterlockedIncrement(Addend: Out<number>): number {
  Addend.Value = (Addend.Value + 1) | 0;
  return Addend.Value;
}

/** Takes 1 from a LONG and returns the new value. Any IRQL. [nf-ndis-ndisinterlockeddecrement] */
export function NdisInterlockedDecrement(Addend: Out<number>): number {
  Addend.Value = (Addend.Value - 1) | 0;
  return Addend.Value;
}

/**
 * Adds to a ULONG under a lock and returns the value it had BEFORE. Any IRQL, one level per lock.
 * [nf-ndis-ndisinterlockedaddulong]
 * @throws NdisVfioError E_STATE for a lock that is held, not initialized, or used at another level.
 */
export function NdisInterlockedAddUlong(Addend: Out<number>, Increment: number, SpinLock: NDIS_SPIN_LOCK): number {
  passThrough(SpinLock, 'NdisInterlockedAddUlong');
  const before = Addend.Value;
  Addend.Value = (before + Increment) >>> 0;
  return before;
}

/**
 * Adds a ULONG to a 64-bit counter. Any IRQL. The counter is a double here: exact to 2^53.
 * [nf-ndis-ndisinterlockedaddlargestatistic]
 */
export function NdisInterlockedAddLargeStatistic(Addend: Out<number>, Increment: number): void {
  Addend.Value += Increment >>> 0;
}

/** A member of a doubly linked list, or its head. Null in both: in no list. [ns-ntdef-list_entry] */
export interface LIST_ENTRY {
  Flink: LIST_ENTRY | null;
  Blink: LIST_ENTRY | null;
}

/** A list entry that is in no list. Ours: C declares a variable. */
export function listEntry(): LIST_ENTRY {
  return { Flink: null, Blink: null };
}

/** Makes an empty list. Any IRQL. [nf-ndis-ndisinitializelisthead] */
export function NdisInitializeListHead(ListHead: LIST_ENTRY): void {
  ListHead.Flink = ListHead;
  ListHead.Blink = ListHead;
}

/** True when the list has no entry. Any IRQL; the caller holds the list's lock. [nf-wdm-islistempty] */
export function IsListEmpty(ListHead: LIST_ENTRY): boolean {
  return ListHead.Flink === ListHead;
}

function link(before: LIST_ENTRY, entry: LIST_ENTRY): void {
  if (entry.Flink !== null) throw new RangeError('The list entry is in a list already');
  const after = before.Flink;
  if (after === null) throw new RangeError('The list head was not initialized');
  entry.Blink = before;
  entry.Flink = after;
  before.Flink = entry;
  after.Blink = entry;
}

/** Puts an entry first. Any IRQL; the caller holds the list's lock. [nf-wdm-insertheadlist] @throws RangeError when it is in a list. */
export function InsertHeadList(ListHead: LIST_ENTRY, Entry: LIST_ENTRY): void {
  link(ListHead, Entry);
}

/** Puts an entry last. Any IRQL; the caller holds the list's lock. [nf-wdm-inserttaillist] @throws RangeError when it is in a list. */
export function InsertTailList(ListHead: LIST_ENTRY, Entry: LIST_ENTRY): void {
  if (ListHead.Blink === null) throw new RangeError('The list head was not initialized');
  link(ListHead.Blink, Entry);
}

/**
 * Takes an entry out of its list; true when the list is empty then. Any IRQL; the caller holds the list's lock.
 * [nf-wdm-removeentrylist]
 * @throws RangeError when it is in no list.
 */
export function RemoveEntryList(Entry: LIST_ENTRY): boolean {
  const { Flink, Blink } = Entry;
  if (Flink === null || Blink === null) throw new RangeError('The list entry is in no list');
  Blink.Flink = Flink;
  Flink.Blink = Blink;
  Entry.Flink = null;
  Entry.Blink = null;
  return Flink === Blink;
}

/** Takes the first entry; the head itself when the list is empty, as in C. Any IRQL; the caller holds the lock. [nf-wdm-removeheadlist] */
export function RemoveHeadList(ListHead: LIST_ENTRY): LIST_ENTRY {
  const first = ListHead.Flink;
  if (first === null) throw new RangeError('The list head was not initialized');
  if (first !== ListHead) RemoveEntryList(first);
  return first;
}

/**
 * Puts an entry first, under the lock; returns the entry that was first, null when the list was empty. Any IRQL, one
 * level per lock. [nf-ndis-ndisinterlockedinsertheadlist]
 * @throws NdisVfioError E_STATE as NdisInterlockedAddUlong.
 */
export function NdisInterlockedInsertHeadList(
  ListHead: LIST_ENTRY,
  ListEntry: LIST_ENTRY,
  SpinLock: NDIS_SPIN_LOCK,
): LIST_ENTRY | null {
  passThrough(SpinLock, 'NdisInterlockedInsertHeadList');
  const first = IsListEmpty(ListHead) ? null : ListHead.Flink;
  InsertHeadList(ListHead, ListEntry);
  return first;
}

/**
 * Puts an entry last, under the lock; returns the entry that was last, null when the list was empty. Any IRQL, one
 * level per lock. [nf-ndis-ndisinterlockedinserttaillist]
 * @throws NdisVfioError E_STATE as NdisInterlockedAddUlong.
 */
export function NdisInterlockedInsertTailList(
  ListHead: LIST_ENTRY,
  ListEntry: LIST_ENTRY,
  SpinLock: NDIS_SPIN_LOCK,
): LIST_ENTRY | null {
  passThrough(SpinLock, 'NdisInterlockedInsertTailList');
  const last = IsListEmpty(ListHead) ? null : ListHead.Blink;
  InsertTailList(ListHead, ListEntry);
  return last;
}

/**
 * Takes the first entry, under the lock; null when the list is empty. Any IRQL, one level per lock.
 * [nf-ndis-ndisinterlockedremoveheadlist]
 * @throws NdisVfioError E_STATE as NdisInterlockedAddUlong.
 */
export function NdisInterlockedRemoveHeadList(ListHead: LIST_ENTRY, SpinLock: NDIS_SPIN_LOCK): LIST_ENTRY | null {
  passThrough(SpinLock, 'NdisInterlockedRemoveHeadList');
  return IsListEmpty(ListHead) ? null : RemoveHeadList(ListHead);
}

/** A member of a singly linked list. [ns-ntdef-slist_entry] */
export interface SLIST_ENTRY {
  Next: SLIST_ENTRY | null;
}

/** Head of a sequenced list: the last entry pushed and how many there are. */
export interface SLIST_HEADER {
  Next: SLIST_ENTRY | null;
  Depth: number;
}

/** Makes an empty sequenced list. Any IRQL. [nf-ndis-ndisinitializeslisthead] */
export function NdisInitializeSListHead(SListHead: SLIST_HEADER): void {
  SListHead.Next = null;
  SListHead.Depth = 0;
}

/** Pushes an entry; returns the one that was first, or null. Any IRQL, one level per lock. [nf-ndis-ndisinterlockedpushentryslist] */
export function NdisInterlockedPushEntrySList(
  ListHead: SLIST_HEADER,
  ListEntry: SLIST_ENTRY,
  Lock: NDIS_SPIN_LOCK,
): SLIST_ENTRY | null {
  passThrough(Lock, 'NdisInterlockedPushEntrySList');
  const first = ListHead.Next;
  ListEntry.Next = first;
  ListHead.Next = ListEntry;
  ListHead.Depth++;
  return first;
}

/** Takes the entry pushed last, or null. Any IRQL, one level per lock. [nf-ndis-ndisinterlockedpopentryslist] */
export function NdisInterlockedPopEntrySList(ListHead: SLIST_HEADER, Lock: NDIS_SPIN_LOCK): SLIST_ENTRY | null {
  passThrough(Lock, 'NdisInterlockedPopEntrySList');
  const first = ListHead.Next;
  if (first === null) return null;
  ListHead.Next = first.Next;
  ListHead.Depth--;
  first.Next = null;
  return first;
}

/** Entries in a sequenced list. Any IRQL. [nf-ndis-ndisquerydepthslist] */
export function NdisQueryDepthSList(ListHead: SLIST_HEADER): number {
  return ListHead.Depth;
}
