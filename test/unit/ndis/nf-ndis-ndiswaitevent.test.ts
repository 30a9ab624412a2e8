/** Rules of the pages `nf-ndis-ndiswaitevent`, `nf-ndis-ndissetevent`, `nf-ndis-ndisresetevent`. Layer: test (ndis). */
import { describe, expect, it } from 'vitest';
import {
  NdisInitializeEvent,
  NdisResetEvent,
  NdisSetEvent,
  NdisWaitEvent,
  ndisEvent,
} from '../../../src/ndis/index.ts';
import { callAtIrql } from '../../../src/ndis/irql.ts';
import { DIRQL, DISPATCH_LEVEL } from '../../../src/ndis/types.ts';
import { microtasks } from './fake-pci.ts';

function initialized() {
  const event = ndisEvent();
  callAtIrql(DIRQL, () => NdisInitializeEvent(event));
  return event;
}

describe('NdisWaitEvent', () => {
  it('goes on at once, with TRUE, when the event is set', async () => {
    const event = initialized();
    callAtIrql(DISPATCH_LEVEL, () => NdisSetEvent(event));
    expect(await NdisWaitEvent(event, 0)).toBe(true);
    expect(await NdisWaitEvent(event, 1)).toBe(true);
  });

  it('lets all who wait go on when the event is set', async () => {
    const event = initialized();
    let woken = 0;
    const waits = [0, 10_000].map((ms) => NdisWaitEvent(event, ms).then((set) => set && woken++));
    await microtasks();
    expect(woken).toBe(0);
    NdisSetEvent(event);
    await Promise.all(waits);
    expect(woken).toBe(2);
  });

  it('gives FALSE when the time is over, and is forgotten then', async () => {
    const event = initialized();
    expect(await NdisWaitEvent(event, 1)).toBe(false);
    expect(event.Waiters.size).toBe(0);
  });

  it('waits again after NdisResetEvent', async () => {
    const event = initialized();
    NdisSetEvent(event);
    callAtIrql(DISPATCH_LEVEL, () => NdisResetEvent(event));
    expect(await NdisWaitEvent(event, 1)).toBe(false);
  });

  it('belongs at PASSIVE_LEVEL; setting and resetting end at DISPATCH_LEVEL', () => {
    const event = initialized();
    expect(() => callAtIrql(DISPATCH_LEVEL, () => NdisWaitEvent(event, 1))).toThrow(/PASSIVE_LEVEL/);
    expect(() => callAtIrql(DIRQL, () => NdisSetEvent(event))).toThrow(/DISPATCH_LEVEL/);
    expect(() => callAtIrql(DIRQL, () => NdisResetEvent(event))).toThrow(/DISPATCH_LEVEL/);
  });
});
