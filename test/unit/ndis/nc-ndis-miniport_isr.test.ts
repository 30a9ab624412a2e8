/** Rules of the page `nc-ndis-miniport_isr`, a test each, on a fake function and a small miniport. Layer: test (ndis). */
import { describe, expect, it } from 'vitest';
import {
  NDIS_STATUS_SUCCESS,
  NdisDiagnosticDisableInterrupt,
  NdisDiagnosticEnableInterrupt,
  NdisMQueueDpc,
} from '../../../src/ndis/index.ts';
import { initialized } from './fake-miniport.ts';
import { microtasks } from './fake-pci.ts';

const LINE = { msix: 0, msi: 0 } as const;

describe('MiniportInterrupt (line-based)', () => {
  it.each([true, false])('has the line unmasked after it returns %s (trap 41)', async (claimed) => {
    const { pci, adapter } = await initialized({ isr: () => claimed }, LINE);
    pci.armed.fire(0);
    expect(pci.armed.calls).toEqual(['unmask 0']);
    expect(adapter.interrupt?.messages[0]?.isrFalse).toBe(claimed ? 0 : 1);
  });

  it('is unmasked before the DPC runs, as the device itself is masked by then', async () => {
    const order: string[] = [];
    const { pci, miniport } = await initialized(
      {
        dpc: () => order.push(`dpc after ${pci.armed.calls.length} unmask`),
      },
      LINE,
    );
    pci.armed.fire(0);
    await microtasks();
    expect(order).toEqual(['dpc after 1 unmask']);
    expect(miniport.log.slice(1)).toEqual(['isr 0', 'dpc 0']);
  });

  it('stays masked while diagnostically disabled and is unmasked when it is enabled again', async () => {
    const { pci, miniport } = await initialized({}, LINE);
    expect(NdisDiagnosticDisableInterrupt(miniport.interrupt)).toBe(NDIS_STATUS_SUCCESS);
    pci.armed.fire(0);
    expect(pci.armed.calls).toEqual([]);
    expect(NdisDiagnosticEnableInterrupt(miniport.interrupt)).toBe(NDIS_STATUS_SUCCESS);
    expect(pci.armed.calls).toEqual(['unmask 0']);
    expect(miniport.log).toEqual(expect.arrayContaining(['disable line', 'enable line']));
  });

  it('has its DPCs queued as message 0 (trap 17)', async () => {
    const { miniport, log } = await initialized({}, LINE);
    expect(NdisMQueueDpc(miniport.interrupt, 0, 1, null)).toBe(1);
    expect(NdisMQueueDpc(miniport.interrupt, 1, 1, null)).toBe(0);
    expect(log.some((entry) => entry.message.startsWith('INT-10'))).toBe(true);
    await microtasks();
    expect(miniport.log.filter((line) => line === 'dpc 0')).toHaveLength(1);
  });

  it('is not unmasked after an ISR that threw', async () => {
    const { pci, faults } = await initialized(
      {
        isr: () => {
          throw new Error('broken');
        },
      },
      LINE,
    );
    pci.armed.fire(0);
    await microtasks();
    expect(pci.armed.calls).toEqual([]);
    expect(faults).toHaveLength(1);
  });
});
