/** Rules of the page `nf-ndis-ndismconfigmsixtableentry`, a test each, on a fake function and a small miniport. Layer: test (ndis). */
import { describe, expect, it } from 'vitest';
import {
  type NDIS_HANDLE,
  NDIS_OBJECT_TYPE_DEFAULT,
  type NDIS_STATUS,
  NDIS_STATUS_FAILURE,
  NDIS_STATUS_INVALID_PARAMETER,
  NDIS_STATUS_SUCCESS,
  NdisMConfigMSIXTableEntry,
  NdisMSIXTableConfigMaskTableEntry,
  NdisMSIXTableConfigSetTableEntry,
  NdisMSIXTableConfigUnmaskTableEntry,
} from '../../../src/ndis/index.ts';
import { bench, initialized } from './fake-miniport.ts';
import { microtasks, turn } from './fake-pci.ts';

function config(handle: NDIS_HANDLE, ConfigOperation: number, TableEntry: number, MessageNumber = 0): NDIS_STATUS {
  return NdisMConfigMSIXTableEntry(handle, {
    Header: { Type: NDIS_OBJECT_TYPE_DEFAULT, Revision: 1, Size: 16 },
    ConfigOperation: ConfigOperation as 0,
    TableEntry,
    MessageNumber,
  });
}

const mask = (handle: NDIS_HANDLE, entry: number) => config(handle, NdisMSIXTableConfigMaskTableEntry, entry);
const unmask = (handle: NDIS_HANDLE, entry: number) => config(handle, NdisMSIXTableConfigUnmaskTableEntry, entry);

function isrLines(log: readonly string[]): string[] {
  return log.filter((line) => line.startsWith('isr'));
}

describe('NdisMConfigMSIXTableEntry', () => {
  it('gives the ISR the message number after a remap, not the table entry (trap 11)', async () => {
    const { miniport, pci } = await initialized();
    expect(config(miniport.handle, NdisMSIXTableConfigSetTableEntry, 1, 3)).toBe(NDIS_STATUS_SUCCESS);
    pci.armed.fire(1);
    pci.armed.fire(3);
    expect(isrLines(miniport.log)).toEqual(['isr 3', 'isr 3']);
  });

  describe.each([
    ['by the hardware’s vector-control bit', true],
    ['in software where the table cannot be mapped', false],
  ])('masks %s', (_how, hardwareMask) => {
    it('holds back any number of events and delivers exactly one on unmask (trap 42)', async () => {
      const { miniport, pci, adapter } = await initialized({}, { hardwareMask });
      expect(mask(miniport.handle, 2)).toBe(NDIS_STATUS_SUCCESS);
      expect(adapter.tableEntryMasked(2)).toBe(true);
      for (let event = 0; event < 5; event++) pci.armed.fire(2);
      await turn();
      expect(isrLines(miniport.log)).toEqual([]);
      expect(adapter.tableEntryPending(2)).toBe(true);
      expect(unmask(miniport.handle, 2)).toBe(NDIS_STATUS_SUCCESS);
      await turn();
      await turn();
      expect(isrLines(miniport.log)).toEqual(['isr 2']);
      expect(adapter.tableEntryPending(2)).toBe(false);
      expect(adapter.tableEntryMasked(2)).toBe(false);
    });

    it('leaves the other entries alone, and delivers nothing where nothing happened', async () => {
      const { miniport, pci } = await initialized({}, { hardwareMask });
      mask(miniport.handle, 0);
      pci.armed.fire(1);
      unmask(miniport.handle, 0);
      await turn();
      expect(isrLines(miniport.log)).toEqual(['isr 1']);
    });
  });

  it('delivers one event when one was under way at masking and the hardware holds another', async () => {
    const { miniport, pci } = await initialized();
    mask(miniport.handle, 0);
    // The eventfd was signalled before the mask took effect.
    pci.armed.listener(0, 1);
    pci.armed.fire(0);
    await turn();
    expect(isrLines(miniport.log)).toEqual([]);
    unmask(miniport.handle, 0);
    await turn();
    await turn();
    expect(isrLines(miniport.log)).toEqual(['isr 0']);
  });

  it('may be called in the ISR to mask, and in the DPC to unmask', async () => {
    const made = await initialized({
      isr: (message, outputs) => {
        mask(made.miniport.handle, message);
        outputs.QueueDefaultInterruptDpc = true;
        return true;
      },
      dpc: (message) => unmask(made.miniport.handle, message),
    });
    made.pci.armed.fire(1);
    await microtasks();
    made.pci.armed.fire(1);
    await microtasks();
    expect(made.miniport.log.slice(1)).toEqual(['isr 1', 'dpc 1', 'isr 1', 'dpc 1']);
  });

  it('keeps a mask set before the interrupt was registered', async () => {
    const { pci, adapter } = await initialized({
      handlers: {},
      skipInterrupt: true,
      initialized: (miniport) => {
        mask(miniport.handle, 1);
        return miniport.registerInterrupt();
      },
    });
    expect(pci.armed.calls).toEqual(['mask 1']);
    expect(adapter.tableEntryMasked(1)).toBe(true);
  });

  it('refuses members out of range, a short header and a device without MSI-X', async () => {
    const { miniport } = await initialized({}, {}, { messageLimit: 2 });
    expect(mask(miniport.handle, 4)).toBe(NDIS_STATUS_INVALID_PARAMETER);
    expect(unmask(miniport.handle, -1)).toBe(NDIS_STATUS_INVALID_PARAMETER);
    expect(config(miniport.handle, NdisMSIXTableConfigSetTableEntry, 0, 2)).toBe(NDIS_STATUS_INVALID_PARAMETER);
    expect(config(miniport.handle, 3, 0)).toBe(NDIS_STATUS_INVALID_PARAMETER);
    expect(mask({} as NDIS_HANDLE, 0)).toBe(NDIS_STATUS_INVALID_PARAMETER);
    const short = {
      Header: { Type: NDIS_OBJECT_TYPE_DEFAULT, Revision: 1, Size: 12 },
      ConfigOperation: 1 as const,
      TableEntry: 0,
      MessageNumber: 0,
    };
    expect(NdisMConfigMSIXTableEntry(miniport.handle, short)).toBe(NDIS_STATUS_INVALID_PARAMETER);
    const line = await initialized({}, { msix: 0, msi: 0 });
    expect(mask(line.miniport.handle, 0)).toBe(NDIS_STATUS_INVALID_PARAMETER);
  });

  it('is legal from Initialize until Halt has returned, and not after', async () => {
    let inHalt: NDIS_STATUS = -1;
    const made = await bench({
      handlers: {
        HaltHandlerEx: () => {
          made.miniport.release();
          inHalt = mask(made.miniport.handle, 0);
        },
      },
    });
    await made.adapter.initialize();
    await made.adapter.halt();
    expect(inHalt).toBe(NDIS_STATUS_SUCCESS);
    expect(mask(made.miniport.handle, 0)).toBe(NDIS_STATUS_FAILURE);
  });
});
