/**
 * A defective miniport for every rule of the verifier, each a few lines on the correct one. Layer: test.
 * Invariant: what a row changes is the one mistake its rule is about; everything else stays correct.
 */
import {
  type IoSpace,
  KeGetCurrentIrql,
  NDIS_DEFAULT_PORT_NUMBER,
  type NDIS_HANDLE,
  NDIS_OBJECT_TYPE_DEFAULT,
  NDIS_OBJECT_TYPE_STATUS_INDICATION,
  type NDIS_OID_REQUEST,
  NDIS_SIZEOF_MSIX_CONFIG_PARAMETERS_REVISION_1,
  NDIS_STATUS_FAILURE,
  NDIS_STATUS_LINK_STATE,
  NDIS_STATUS_PENDING,
  NDIS_STATUS_RESOURCES,
  NDIS_STATUS_SUCCESS,
  NdisAcquireSpinLock,
  NdisAllocateIoWorkItem,
  NdisAllocateMdl,
  NdisAllocateMemoryWithTagPriority,
  NdisAllocateNetBufferAndNetBufferList,
  NdisAllocateNetBufferListPool,
  NdisAllocateSpinLock,
  NdisAllocateTimerObject,
  NdisCancelTimerObject,
  NdisDprAcquireSpinLock,
  NdisDprReleaseSpinLock,
  NdisFreeIoWorkItem,
  NdisFreeMdl,
  NdisFreeMemory,
  NdisFreeNetBufferList,
  NdisFreeNetBufferListPool,
  NdisFreeTimerObject,
  NdisMAllocateNetBufferSGList,
  NdisMAllocateSharedMemory,
  NdisMConfigMSIXTableEntry,
  NdisMDeregisterInterruptEx,
  NdisMDeregisterMiniportDriver,
  NdisMDeregisterScatterGatherDma,
  NdisMFreeNetBufferSGList,
  NdisMFreeSharedMemory,
  NdisMIndicateReceiveNetBufferLists,
  NdisMIndicateStatusEx,
  NdisMMapIoSpace,
  NdisMOidRequestComplete,
  NdisMPauseComplete,
  NdisMQueueDpc,
  NdisMRegisterInterruptEx,
  NdisMResetComplete,
  NdisMResetMiniport,
  NdisMSendNetBufferListsComplete,
  NdisMSIXTableConfigSetTableEntry,
  NdisMSIXTableConfigUnmaskTableEntry,
  NdisMSynchronizeWithInterruptEx,
  NdisMUnmapIoSpace,
  NdisOpenConfigurationEx,
  NdisQueueIoWorkItem,
  NdisReleaseSpinLock,
  NdisSendNetBufferLists,
  NdisSetTimerObject,
  NdisStallExecution,
  NdisWaitEvent,
  NdisWriteRegisterUlong,
  type NET_BUFFER_LIST,
  ndisEvent,
  OID_GEN_CURRENT_PACKET_FILTER,
  out,
  spinLock,
} from '../../../src/ndis/index.ts';
import {
  type Bench,
  bind,
  interruptCharacteristics,
  type MiniportScript,
  type TestMiniport,
} from '../ndis/fake-miniport.ts';
import { type FakePciScript, turn } from '../ndis/fake-pci.ts';

/** What a defect can reach once the bench stands. */
export interface Box {
  miniport: TestMiniport;
  bench: Bench;
  driver: NDIS_HANDLE | null;
  /** Whatever one callback leaves for another. */
  note: unknown;
}

export interface Defect {
  readonly rule: string;
  /** Where a rule has several mistakes. */
  readonly name?: string;
  readonly script?: (box: Box) => MiniportScript;
  readonly pci?: FakePciScript;
  readonly interrupts?: 'msix' | 'line';
  readonly dpcBudget?: number;
  /** What happens between MiniportRestart and MiniportPause; default: nothing. */
  readonly act?: (box: Box) => void | Promise<void>;
  /** Goes only as far as MiniportInitializeEx. */
  readonly failsToInitialize?: boolean;
}

/** Raises an interrupt and lets ISR and DPC run. */
async function interrupt({ bench }: Box): Promise<void> {
  bench.pci.armed.fire(0);
  await turn();
}

/** An error the miniport swallows: what the defect is about was reported before. */
function swallow(callback: () => void): void {
  try {
    callback();
  } catch {}
}

/** The mistake is made in the DPC of one interrupt. */
const inDpc = (mistake: (box: Box) => void): Pick<Defect, 'script' | 'act'> => ({
  script: (box) => ({ dpc: () => swallow(() => mistake(box)) }),
  act: interrupt,
});

/** The mistake is made in the ISR of one interrupt. */
const inIsr = (mistake: (box: Box) => void): Pick<Defect, 'script' | 'act'> => ({
  script: (box) => ({
    isr: () => {
      swallow(() => mistake(box));
      return true;
    },
  }),
  act: interrupt,
});

/** The mistake is made at the end of MiniportInitializeEx, which succeeds. */
const inInitialize = (mistake: (miniport: TestMiniport, box: Box) => void): Pick<Defect, 'script'> => ({
  script: (box) => ({
    initialized: (miniport) => {
      mistake(miniport, box);
      return NDIS_STATUS_SUCCESS;
    },
  }),
});

/** The mistake is made in MiniportPause, which succeeds. */
const inPause = (mistake: (box: Box) => void): Pick<Defect, 'script'> => ({
  script: (box) => ({
    handlers: {
      PauseHandler: () => {
        mistake(box);
        return NDIS_STATUS_SUCCESS;
      },
    },
  }),
});

/** Sends `count` NBLs through a protocol. */
function send(box: Box, count: number): void {
  const { adapter } = box.bench;
  const pool = adapter.allocateSendPool({ frames: count, frameBytes: 64 });
  let chain: NET_BUFFER_LIST | null = null;
  for (let index = 0; index < count; index++) {
    const nbl = pool.take() as NET_BUFFER_LIST;
    nbl.Next = chain;
    chain = nbl;
  }
  const protocol = bind(adapter);
  NdisSendNetBufferLists(protocol.handle, chain as NET_BUFFER_LIST, NDIS_DEFAULT_PORT_NUMBER, 0);
}

/** Completes sends the miniport owns. */
function complete(miniport: TestMiniport, count: number, status = NDIS_STATUS_SUCCESS): NET_BUFFER_LIST[] {
  const done = miniport.sends.splice(0, count);
  for (const [index, nbl] of done.entries()) {
    nbl.Next = done[index + 1] ?? null;
    nbl.Status = status;
  }
  if (done[0] !== undefined) NdisMSendNetBufferListsComplete(miniport.handle, done[0], 0);
  return done;
}

function indicate(miniport: TestMiniport, count: number, told = count): NET_BUFFER_LIST {
  const chain = miniport.takeChain(count);
  NdisMIndicateReceiveNetBufferLists(miniport.handle, chain, NDIS_DEFAULT_PORT_NUMBER, told, 0);
  return chain;
}

function timer(miniport: TestMiniport, run: () => void): NDIS_HANDLE {
  const handle = out<NDIS_HANDLE | null>(null);
  NdisAllocateTimerObject(miniport.handle, { TimerFunction: run, FunctionContext: null }, handle);
  return handle.Value as NDIS_HANDLE;
}

/** A timer that stays armed. */
const forgetTimer = (miniport: TestMiniport): void => {
  NdisSetTimerObject(
    timer(miniport, () => {}),
    1e9,
    0,
    null,
  );
};

function status(miniport: TestMiniport, overrides: { type?: number; buffer?: unknown; bytes?: number } = {}): void {
  NdisMIndicateStatusEx(miniport.handle, {
    Header: { Type: overrides.type ?? NDIS_OBJECT_TYPE_STATUS_INDICATION, Revision: 1, Size: 0 },
    SourceHandle: miniport.handle,
    PortNumber: 0,
    StatusCode: overrides.buffer === undefined ? 0x4001_0001 : NDIS_STATUS_LINK_STATE,
    Flags: 0,
    DestinationHandle: null,
    RequestId: null,
    StatusBuffer: overrides.buffer ?? null,
    StatusBufferSize: overrides.bytes ?? 0,
  });
}

function entry(miniport: TestMiniport, operation: 0 | 1 | 2, message: number): void {
  NdisMConfigMSIXTableEntry(miniport.handle, {
    Header: {
      Type: NDIS_OBJECT_TYPE_DEFAULT,
      Revision: 1,
      Size: NDIS_SIZEOF_MSIX_CONFIG_PARAMETERS_REVISION_1,
    },
    ConfigOperation: operation,
    TableEntry: 0,
    MessageNumber: message,
  });
}

function map(miniport: TestMiniport): IoSpace {
  const space = out<IoSpace | null>(null);
  NdisMMapIoSpace(space, miniport.handle, 0xfe00_0000, 0x1000);
  return space.Value as IoSpace;
}

function sharedMemory(miniport: TestMiniport, length: number): { bytes: Uint8Array | null; address: number } {
  const bytes = out<Uint8Array | null>(null);
  const address = out(0);
  NdisMAllocateSharedMemory(miniport.handle, length, false, bytes, address);
  return { bytes: bytes.Value, address: address.Value };
}

const pool = (miniport: TestMiniport): NDIS_HANDLE =>
  NdisAllocateNetBufferListPool(miniport.handle, {
    Header: { Type: NDIS_OBJECT_TYPE_DEFAULT, Revision: 1, Size: 0 },
    ProtocolId: 0,
    fAllocateNetBuffer: true,
    ContextSize: 0,
    PoolTag: 1,
    DataSize: 0,
  }) as NDIS_HANDLE;

/** A request of OID 0x00010203 or another, not waited for. */
function ask({ bench }: Box, oid = 0x0001_0109): void {
  bench.adapter.queryOid(oid, 4).catch(() => undefined);
}

/** The miniport answers requests like this. */
const oid = (
  answer: (request: NDIS_OID_REQUEST, box: Box) => number,
  act: (box: Box) => void | Promise<void> = async (box) => {
    ask(box);
    await turn();
    await turn();
  },
): Pick<Defect, 'script' | 'act'> => ({
  script: (box) => ({
    handlers: {
      OidRequestHandler: (_context, request) =>
        request.DATA.Oid === OID_GEN_CURRENT_PACKET_FILTER ? NDIS_STATUS_SUCCESS : answer(request, box),
    },
    general: { SupportedOidList: [0xfd01_0101, 0xfd01_0102] },
  }),
  act,
});

/** MiniportInitializeEx fails after it undid everything but what it forgets. */
const failing = (
  forget: NonNullable<MiniportScript['forget']>,
  mistake: (miniport: TestMiniport) => void = () => {},
  code: number = NDIS_STATUS_FAILURE,
): Pick<Defect, 'script' | 'failsToInitialize'> => ({
  failsToInitialize: true,
  script: () => ({
    forget,
    initialized: (miniport) => {
      mistake(miniport);
      miniport.release();
      return code;
    },
  }),
});

/** NDIS gives up after MiniportInitializeEx has succeeded: the device was removed meanwhile. */
const undone = (
  forget: NonNullable<MiniportScript['forget']>,
  mistake: (miniport: TestMiniport) => void = () => {},
): Pick<Defect, 'script' | 'failsToInitialize'> => ({
  failsToInitialize: true,
  script: (box) => ({
    forget,
    initialized: (miniport) => {
      mistake(miniport);
      void box.bench.adapter.surpriseRemoved();
      return NDIS_STATUS_SUCCESS;
    },
  }),
});

/** MiniportHaltEx does this after everything was released. */
const afterRelease = (mistake: (box: Box) => void): Pick<Defect, 'script'> => ({
  script: (box) => ({
    handlers: {
      HaltHandlerEx: () => {
        box.miniport.release();
        swallow(() => mistake(box));
      },
    },
  }),
});

const lock = (mistake: (one: ReturnType<typeof spinLock>) => void): Pick<Defect, 'script' | 'act'> =>
  inDpc(() => {
    const one = spinLock();
    NdisAllocateSpinLock(one);
    mistake(one);
  });

export const DEFECTS: readonly Defect[] = [
  // ---- Static Driver Verifier
  {
    rule: 'NdisMDeregisterInterruptEx',
    ...afterRelease(({ miniport }) => NdisMSynchronizeWithInterruptEx(miniport.interrupt, 0, () => true, null)),
  },
  { rule: 'Init_RegisterSG', script: () => ({ forget: ['dma'] }) },
  { rule: 'Init_RegisterSG', name: 'failing', ...failing(['dma']) },
  {
    rule: 'Init_NdisAllocateIoWorkItem',
    ...inInitialize((miniport) => void NdisAllocateIoWorkItem(miniport.handle)),
  },
  { rule: 'NullCheck', ...inPause(({ note }) => void (note as { member: number }).member) },
  {
    rule: 'Flags_Irql',
    script: (box) => ({
      handlers: {
        SendNetBufferListsHandler: (_context, chain) => {
          box.miniport.sends.push(chain);
          swallow(() => KeGetCurrentIrql());
        },
      },
    }),
    act: (box) => {
      send(box, 1);
      complete(box.miniport, 1);
    },
  },
  { rule: 'Irql_Interrupt_Function', ...inDpc(({ miniport }) => NdisMDeregisterInterruptEx(miniport.interrupt)) },
  { rule: 'Irql_Synch_Function', ...inIsr(() => NdisAcquireSpinLock(spinLock())) },
  {
    rule: 'Irql_Synch_Function',
    name: 'too low',
    ...inPause(() => swallow(() => NdisDprAcquireSpinLock(spinLock()))),
  },
  { rule: 'Irql_Gather_DMA_Function', ...inDpc(({ miniport }) => NdisMDeregisterScatterGatherDma(miniport.dma)) },
  {
    rule: 'Irql_Gather_DMA_Function',
    name: 'too low',
    ...inPause(({ miniport }) => {
      const buffer = miniport.free[0]?.FirstNetBuffer;
      if (buffer) swallow(() => NdisMAllocateNetBufferSGList(miniport.dma, buffer, null, 0, null, 0));
    }),
  },
  { rule: 'Irql_Miniport_Driver_Function', ...inDpc(({ miniport }) => void map(miniport)) },
  {
    rule: 'Irql_SendRcv_Function',
    ...inIsr(({ miniport }) => {
      NdisMIndicateReceiveNetBufferLists(miniport.handle, miniport.free[0] as NET_BUFFER_LIST, 0, 1, 0);
    }),
  },
  { rule: 'Irql_StatusIndication_Function', ...inIsr(({ miniport }) => status(miniport)) },
  {
    rule: 'Irql_OID_Function',
    ...inIsr(({ miniport }) => NdisMOidRequestComplete(miniport.handle, {} as NDIS_OID_REQUEST, 0)),
  },
  { rule: 'Irql_Timer_Function', ...inIsr(({ miniport }) => void timer(miniport, () => {})) },
  {
    rule: 'Irql_NetBuffer_Function',
    ...inIsr(({ miniport }) => void NdisAllocateMdl(miniport.handle, miniport.memory, 1)),
  },
  {
    rule: 'Irql_Miscellaneous_Function',
    ...inDpc(({ miniport }) => {
      const handle = out<NDIS_HANDLE | null>(null);
      const Header = { Type: 0xa9, Revision: 1, Size: 0 };
      NdisOpenConfigurationEx({ Header, NdisHandle: miniport.handle, Flags: 0 }, handle);
    }),
  },
  {
    rule: 'SpinLock',
    ...lock((one) => {
      NdisAcquireSpinLock(one);
      swallow(() => NdisAcquireSpinLock(one));
      NdisReleaseSpinLock(one);
    }),
  },
  {
    rule: 'SpinLockDpr',
    ...lock((one) => {
      NdisDprAcquireSpinLock(one);
      swallow(() => NdisDprAcquireSpinLock(one));
      NdisDprReleaseSpinLock(one);
    }),
  },
  { rule: 'SpinLockRelease', ...lock((one) => NdisReleaseSpinLock(one)) },
  { rule: 'SpinLockDprRelease', ...lock((one) => NdisDprAcquireSpinLock(one)) },
  { rule: 'SpinLockBalanced', ...lock((one) => NdisAcquireSpinLock(one)) },
  {
    rule: 'NdisAllocateMdl',
    ...inInitialize((miniport) => void NdisAllocateMdl(miniport.handle, miniport.memory, 64)),
  },
  {
    rule: 'NdisAllocateNetBuffer',
    ...inInitialize((miniport) => void NdisAllocateNetBufferAndNetBufferList(pool(miniport), 0, 0, null, 0, 0)),
  },
  {
    rule: 'NdisAllocateMemoryWithTagPriority',
    ...inPause(({ miniport }) => {
      const memory = NdisAllocateMemoryWithTagPriority(miniport.handle, 64, 0, 0) as Uint8Array;
      NdisFreeMemory(memory, 64, 0);
    }),
  },
  {
    rule: 'NdisMFreeSharedMemory',
    script: (box) => ({
      handlers: {
        ShutdownHandlerEx: () => {
          const { handle, memory, memoryAddress } = box.miniport;
          NdisMFreeSharedMemory(handle, memory.length, false, memory, memoryAddress);
        },
      },
    }),
    act: ({ bench }) => bench.adapter.shutdown(),
  },
  {
    rule: 'NdisMIndicateStatusEx',
    act: async ({ bench, miniport }) => {
      await bench.adapter.pause();
      await bench.adapter.halt();
      status(miniport);
    },
  },
  { rule: 'NdisMMapIoSpace', ...inPause(({ miniport }) => void map(miniport)) },
  {
    rule: 'PeriodicTimer',
    ...inInitialize((miniport, box) => {
      const handle = timer(miniport, () => {
        swallow(() => NdisCancelTimerObject(handle));
        NdisFreeTimerObject(handle);
      });
      box.note = handle;
      NdisSetTimerObject(handle, 10, 10, null);
    }),
    act: ({ bench }) => bench.clock.pass(50),
  },
  {
    rule: 'MiniportPause_Return',
    script: () => ({ handlers: { PauseHandler: () => NDIS_STATUS_RESOURCES } }),
  },
  {
    rule: 'NdisOpenConfigurationEx',
    ...inInitialize((miniport) => {
      const Header = { Type: 0xa9, Revision: 1, Size: 0 };
      NdisOpenConfigurationEx({ Header, NdisHandle: miniport.handle, Flags: 0 }, out<NDIS_HANDLE | null>(null));
    }),
  },
  {
    rule: 'WriteErrorLog',
    pci: { dmaLimit: 1 << 20 },
    ...failing([], (miniport) => void sharedMemory(miniport, 1 << 21), NDIS_STATUS_RESOURCES),
  },
  {
    rule: 'DoubleCompleteWorkItem',
    ...oid((request, box) => {
      const item = NdisAllocateIoWorkItem(box.miniport.handle) as NDIS_HANDLE;
      NdisQueueIoWorkItem(
        item,
        () => {
          NdisFreeIoWorkItem(item);
          NdisMOidRequestComplete(box.miniport.handle, request, NDIS_STATUS_SUCCESS);
        },
        null,
      );
      return NDIS_STATUS_SUCCESS;
    }),
  },
  {
    rule: 'DoubleComplete',
    ...oid((request, { miniport }) => {
      swallow(() => NdisMOidRequestComplete(miniport.handle, request, NDIS_STATUS_SUCCESS));
      return NDIS_STATUS_SUCCESS;
    }),
  },
  {
    rule: 'DoubleComplete',
    name: 'later',
    script: (box) => ({
      handlers: {
        OidRequestHandler: (_context, request) => {
          box.note = request;
          return NDIS_STATUS_SUCCESS;
        },
      },
      dpc: () => NdisMOidRequestComplete(box.miniport.handle, box.note as NDIS_OID_REQUEST, NDIS_STATUS_SUCCESS),
    }),
    act: async (box) => {
      ask(box);
      await turn();
      await interrupt(box);
    },
  },
  { rule: 'NdisStallExecution_Delay', ...inPause(() => NdisStallExecution(60)) },
  // ---- Driver Verifier
  {
    rule: 'NdisOidComplete',
    ...oid((request, { miniport }) => {
      swallow(() => NdisMOidRequestComplete(miniport.handle, request, NDIS_STATUS_PENDING));
      return NDIS_STATUS_PENDING;
    }),
  },
  {
    rule: 'NdisOidComplete',
    name: 'set power',
    ...oid(
      () => NDIS_STATUS_FAILURE,
      async (box) => {
        await box.bench.adapter.setOid(0xfd01_0101, new Uint8Array(4)).catch(() => undefined);
      },
    ),
  },
  {
    rule: 'NdisOidDoubleComplete',
    ...oid((request, { miniport }) => {
      swallow(() => NdisMOidRequestComplete(miniport.handle, request, NDIS_STATUS_SUCCESS));
      swallow(() => NdisMOidRequestComplete(miniport.handle, request, NDIS_STATUS_SUCCESS));
      return NDIS_STATUS_PENDING;
    }),
  },
  {
    rule: 'NdisTimedOidComplete',
    ...oid(
      (request, box) => {
        box.note = request;
        return NDIS_STATUS_PENDING;
      },
      async (box) => {
        ask(box);
        await turn();
        await box.bench.clock.pass(14_000);
        NdisMOidRequestComplete(box.miniport.handle, box.note as NDIS_OID_REQUEST, NDIS_STATUS_SUCCESS);
      },
    ),
  },
  {
    rule: 'NdisTimedDataSend',
    act: async (box) => {
      send(box, 8);
      for (let tenSeconds = 0; tenSeconds < 4; tenSeconds++) {
        await box.bench.clock.pass(10_000);
        complete(box.miniport, 1);
      }
      complete(box.miniport, 8);
    },
  },
  {
    rule: 'NdisTimedDataHang',
    act: async (box) => {
      send(box, 2);
      await box.bench.clock.pass(25_000);
      complete(box.miniport, 2);
    },
  },
  // ---- Bug check 0x7C
  { rule: '0x7C/0x01', ...inDpc(({ miniport }) => void sharedMemory(miniport, 64)) },
  {
    rule: '0x7C/0x02',
    ...inInitialize((miniport) => {
      new Uint8Array(miniport.memory.buffer)[miniport.memory.byteOffset + miniport.memory.length] = 1;
    }),
  },
  {
    rule: '0x7C/0x03',
    ...inInitialize((miniport) => {
      const { bytes, address } = sharedMemory(miniport, 64);
      for (let time = 0; time < 2; time++)
        NdisMFreeSharedMemory(miniport.handle, 64, false, bytes as Uint8Array, address);
    }),
    failsToInitialize: true,
  },
  {
    rule: '0x7C/0x05',
    script: (box) => ({
      dpc: () => {
        const chain = indicate(box.miniport, 1);
        swallow(() => NdisMIndicateReceiveNetBufferLists(box.miniport.handle, chain, 0, 1, 0));
      },
    }),
    act: async (box) => {
      bind(box.bench.adapter);
      await interrupt(box);
    },
  },
  { rule: '0x7C/0x08', script: () => ({ forget: ['interrupt'] }) },
  { rule: '0x7C/0x09', ...inInitialize(forgetTimer) },
  { rule: '0x7C/0x0A', ...inPause((box) => swallow(() => NdisMDeregisterMiniportDriver(box.driver as NDIS_HANDLE))) },
  { rule: '0x7C/0x0B', ...failing(['interrupt']) },
  { rule: '0x7C/0x0C', ...failing([], forgetTimer) },
  { rule: '0x7C/0x0D', ...undone(['interrupt']) },
  { rule: '0x7C/0x0E', ...undone([], forgetTimer) },
  { rule: '0x7C/0x0F', ...inDpc(({ miniport }) => NdisMResetComplete(miniport.handle, NDIS_STATUS_SUCCESS, false)) },
  { rule: '0x7C/0x14', ...inDpc(() => void NdisWaitEvent(ndisEvent(), 1)) },
  {
    rule: '0x7C/0x1C',
    ...oid(
      () => NDIS_STATUS_FAILURE,
      (box) => ask(box, 0xfd01_0102),
    ),
  },
  {
    rule: '0x7C/0x1D',
    ...oid((request) => {
      request.DATA.BytesWritten = 99;
      return NDIS_STATUS_SUCCESS;
    }),
  },
  { rule: '0x7C/0x1F', ...inDpc(({ miniport }) => NdisMPauseComplete(miniport.handle)) },
  { rule: '0x7C/0x20', ...inDpc(({ miniport }) => status(miniport, { buffer: 'no link state', bytes: 40 })) },
  { rule: '0x7C/0x21', ...inDpc(({ miniport }) => status(miniport, { type: 0 })) },
  {
    rule: '0x7C/0x25',
    script: () => ({ handlers: { PauseHandler: () => NDIS_STATUS_PENDING } }),
    act: async ({ bench }) => {
      const paused = bench.adapter.pause();
      await bench.clock.pass(11_000);
      await paused;
    },
  },
  {
    rule: '0x7C/0x26',
    ...inDpc(({ miniport }) => NdisMOidRequestComplete(miniport.handle, {} as NDIS_OID_REQUEST, NDIS_STATUS_SUCCESS)),
  },
  {
    rule: '0x7C/0x27',
    ...inInitialize((miniport) => {
      const one = pool(miniport);
      const nbl = NdisAllocateNetBufferAndNetBufferList(one, 0, 0, null, 0, 0) as NET_BUFFER_LIST;
      swallow(() => NdisFreeNetBufferListPool(one));
      NdisFreeNetBufferList(nbl);
    }),
    failsToInitialize: true,
  },
  {
    rule: '0x133',
    ...inDpc(({ bench }) => {
      bench.clock.now += 11e6;
    }),
  },
  // ---- Interrupts
  {
    rule: 'INT-01',
    ...inPause(({ miniport }) => {
      swallow(() => NdisMRegisterInterruptEx(miniport.handle, miniport, interruptCharacteristics(miniport), out(null)));
    }),
  },
  {
    rule: 'INT-01',
    name: 'twice',
    ...inInitialize((miniport) => {
      swallow(() => NdisMRegisterInterruptEx(miniport.handle, miniport, interruptCharacteristics(miniport), out(null)));
    }),
    failsToInitialize: true,
  },
  {
    rule: 'INT-02',
    script: () => ({ interrupt: { EnableMessageInterruptHandler: null } }),
    failsToInitialize: true,
  },
  {
    rule: 'INT-03',
    script: () => ({
      skipInterrupt: true,
      initialized: (miniport) => {
        const characteristics = interruptCharacteristics(miniport);
        const handle = out<NDIS_HANDLE | null>(null);
        NdisMRegisterInterruptEx(miniport.handle, miniport, characteristics, handle);
        miniport.interrupt = handle.Value as NDIS_HANDLE;
        swallow(() => {
          miniport.table = characteristics.MessageInfoTable;
        });
        return NDIS_STATUS_SUCCESS;
      },
    }),
    failsToInitialize: true,
  },
  { rule: 'INT-04', ...afterRelease(({ miniport }) => NdisMDeregisterInterruptEx(miniport.interrupt)) },
  {
    rule: 'INT-04',
    name: 'in MiniportPause',
    script: (box) => ({
      forget: ['interrupt'],
      handlers: {
        PauseHandler: () => {
          swallow(() => NdisMDeregisterInterruptEx(box.miniport.interrupt));
          return NDIS_STATUS_SUCCESS;
        },
      },
    }),
  },
  { rule: 'INT-05', ...afterRelease(({ miniport }) => void NdisMQueueDpc(miniport.interrupt, 0, 1, null)) },
  { rule: 'INT-07', ...inIsr(({ miniport }) => NdisMResetMiniport(miniport.handle)) },
  { rule: 'INT-08', script: () => ({ isr: () => undefined as unknown as boolean }), act: interrupt },
  {
    rule: 'INT-09',
    script: () => ({
      isr: (_message, outputs) => {
        outputs.QueueDefaultInterruptDpc = true;
        outputs.TargetProcessors = 1;
        return true;
      },
    }),
    act: interrupt,
  },
  {
    rule: 'INT-09',
    name: 'absent processor',
    ...inIsr(({ miniport }) => void NdisMQueueDpc(miniport.interrupt, 0, 4, null)),
  },
  { rule: 'INT-10', ...inDpc(({ miniport }) => void NdisMQueueDpc(miniport.interrupt, 99, 1, null)) },
  {
    rule: 'INT-10',
    name: 'table entry',
    ...inDpc(({ miniport }) => entry(miniport, NdisMSIXTableConfigSetTableEntry, 99)),
  },
  {
    rule: 'INT-10',
    name: 'synchronize',
    ...inDpc(({ miniport }) => void NdisMSynchronizeWithInterruptEx(miniport.interrupt, 99, () => true, null)),
  },
  {
    rule: 'INT-11',
    ...inDpc(({ bench }) => {
      bench.clock.now += 200;
    }),
  },
  { rule: 'INT-12', dpcBudget: 2, ...inDpc(({ miniport }) => void indicate(miniport, 4)) },
  {
    rule: 'INT-12',
    name: 'unmasked',
    dpcBudget: 2,
    script: (box) => ({
      dpc: (_message, _context, throttle) => {
        if (box.note !== null) return;
        box.note = 'once';
        entry(box.miniport, NdisMSIXTableConfigUnmaskTableEntry, 0);
        throttle.MoreNblsPending = 1;
      },
    }),
    act: interrupt,
  },
  {
    rule: 'INT-13',
    ...inDpc(({ miniport }) => {
      const info = miniport.table?.MessageInfo[0] as { Vector: number };
      info.Vector = 1;
    }),
  },
  {
    rule: 'INT-14',
    interrupts: 'line',
    script: () => ({ isr: () => true }),
    act: async ({ bench }) => {
      for (let time = 0; time < 101; time++) bench.pci.armed.fire(0);
      await turn();
    },
  },
  { rule: 'INT-15', ...inIsr(({ miniport }) => entry(miniport, NdisMSIXTableConfigSetTableEntry, 0)) },
  {
    rule: 'INT-15',
    name: 'after halt',
    act: async ({ bench, miniport }) => {
      await bench.adapter.pause();
      await bench.adapter.halt();
      entry(miniport, NdisMSIXTableConfigUnmaskTableEntry, 0);
    },
  },
  {
    rule: 'INT-16',
    ...inIsr(({ miniport }) => void NdisMSynchronizeWithInterruptEx(miniport.interrupt, 0, () => true, null)),
  },
  {
    rule: 'INT-17',
    script: (box) => ({ dpc: () => swallow(() => void indicate(box.miniport, 1)) }),
    act: async (box) => {
      await box.bench.adapter.pause();
      await interrupt(box);
    },
  },
  {
    rule: 'INT-17',
    name: 'completed twice',
    act: (box) => {
      send(box, 1);
      const [nbl] = complete(box.miniport, 1);
      NdisMSendNetBufferListsComplete(box.miniport.handle, nbl as NET_BUFFER_LIST, 0);
    },
  },
  {
    rule: 'INT-18',
    act: (box) => {
      bind(box.bench.adapter);
      const nbl = indicate(box.miniport, 1);
      const mdl = nbl.FirstNetBuffer?.MdlChain;
      NdisFreeNetBufferList(nbl);
      if (mdl) NdisFreeMdl(mdl);
      box.bench.adapter.core.receivesOutstanding = 0;
    },
  },
  {
    rule: 'INT-19',
    act: (box) => {
      send(box, 1);
    },
  },
  {
    rule: 'INT-20',
    script: (box) => ({
      initialized: (miniport) => {
        box.note = map(miniport);
        return NDIS_STATUS_SUCCESS;
      },
      handlers: {
        HaltHandlerEx: () => {
          const space = box.note as IoSpace;
          swallow(() => NdisWriteRegisterUlong(space, 0, 0));
          NdisMUnmapIoSpace(box.miniport.handle, space, 0x1000);
          box.miniport.release();
        },
      },
    }),
    act: ({ bench }) => bench.adapter.surpriseRemoved(),
  },
  // ---- Ours
  {
    rule: 'NV-01',
    ...inPause(() => {
      throw new Error('the miniport gave up');
    }),
  },
  { rule: 'NV-02', ...inDpc(({ miniport }) => void indicate(miniport, 2, 3)) },
  {
    rule: 'NV-03',
    act: (box) => {
      send(box, 1);
      complete(box.miniport, 1, NDIS_STATUS_PENDING);
    },
  },
  {
    rule: 'NV-04',
    script: (box) => ({
      forget: ['memory', 'dma'],
      handlers: {
        HaltHandlerEx: () => {
          const { miniport } = box;
          miniport.release();
          swallow(() => NdisMDeregisterScatterGatherDma(miniport.dma));
          const { handle, memory, memoryAddress } = miniport;
          NdisMFreeSharedMemory(handle, memory.length, false, memory, memoryAddress);
        },
      },
    }),
  },
  {
    rule: 'NV-05',
    ...inInitialize((miniport) => {
      const space = map(miniport);
      swallow(() => NdisMUnmapIoSpace(miniport.handle, space, 0x800));
    }),
    failsToInitialize: true,
  },
  {
    rule: 'NV-06',
    ...inInitialize((miniport) => {
      const { bytes, address } = sharedMemory(miniport, 64);
      swallow(() => NdisMFreeSharedMemory(miniport.handle, 32, false, bytes as Uint8Array, address));
    }),
    failsToInitialize: true,
  },
  {
    rule: 'NV-07',
    script: (box) => ({
      dpc: () => {
        const { miniport } = box;
        const buffer = miniport.free[0]?.FirstNetBuffer;
        if (!buffer) return;
        NdisMAllocateNetBufferSGList(miniport.dma, buffer, null, 0, null, 0);
        const [list] = miniport.sgLists;
        if (list === undefined) return;
        NdisMFreeNetBufferSGList(miniport.dma, list, buffer);
        swallow(() => NdisMFreeNetBufferSGList(miniport.dma, list, buffer));
      },
    }),
    act: interrupt,
  },
  { rule: 'NV-08', name: 'timer', ...inInitialize((miniport) => void timer(miniport, () => {})) },
  { rule: 'NV-08', name: 'I/O space', ...inInitialize((miniport) => void map(miniport)) },
  { rule: 'NV-09', ...inPause(({ miniport }) => swallow(() => void sharedMemory(miniport, 64))) },
  { rule: 'NV-10', script: () => ({ isr: () => false }), act: interrupt },
];
