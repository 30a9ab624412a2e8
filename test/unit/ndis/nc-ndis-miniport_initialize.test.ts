/** Rules of the page `nc-ndis-miniport_initialize`, a test each, on a fake function and a small miniport. Layer: test (ndis). */
import { describe, expect, it } from 'vitest';
import {
  CM_RESOURCE_INTERRUPT_LATCHED,
  CM_RESOURCE_INTERRUPT_MESSAGE,
  CmResourceTypeInterrupt,
  CmResourceTypeMemory,
  type IoSpace,
  type NDIS_HANDLE,
  type NDIS_STATUS,
  NDIS_STATUS_BAD_VERSION,
  NDIS_STATUS_FAILURE,
  NDIS_STATUS_INVALID_PARAMETER,
  NDIS_STATUS_NOT_ACCEPTED,
  NDIS_STATUS_NOT_SUPPORTED,
  NDIS_STATUS_PENDING,
  NDIS_STATUS_SUCCESS,
  NdisMMapIoSpace,
  NdisMRegisterScatterGatherDma,
  NdisMSetMiniportAttributes,
  NdisMSleep,
  NdisWriteErrorLogEntry,
  out,
} from '../../../src/ndis/index.ts';
import { bench, generalAttributes, initialized, registrationAttributes } from './fake-miniport.ts';

describe('MiniportInitializeEx', () => {
  it('leaves the adapter Paused, not Running (trap 48), with the attributes readable', async () => {
    const { adapter } = await initialized();
    expect(adapter.state).toBe('Paused');
    expect(adapter.mtu).toBe(1500);
    expect([...adapter.macAddress]).toEqual([2, 0, 0, 1, 2, 3]);
    expect(adapter.linkState.MediaConnectState).toBe(2);
  });

  it('may return a Promise and sleep in between', async () => {
    const { adapter } = await initialized({
      initialized: async () => {
        await NdisMSleep(1500);
        return NDIS_STATUS_SUCCESS;
      },
    });
    expect(adapter.state).toBe('Paused');
  });

  it('gets its BARs in order and one interrupt descriptor per MSI-X message (trap 15)', async () => {
    const { miniport } = await initialized();
    const list = miniport.parameters?.AllocatedResources.PartialDescriptors ?? [];
    expect(list.map((one) => one.Type)).toEqual([
      CmResourceTypeMemory,
      CmResourceTypeMemory,
      ...Array.from({ length: 4 }, () => CmResourceTypeInterrupt),
    ]);
    expect(list[0]?.u.Memory).toEqual({ Start: 0xfe00_0000, Length: 0x20000 });
    expect(list[2]?.Flags).toBe(CM_RESOURCE_INTERRUPT_LATCHED | CM_RESOURCE_INTERRUPT_MESSAGE);
    expect(list[2]?.u.MessageInterrupt?.Raw.MessageCount).toBe(1);
  });

  it('gets one descriptor with a count for MSI, rounded down to a power of two', async () => {
    const { miniport } = await initialized({}, { msi: 8 }, { interrupts: 'msi', messageLimit: 7 });
    const list = (miniport.parameters?.AllocatedResources.PartialDescriptors ?? []).filter(
      (one) => one.Type === CmResourceTypeInterrupt,
    );
    expect(list).toHaveLength(1);
    expect(list[0]?.u.MessageInterrupt?.Raw.MessageCount).toBe(4);
  });

  it('gets a level-sensitive descriptor for a line, whose flag is 0 (trap 7)', async () => {
    const { miniport } = await initialized({}, {}, { interrupts: 'line' });
    const list = miniport.parameters?.AllocatedResources.PartialDescriptors ?? [];
    expect(list.at(-1)).toMatchObject({ Type: CmResourceTypeInterrupt, Flags: 0 });
    expect(list.at(-1)?.u.Interrupt).toBeDefined();
  });

  it.each([
    ['FAILURE', NDIS_STATUS_FAILURE],
    ['NOT_ACCEPTED, whose severity says success (trap 54)', NDIS_STATUS_NOT_ACCEPTED],
    ['PENDING, which does not exist for it (trap 55)', NDIS_STATUS_PENDING],
  ])('that returns %s leads to Halted, without MiniportHaltEx (trap 56)', async (_what, status) => {
    const made = await bench({
      initialized: (miniport) => {
        miniport.release();
        return status;
      },
    });
    await expect(made.adapter.initialize()).rejects.toMatchObject({ code: 'E_INITIALIZE' });
    expect(made.adapter.state).toBe('Halted');
    expect(made.miniport.log).toEqual(['initialize']);
    expect(made.log.filter((entry) => entry.kind === 'leak')).toEqual([]);
    expect(made.pci.arenas.every((arena) => arena.freed)).toBe(true);
  });

  it('that throws leads to Halted with everything it claimed taken back', async () => {
    const made = await bench({
      initialized: (miniport) => {
        NdisMMapIoSpace(out<IoSpace | null>(null), miniport.handle, 0xfe00_0000, 0x20000);
        throw new Error('half done');
      },
    });
    await expect(made.adapter.initialize()).rejects.toThrow(/half done/);
    expect(made.adapter.state).toBe('Halted');
    expect(made.log.filter((entry) => entry.kind === 'leak')).toHaveLength(4);
    expect(made.pci.arenas.every((arena) => arena.freed)).toBe(true);
    expect(made.pci.mapped).toBe(0);
    expect(made.pci.busMaster).toBe(false);
  });

  it('can be called again after a failure and after a halt', async () => {
    let fail = true;
    const made = await bench({
      initialized: (miniport) => {
        if (!fail) return NDIS_STATUS_SUCCESS;
        miniport.release();
        return NDIS_STATUS_FAILURE;
      },
    });
    await expect(made.adapter.initialize()).rejects.toThrow();
    fail = false;
    for (let round = 0; round < 3; round++) {
      await made.adapter.initialize();
      await made.adapter.halt();
    }
    expect(made.adapter.state).toBe('Halted');
    expect(made.pci.arenas.every((arena) => arena.freed)).toBe(true);
  });

  it('that succeeds without attributes is halted with NdisHaltDeviceInitializationFailed', async () => {
    const made = await bench({
      handlers: {
        InitializeHandlerEx: () => NDIS_STATUS_SUCCESS,
        HaltHandlerEx: (_context, action) => void made.miniport.log.push(`halt ${action}`),
      },
    });
    await expect(made.adapter.initialize()).rejects.toThrow(/attributes/);
    expect(made.miniport.log).toEqual(['halt 5']);
    expect(made.adapter.state).toBe('Halted');
  });

  it('has its error log entries in the error', async () => {
    const made = await bench({
      initialized: (miniport) => {
        NdisWriteErrorLogEntry(miniport.handle, 0xc0001388, 7);
        miniport.release();
        return NDIS_STATUS_FAILURE;
      },
    });
    await expect(made.adapter.initialize()).rejects.toThrow(/0xc0001388 \(0x00000007\)/);
    expect(made.log).toContainEqual(expect.objectContaining({ kind: 'miniport', code: 0xc0001388, values: [7] }));
  });

  it('is not even called where the kind of interrupts asked for does not exist', async () => {
    const made = await bench({}, { msi: 0 }, { interrupts: 'msi' });
    await expect(made.adapter.initialize()).rejects.toThrow(/no interrupts of kind msi/);
    expect(made.miniport.log).toEqual([]);
  });
});

describe('NdisMSetMiniportAttributes', () => {
  async function during(change: (handle: NDIS_HANDLE) => NDIS_STATUS): Promise<NDIS_STATUS> {
    let status: NDIS_STATUS = -1;
    const made = await bench({
      handlers: {
        InitializeHandlerEx: (handle) => {
          status = change(handle);
          return NDIS_STATUS_FAILURE;
        },
      },
    });
    await made.adapter.initialize().catch(() => undefined);
    return status;
  }

  it('wants the registration attributes first', async () => {
    expect(await during((handle) => NdisMSetMiniportAttributes(handle, generalAttributes()))).toBe(NDIS_STATUS_FAILURE);
  });

  it('wants a MiniportAdapterContext', async () => {
    expect(await during((handle) => NdisMSetMiniportAttributes(handle, registrationAttributes(null)))).toBe(
      NDIS_STATUS_INVALID_PARAMETER,
    );
  });

  it('answers a header without a revision BAD_VERSION', async () => {
    const attributes = registrationAttributes({});
    attributes.Header.Revision = 0;
    expect(await during((handle) => NdisMSetMiniportAttributes(handle, attributes))).toBe(NDIS_STATUS_BAD_VERSION);
  });

  it('must come before resources are claimed, and with BUS_MASTER before DMA (trap 57)', async () => {
    const map = (handle: NDIS_HANDLE) => NdisMMapIoSpace(out<IoSpace | null>(null), handle, 0xfe00_0000, 4096);
    expect(await during(map)).toBe(NDIS_STATUS_FAILURE);
    expect(
      await during((handle) => {
        NdisMSetMiniportAttributes(handle, registrationAttributes({}, { AttributeFlags: 1 }));
        const description = {
          Header: { Type: 0x83, Revision: 1, Size: 36 },
          Flags: 0,
          MaximumPhysicalMapping: 2048,
          ProcessSGListHandler: () => {},
          SharedMemAllocateCompleteHandler: null,
          ScatterGatherListSize: 0,
        };
        return NdisMRegisterScatterGatherDma(handle, description, out<NDIS_HANDLE | null>(null));
      }),
    ).toBe(NDIS_STATUS_NOT_SUPPORTED);
  });

  it('keeps copies: a later change of the miniport’s structure is not seen', async () => {
    const mac = Uint8Array.of(2, 0, 0, 9, 9, 9);
    const { adapter } = await initialized({ general: { CurrentMacAddress: mac } });
    mac.fill(0);
    expect([...adapter.macAddress]).toEqual([2, 0, 0, 9, 9, 9]);
  });
});
