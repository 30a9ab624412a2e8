/** Rules of the page `nf-ndis-ndismqueuedpcex`, a test each, on a fake function and a small miniport. Layer: test (ndis). */
import { describe, expect, it } from 'vitest';
import { NdisMQueueDpc, NdisMQueueDpcEx } from '../../../src/ndis/index.ts';
import { initialized } from './fake-miniport.ts';
import { microtasks, turn } from './fake-pci.ts';

describe('NdisMQueueDpcEx', () => {
  it('returns the processors newly queued on; a clear bit means already queued and keeps the old context (trap 24)', async () => {
    const contexts: unknown[] = [];
    const { miniport } = await initialized(
      { dpc: (_message, context) => contexts.push(context) },
      {},
      { processors: 2 },
    );
    expect(NdisMQueueDpcEx(miniport.interrupt, 0, { Mask: 1, Group: 0 }, 'first')).toBe(1);
    expect(NdisMQueueDpcEx(miniport.interrupt, 0, { Mask: 3, Group: 0 }, 'second')).toBe(2);
    await microtasks();
    expect(contexts.sort()).toEqual(['first', 'second']);
  });

  it('keeps separate DPCs for different messages on one processor, in the order queued', async () => {
    const { miniport } = await initialized();
    for (const message of [2, 0, 1]) expect(NdisMQueueDpc(miniport.interrupt, message, 1, null)).toBe(1);
    await microtasks();
    expect(miniport.log.slice(1)).toEqual(['dpc 2', 'dpc 0', 'dpc 1']);
  });

  it('lets a DPC queue itself, as it leaves the queue before it runs (trap 26)', async () => {
    let runs = 0;
    const made = await initialized({
      dpc: () => {
        if (++runs < 3) expect(NdisMQueueDpc(made.miniport.interrupt, 0, 1, null)).toBe(1);
      },
    });
    NdisMQueueDpc(made.miniport.interrupt, 0, 1, null);
    await microtasks();
    expect(runs).toBe(3);
  });

  it('does not starve the event loop when a DPC queues itself for ever (trap 32)', async () => {
    let runs = 0;
    const made = await initialized({
      dpc: () => {
        runs++;
        NdisMQueueDpc(made.miniport.interrupt, 0, 1, null);
      },
    });
    NdisMQueueDpc(made.miniport.interrupt, 0, 1, null);
    await microtasks();
    const first = runs;
    expect(first).toBe(32);
    await turn();
    await turn();
    expect(runs).toBeGreaterThan(first);
    await made.adapter.halt().catch(() => undefined);
  });

  it('queues nothing for a wrong message or another processor group', async () => {
    const { miniport, log } = await initialized();
    expect(NdisMQueueDpc(miniport.interrupt, 4, 1, null)).toBe(0);
    expect(log.some((entry) => entry.message.startsWith('INT-10'))).toBe(true);
    expect(NdisMQueueDpcEx(miniport.interrupt, 0, { Mask: 1, Group: 1 }, null)).toBe(0);
  });

  it('gives processor 31 as an unsigned bit', async () => {
    const { miniport } = await initialized({}, {}, { processors: 32 });
    expect(NdisMQueueDpc(miniport.interrupt, 0, 0x8000_0000, null)).toBe(0x8000_0000);
  });

  it('makes a DPC that throws a fault', async () => {
    const { pci, faults } = await initialized({
      dpc: () => {
        throw new Error('broken DPC');
      },
    });
    pci.armed.fire(0);
    await microtasks();
    expect(faults[0]?.error).toMatchObject({ message: 'broken DPC' });
  });

  it('makes a DPC that returns a Promise a fault', async () => {
    const { pci, faults } = await initialized({ dpc: () => Promise.resolve() });
    pci.armed.fire(0);
    await microtasks();
    expect(faults[0]?.message).toContain('INT-11');
  });
});
