/** Rules of the page `nf-ndis-ndismderegisterinterruptex`, a test each, on a fake function and a small miniport. Layer: test (ndis). */
import { describe, expect, it } from 'vitest';
import {
  NDIS_STATUS_FAILURE,
  NdisMDeregisterInterruptEx,
  NdisMQueueDpc,
  NdisMSynchronizeWithInterruptEx,
} from '../../../src/ndis/index.ts';
import { bench, initialized, type TestMiniport } from './fake-miniport.ts';
import { turn } from './fake-pci.ts';

describe('NdisMDeregisterInterruptEx', () => {
  it('runs the queued DPCs, and those they queue, before it returns (trap 34)', async () => {
    let queued = 0;
    const made = await initialized({
      handlers: {
        HaltHandlerEx: () => {
          const { miniport } = made;
          NdisMQueueDpc(miniport.interrupt, 0, 1, null);
          NdisMQueueDpc(miniport.interrupt, 1, 1, null);
          NdisMDeregisterInterruptEx(miniport.interrupt);
          miniport.log.push('deregistered');
          miniport.interrupt = null as never;
          miniport.release();
        },
      },
      dpc: (message) => {
        if (message === 0 && queued++ === 0) NdisMQueueDpc(made.miniport.interrupt, 2, 1, null);
      },
    });
    await made.adapter.halt();
    expect(made.miniport.log.slice(1)).toEqual(['dpc 0', 'dpc 1', 'dpc 2', 'deregistered']);
  });

  it('ignores MoreNblsPending while it drains', async () => {
    const made = await initialized({
      dpc: (_message, _context, throttle) => {
        throttle.MoreNblsPending = 1;
      },
    });
    NdisMQueueDpc(made.miniport.interrupt, 0, 1, null);
    await made.adapter.halt();
    await turn();
    await turn();
    expect(made.miniport.log.filter((line) => line === 'dpc 0').length).toBeLessThanOrEqual(2);
    expect(made.miniport.log.at(-1)).not.toBe('dpc 0');
  });

  it('reports DPCs that queue themselves for ever instead of hanging, with the interrupt gone (trap 36)', async () => {
    let runs = 0;
    let thrown: unknown = null;
    const made = await initialized({
      dpc: () => {
        runs++;
        NdisMQueueDpc(made.miniport.interrupt, 0, 1, null);
      },
      handlers: {
        HaltHandlerEx: () => {
          const { miniport } = made;
          NdisMQueueDpc(miniport.interrupt, 0, 1, null);
          try {
            NdisMDeregisterInterruptEx(miniport.interrupt);
          } catch (error) {
            thrown = error;
          }
          miniport.interrupt = null as never;
          miniport.release();
        },
      },
    });
    await made.adapter.halt();
    expect(thrown).toMatchObject({ code: 'E_MINIPORT' });
    expect(runs).toBe(1000);
    expect(made.adapter.interrupt).toBeNull();
    await turn();
    expect(runs).toBe(1000);
  });

  it('closes the vectors and drops wake-ups that were read before it returned (trap 35)', async () => {
    const made = await initialized();
    const { listener } = made.pci.armed;
    await made.adapter.halt();
    expect(made.pci.armed.closed).toBe(true);
    listener(0, 1);
    await turn();
    expect(made.miniport.log).not.toContain('isr 0');
  });

  it('makes the handle invalid for everything afterwards (INT-05)', async () => {
    const made = await initialized();
    const handle = made.miniport.interrupt;
    await made.adapter.halt();
    expect(() => NdisMDeregisterInterruptEx(handle)).toThrow(/E_STATE|no longer valid/);
    expect(() => NdisMQueueDpc(handle, 0, 1, null)).toThrow(/no longer valid/);
    expect(() => NdisMSynchronizeWithInterruptEx(handle, 0, () => true, null)).toThrow(/no longer valid/);
  });

  it('is refused in a DPC, which it would have to wait for', async () => {
    let thrown: unknown = null;
    const made = await initialized({
      dpc: () => {
        try {
          NdisMDeregisterInterruptEx(made.miniport.interrupt);
        } catch (error) {
          thrown = error;
        }
      },
    });
    made.pci.armed.fire(0);
    await turn();
    expect(thrown).toMatchObject({ code: 'E_STATE' });
  });

  it('belongs into the failure path of Initialize; forgetting it there is bug check 0x7C/0x0B and NDIS takes it back', async () => {
    const made = await bench({
      initialized: () => NDIS_STATUS_FAILURE,
    });
    await expect(made.adapter.initialize()).rejects.toMatchObject({ code: 'E_INITIALIZE' });
    expect(made.log).toContainEqual(expect.objectContaining({ kind: 'leak', bugCheck: 0x0b }));
    expect(made.pci.armed.closed).toBe(true);
    expect(made.adapter.state).toBe('Halted');
  });

  it('forgotten in MiniportHaltEx is bug check 0x7C/0x08 and NDIS takes the interrupt back', async () => {
    const made = await initialized({ forget: ['interrupt'] });
    await made.adapter.halt();
    expect(made.log).toContainEqual(expect.objectContaining({ kind: 'leak', bugCheck: 0x08 }));
    expect(made.pci.armed.closed).toBe(true);
    expect((made.miniport as TestMiniport).log).toContain('halt 0');
  });
});
