/** Rules of the page `ns-ndis-_ndis_receive_throttle_parameters`, a test each, on a fake function and a small miniport. Layer: test (ndis). */
import { describe, expect, it } from 'vitest';
import { NDIS_INDICATE_ALL_NBLS, NdisMIndicateReceiveNetBufferLists } from '../../../src/ndis/index.ts';
import { initialized, running } from './fake-miniport.ts';
import { microtasks, turn } from './fake-pci.ts';

describe('NDIS_RECEIVE_THROTTLE_PARAMETERS', () => {
  it('carries the budget in and MoreNblsPending cleared, in one reused object', async () => {
    const seen: [unknown, number, number][] = [];
    const { pci } = await initialized(
      {
        dpc: (_message, _context, throttle) => {
          seen.push([throttle, throttle.MaxNblsToIndicate, throttle.MoreNblsPending]);
          throttle.MoreNblsPending = 0;
        },
      },
      {},
      { dpcBudget: 7 },
    );
    pci.armed.fire(0);
    pci.armed.fire(1);
    await microtasks();
    expect(seen.map(([, max, more]) => [max, more])).toEqual([
      [7, 0],
      [7, 0],
    ]);
    expect(seen[0]?.[0]).toBe(seen[1]?.[0]);
  });

  it('repeats the DPC in a later turn of the event loop, never in a microtask, with a null context', async () => {
    let runs = 0;
    const contexts: unknown[] = [];
    const { pci, adapter } = await initialized({
      dpc: (_message, context, throttle) => {
        contexts.push(context);
        if (++runs < 3) throttle.MoreNblsPending = 1;
      },
    });
    pci.armed.fire(0);
    await microtasks();
    expect(runs).toBe(1);
    await turn();
    await turn();
    await turn();
    expect(runs).toBe(3);
    expect(contexts).toEqual([null, null, null]);
    expect(adapter.interrupt?.messages[0]).toMatchObject({ dpcRuns: 3, dpcBudgetExhausted: 2 });
  });

  it('counts only bit 0 of MoreNblsPending, a one-bit field (trap 29)', async () => {
    let runs = 0;
    const { pci } = await initialized({
      dpc: (_message, _context, throttle) => {
        runs++;
        throttle.MoreNblsPending = 2;
      },
    });
    pci.armed.fire(0);
    await turn();
    await turn();
    expect(runs).toBe(1);
  });

  it('with NDIS_INDICATE_ALL_NBLS never repeats and reports MoreNblsPending (trap 30)', async () => {
    let runs = 0;
    const { pci, log } = await initialized(
      {
        dpc: (_message, _context, throttle) => {
          runs++;
          expect(throttle.MaxNblsToIndicate).toBe(NDIS_INDICATE_ALL_NBLS);
          throttle.MoreNblsPending = 1;
        },
      },
      {},
      { dpcBudget: NDIS_INDICATE_ALL_NBLS },
    );
    pci.armed.fire(0);
    await turn();
    await turn();
    expect(runs).toBe(1);
    expect(log.some((entry) => entry.message.startsWith('INT-12'))).toBe(true);
  });

  it('counts NBLs over several indications of one DPC and reports more than the budget (INT-12)', async () => {
    const made = await running(
      {
        dpc: () => {
          const { miniport } = made;
          NdisMIndicateReceiveNetBufferLists(miniport.handle, miniport.takeChain(2), 0, 2, 0);
          NdisMIndicateReceiveNetBufferLists(miniport.handle, miniport.takeChain(1), 0, 1, 0);
        },
      },
      {},
      { dpcBudget: 2 },
    );
    made.pci.armed.fire(0);
    await microtasks();
    expect(made.adapter.interrupt?.messages[0]).toMatchObject({ nblsIndicated: 3, maxNblsInOneDpc: 3 });
    expect(made.log.some((entry) => entry.message.startsWith('INT-12'))).toBe(true);
  });
});
