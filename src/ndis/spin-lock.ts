/**
 * Spin locks. Layer: ndis.
 * Invariant: one thread runs JavaScript, so a lock that is held when it is asked for would never be free again: that is
 * an error, not a wait. What a lock does otherwise is to raise the IRQL, and its rules are about that.
 */
import { NdisVfioError } from '../base/errors.ts';
import { KeGetCurrentIrql, requireIrqlAtMost, restoreIrql, setIrql } from './irql.ts';
import { DIRQL, DISPATCH_LEVEL, type KIRQL, PASSIVE_LEVEL } from './types.ts';
import { watcher } from './verifier/frames.ts';

/** Memory of the miniport's for a lock; its members are NDIS's. [ns-ndis, nf-ndis-ndisallocatespinlock] */
export interface NDIS_SPIN_LOCK {
  /** 'free' and 'held' once allocated. */
  SpinLock: 'unallocated' | 'free' | 'held' | 'held by Dpr';
  /** The level the holder came from. */
  OldIrql: KIRQL;
  /** Where an interlocked list function took it first; one lock belongs to one level. */
  Level: 'none' | 'dispatch' | 'device';
}

/** Memory for a spin lock, to be given to NdisAllocateSpinLock. Ours: C declares a variable. */
export function spinLock(): NDIS_SPIN_LOCK {
  return { SpinLock: 'unallocated', OldIrql: PASSIVE_LEVEL, Level: 'none' };
}

function refuse(what: string, cause: string, cure: string): never {
  throw new NdisVfioError('E_STATE', { action: `Cannot call ${what}`, cause, cure });
}

/** Initializes a lock. Any IRQL. [nf-ndis-ndisallocatespinlock] @throws NdisVfioError E_STATE when it is held. */
export function NdisAllocateSpinLock(SpinLock: NDIS_SPIN_LOCK): void {
  if (isHeld(SpinLock))
    refuse('NdisAllocateSpinLock', 'the lock is held', 'Initialize a lock once, before its first use');
  SpinLock.SpinLock = 'free';
  SpinLock.OldIrql = PASSIVE_LEVEL;
  SpinLock.Level = 'none';
}

/** Ends a lock. Any IRQL. [nf-ndis-ndisfreespinlock] @throws NdisVfioError E_STATE when it is held or no lock. */
export function NdisFreeSpinLock(SpinLock: NDIS_SPIN_LOCK): void {
  if (SpinLock.SpinLock !== 'free') {
    refuse('NdisFreeSpinLock', `the lock is ${SpinLock.SpinLock}`, 'Free an allocated lock that nobody holds');
  }
  SpinLock.SpinLock = 'unallocated';
}

function isHeld(lock: NDIS_SPIN_LOCK): boolean {
  return lock.SpinLock === 'held' || lock.SpinLock === 'held by Dpr';
}

function take(lock: NDIS_SPIN_LOCK, as: 'held' | 'held by Dpr', what: string): void {
  if (lock.SpinLock === 'unallocated') refuse(what, 'the lock was not initialized', 'Call NdisAllocateSpinLock first');
  if (lock.SpinLock !== 'free') refuse(what, 'the lock is held already: a deadlock', 'Release it before');
  if (lock.Level === 'device') refuse(what, 'the lock is used at DIRQL elsewhere', 'Use one lock at one level');
  lock.Level = 'dispatch';
  lock.SpinLock = as;
}

/**
 * Takes a lock and raises the IRQL to DISPATCH_LEVEL. <= DISPATCH_LEVEL. [nf-ndis-ndisacquirespinlock]
 * @throws NdisVfioError E_STATE at DIRQL, for a lock that is held (a deadlock) or not initialized.
 */
export function NdisAcquireSpinLock(SpinLock: NDIS_SPIN_LOCK): void {
  requireIrqlAtMost(DISPATCH_LEVEL, 'NdisAcquireSpinLock');
  watcher()?.lockTaken(SpinLock, false, isHeld(SpinLock));
  take(SpinLock, 'held', 'NdisAcquireSpinLock');
  SpinLock.OldIrql = setIrql(DISPATCH_LEVEL);
}

/**
 * Releases a lock of NdisAcquireSpinLock and goes back to the IRQL before it. DISPATCH_LEVEL.
 * [nf-ndis-ndisreleasespinlock]
 * @throws NdisVfioError E_STATE for a lock that is free, or was taken by NdisDprAcquireSpinLock.
 */
export function NdisReleaseSpinLock(SpinLock: NDIS_SPIN_LOCK): void {
  watcher()?.lockReleased(SpinLock, false, SpinLock.SpinLock === 'held');
  if (SpinLock.SpinLock !== 'held') {
    refuse('NdisReleaseSpinLock', `the lock is ${SpinLock.SpinLock}`, 'Pair it with NdisAcquireSpinLock');
  }
  SpinLock.SpinLock = 'free';
  restoreIrql(SpinLock.OldIrql);
}

/**
 * Takes a lock without touching the IRQL. DISPATCH_LEVEL exactly. [nf-ndis-ndisdpracquirespinlock]
 * @throws NdisVfioError E_STATE at another level, for a lock that is held (a deadlock) or not initialized.
 */
export function NdisDprAcquireSpinLock(SpinLock: NDIS_SPIN_LOCK): void {
  const irql = KeGetCurrentIrql();
  if (irql !== DISPATCH_LEVEL) {
    watcher()?.saw('irqlTooLow', { what: 'NdisDprAcquireSpinLock', needed: DISPATCH_LEVEL, irql });
    refuse(
      'NdisDprAcquireSpinLock',
      `it belongs at DISPATCH_LEVEL and the IRQL is ${irql}`,
      'Call NdisAcquireSpinLock',
    );
  }
  watcher()?.lockTaken(SpinLock, true, isHeld(SpinLock));
  take(SpinLock, 'held by Dpr', 'NdisDprAcquireSpinLock');
}

/**
 * Releases a lock of NdisDprAcquireSpinLock. DISPATCH_LEVEL. [nf-ndis-ndisdprreleasespinlock]
 * @throws NdisVfioError E_STATE for a lock that is free, or was taken by NdisAcquireSpinLock.
 */
export function NdisDprReleaseSpinLock(SpinLock: NDIS_SPIN_LOCK): void {
  watcher()?.lockReleased(SpinLock, true, SpinLock.SpinLock === 'held by Dpr');
  if (SpinLock.SpinLock !== 'held by Dpr') {
    refuse('NdisDprReleaseSpinLock', `the lock is ${SpinLock.SpinLock}`, 'Pair it with NdisDprAcquireSpinLock');
  }
  SpinLock.SpinLock = 'free';
}

/**
 * NDIS's own: what an interlocked list function does with its lock: checks that it is free, and that one lock is used
 * either at DIRQL or below, never at both.
 * @throws NdisVfioError E_STATE.
 */
export function passThrough(lock: NDIS_SPIN_LOCK, what: string): void {
  if (lock.SpinLock === 'unallocated') refuse(what, 'the lock was not initialized', 'Call NdisAllocateSpinLock first');
  if (lock.SpinLock !== 'free') refuse(what, 'the lock is held already: a deadlock', 'Release it before');
  const level = KeGetCurrentIrql() >= DIRQL ? 'device' : 'dispatch';
  if (lock.Level === 'none') lock.Level = level;
  if (lock.Level !== level) refuse(what, 'the lock is used at DIRQL and below it', 'Use one lock at one level');
}
