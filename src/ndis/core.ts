/**
 * What NDIS knows about one adapter, shared by all files of the layer. Layer: ndis; never exported to miniports.
 * Invariants: the miniport handle IS this object; everything a miniport claims is recorded here, so that nothing leaks
 * when it forgets; the three `...Allowed` fields are derived from the state and are all the hot paths look at.
 */
import { NdisVfioError } from '../base/errors.ts';
import type { Bar, Clock, InterruptKind, PciFunction } from '../platform/index.ts';
import type { Completion } from './completion.ts';
import type { MessageCounters } from './counters.ts';
import type { InterruptGrant } from './grant.ts';
import { Listeners } from './listeners.ts';
import type { NDIS_OFFLOAD } from './offload.ts';
import { type NDIS_DEVICE_POWER_STATE, NdisDeviceStateD0 } from './oid-types.ts';
import type { NDIS_MINIPORT_PNP_CHARACTERISTICS } from './pnp-types.ts';
import { type AdapterEvent, type AdapterState, lets, nextState } from './state.ts';
import { NDIS_STATUS_FAILURE } from './status.ts';
import {
  type DRIVER_OBJECT,
  MediaConnectStateUnknown,
  MediaDuplexStateUnknown,
  type NDIS_CONTEXT,
  type NDIS_HANDLE,
  type NDIS_INTERRUPT_TYPE,
  NDIS_LINK_SPEED_UNKNOWN,
  type NDIS_LINK_STATE,
  type NDIS_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES,
  type NDIS_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES,
  NDIS_MINIPORT_ATTRIBUTES_BUS_MASTER,
  type NDIS_MINIPORT_DRIVER_CHARACTERISTICS,
  type NDIS_OBJECT_HEADER,
  NDIS_OBJECT_TYPE_DEFAULT,
  type NDIS_OID_REQUEST,
  type NDIS_POWER_PROFILE,
  NDIS_SIZEOF_LINK_STATE_REVISION_1,
  type NDIS_STATUS_INDICATION,
  NdisPauseFunctionsUnknown,
  type NET_BUFFER_LIST,
} from './types.ts';
import { openVerifier, type Verifier, type VerifierMode, type VerifierOptions } from './verifier/verifier.ts';
import { wrapDriver } from './verifier/wrap.ts';

export interface AdapterOptions {
  readonly clock: Clock;
  /** Default: the best the function offers, in the order msix, msi, line. */
  readonly interrupts?: InterruptKind;
  /** Upper limit of messages granted (MessageNumberLimit in Windows). */
  readonly messageLimit?: number;
  /** Processors DPCs can be queued on, 1 to 32; default 1. */
  readonly processors?: number;
  /** MaxNblsToIndicate of every DPC; default 64; NDIS_INDICATE_ALL_NBLS allowed. */
  readonly dpcBudget?: number;
  /** Registry keywords, e.g. `{ '*JumboPacket': 9014 }`; read with NdisReadConfiguration. */
  readonly configuration?: Readonly<Record<string, string | number>>;
  /** What MiniportDevicePnPEventNotify says of the power supply; default NdisPowerProfileAcOnline. */
  readonly powerProfile?: NDIS_POWER_PROFILE;
  /** Call MiniportCheckForHangEx; default true. */
  readonly checkForHang?: boolean;
  /** Watches what the miniport does; default `off`. */
  readonly verifier?: VerifierMode | VerifierOptions;
}

/** What a host sees of a registered interrupt. */
export interface InterruptDetail {
  readonly type: NDIS_INTERRUPT_TYPE;
  /** Messages granted; 1 row for a line. */
  readonly messageCount: number;
  /** For the NdisDiagnostic... functions. */
  readonly handle: NDIS_HANDLE;
  readonly messages: readonly MessageCounters[];
}

/** An entry of the adapter's log. */
export interface AdapterLogEntry {
  /** `miniport`: NdisWriteErrorLogEntry; `rule`: a broken rule that did no harm; `leak`: a resource NDIS had to take back; `info`. */
  readonly kind: 'miniport' | 'rule' | 'leak' | 'info';
  readonly message: string;
  /** ErrorCode of NdisWriteErrorLogEntry. */
  readonly code?: number;
  readonly values?: readonly number[];
  /** Parameter 1 of bug check 0x7C, where Windows has one for this. */
  readonly bugCheck?: number;
}

/** What Windows would answer with a bug check. The adapter takes no more interrupts; the host decides what follows. */
export interface AdapterFault {
  readonly message: string;
  /** Parameter 1 of bug check 0x7C, where Windows has one for this. */
  readonly bugCheck?: number;
  /** What was thrown, if anything. */
  readonly error?: unknown;
}

/** A registered driver: the copies NDIS took in NdisMRegisterMiniportDriver. */
export class DriverRecord {
  readonly driverObject: DriverObject;
  readonly context: NDIS_CONTEXT;
  readonly characteristics: Readonly<NDIS_MINIPORT_DRIVER_CHARACTERISTICS>;
  registered = true;
  /** MiniportSetOptions is running. */
  inSetOptions = false;
  pnp: Readonly<NDIS_MINIPORT_PNP_CHARACTERISTICS> | null = null;

  constructor(
    driverObject: DriverObject,
    context: NDIS_CONTEXT,
    characteristics: Readonly<NDIS_MINIPORT_DRIVER_CHARACTERISTICS>,
  ) {
    this.driverObject = driverObject;
    this.context = context;
    this.characteristics = characteristics;
  }
}

/** What the loader hands to DriverEntry. */
export class DriverObject {
  readonly registryPath: string;
  record: DriverRecord | null = null;

  constructor(registryPath: string) {
    this.registryPath = registryPath;
  }

  /** The opaque form DriverEntry sees. */
  get handle(): DRIVER_OBJECT {
    return this as unknown as DRIVER_OBJECT;
  }
}

/** The registered interrupt, as far as the adapter needs it. */
export interface ClaimedInterrupt {
  readonly detail: InterruptDetail;
  /** No more ISR or DPC; the hardware's vectors are masked where they can be. After a fault. */
  stop(): void;
  /** Takes the interrupt away from a miniport that forgot to. */
  forceRelease(): void;
  isEntryMasked(entry: number): boolean;
  isEntryPending(entry: number): boolean;
}

/** A timer object, as far as the adapter needs it. */
export interface ClaimedTimer {
  readonly armed: boolean;
  release(): void;
}

/** Something a miniport owns that is taken back with its name, whatever it is. */
export interface Claim {
  /** Of a sentence "... left <this> behind". */
  describe(): string;
  release(): void;
}

/** Scatter-gather DMA registration, as far as the adapter needs it. */
export interface ClaimedDma {
  release(): void;
}

/** A block of shared memory. */
export interface SharedBlock {
  readonly virtualAddress: Uint8Array;
  /** Offset of bus address `iova` in the buffer. */
  readonly byteOffset: number;
  readonly iova: number;
  readonly lengthBytes: number;
  free(): void;
}

/** A BAR mapped once, however many pieces of it the miniport maps. */
export interface MappedBar {
  readonly bar: Bar;
  pieces: number;
}

/** One who may set a packet filter and a multicast list: the host itself, or a binding. */
export class FilterHolder {
  /** -1: never set; a binding then follows the host. */
  packetFilter = -1;
  multicast: readonly Uint8Array[] = [];
}

/** The handlers of a protocol; the first two run at DISPATCH_LEVEL. */
export interface NDIS_PROTOCOL_BINDING_CHARACTERISTICS {
  /**
   * [nc-ndis-protocol_receive_net_buffer_lists] The protocol owns the chain until NdisReturnNetBufferLists, which it may
   * call inside this handler; with NDIS_RECEIVE_FLAGS_RESOURCES it must copy and must not keep or return anything.
   */
  ReceiveNetBufferListsHandler: (
    ProtocolBindingContext: NDIS_CONTEXT,
    NetBufferLists: NET_BUFFER_LIST,
    PortNumber: number,
    NumberOfNetBufferLists: number,
    ReceiveFlags: number,
  ) => void;
  /** [nc-ndis-protocol_send_net_buffer_lists_complete] The chain is the protocol's again; Status is per NBL. */
  SendNetBufferListsCompleteHandler: (
    ProtocolBindingContext: NDIS_CONTEXT,
    NetBufferList: NET_BUFFER_LIST,
    SendCompleteFlags: number,
  ) => void;
  /** [nc-ndis-protocol_status_ex] IRQL <= DISPATCH_LEVEL. */
  StatusHandlerEx?: ((ProtocolBindingContext: NDIS_CONTEXT, StatusIndication: NDIS_STATUS_INDICATION) => void) | null;
}

/** A protocol bound to an adapter. The binding handle IS this object. */
export class Binding extends FilterHolder {
  readonly core: AdapterCore;
  readonly context: NDIS_CONTEXT;
  readonly receive: NDIS_PROTOCOL_BINDING_CHARACTERISTICS['ReceiveNetBufferListsHandler'];
  readonly sendComplete: NDIS_PROTOCOL_BINDING_CHARACTERISTICS['SendNetBufferListsCompleteHandler'];
  readonly status: NDIS_PROTOCOL_BINDING_CHARACTERISTICS['StatusHandlerEx'];
  open = true;
  /** NBLs of this protocol the miniport holds. */
  sendsOutstanding = 0;

  constructor(core: AdapterCore, characteristics: NDIS_PROTOCOL_BINDING_CHARACTERISTICS, context: NDIS_CONTEXT) {
    super();
    this.core = core;
    this.context = context;
    this.receive = characteristics.ReceiveNetBufferListsHandler;
    this.sendComplete = characteristics.SendNetBufferListsCompleteHandler;
    this.status = characteristics.StatusHandlerEx;
  }

  get handle(): NDIS_HANDLE {
    return this as unknown as NDIS_HANDLE;
  }
}

export class AdapterCore {
  /** The most processors any adapter was made with: what the queries without a handle answer. */
  static processorsMax = 1;

  readonly pci: PciFunction;
  readonly options: AdapterOptions;
  readonly clock: Clock;
  readonly driver: DriverRecord;
  /** null: off. */
  readonly verifier: Verifier | null;
  readonly processors: number;
  readonly dpcBudget: number;

  // ---- State --------------------------------------------------------------------------------------------------------
  #state: AdapterState = 'Halted';
  /** MiniportHaltEx is running (the state is still Paused then). */
  halting = false;
  /** The miniport broke a rule Windows stops the machine for. */
  faulted = false;
  /** The device is gone. */
  removed = false;
  /** Derived: new sends reach the miniport. */
  sendsAllowed = false;
  /** Derived: indications reach the protocols. */
  indicationsAllowed = false;
  /** Derived: the miniport may be called at all. */
  callable = false;
  /** Other than D0: nothing but OID_PNP_SET_POWER reaches the miniport. */
  power: NDIS_DEVICE_POWER_STATE = NdisDeviceStateD0;
  /** What powering up has to do: undo a halt or a pause. */
  resume: { readonly halted: boolean; readonly restart: boolean } | null = null;
  /** The driver's PnP handlers; MiniportAddDevice is running; and what it gave. */
  readonly pnp: Readonly<NDIS_MINIPORT_PNP_CHARACTERISTICS> | null;
  addingDevice = false;
  addedDevice: { readonly context: NDIS_CONTEXT } | null = null;
  pausing: Completion | null = null;
  restarting: Completion | null = null;
  resetting: Completion | null = null;
  /** MiniportResetEx wants the filter and the multicast list again. */
  addressingReset = false;
  /** NdisMResetMiniport and NdisMRemoveMiniport; set by the adapter object. */
  requestReset: () => void = () => {};
  requestRemoval: () => void = () => {};

  // ---- What the miniport told and claimed ---------------------------------------------------------------------------
  context: NDIS_CONTEXT = null;
  registration: Readonly<NDIS_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES> | null = null;
  general: Readonly<NDIS_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES> | null = null;
  /** Offload attributes, and the configuration last indicated. */
  offload: { readonly current: NDIS_OFFLOAD | null; readonly hardware: NDIS_OFFLOAD | null } | null = null;
  /** The last OID_GEN_RECEIVE_SCALE_PARAMETERS and OID_OFFLOAD_ENCAPSULATION the miniport took. */
  receiveScale: Uint8Array | null = null;
  encapsulation: Uint8Array | null = null;
  /** OID_GEN_RECEIVE_HASH is on. */
  receiveHash = false;
  grant: InterruptGrant | null = null;
  interrupt: ClaimedInterrupt | null = null;
  dma: ClaimedDma | null = null;
  readonly bars = new Map<number, MappedBar>();
  readonly ioSpaces = new Set<{ release(): void }>();
  readonly sharedMemory = new Map<ArrayBufferLike, SharedBlock>();
  readonly timers = new Set<ClaimedTimer>();
  /** Work items and memory with tags: what a halt only has to name and take back. */
  readonly claims = new Set<Claim>();

  // ---- Data path ----------------------------------------------------------------------------------------------------
  bindings: readonly Binding[] = [];
  /** The open bindings whose packet filter is not 0. */
  receivers: readonly Binding[] = [];
  readonly host = new FilterHolder();
  sendsOutstanding = 0;
  receivesOutstanding = 0;
  nblsIndicated = 0;
  nblsSent = 0;
  nblsSendRejected = 0;
  nblsIndicationRefused = 0;
  /** NBLs indicated in the running DPC, or since it. */
  dpcIndicated = 0;
  /** Clones of NBLs for several receivers, linked through Next. */
  freeClone: NET_BUFFER_LIST | null = null;

  // ---- OIDs and link ------------------------------------------------------------------------------------------------
  oidTail: Promise<unknown> = Promise.resolve();
  oidCurrent: { readonly request: NDIS_OID_REQUEST; readonly completion: Completion; ticks: number } | null = null;
  /** Requests of hosts and bindings without an answer, in order; and the one whose turn it is. */
  readonly oidQueue = new Set<NDIS_OID_REQUEST>();
  oidServed: NDIS_OID_REQUEST | null = null;
  /** OIDs that have no answer yet. */
  oidsWaiting = 0;
  link: NDIS_LINK_STATE = unknownLink();

  // ---- Listeners ----------------------------------------------------------------------------------------------------
  readonly statusListeners = new Listeners<NDIS_STATUS_INDICATION>();
  readonly linkListeners = new Listeners<NDIS_LINK_STATE>();
  readonly logListeners = new Listeners<AdapterLogEntry>();
  readonly faultListeners = new Listeners<AdapterFault>();
  readonly #reported = new Set<string>();

  constructor(driver: DriverRecord, pci: PciFunction, options: AdapterOptions) {
    this.pci = pci;
    this.options = options;
    this.clock = options.clock;
    this.verifier = openVerifier(this, options.verifier);
    const { driverObject, context, characteristics } = driver;
    this.driver =
      this.verifier === null
        ? driver
        : new DriverRecord(driverObject, context, wrapDriver(this.verifier, characteristics));
    this.processors = integerOption('processors', options.processors, 1, 1, 32);
    AdapterCore.processorsMax = Math.max(AdapterCore.processorsMax, this.processors);
    this.dpcBudget = integerOption('dpcBudget', options.dpcBudget, 64, 1, 0xffff_ffff);
    integerOption('messageLimit', options.messageLimit, 1, 1, 2048);
    this.pnp = driver.pnp;
    this.host.packetFilter = 0;
  }

  get handle(): NDIS_HANDLE {
    return this as unknown as NDIS_HANDLE;
  }

  get state(): AdapterState {
    return this.#state;
  }

  /** @throws NdisVfioError E_STATE. */
  enter(event: AdapterEvent): void {
    this.#state = nextState(this.#state, event);
    this.refresh();
  }

  /** Derives what the hot paths look at. Call after a change of state, `faulted`, `removed`, `bindings` or a filter. */
  refresh(): void {
    const alive = !this.faulted && !this.removed;
    this.sendsAllowed = alive && this.power === NdisDeviceStateD0 && lets(this.#state, 'send');
    this.indicationsAllowed = !this.faulted && lets(this.#state, 'indicate');
    this.callable = this.#state !== 'Halted' && this.#state !== 'Shutdown';
    this.receivers = this.bindings.filter((one) => (one.packetFilter < 0 ? this.host : one).packetFilter !== 0);
  }

  log(entry: AdapterLogEntry): void {
    this.logListeners.emit(entry);
  }

  /** Logs a broken rule once per `rule`, as it would otherwise be repeated with every frame. */
  logRule(rule: string, message: string, bugCheck?: number): void {
    if (!this.#reported.has(rule)) {
      this.#reported.add(rule);
      const text = `${rule}: ${message}`;
      this.log(bugCheck === undefined ? { kind: 'rule', message: text } : { kind: 'rule', message: text, bugCheck });
    }
    this.verifier?.violate(rule, message);
  }

  /**
   * The counterpart of a bug check. Any IRQL: dispatch stops at once, the listeners are called in a microtask. Without a
   * listener it becomes a process warning, so it is never silent. `rule`: the verifier's, where `bugCheck` does not name
   * it.
   */
  fault(message: string, bugCheck?: number, error?: unknown, rule?: string): void {
    if (this.verifier?.faulting(message, bugCheck, error, rule) === false) return;
    const fault: AdapterFault = {
      message,
      ...(bugCheck === undefined ? {} : { bugCheck }),
      ...(error === undefined ? {} : { error }),
    };
    this.faulted = true;
    this.refresh();
    this.interrupt?.stop();
    this.oidCurrent?.completion.complete(NDIS_STATUS_FAILURE);
    queueMicrotask(() => {
      const because = error instanceof Error ? ` (${error.message})` : '';
      this.log({ kind: 'rule', message: `${message}${because}`, ...(bugCheck === undefined ? {} : { bugCheck }) });
      if (this.faultListeners.count === 0)
        process.emitWarning(`${this.pci.address}: ${message}${because}`, 'NdisFault');
      this.faultListeners.emit(fault);
    });
    this.verifier?.faulted();
  }

  /** A device that may master the bus does so from now on; call when it is quiet and about to get memory or vectors. */
  enableBusMaster(): void {
    const flags = this.registration === null ? 0 : this.registration.AttributeFlags;
    if ((flags & NDIS_MINIPORT_ATTRIBUTES_BUS_MASTER) !== 0) this.pci.setBusMaster(true);
  }

  /** Forgets which rules were reported; a new initialization reports anew. */
  forgetReports(): void {
    this.#reported.clear();
  }
}

/** The adapter behind a miniport handle, or null. */
export function coreOrNull(handle: NDIS_HANDLE | null): AdapterCore | null {
  return handle instanceof AdapterCore ? handle : null;
}

/** @throws NdisVfioError E_STATE when it is no miniport handle. */
export function coreOf(handle: NDIS_HANDLE, what: string): AdapterCore {
  if (handle instanceof AdapterCore) return handle;
  return wrongHandle(what, 'a handle MiniportInitializeEx was called with');
}

/** @throws NdisVfioError E_STATE, always. */
export function wrongHandle(what: string, wanted: string): never {
  throw new NdisVfioError('E_STATE', {
    action: `Cannot call ${what}`,
    cause: 'the handle is of another kind or no longer valid',
    cure: `Pass ${wanted}`,
  });
}

/** True when a structure's header is of `type`, has a revision and is at least `size` bytes. Larger is legal. */
export function headerFits(header: NDIS_OBJECT_HEADER | undefined, type: number, size: number): boolean {
  return header !== undefined && header.Type === type && header.Revision >= 1 && header.Size >= size;
}

/** A link of which nothing is known. */
export function unknownLink(): NDIS_LINK_STATE {
  return {
    Header: { Type: NDIS_OBJECT_TYPE_DEFAULT, Revision: 1, Size: NDIS_SIZEOF_LINK_STATE_REVISION_1 },
    MediaConnectState: MediaConnectStateUnknown,
    MediaDuplexState: MediaDuplexStateUnknown,
    XmitLinkSpeed: NDIS_LINK_SPEED_UNKNOWN,
    RcvLinkSpeed: NDIS_LINK_SPEED_UNKNOWN,
    PauseFunctions: NdisPauseFunctionsUnknown,
    AutoNegotiationFlags: 0,
  };
}

function integerOption(name: string, value: number | undefined, fallback: number, low: number, high: number): number {
  if (value === undefined) return fallback;
  if (Number.isInteger(value) && value >= low && value <= high) return value;
  throw new NdisVfioError('E_OPTION', {
    action: 'Cannot create an adapter',
    cause: `${name} is ${value}`,
    cure: `Give an integer from ${low} to ${high}`,
  });
}
