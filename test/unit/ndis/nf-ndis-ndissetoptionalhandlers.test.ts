/** Rules of the pages `nf-ndis-ndissetoptionalhandlers`, `msi-x-pre-registration` and `msi-x-resource-filtering`. Layer: test (ndis). */
import { describe, expect, it } from 'vitest';
import {
  CM_RESOURCE_INTERRUPT_MESSAGE,
  CM_RESOURCE_INTERRUPT_MESSAGE_TOKEN,
  CM_RESOURCE_INTERRUPT_POLICY_INCLUDED,
  CmResourceTypeInterrupt,
  CmResourceTypeMemory,
  IO_RESOURCE_ALTERNATIVE,
  type IO_RESOURCE_DESCRIPTOR,
  type IO_RESOURCE_LIST,
  type IRP,
  IrqPolicySpecifiedProcessors,
  KeGetCurrentIrql,
  NDIS_CONNECT_LINE_BASED,
  NDIS_CONNECT_MESSAGE_BASED,
  type NDIS_HANDLE,
  type NDIS_MINIPORT_PNP_CHARACTERISTICS,
  NDIS_OBJECT_TYPE_MINIPORT_ADD_DEVICE_REGISTRATION_ATTRIBUTES,
  NDIS_OBJECT_TYPE_MINIPORT_PNP_CHARACTERISTICS,
  type NDIS_STATUS,
  NDIS_STATUS_FAILURE,
  NDIS_STATUS_INVALID_PARAMETER,
  NDIS_STATUS_NOT_SUPPORTED,
  NDIS_STATUS_RESOURCES,
  NDIS_STATUS_SUCCESS,
  NdisMSetMiniportAttributes,
  NdisSetOptionalHandlers,
  PASSIVE_LEVEL,
} from '../../../src/ndis/index.ts';
import { bench, type MiniportScript } from './fake-miniport.ts';
import type { FakePciScript } from './fake-pci.ts';

const ADDED = { name: 'add-device context' };

function addAttributes(handle: NDIS_HANDLE): NDIS_STATUS {
  return NdisMSetMiniportAttributes(handle, {
    Header: { Type: NDIS_OBJECT_TYPE_MINIPORT_ADD_DEVICE_REGISTRATION_ATTRIBUTES, Revision: 1, Size: 24 },
    MiniportAddDeviceContext: ADDED,
    Flags: 0,
  });
}

function pnpCharacteristics(
  calls: string[],
  overrides: Partial<NDIS_MINIPORT_PNP_CHARACTERISTICS> = {},
): NDIS_MINIPORT_PNP_CHARACTERISTICS {
  return {
    Header: { Type: NDIS_OBJECT_TYPE_MINIPORT_PNP_CHARACTERISTICS, Revision: 1, Size: 44 },
    MiniportAddDeviceHandler: (handle) => {
      calls.push(`add ${KeGetCurrentIrql()}`);
      return addAttributes(handle);
    },
    MiniportRemoveDeviceHandler: (context) => void calls.push(context === ADDED ? 'remove' : 'remove ?'),
    MiniportFilterResourceRequirementsHandler: (context) => {
      calls.push(context === ADDED ? `filter ${KeGetCurrentIrql()}` : 'filter ?');
      return NDIS_STATUS_SUCCESS;
    },
    MiniportStartDeviceHandler: null,
    Flags: 0,
    ...overrides,
  };
}

async function plugged(
  overrides: Partial<NDIS_MINIPORT_PNP_CHARACTERISTICS> = {},
  pci: FakePciScript = {},
  options: Parameters<typeof bench>[2] = {},
  script: MiniportScript = {},
) {
  const calls: string[] = [];
  const statuses: NDIS_STATUS[] = [];
  const made = await bench(
    {
      ...script,
      handlers: {
        SetOptionsHandler: (handle) => {
          const status = NdisSetOptionalHandlers(handle, pnpCharacteristics(calls, overrides));
          statuses.push(status);
          return NDIS_STATUS_SUCCESS;
        },
        ...script.handlers,
      },
    },
    pci,
    options,
  );
  return { ...made, calls, statuses };
}

function listOf(irp: IRP): IO_RESOURCE_LIST {
  return irp.IoStatus.Information?.List[0] as IO_RESOURCE_LIST;
}

const isMessage = (one: IO_RESOURCE_DESCRIPTOR): boolean => (one.Flags & CM_RESOURCE_INTERRUPT_MESSAGE) !== 0;

/** A filter handler that changes the descriptors in place. */
function filtering(change: (list: IO_RESOURCE_LIST) => void): Partial<NDIS_MINIPORT_PNP_CHARACTERISTICS> {
  return {
    MiniportFilterResourceRequirementsHandler: (_context, irp) => {
      const list = listOf(irp);
      change(list);
      list.Count = list.Descriptors.length;
      return NDIS_STATUS_SUCCESS;
    },
  };
}

describe('NdisSetOptionalHandlers', () => {
  it('belongs into MiniportSetOptions; elsewhere it is FAILURE', async () => {
    let driver: NDIS_HANDLE | null = null;
    const { statuses } = await plugged({}, {}, {}, { handlers: {} });
    expect(statuses).toEqual([NDIS_STATUS_SUCCESS]);
    await bench({
      handlers: {
        SetOptionsHandler: (handle) => {
          driver = handle;
          return NDIS_STATUS_SUCCESS;
        },
      },
    });
    expect(NdisSetOptionalHandlers(driver as unknown as NDIS_HANDLE, pnpCharacteristics([]))).toBe(NDIS_STATUS_FAILURE);
    expect(NdisSetOptionalHandlers({} as NDIS_HANDLE, pnpCharacteristics([]))).toBe(NDIS_STATUS_INVALID_PARAMETER);
  });

  it('takes PnP characteristics with their three handlers, of a size that holds them', async () => {
    const header = { Type: 0x99, Revision: 1, Size: 44 };
    const ask = async (overrides: object) => (await plugged(overrides)).statuses;
    expect(await ask({ Header: header })).toEqual([NDIS_STATUS_NOT_SUPPORTED]);
    expect(await ask({ Header: { ...header, Type: 0x92, Size: 40 } })).toEqual([NDIS_STATUS_NOT_SUPPORTED]);
    expect(await ask({ MiniportAddDeviceHandler: null })).toEqual([NDIS_STATUS_FAILURE]);
  });
});

describe('MiniportAddDevice', () => {
  it('runs once, at PASSIVE_LEVEL in Halted, before the filter, which runs before every initialization', async () => {
    const { adapter, driver, calls } = await plugged();
    await adapter.initialize();
    expect(calls).toEqual([`add ${PASSIVE_LEVEL}`, `filter ${PASSIVE_LEVEL}`]);
    await adapter.halt();
    await adapter.initialize();
    await adapter.halt();
    expect(calls).toEqual(['add 0', 'filter 0', 'filter 0']);
    await driver.unload();
    expect(calls.at(-1)).toBe('remove');
  });

  it('gives the context that MiniportInitializeEx finds in its parameters', async () => {
    const { adapter, miniport } = await plugged();
    await adapter.initialize();
    expect(miniport.parameters?.MiniportAddDeviceContext).toBe(ADDED);
  });

  it('that fails, or sets no attributes, keeps the adapter from being initialized', async () => {
    for (const handler of [() => NDIS_STATUS_RESOURCES, () => NDIS_STATUS_SUCCESS]) {
      const { adapter, miniport, driver, calls } = await plugged({ MiniportAddDeviceHandler: handler });
      await expect(adapter.initialize()).rejects.toMatchObject({ code: 'E_INITIALIZE' });
      expect([adapter.state, miniport.log]).toEqual(['Halted', []]);
      await driver.unload();
      expect(calls).toEqual([]);
    }
  });

  it('is the only place for add-device registration attributes', async () => {
    const { adapter, miniport } = await plugged();
    await adapter.initialize();
    expect(addAttributes(miniport.handle)).toBe(NDIS_STATUS_FAILURE);
  });
});

describe('MiniportRemoveDevice', () => {
  it('follows the halt of a surprise removal', async () => {
    const { adapter, calls, miniport } = await plugged();
    await adapter.initialize();
    await adapter.surpriseRemoved();
    expect(miniport.log.at(-1)).toBe('halt 3');
    expect(calls.at(-1)).toBe('remove');
  });
});

describe('MiniportStartDevice', () => {
  it('sees the resources after the filter, and its failure keeps the device from starting', async () => {
    let assigned = -1;
    const remove = filtering((list) => {
      list.Descriptors = list.Descriptors.filter((one, at) => !isMessage(one) || at % 2 === 0);
    });
    const { adapter, miniport } = await plugged({
      ...remove,
      MiniportStartDeviceHandler: (_context, irp) => {
        const all = irp.Parameters.StartDevice?.AllocatedResources.PartialDescriptors ?? [];
        assigned = all.filter((one) => one.Type === CmResourceTypeInterrupt).length;
        return NDIS_STATUS_FAILURE;
      },
    });
    await expect(adapter.initialize()).rejects.toThrow(/MiniportStartDevice/);
    expect(assigned).toBeGreaterThan(0);
    expect([adapter.state, miniport.log]).toEqual(['Halted', []]);
  });
});

describe('MiniportFilterResourceRequirements', () => {
  it('sees memory, a descriptor per MSI-X message with the token, and the line as an alternative', async () => {
    let seen: IO_RESOURCE_DESCRIPTOR[] = [];
    const { adapter, pci } = await plugged(
      filtering((list) => {
        seen = [...list.Descriptors];
      }),
      { msix: 3, msi: 1, line: 1 },
    );
    await adapter.initialize();
    expect(seen.filter((one) => one.Type === CmResourceTypeMemory)).toHaveLength(pci.bars.length);
    const messages = seen.filter(isMessage);
    expect(messages.map((one) => one.u.Interrupt?.MinimumVector)).toEqual(
      Array(3).fill(CM_RESOURCE_INTERRUPT_MESSAGE_TOKEN),
    );
    expect(seen.at(-1)).toMatchObject({ Type: CmResourceTypeInterrupt, Option: IO_RESOURCE_ALTERNATIVE, Flags: 0 });
  });

  it('sees one descriptor for all MSI messages, from the token downwards', async () => {
    let seen: IO_RESOURCE_DESCRIPTOR[] = [];
    const { adapter, miniport } = await plugged(
      filtering((list) => {
        seen = [...list.Descriptors];
      }),
      { msix: 0, msi: 4, line: 1 },
    );
    await adapter.initialize();
    const messages = seen.filter(isMessage);
    expect(messages).toHaveLength(1);
    expect(messages[0]?.u.Interrupt).toMatchObject({
      MinimumVector: CM_RESOURCE_INTERRUPT_MESSAGE_TOKEN - 3,
      MaximumVector: CM_RESOURCE_INTERRUPT_MESSAGE_TOKEN,
    });
    expect(miniport.table?.MessageCount).toBe(4);
  });

  it('that removes message descriptors gets so many messages fewer', async () => {
    const { adapter, miniport } = await plugged(
      filtering((list) => {
        list.Descriptors.splice(list.Count - 3, 2);
      }),
      { msix: 5, msi: 0, line: 1 },
    );
    await adapter.initialize();
    expect(miniport.table?.MessageCount).toBe(3);
    const resources = miniport.parameters?.AllocatedResources.PartialDescriptors ?? [];
    expect(resources.filter((one) => one.Type === CmResourceTypeInterrupt)).toHaveLength(3);
  });

  it('that adds message descriptors gets more messages than the table has entries', async () => {
    const { adapter, miniport } = await plugged(
      filtering((list) => {
        const message = list.Descriptors.find(isMessage) as IO_RESOURCE_DESCRIPTOR;
        list.Descriptors.push(structuredClone(message), structuredClone(message));
      }),
      { msix: 3, msi: 0, line: 1 },
    );
    await adapter.initialize();
    expect(miniport.table?.MessageCount).toBe(5);
  });

  it('may put a list of its own in the place of the given one', async () => {
    const { adapter, miniport } = await plugged(
      {
        MiniportFilterResourceRequirementsHandler: (_context, irp) => {
          const list = structuredClone(irp.IoStatus.Information) as NonNullable<IRP['IoStatus']['Information']>;
          const one = list.List[0] as IO_RESOURCE_LIST;
          one.Descriptors = one.Descriptors.filter((d, at) => !isMessage(d) || at === one.Count - 2);
          one.Count = one.Descriptors.length;
          irp.IoStatus.Information = list;
          return NDIS_STATUS_SUCCESS;
        },
      },
      { msix: 4, msi: 0, line: 1 },
    );
    await adapter.initialize();
    expect(miniport.table?.MessageCount).toBe(1);
  });

  it('that fails leaves the list of the bus driver in force', async () => {
    const { adapter, miniport } = await plugged(
      {
        MiniportFilterResourceRequirementsHandler: (_context, irp) => {
          listOf(irp).Descriptors = [];
          return NDIS_STATUS_FAILURE;
        },
      },
      { msix: 4, msi: 0, line: 1 },
    );
    await adapter.initialize();
    expect(miniport.table?.MessageCount).toBe(4);
  });

  const lineOnly = (clear: boolean) =>
    filtering((list) => {
      list.Descriptors = list.Descriptors.filter((one) => !isMessage(one));
      if (clear) for (const one of list.Descriptors) one.Option &= ~IO_RESOURCE_ALTERNATIVE;
    });

  it('that removes all messages and keeps the line as no alternative gets the line, also without MSI handlers', async () => {
    for (const interrupt of [{}, { MsiSupported: false }]) {
      const { adapter, miniport } = await plugged(
        lineOnly(true),
        { msix: 4, msi: 0, line: 1 },
        {},
        {
          interrupt,
        },
      );
      await adapter.initialize();
      expect(miniport.characteristics?.InterruptType).toBe(NDIS_CONNECT_LINE_BASED);
      expect(miniport.table).toBeNull();
    }
  });

  it('that removes all messages and leaves the line an alternative gets no interrupt at all', async () => {
    const { adapter, miniport } = await plugged(lineOnly(false), { msix: 4, msi: 0, line: 1 });
    await expect(adapter.initialize()).rejects.toMatchObject({ code: 'E_INITIALIZE' });
    expect(miniport.interruptStatus).toBe(NDIS_STATUS_FAILURE);
  });

  it('without MSI handlers and with the messages left in place makes registration fail', async () => {
    const { adapter, miniport } = await plugged({}, {}, {}, { interrupt: { MsiSupported: false } });
    await expect(adapter.initialize()).rejects.toMatchObject({ code: 'E_INITIALIZE' });
    expect(miniport.interruptStatus).not.toBe(NDIS_STATUS_SUCCESS);
  });

  it('aims a message at processors, by position in the list, when it includes the policy', async () => {
    const { adapter, miniport } = await plugged(
      filtering((list) => {
        const [first, second, third] = list.Descriptors.filter(isMessage);
        for (const [one, mask] of [
          [first, 0b0100],
          [second, 0b1010],
          [third, 0b0001],
        ] as const) {
          const interrupt = one?.u.Interrupt;
          if (one === undefined || interrupt === undefined) throw new Error('no such message');
          interrupt.AffinityPolicy = IrqPolicySpecifiedProcessors;
          interrupt.TargetedProcessors = mask;
          if (one !== third) one.Flags |= CM_RESOURCE_INTERRUPT_POLICY_INCLUDED;
        }
      }),
      { msix: 3, msi: 0, line: 1 },
      { processors: 4 },
    );
    await adapter.initialize();
    expect(miniport.characteristics?.InterruptType).toBe(NDIS_CONNECT_MESSAGE_BASED);
    expect(miniport.table?.MessageInfo.map((one) => one.TargetProcessorSet)).toEqual([0b0100, 0b1010, 0b1111]);
  });

  it('may not change memory: that is reported, and the BARs are as they were', async () => {
    const { adapter, log, miniport, pci } = await plugged(
      filtering((list) => {
        list.Descriptors = list.Descriptors.filter((one) => one.Type !== CmResourceTypeMemory);
      }),
    );
    await adapter.initialize();
    expect(log.some((entry) => entry.message.startsWith('PNP: '))).toBe(true);
    const memory = miniport.parameters?.AllocatedResources.PartialDescriptors.filter((one) => one.u.Memory);
    expect(memory).toHaveLength(pci.bars.length);
  });
});
