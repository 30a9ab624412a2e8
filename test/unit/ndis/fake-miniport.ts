/**
 * A small, correct miniport whose every handler a test can replace, and a bench that runs it. Layer: test.
 * Invariant: without overrides it breaks no rule; each test names in its overrides the one thing it is about.
 */
import {
  type Adapter,
  type AdapterFault,
  type AdapterLogEntry,
  type AdapterOptions,
  type Driver,
  type IO_INTERRUPT_MESSAGE_INFO,
  type ISR_OUTPUTS,
  loadDriver,
  type MDL,
  type MiniportModule,
  NDIS_CONNECT_MESSAGE_BASED,
  type NDIS_CONTEXT,
  type NDIS_HANDLE,
  type NDIS_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES,
  type NDIS_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES,
  NDIS_MINIPORT_ATTRIBUTES_BUS_MASTER,
  NDIS_MINIPORT_ATTRIBUTES_HARDWARE_DEVICE,
  type NDIS_MINIPORT_DRIVER_CHARACTERISTICS,
  type NDIS_MINIPORT_INIT_PARAMETERS,
  type NDIS_MINIPORT_INTERRUPT_CHARACTERISTICS,
  NDIS_OBJECT_TYPE_DEFAULT,
  NDIS_OBJECT_TYPE_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES,
  NDIS_OBJECT_TYPE_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES,
  NDIS_OBJECT_TYPE_MINIPORT_DRIVER_CHARACTERISTICS,
  NDIS_OBJECT_TYPE_MINIPORT_INTERRUPT,
  NDIS_OBJECT_TYPE_SG_DMA_DESCRIPTION,
  NDIS_PACKET_TYPE_DIRECTED,
  type NDIS_PROTOCOL_BINDING_CHARACTERISTICS,
  type NDIS_RECEIVE_THROTTLE_PARAMETERS,
  type NDIS_SG_DMA_DESCRIPTION,
  NDIS_SIZEOF_MINIPORT_DRIVER_CHARACTERISTICS_REVISION_2,
  NDIS_SIZEOF_MINIPORT_INTERRUPT_CHARACTERISTICS_REVISION_1,
  NDIS_SIZEOF_SG_DMA_DESCRIPTION_REVISION_1,
  type NDIS_STATUS,
  NDIS_STATUS_SUCCESS,
  NdisAllocateMdl,
  NdisAllocateNetBufferAndNetBufferList,
  NdisAllocateNetBufferListPool,
  NdisDevicePnPEventPowerProfileChanged,
  NdisFreeMdl,
  NdisFreeNetBufferList,
  NdisFreeNetBufferListPool,
  NdisMAllocateSharedMemory,
  NdisMDeregisterInterruptEx,
  NdisMDeregisterMiniportDriver,
  NdisMDeregisterScatterGatherDma,
  NdisMFreeSharedMemory,
  NdisMRegisterInterruptEx,
  NdisMRegisterMiniportDriver,
  NdisMRegisterScatterGatherDma,
  NdisMSetMiniportAttributes,
  NdisOpenAdapterEx,
  type NET_BUFFER_LIST,
  out,
  type SCATTER_GATHER_LIST,
} from '../../../src/ndis/index.ts';
import { FakePci, type FakePciScript, ManualClock } from './fake-pci.ts';

export const BUFFERS = 8;
export const BUFFER_BYTES = 256;

type Handlers = Partial<NDIS_MINIPORT_DRIVER_CHARACTERISTICS>;

export interface MiniportScript {
  readonly handlers?: Handlers;
  readonly interrupt?: Partial<NDIS_MINIPORT_INTERRUPT_CHARACTERISTICS>;
  readonly registration?: Partial<NDIS_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES>;
  readonly general?: Partial<NDIS_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES>;
  readonly isr?: (message: number, outputs: ISR_OUTPUTS) => boolean;
  readonly dpc?: (message: number, context: NDIS_CONTEXT, throttle: NDIS_RECEIVE_THROTTLE_PARAMETERS) => unknown;
  /** Runs at the end of MiniportInitializeEx, with everything registered; its status is returned. */
  readonly initialized?: (miniport: TestMiniport) => NDIS_STATUS | Promise<NDIS_STATUS>;
  readonly skipInterrupt?: boolean;
  /** Which pieces MiniportHaltEx forgets. */
  readonly forget?: readonly ('interrupt' | 'memory' | 'dma')[];
}

/** State of the miniport; `log` has one line per callback. */
export class TestMiniport {
  readonly script: MiniportScript;
  readonly log: string[] = [];
  handle: NDIS_HANDLE = null as unknown as NDIS_HANDLE;
  interrupt: NDIS_HANDLE = null as unknown as NDIS_HANDLE;
  dma: NDIS_HANDLE = null as unknown as NDIS_HANDLE;
  interruptStatus: NDIS_STATUS = -1;
  characteristics: NDIS_MINIPORT_INTERRUPT_CHARACTERISTICS | null = null;
  table: IO_INTERRUPT_MESSAGE_INFO | null = null;
  parameters: NDIS_MINIPORT_INIT_PARAMETERS | null = null;
  memory: Uint8Array = new Uint8Array(0);
  memoryAddress = 0;
  sgLists: SCATTER_GATHER_LIST[] = [];
  /** What MiniportSharedMemoryAllocateComplete was called with. */
  allocations: { memory: Uint8Array | null; address: number; length: number; context: unknown }[] = [];
  pool: NDIS_HANDLE | null = null;
  /** Receive NBLs the miniport owns. */
  free: NET_BUFFER_LIST[] = [];
  /** Send NBLs the miniport owns. */
  sends: NET_BUFFER_LIST[] = [];
  returned: NET_BUFFER_LIST[] = [];
  oids: { readonly oid: number; readonly type: number; readonly bytes: number[] }[] = [];

  constructor(script: MiniportScript) {
    this.script = script;
  }

  initialize(handle: NDIS_HANDLE, parameters: NDIS_MINIPORT_INIT_PARAMETERS): NDIS_STATUS | Promise<NDIS_STATUS> {
    this.handle = handle;
    this.parameters = parameters;
    this.log.push('initialize');
    NdisMSetMiniportAttributes(handle, registrationAttributes(this, this.script.registration));
    NdisMSetMiniportAttributes(handle, generalAttributes(this.script.general));
    const dma = out<NDIS_HANDLE | null>(null);
    let status = NdisMRegisterScatterGatherDma(handle, this.dmaDescription(), dma);
    if (status !== NDIS_STATUS_SUCCESS) return status;
    this.dma = dma.Value as NDIS_HANDLE;
    const va = out<Uint8Array | null>(null);
    const pa = out(0);
    NdisMAllocateSharedMemory(handle, BUFFERS * BUFFER_BYTES, false, va, pa);
    this.memory = va.Value as Uint8Array;
    this.memoryAddress = pa.Value;
    this.allocateBuffers();
    if (!this.script.skipInterrupt) {
      status = this.registerInterrupt();
      if (status !== NDIS_STATUS_SUCCESS) {
        this.release();
        return status;
      }
    }
    return this.script.initialized?.(this) ?? NDIS_STATUS_SUCCESS;
  }

  dmaDescription(): NDIS_SG_DMA_DESCRIPTION {
    return {
      Header: {
        Type: NDIS_OBJECT_TYPE_SG_DMA_DESCRIPTION,
        Revision: 1,
        Size: NDIS_SIZEOF_SG_DMA_DESCRIPTION_REVISION_1,
      },
      Flags: 0,
      MaximumPhysicalMapping: 2048,
      ProcessSGListHandler: (_pdo, _netBuffer, list) => {
        this.sgLists.push(list);
      },
      SharedMemAllocateCompleteHandler: (_context, memory, address, length, context) => {
        this.allocations.push({ memory, address, length, context });
      },
      ScatterGatherListSize: 0,
    };
  }

  allocateBuffers(): void {
    this.pool = NdisAllocateNetBufferListPool(this.handle, {
      Header: { Type: NDIS_OBJECT_TYPE_DEFAULT, Revision: 1, Size: 0 },
      ProtocolId: 0,
      fAllocateNetBuffer: true,
      ContextSize: 0,
      PoolTag: 0x74736574,
      DataSize: 0,
    });
    for (let index = 0; index < BUFFERS; index++) {
      const slice = this.memory.subarray(index * BUFFER_BYTES, (index + 1) * BUFFER_BYTES);
      const mdl = NdisAllocateMdl(this.handle, slice, BUFFER_BYTES) as MDL;
      const nbl = NdisAllocateNetBufferAndNetBufferList(this.pool as NDIS_HANDLE, 0, 0, mdl, 0, 64);
      this.free.push(nbl as NET_BUFFER_LIST);
    }
  }

  registerInterrupt(): NDIS_STATUS {
    const characteristics = interruptCharacteristics(this);
    const handle = out<NDIS_HANDLE | null>(null);
    this.characteristics = characteristics;
    this.interruptStatus = NdisMRegisterInterruptEx(this.handle, this, characteristics, handle);
    this.interrupt = handle.Value as NDIS_HANDLE;
    this.table = characteristics.InterruptType === NDIS_CONNECT_MESSAGE_BASED ? characteristics.MessageInfoTable : null;
    return this.interruptStatus;
  }

  release(): void {
    const forget = this.script.forget ?? [];
    if (this.interrupt !== null && !forget.includes('interrupt')) NdisMDeregisterInterruptEx(this.interrupt);
    for (const nbl of this.free) {
      const mdl = nbl.FirstNetBuffer?.MdlChain ?? null;
      NdisFreeNetBufferList(nbl);
      if (mdl !== null) NdisFreeMdl(mdl);
    }
    if (this.pool !== null) NdisFreeNetBufferListPool(this.pool);
    this.pool = null;
    this.free = [];
    if (!forget.includes('memory')) {
      NdisMFreeSharedMemory(this.handle, this.memory.length, false, this.memory, this.memoryAddress);
    }
    if (!forget.includes('dma')) NdisMDeregisterScatterGatherDma(this.dma);
  }

  /** A chain of `count` receive NBLs the miniport owns. */
  takeChain(count: number): NET_BUFFER_LIST {
    const taken = this.free.splice(0, count);
    taken.forEach((nbl, index) => {
      nbl.Next = taken[index + 1] ?? null;
    });
    return taken[0] as NET_BUFFER_LIST;
  }
}

export function registrationAttributes(
  context: NDIS_CONTEXT,
  overrides: Partial<NDIS_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES> = {},
): NDIS_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES {
  return {
    Header: { Type: NDIS_OBJECT_TYPE_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES, Revision: 1, Size: 28 },
    MiniportAdapterContext: context,
    AttributeFlags: NDIS_MINIPORT_ATTRIBUTES_HARDWARE_DEVICE | NDIS_MINIPORT_ATTRIBUTES_BUS_MASTER,
    CheckForHangTimeInSeconds: 0,
    InterfaceType: 5,
    ...overrides,
  };
}

export const MAC = Uint8Array.of(2, 0, 0, 1, 2, 3);

export function generalAttributes(
  overrides: Partial<NDIS_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES> = {},
): NDIS_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES {
  return {
    Header: { Type: NDIS_OBJECT_TYPE_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES, Revision: 2, Size: 0 },
    MediaType: 0,
    PhysicalMediumType: 14,
    MtuSize: 1500,
    MaxXmitLinkSpeed: 1e9,
    XmitLinkSpeed: 1e9,
    MaxRcvLinkSpeed: 1e9,
    RcvLinkSpeed: 1e9,
    MediaConnectState: 2,
    MediaDuplexState: 0,
    LookaheadSize: 1500,
    MacOptions: 9,
    SupportedPacketFilters: 0x2f,
    MaxMulticastListSize: 4,
    MacAddressLength: 6,
    PermanentMacAddress: MAC,
    CurrentMacAddress: MAC,
    RecvScaleCapabilities: null,
    AccessType: 2,
    DirectionType: 1,
    ConnectionType: 1,
    IfType: 6,
    IfConnectorPresent: true,
    SupportedStatistics: 0,
    SupportedPauseFunctions: 0,
    DataBackFillSize: 0,
    ContextBackFillSize: 0,
    SupportedOidList: [0x0001010e, 0x00020106],
    AutoNegotiationFlags: 0,
    ...overrides,
  };
}

export function interruptCharacteristics(miniport: TestMiniport): NDIS_MINIPORT_INTERRUPT_CHARACTERISTICS {
  const { script, log } = miniport;
  const isr = (message: number, outputs: ISR_OUTPUTS): boolean => {
    log.push(`isr ${message}`);
    if (script.isr) return script.isr(message, outputs);
    outputs.QueueDefaultInterruptDpc = true;
    return true;
  };
  // Its result is passed on so that a test can return what a DPC must not.
  const dpc = (message: number, context: NDIS_CONTEXT, throttle: NDIS_RECEIVE_THROTTLE_PARAMETERS): unknown => {
    log.push(`dpc ${message}`);
    return script.dpc?.(message, context, throttle);
  };
  return {
    Header: {
      Type: NDIS_OBJECT_TYPE_MINIPORT_INTERRUPT,
      Revision: 1,
      Size: NDIS_SIZEOF_MINIPORT_INTERRUPT_CHARACTERISTICS_REVISION_1,
    },
    InterruptHandler: (_context, outputs) => isr(0, outputs),
    InterruptDpcHandler: (_context, dpcContext, throttle) => dpc(0, dpcContext, throttle),
    DisableInterruptHandler: () => void log.push('disable line'),
    EnableInterruptHandler: () => void log.push('enable line'),
    MsiSupported: true,
    MsiSyncWithAllMessages: false,
    MessageInterruptHandler: (_context, message, outputs) => isr(message, outputs),
    MessageInterruptDpcHandler: (_context, message, dpcContext, throttle) => dpc(message, dpcContext, throttle),
    DisableMessageInterruptHandler: (_context, message) => void log.push(`disable ${message}`),
    EnableMessageInterruptHandler: (_context, message) => void log.push(`enable ${message}`),
    InterruptType: 0,
    MessageInfoTable: null,
    ...script.interrupt,
  };
}

function chainToArray(chain: NET_BUFFER_LIST | null): NET_BUFFER_LIST[] {
  const list: NET_BUFFER_LIST[] = [];
  for (let nbl = chain; nbl !== null; nbl = nbl.Next) list.push(nbl);
  return list;
}

export { chainToArray };

export function driverCharacteristics(
  miniport: TestMiniport,
  overrides: Handlers = {},
): NDIS_MINIPORT_DRIVER_CHARACTERISTICS {
  const { log } = miniport;
  return {
    Header: {
      Type: NDIS_OBJECT_TYPE_MINIPORT_DRIVER_CHARACTERISTICS,
      Revision: 2,
      Size: NDIS_SIZEOF_MINIPORT_DRIVER_CHARACTERISTICS_REVISION_2,
    },
    MajorNdisVersion: 6,
    MinorNdisVersion: 30,
    MajorDriverVersion: 1,
    MinorDriverVersion: 0,
    Flags: 0,
    InitializeHandlerEx: (handle, _context, parameters) => miniport.initialize(handle, parameters),
    HaltHandlerEx: (_context, action) => {
      log.push(`halt ${action}`);
      miniport.release();
    },
    UnloadHandler: () => void log.push('unload'),
    PauseHandler: () => {
      log.push('pause');
      return NDIS_STATUS_SUCCESS;
    },
    RestartHandler: () => {
      log.push('restart');
      return NDIS_STATUS_SUCCESS;
    },
    OidRequestHandler: (_context, request) => {
      const data = request.DATA;
      const bytes = [...(data.InformationBuffer ?? [])].slice(0, data.InformationBufferLength);
      miniport.oids.push({ oid: data.Oid, type: request.RequestType, bytes });
      return NDIS_STATUS_SUCCESS;
    },
    SendNetBufferListsHandler: (_context, chain) => {
      miniport.sends.push(...chainToArray(chain));
    },
    ReturnNetBufferListsHandler: (_context, chain) => {
      for (const nbl of chainToArray(chain)) {
        miniport.returned.push(nbl);
        miniport.free.push(nbl);
      }
    },
    CancelSendHandler: () => {},
    // The power profile comes after every initialization and is of no interest to most tests.
    DevicePnPEventNotifyHandler: (_context, event) => {
      if (event.DevicePnPEvent !== NdisDevicePnPEventPowerProfileChanged) log.push(`pnp ${event.DevicePnPEvent}`);
    },
    ShutdownHandlerEx: (_context, action) => void log.push(`shutdown ${action}`),
    CancelOidRequestHandler: () => void log.push('cancel oid'),
    ...overrides,
  };
}

export function moduleOf(miniport: TestMiniport): MiniportModule {
  const handle = out<NDIS_HANDLE | null>(null);
  const unload = (): void => {
    miniport.log.push('unload');
    NdisMDeregisterMiniportDriver(handle.Value as NDIS_HANDLE);
  };
  return {
    HardwareIds: ['PCI\\VEN_8086&DEV_10C9'],
    DriverEntry: (driverObject, registryPath) =>
      NdisMRegisterMiniportDriver(
        driverObject,
        registryPath,
        miniport,
        driverCharacteristics(miniport, { UnloadHandler: unload, ...miniport.script.handlers }),
        handle,
      ),
  };
}

export interface Bench {
  readonly miniport: TestMiniport;
  readonly pci: FakePci;
  readonly clock: ManualClock;
  readonly driver: Driver;
  readonly adapter: Adapter;
  readonly log: AdapterLogEntry[];
  readonly faults: AdapterFault[];
}

/** A loaded driver and its adapter, still Halted. */
export async function bench(
  script: MiniportScript = {},
  pciScript: FakePciScript = {},
  options: Partial<AdapterOptions> = {},
): Promise<Bench> {
  const miniport = new TestMiniport(script);
  const pci = new FakePci(pciScript);
  const clock = new ManualClock();
  const driver = await loadDriver(moduleOf(miniport));
  const adapter = driver.createAdapter(pci, { clock, ...options });
  const log: AdapterLogEntry[] = [];
  const faults: AdapterFault[] = [];
  adapter.onLog((entry) => log.push(entry));
  adapter.onFault((fault) => faults.push(fault));
  return { miniport, pci, clock, driver, adapter, log, faults };
}

/** The same, Paused. */
export async function initialized(
  script: MiniportScript = {},
  pciScript: FakePciScript = {},
  options: Partial<AdapterOptions> = {},
): Promise<Bench> {
  const made = await bench(script, pciScript, options);
  await made.adapter.initialize();
  return made;
}

/** The same, Running, with a packet filter that lets frames through. */
export async function running(
  script: MiniportScript = {},
  pciScript: FakePciScript = {},
  options: Partial<AdapterOptions> = {},
): Promise<Bench> {
  const made = await initialized(script, pciScript, options);
  await made.adapter.setPacketFilter(NDIS_PACKET_TYPE_DIRECTED);
  await made.adapter.restart();
  return made;
}

export interface TestProtocol {
  readonly handle: NDIS_HANDLE;
  readonly received: { readonly nbls: NET_BUFFER_LIST[]; readonly count: number; readonly flags: number }[];
  readonly completed: NET_BUFFER_LIST[];
  readonly statuses: number[];
}

/** A protocol that records what it gets and keeps it. */
export function bind(adapter: Adapter, overrides: Partial<NDIS_PROTOCOL_BINDING_CHARACTERISTICS> = {}): TestProtocol {
  const received: TestProtocol['received'] = [];
  const completed: NET_BUFFER_LIST[] = [];
  const statuses: number[] = [];
  const handle = out<NDIS_HANDLE | null>(null);
  NdisOpenAdapterEx(
    adapter,
    {
      ReceiveNetBufferListsHandler: (_context, chain, _port, count, flags) => {
        received.push({ nbls: chainToArray(chain), count, flags });
      },
      SendNetBufferListsCompleteHandler: (_context, chain) => {
        completed.push(...chainToArray(chain));
      },
      StatusHandlerEx: (_context, indication) => {
        statuses.push(indication.StatusCode);
      },
      ...overrides,
    },
    null,
    handle,
  );
  return { handle: handle.Value as NDIS_HANDLE, received, completed, statuses };
}
