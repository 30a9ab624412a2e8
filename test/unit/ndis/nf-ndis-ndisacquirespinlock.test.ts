/** Rules of the pages `nf-ndis-ndisacquirespinlock` and `nf-ndis-ndisdpracquirespinlock`. Layer: test (ndis). */
import { describe, expect, it } from 'vitest';
import {
  KeGetCurrentIrql,
  NdisAcquireSpinLock,
  NdisAllocateSpinLock,
  NdisDprAcquireSpinLock,
  NdisDprReleaseSpinLock,
  NdisFreeSpinLock,
  NdisReleaseSpinLock,
  spinLock,
} from '../../../src/ndis/index.ts';
import { callAtIrql } from '../../../src/ndis/irql.ts';
import { DIRQL, DISPATCH_LEVEL, PASSIVE_LEVEL } from '../../../src/ndis/types.ts';

function allocated() {
  const lock = spinLock();
  NdisAllocateSpinLock(lock);
  return lock;
}

describe('NdisAcquireSpinLock', () => {
  it('raises to DISPATCH_LEVEL, and NdisReleaseSpinLock goes back to where it was', () => {
    const lock = allocated();
    NdisAcquireSpinLock(lock);
    expect(KeGetCurrentIrql()).toBe(DISPATCH_LEVEL);
    NdisReleaseSpinLock(lock);
    expect(KeGetCurrentIrql()).toBe(PASSIVE_LEVEL);
    callAtIrql(DISPATCH_LEVEL, () => {
      NdisAcquireSpinLock(lock);
      NdisReleaseSpinLock(lock);
      expect(KeGetCurrentIrql()).toBe(DISPATCH_LEVEL);
    });
  });

  it('nests with other locks, which are released in the opposite order', () => {
    const [outer, inner] = [allocated(), allocated()];
    NdisAcquireSpinLock(outer);
    NdisAcquireSpinLock(inner);
    NdisReleaseSpinLock(inner);
    expect(KeGetCurrentIrql()).toBe(DISPATCH_LEVEL);
    NdisReleaseSpinLock(outer);
    expect(KeGetCurrentIrql()).toBe(PASSIVE_LEVEL);
  });

  it('of a lock that is held is refused, as it would never return', () => {
    const lock = allocated();
    NdisAcquireSpinLock(lock);
    expect(() => NdisAcquireSpinLock(lock)).toThrow(/deadlock/);
    NdisReleaseSpinLock(lock);
  });

  it('at DIRQL, or of a lock NdisAllocateSpinLock has not seen, is refused', () => {
    const lock = allocated();
    expect(() => callAtIrql(DIRQL, () => NdisAcquireSpinLock(lock))).toThrow(/DIRQL/);
    expect(() => NdisAcquireSpinLock(spinLock())).toThrow(/not initialized/);
    expect(KeGetCurrentIrql()).toBe(PASSIVE_LEVEL);
  });
});

describe('NdisReleaseSpinLock', () => {
  it('of a free lock, or of one taken by NdisDprAcquireSpinLock, is refused', () => {
    const lock = allocated();
    expect(() => NdisReleaseSpinLock(lock)).toThrow(/free/);
    callAtIrql(DISPATCH_LEVEL, () => {
      NdisDprAcquireSpinLock(lock);
      expect(() => NdisReleaseSpinLock(lock)).toThrow(/held by Dpr/);
      NdisDprReleaseSpinLock(lock);
    });
  });
});

describe('NdisDprAcquireSpinLock', () => {
  it('belongs at DISPATCH_LEVEL and nowhere else, and leaves the IRQL alone', () => {
    const lock = allocated();
    expect(() => NdisDprAcquireSpinLock(lock)).toThrow(/DISPATCH_LEVEL/);
    expect(() => callAtIrql(DIRQL, () => NdisDprAcquireSpinLock(lock))).toThrow(/DISPATCH_LEVEL/);
    callAtIrql(DISPATCH_LEVEL, () => {
      NdisDprAcquireSpinLock(lock);
      expect(() => NdisDprAcquireSpinLock(lock)).toThrow(/deadlock/);
      NdisDprReleaseSpinLock(lock);
      expect(() => NdisDprReleaseSpinLock(lock)).toThrow(/free/);
      NdisAcquireSpinLock(lock);
      expect(() => NdisDprReleaseSpinLock(lock)).toThrow(/held/);
      NdisReleaseSpinLock(lock);
    });
  });
});

describe('NdisFreeSpinLock', () => {
  it('ends a lock that nobody holds, once', () => {
    const lock = allocated();
    NdisAcquireSpinLock(lock);
    expect(() => NdisFreeSpinLock(lock)).toThrow(/held/);
    expect(() => NdisAllocateSpinLock(lock)).toThrow(/held/);
    NdisReleaseSpinLock(lock);
    NdisFreeSpinLock(lock);
    expect(() => NdisFreeSpinLock(lock)).toThrow(/unallocated/);
    expect(() => NdisAcquireSpinLock(lock)).toThrow(/not initialized/);
  });
});
