/** Rules of the page `nf-ndis-ndissettimerobject`, a test each, on a fake function and a small miniport. Layer: test (ndis). */
import { describe, expect, it } from 'vitest';
import {
  DISPATCH_LEVEL,
  KeGetCurrentIrql,
  type NDIS_HANDLE,
  NDIS_STATUS_INVALID_PARAMETER,
  NdisAllocateTimerObject,
  NdisCancelTimerObject,
  NdisFreeTimerObject,
  NdisMSleep,
  NdisSetTimerObject,
  NdisStallExecution,
  out,
} from '../../../src/ndis/index.ts';
import { type Bench, initialized } from './fake-miniport.ts';
import { microtasks } from './fake-pci.ts';

function timer(made: Bench, TimerFunction: (one: null, context: unknown) => void, FunctionContext: unknown = 'own') {
  const handle = out<NDIS_HANDLE | null>(null);
  NdisAllocateTimerObject(made.miniport.handle, { TimerFunction, FunctionContext }, handle);
  return handle.Value as NDIS_HANDLE;
}

describe('NdisSetTimerObject', () => {
  it('fires once at DISPATCH_LEVEL with the context given, or the timer’s own', async () => {
    const made = await initialized();
    const fired: unknown[] = [];
    const handle = timer(made, (_one, context) => fired.push([context, KeGetCurrentIrql()]));
    expect(NdisSetTimerObject(handle, 10, 0, 'given')).toBe(false);
    await made.clock.pass(9);
    expect(fired).toEqual([]);
    await made.clock.pass(50);
    NdisSetTimerObject(handle, 1, 0, null);
    await made.clock.pass(5);
    expect(fired).toEqual([
      ['given', DISPATCH_LEVEL],
      ['own', DISPATCH_LEVEL],
    ]);
  });

  it('fires periodically until it is cancelled', async () => {
    const made = await initialized();
    let count = 0;
    const handle = timer(made, () => count++);
    NdisSetTimerObject(handle, 10, 20, null);
    await made.clock.pass(55);
    expect(count).toBe(3);
    expect(NdisCancelTimerObject(handle)).toBe(true);
    expect(NdisCancelTimerObject(handle)).toBe(false);
    await made.clock.pass(100);
    expect(count).toBe(3);
  });

  it('starts anew when it runs already, and says so', async () => {
    const made = await initialized();
    let count = 0;
    const handle = timer(made, () => count++);
    NdisSetTimerObject(handle, 10, 0, null);
    await made.clock.pass(8);
    expect(NdisSetTimerObject(handle, 10, 0, null)).toBe(true);
    await made.clock.pass(8);
    expect(count).toBe(0);
    await made.clock.pass(8);
    expect(count).toBe(1);
  });

  it('makes a timer function that throws a fault', async () => {
    const made = await initialized();
    const handle = timer(made, () => {
      throw new Error('broken timer');
    });
    NdisSetTimerObject(handle, 1, 0, null);
    await made.clock.pass(2);
    await microtasks();
    expect(made.faults[0]?.error).toMatchObject({ message: 'broken timer' });
  });

  it('is refused for a freed timer and a wrong handle', async () => {
    const made = await initialized();
    const handle = timer(made, () => {});
    NdisFreeTimerObject(handle);
    expect(() => NdisSetTimerObject(handle, 1, 0, null)).toThrow(/NdisAllocateTimerObject/);
    const status = NdisAllocateTimerObject(
      {} as NDIS_HANDLE,
      { TimerFunction: () => {}, FunctionContext: null },
      out<NDIS_HANDLE | null>(null),
    );
    expect(status).toBe(NDIS_STATUS_INVALID_PARAMETER);
  });
});

describe('Waiting', () => {
  it('NdisMSleep sleeps at least as long as asked and is refused in a DPC', async () => {
    const start = performance.now();
    await NdisMSleep(5000);
    expect(performance.now() - start).toBeGreaterThanOrEqual(4.5);
    let thrown: unknown = null;
    const made = await initialized({
      dpc: () => {
        try {
          void NdisMSleep(1);
        } catch (error) {
          thrown = error;
        }
      },
    });
    made.pci.armed.fire(0);
    await microtasks();
    expect(thrown).toMatchObject({ code: 'E_STATE' });
  });

  it('NdisStallExecution does not return early', () => {
    const start = performance.now();
    NdisStallExecution(200);
    expect(performance.now() - start).toBeGreaterThanOrEqual(0.2);
  });
});
