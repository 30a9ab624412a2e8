/** Rules of the page `nf-ndis-ndismregisterinterruptex`, a test each, on a fake function and a small miniport. Layer: test (ndis). */
import { describe, expect, it } from 'vitest';
import {
  type IO_INTERRUPT_MESSAGE_INFO,
  Latched,
  NDIS_CONNECT_LINE_BASED,
  NDIS_CONNECT_MESSAGE_BASED,
  type NDIS_HANDLE,
  type NDIS_STATUS,
  NDIS_STATUS_BAD_CHARACTERISTICS,
  NDIS_STATUS_BAD_VERSION,
  NDIS_STATUS_FAILURE,
  NDIS_STATUS_INVALID_PARAMETER,
  NDIS_STATUS_RESOURCE_CONFLICT,
  NDIS_STATUS_RESOURCES,
  NDIS_STATUS_SUCCESS,
  NdisMRegisterInterruptEx,
  out,
} from '../../../src/ndis/index.ts';
import {
  bench,
  initialized,
  interruptCharacteristics,
  type MiniportScript,
  type TestMiniport,
} from './fake-miniport.ts';
import { turn } from './fake-pci.ts';

/** Registers once more, or anew, with changed characteristics, from inside MiniportInitializeEx. */
function registering(change: (miniport: TestMiniport) => NDIS_STATUS): {
  script: MiniportScript;
  status(): NDIS_STATUS;
} {
  let status: NDIS_STATUS = -1;
  return {
    script: {
      skipInterrupt: true,
      initialized: (miniport) => {
        status = change(miniport);
        return NDIS_STATUS_SUCCESS;
      },
    },
    status: () => status,
  };
}

describe('NdisMRegisterInterruptEx', () => {
  it('grants one message per table entry and writes type and table into the caller’s structure (trap 1)', async () => {
    const { miniport, adapter, pci } = await initialized();
    expect(miniport.characteristics?.InterruptType).toBe(NDIS_CONNECT_MESSAGE_BASED);
    expect(miniport.characteristics?.MessageInfoTable?.MessageCount).toBe(4);
    expect(adapter.interrupt?.messageCount).toBe(4);
    expect(adapter.interrupt?.handle).toBe(miniport.interrupt);
    expect(pci.events).toEqual(['enable msix 4']);
  });

  it('gives a frozen table of latched messages with distinct addresses and data (INT-13)', async () => {
    const { miniport } = await initialized();
    const table = miniport.table as IO_INTERRUPT_MESSAGE_INFO;
    expect(Object.isFrozen(table) && Object.isFrozen(table.MessageInfo) && Object.isFrozen(table.MessageInfo[0])).toBe(
      true,
    );
    expect(table.MessageInfo.every((entry) => entry.Mode === Latched && entry.TargetProcessorSet === 1)).toBe(true);
    expect(new Set(table.MessageInfo.map((entry) => entry.MessageAddress)).size).toBe(4);
    expect(new Set(table.MessageInfo.map((entry) => entry.MessageData)).size).toBe(4);
  });

  it('grants the line to a driver with MsiSupported where there are only line resources, with a null table (trap 2)', async () => {
    const { miniport, pci } = await initialized({}, { msix: 0, msi: 0 });
    expect(miniport.interruptStatus).toBe(NDIS_STATUS_SUCCESS);
    expect(miniport.characteristics?.InterruptType).toBe(NDIS_CONNECT_LINE_BASED);
    expect(miniport.characteristics?.MessageInfoTable).toBeNull();
    pci.armed.fire(0);
    expect(miniport.log).toContain('isr 0');
  });

  it('grants one message for MSI', async () => {
    const { miniport, pci } = await initialized({}, {}, { interrupts: 'msi' });
    expect(miniport.table?.MessageCount).toBe(1);
    expect(pci.events).toEqual(['enable msi 1']);
  });

  it('grants exactly one message in a shortage, not as many as fit (trap 3)', async () => {
    const { miniport, pci, adapter, log } = await initialized({}, { vectorsAvailable: 3 });
    expect(pci.events).toEqual(['enable msix 4', 'enable msix 1']);
    expect(miniport.table?.MessageCount).toBe(1);
    expect(adapter.interrupt?.messages.length).toBe(1);
    expect(log.some((entry) => entry.message.includes('1 of 4 vectors'))).toBe(true);
  });

  it('keeps within the message limit, surplus table entries raising message 0 (trap 12)', async () => {
    const { miniport, pci } = await initialized({}, {}, { messageLimit: 2 });
    expect(miniport.table?.MessageCount).toBe(2);
    for (const entry of [0, 1, 2, 3]) pci.armed.fire(entry);
    expect(miniport.log.filter((line) => line.startsWith('isr'))).toEqual(['isr 0', 'isr 1', 'isr 0', 'isr 0']);
  });

  it('fails with RESOURCES and undoes its outputs when no vector can be armed', async () => {
    const made = await bench({}, { vectorsAvailable: 0 });
    await expect(made.adapter.initialize()).rejects.toThrow(/NDIS_STATUS_RESOURCES/);
    expect(made.miniport.interruptStatus).toBe(NDIS_STATUS_RESOURCES);
    expect(made.miniport.interrupt).toBeNull();
    expect(made.miniport.characteristics?.InterruptType).toBe(0);
    expect(made.miniport.characteristics?.MessageInfoTable).toBeNull();
    expect(made.adapter.interrupt).toBeNull();
  });

  it('shows handle, type and table to an ISR that runs before it returns (trap 4)', async () => {
    let seen: unknown = null;
    const script: MiniportScript = {
      isr: () => true,
      interrupt: {
        MessageInterruptHandler: (context) => {
          const { characteristics } = context as TestMiniport;
          seen = { type: characteristics?.InterruptType, count: characteristics?.MessageInfoTable?.MessageCount };
          return true;
        },
      },
    };
    await initialized(script, { whileArming: (listener) => listener(2, 1) });
    expect(seen).toEqual({ type: NDIS_CONNECT_MESSAGE_BASED, count: 4 });
  });

  it('unmasks a line that fired while it was being armed', async () => {
    const { pci } = await initialized({}, { msix: 0, msi: 0, whileArming: (listener) => listener(0, 1) });
    expect(pci.armed.calls).toEqual(['unmask 0']);
  });

  it('fails a driver without MSI handlers that has message resources (trap 8)', async () => {
    const { script, status } = registering((miniport) =>
      NdisMRegisterInterruptEx(
        miniport.handle,
        miniport,
        { ...interruptCharacteristics(miniport), MsiSupported: false },
        out<NDIS_HANDLE | null>(null),
      ),
    );
    await initialized(script);
    expect(status()).toBe(NDIS_STATUS_RESOURCE_CONFLICT);
  });

  it('requires the four line handlers of an MSI driver too, and the four message handlers of MsiSupported', async () => {
    for (const missing of ['DisableInterruptHandler', 'MessageInterruptDpcHandler'] as const) {
      const { script, status } = registering((miniport) =>
        NdisMRegisterInterruptEx(
          miniport.handle,
          miniport,
          { ...interruptCharacteristics(miniport), [missing]: null },
          out<NDIS_HANDLE | null>(null),
        ),
      );
      await initialized(script);
      expect(status()).toBe(NDIS_STATUS_BAD_CHARACTERISTICS);
    }
  });

  it('accepts a header larger than the SIZEOF constant and refuses a smaller one (trap 9)', async () => {
    for (const [Size, expected] of [
      [104, NDIS_STATUS_SUCCESS],
      [88, NDIS_STATUS_BAD_VERSION],
    ] as const) {
      const { script, status } = registering((miniport) => {
        const characteristics = interruptCharacteristics(miniport);
        characteristics.Header.Size = Size;
        const handle = out<NDIS_HANDLE | null>(null);
        const result = NdisMRegisterInterruptEx(miniport.handle, miniport, characteristics, handle);
        miniport.interrupt = handle.Value as NDIS_HANDLE;
        return result;
      });
      await initialized(script);
      expect(status()).toBe(expected);
    }
  });

  it('keeps copies of the handlers, so changing the structure afterwards has no effect (trap 10)', async () => {
    const { miniport, pci } = await initialized();
    const characteristics = miniport.characteristics;
    if (characteristics) characteristics.MessageInterruptHandler = null;
    pci.armed.fire(1);
    expect(miniport.log).toContain('isr 1');
  });

  it('refuses a second registration, a call outside Initialize and a wrong handle', async () => {
    const { script, status } = registering((miniport) => {
      miniport.registerInterrupt();
      return NdisMRegisterInterruptEx(
        miniport.handle,
        miniport,
        interruptCharacteristics(miniport),
        out<NDIS_HANDLE | null>(null),
      );
    });
    const { miniport } = await initialized(script);
    expect(status()).toBe(NDIS_STATUS_FAILURE);
    const again = interruptCharacteristics(miniport);
    expect(NdisMRegisterInterruptEx(miniport.handle, miniport, again, out<NDIS_HANDLE | null>(null))).toBe(
      NDIS_STATUS_FAILURE,
    );
    const wrong = {} as NDIS_HANDLE;
    expect(NdisMRegisterInterruptEx(wrong, miniport, again, out<NDIS_HANDLE | null>(null))).toBe(
      NDIS_STATUS_INVALID_PARAMETER,
    );
  });

  it('makes the device bus master before it arms the vectors, as a message is a memory write', async () => {
    let master = false;
    const made = await bench(
      {},
      {
        whileArming: () => {
          master = made.pci.busMaster;
        },
      },
    );
    await made.adapter.initialize();
    expect(master).toBe(true);
    await made.adapter.halt();
    expect(made.pci.busMaster).toBe(false);
    await turn();
  });
});
