/**
 * One adapter from MiniportInitializeEx to MiniportHaltEx, for both families. Layer: miniports/intel.
 * Invariants: the device is reset before bus mastering goes on and before DMA memory exists, and again after bus
 * mastering went off or at halt; what initialize acquires is undone in reverse order; a device found gone is never
 * touched again, and everything in hand completes. restoreHardware() is the one place that programs a reset device.
 */
import {
  CmResourceTypeMemory,
  type IoSpace,
  MediaConnectStateConnected,
  MediaConnectStateDisconnected,
  MediaConnectStateUnknown,
  MediaDuplexStateFull,
  MediaDuplexStateHalf,
  MediaDuplexStateUnknown,
  NDIS_CONNECT_MESSAGE_BASED,
  type NDIS_HALT_ACTION,
  type NDIS_HANDLE,
  NDIS_LINK_SPEED_UNKNOWN,
  type NDIS_LINK_STATE,
  type NDIS_MINIPORT_INIT_PARAMETERS,
  type NDIS_MINIPORT_INTERRUPT_CHARACTERISTICS,
  NDIS_MINIPORT_INTERRUPT_REVISION_1,
  NDIS_OBJECT_TYPE_DEFAULT,
  NDIS_OBJECT_TYPE_MINIPORT_INTERRUPT,
  NDIS_OBJECT_TYPE_STATUS_INDICATION,
  type NDIS_OID_REQUEST,
  NDIS_SIZEOF_LINK_STATE_REVISION_1,
  NDIS_SIZEOF_MINIPORT_INTERRUPT_CHARACTERISTICS_REVISION_1,
  type NDIS_STATUS,
  NDIS_STATUS_FAILURE,
  NDIS_STATUS_HARD_ERRORS,
  NDIS_STATUS_LINK_STATE,
  NDIS_STATUS_MEDIA_DISCONNECTED,
  NDIS_STATUS_NOT_ACCEPTED,
  NDIS_STATUS_PAUSED,
  NDIS_STATUS_PENDING,
  NDIS_STATUS_RESET_IN_PROGRESS,
  NDIS_STATUS_RESOURCES,
  NDIS_STATUS_SUCCESS,
  NdisHaltDeviceSurpriseRemoved,
  NdisMDeregisterInterruptEx,
  NdisMGetBusData,
  NdisMIndicateStatusEx,
  NdisMMapIoSpace,
  NdisMRegisterInterruptEx,
  NdisMRemoveMiniport,
  NdisMResetComplete,
  NdisMSendNetBufferListsComplete,
  NdisMSetBusData,
  NdisMSetMiniportAttributes,
  NdisMSleep,
  NdisMUnmapIoSpace,
  NdisPauseFunctionsUnsupported,
  type NdisStatistics,
  NdisWriteErrorLogEntry,
  type NET_BUFFER_LIST,
  type Out,
  out,
  PCI_WHICHSPACE_CONFIG,
} from '../../ndis/index.ts';
import { generalAttributes, registrationAttributes } from './attributes.ts';
import { type Configuration, parseNetworkAddress, readConfiguration } from './configuration.ts';
import { type IntelDevice, type InterruptMode, planInterrupts } from './device.ts';
import {
  EVENT_DEVICE_GONE,
  EVENT_LOST_INTERRUPT,
  EVENT_NETWORK_ADDRESS_IGNORED,
  EVENT_PHY_SILENT,
  EVENT_REGISTER,
  EVENT_TRANSMIT_HANG,
  NDIS_ERROR_CODE_HARDWARE_FAILURE,
  NDIS_ERROR_CODE_INTERRUPT_CONNECT,
  NDIS_ERROR_CODE_NETWORK_ADDRESS,
  NDIS_ERROR_CODE_OUT_OF_RESOURCES,
  NDIS_ERROR_CODE_RESOURCE_CONFLICT,
} from './event-log.ts';
import { applyFilter } from './filter.ts';
import { HardwareAccess } from './hardware-access.ts';
import { InterruptService } from './interrupt-service.ts';
import { configureMac, decodeLink, type LinkReading, readPermanentAddress, resetMac, silence } from './mac.ts';
import { STATUS } from './mac-registers.ts';
import { handleOid, type OidTarget } from './oids.ts';
import { restartAutonegotiation } from './phy.ts';
import { buildRings, type Rings } from './rings.ts';
import { Statistics } from './statistics.ts';

/** PCI command register and its bus-master bit (PCI 3.0, 6.2.2). */
const PCI_COMMAND = 4;
const PCI_COMMAND_BUS_MASTER = 0x04;

/** How long a pause waits for the device to finish sends before it takes them back by a reset. */
const PAUSE_SEND_DEADLINE_MS = 500;

/** Lost interrupts in a row after which a message counts as dead. */
const SILENT_AFTER = 3;

const sleep = (us: number): Promise<void> => NdisMSleep(us);

export class IntelAdapter implements OidTarget {
  readonly device: IntelDevice;
  readonly configuration: Configuration;
  readonly description: string;
  readonly statistics = new Statistics();
  packetFilter = 0;
  lookahead: number;
  moderation: boolean;
  readonly #handle: NDIS_HANDLE;
  readonly #undo: (() => void)[] = [];
  #hw!: HardwareAccess;
  #rings!: Rings;
  #service!: InterruptService;
  #permanent: Uint8Array = new Uint8Array(6);
  #current: Uint8Array = new Uint8Array(6);
  #multicastList: Uint8Array = new Uint8Array(0);
  /** Between MiniportRestart and MiniportPause. */
  #running = false;
  /** Receiving was started once: it goes on through pauses, frames are thrown away then. */
  #receiving = false;
  #resetting: Promise<void> | null = null;
  #goneReported = false;
  #link: LinkReading | null = null;
  #lostInterrupts = 0;
  /** Watchdog's memory of the previous check. */
  #lastProgress: number[] = [];
  #stuck: boolean[] = [];
  /** TDH when the ring was first seen standing still. */
  #lastHead: number[] = [];
  #lastRuns: Uint32Array = new Uint32Array(0);
  /** Messages with work waiting at the last check. */
  #waited: Uint8Array = new Uint8Array(0);
  /** Lost interrupts of a message without one served in between, and how many it had served at the last. */
  #lostInARow: Uint8Array = new Uint8Array(0);
  #lastServed: Uint32Array = new Uint32Array(0);

  constructor(handle: NDIS_HANDLE, device: IntelDevice) {
    this.#handle = handle;
    this.device = device;
    this.description = `Intel ${device.model} Gigabit Network Connection`;
    this.configuration = readConfiguration(handle);
    this.lookahead = this.configuration.mtu;
    this.moderation = this.configuration.moderation;
  }

  // ---- OidTarget ----------------------------------------------------------------------------------------------------

  get mtu(): number {
    return this.configuration.mtu;
  }

  get slotBytes(): number {
    return this.#rings.receiveSettings.slotBytes;
  }

  get receiveBuffers(): number {
    return this.configuration.receiveBuffers * this.configuration.queues;
  }

  get transmitBuffers(): number {
    return this.configuration.transmitBuffers * this.configuration.queues;
  }

  get permanentAddress(): Uint8Array {
    return this.#permanent;
  }

  get currentAddress(): Uint8Array {
    return this.#current;
  }

  setPacketFilter(filter: number): void {
    this.packetFilter = filter;
    this.#applyFilter();
  }

  setMulticastList(list: Uint8Array): void {
    this.#multicastList = list;
    this.#applyFilter();
  }

  setModeration(on: boolean): void {
    this.moderation = on;
    this.#applyModeration();
  }

  readStatistics(): NdisStatistics {
    this.#sampleStatistics();
    return this.statistics.getNdisStatistics();
  }

  getFramesSent(): number {
    this.#sampleStatistics();
    return this.statistics.getFramesSent();
  }

  getFramesReceived(): number {
    this.#sampleStatistics();
    return this.statistics.getFramesReceived();
  }

  #sampleStatistics(): void {
    this.statistics.sample(this.#hw, this.device.readQueueDrops(this.#hw, this.configuration.queues));
  }

  // ---- Initialize and halt --------------------------------------------------------------------------------------------

  /** MiniportInitializeEx. On failure everything is undone. PASSIVE_LEVEL. */
  async initialize(parameters: NDIS_MINIPORT_INIT_PARAMETERS): Promise<NDIS_STATUS> {
    let status: NDIS_STATUS = NDIS_STATUS_FAILURE;
    try {
      status = await this.#initialize(parameters);
    } finally {
      if (status !== NDIS_STATUS_SUCCESS) this.#unwind();
    }
    return status;
  }

  async #initialize(parameters: NDIS_MINIPORT_INIT_PARAMETERS): Promise<NDIS_STATUS> {
    const registered = NdisMSetMiniportAttributes(this.#handle, registrationAttributes(this));
    if (registered !== NDIS_STATUS_SUCCESS) return registered;
    if (!this.#mapRegisters(parameters)) return this.#fail(NDIS_ERROR_CODE_RESOURCE_CONFLICT, NDIS_STATUS_FAILURE);
    const reset = await resetMac(this.#hw, this.device, sleep);
    if (reset !== 'done') return this.#fail(NDIS_ERROR_CODE_HARDWARE_FAILURE, NDIS_STATUS_FAILURE);
    const address = await readPermanentAddress(this.#hw, sleep);
    if (address === undefined) return this.#fail(NDIS_ERROR_CODE_NETWORK_ADDRESS, NDIS_STATUS_FAILURE);
    this.#permanent = address;
    this.#current = this.#chooseAddress(address);
    const declared = NdisMSetMiniportAttributes(
      this.#handle,
      generalAttributes(this.configuration.mtu, address, this.#current),
    );
    if (declared !== NDIS_STATUS_SUCCESS) return declared;
    const rings = buildRings(this.#handle, this.device, this.#hw, this.configuration, this.statistics, (step) =>
      this.#undo.push(step),
    );
    if (rings === undefined) return this.#fail(NDIS_ERROR_CODE_OUT_OF_RESOURCES, NDIS_STATUS_RESOURCES);
    this.#rings = rings;
    this.#lastProgress = rings.transmit.map(() => 0);
    this.#stuck = rings.transmit.map(() => false);
    this.#lastHead = rings.transmit.map(() => 0);
    this.#service = new InterruptService({
      hw: this.#hw,
      device: this.device,
      handle: this.#handle,
      receive: rings.receive,
      transmit: rings.transmit,
      onLinkCause: () => this.#updateLink(),
    });
    const connected = this.#connectInterrupt();
    if (connected !== NDIS_STATUS_SUCCESS) return this.#fail(NDIS_ERROR_CODE_INTERRUPT_CONNECT, connected);
    this.#setBusMaster(true);
    this.statistics.clear(this.#hw);
    await this.#restoreHardware();
    if (this.#hw.gone) return this.#fail(NDIS_ERROR_CODE_HARDWARE_FAILURE, NDIS_STATUS_FAILURE);
    this.#service.enabled = true;
    this.#service.armAll();
    return NDIS_STATUS_SUCCESS;
  }

  /** `NetworkAddress` replaces the permanent address while it is one a station may have. */
  #chooseAddress(permanent: Uint8Array): Uint8Array {
    const text = this.configuration.networkAddress;
    const chosen = parseNetworkAddress(text);
    if (chosen === undefined && text !== '') NdisWriteErrorLogEntry(this.#handle, EVENT_NETWORK_ADDRESS_IGNORED);
    return chosen ?? permanent;
  }

  #fail(errorCode: number, status: NDIS_STATUS): NDIS_STATUS {
    NdisWriteErrorLogEntry(this.#handle, errorCode);
    return status;
  }

  #mapRegisters(parameters: NDIS_MINIPORT_INIT_PARAMETERS): boolean {
    const memory = parameters.AllocatedResources.PartialDescriptors.find((d) => d.Type === CmResourceTypeMemory)?.u
      .Memory;
    if (memory === undefined) return false;
    const mapped = out<IoSpace | null>(null);
    const status = NdisMMapIoSpace(mapped, this.#handle, memory.Start, memory.Length);
    const io = mapped.Value;
    if (status !== NDIS_STATUS_SUCCESS || io === null) return false;
    this.#undo.push(() => NdisMUnmapIoSpace(this.#handle, io, memory.Length));
    this.#hw = new HardwareAccess(io);
    return true;
  }

  #connectInterrupt(): NDIS_STATUS {
    const service = this.#service;
    const characteristics: NDIS_MINIPORT_INTERRUPT_CHARACTERISTICS = {
      Header: {
        Type: NDIS_OBJECT_TYPE_MINIPORT_INTERRUPT,
        Revision: NDIS_MINIPORT_INTERRUPT_REVISION_1,
        Size: NDIS_SIZEOF_MINIPORT_INTERRUPT_CHARACTERISTICS_REVISION_1,
      },
      InterruptHandler: (_context, outputs) => service.serveLine(outputs),
      InterruptDpcHandler: (_context, _dpcContext, throttle) => service.runDpc(0, throttle),
      DisableInterruptHandler: () => service.disableMessage(0),
      EnableInterruptHandler: () => service.enableMessage(0),
      MsiSupported: true,
      MsiSyncWithAllMessages: false,
      MessageInterruptHandler: (_context, message, outputs) => service.serveMessage(message, outputs),
      MessageInterruptDpcHandler: (_context, message, _dpcContext, throttle) => service.runDpc(message, throttle),
      DisableMessageInterruptHandler: (_context, message) => service.disableMessage(message),
      EnableMessageInterruptHandler: (_context, message) => service.enableMessage(message),
      InterruptType: 0,
      MessageInfoTable: null,
    };
    const interrupt = out<NDIS_HANDLE | null>(null);
    const status = NdisMRegisterInterruptEx(this.#handle, this, characteristics, interrupt);
    if (status !== NDIS_STATUS_SUCCESS) return status;
    const registered = interrupt.Value!;
    this.#undo.push(() => {
      service.enabled = false;
      service.interrupt = null;
      NdisMDeregisterInterruptEx(registered);
    });
    let mode: InterruptMode = 'line';
    let messages = 1;
    if (characteristics.InterruptType === NDIS_CONNECT_MESSAGE_BASED) {
      mode = service.hasTable() ? 'msix' : 'msi';
      messages = mode === 'msix' ? characteristics.MessageInfoTable!.MessageCount : 1;
    }
    const queues = this.configuration.queues;
    service.interrupt = registered;
    service.usePlan(planInterrupts(mode, messages, queues, queues));
    this.#lastRuns = new Uint32Array(service.runs.length);
    this.#waited = new Uint8Array(service.runs.length);
    this.#lostInARow = new Uint8Array(service.runs.length);
    this.#lastServed = new Uint32Array(service.runs.length);
    return NDIS_STATUS_SUCCESS;
  }

  /** Programs a device fresh from reset: everything but arming interrupts. Frames flow where they did before. */
  async #restoreHardware(): Promise<void> {
    const hw = this.#hw;
    const { receiveSettings, transmitSettings } = this.#rings;
    configureMac(hw, this.device);
    this.device.configureInterrupts(hw, this.#service.plan!);
    this.#applyModeration();
    this.device.configureReceive(hw, receiveSettings);
    this.device.configureTransmit(hw, transmitSettings);
    this.#applyFilter();
    await this.#startLink();
    await this.device.startTransmit(hw, transmitSettings, sleep);
    if (this.#receiving) await this.#startReceive();
  }

  async #startReceive(): Promise<void> {
    await this.device.startReceive(this.#hw, this.#rings.receiveSettings, sleep);
    this.#receiving = true;
    for (const ring of this.#rings.receive) ring.refill();
  }

  async #startLink(): Promise<void> {
    const owned = await this.device.acquirePhy(this.#hw, sleep);
    const started = owned && (await restartAutonegotiation(this.#hw, sleep));
    if (owned) this.device.releasePhy(this.#hw);
    if (!started && !this.#hw.gone) NdisWriteErrorLogEntry(this.#handle, EVENT_PHY_SILENT);
  }

  #applyModeration(): void {
    const interval = this.moderation ? this.configuration.moderationUs : 0;
    this.device.setModeration(this.#hw, this.#service.plan!, interval);
  }

  #applyFilter(): void {
    applyFilter(this.#hw, this.currentAddress, this.packetFilter, this.#multicastList);
    this.#applyIndicating();
  }

  #applyIndicating(): void {
    const on = this.#running && this.packetFilter !== 0;
    for (const ring of this.#rings.receive) ring.indicating = on;
  }

  /** PCI command register, bus-master bit. VFIO lets it through (hardware facts, section 3). Any IRQL. */
  #setBusMaster(on: boolean): void {
    const command = new Uint8Array(2);
    if (NdisMGetBusData(this.#handle, PCI_WHICHSPACE_CONFIG, PCI_COMMAND, command, 2) !== 2) return;
    if (on) command[0]! |= PCI_COMMAND_BUS_MASTER;
    else command[0]! &= ~PCI_COMMAND_BUS_MASTER;
    NdisMSetBusData(this.#handle, PCI_WHICHSPACE_CONFIG, PCI_COMMAND, command, 2);
  }

  /** Undoes initialize: quiet device first, then interrupt, memory and mapping in reverse order. */
  #unwind(): void {
    if (this.#hw !== undefined && !this.#hw.gone) {
      silence(this.#hw, this.device);
      this.#setBusMaster(false);
    }
    for (let step = this.#undo.pop(); step !== undefined; step = this.#undo.pop()) step();
  }

  /** MiniportHaltEx. PASSIVE_LEVEL. */
  async halt(action: NDIS_HALT_ACTION): Promise<void> {
    this.#running = false;
    this.#applyIndicating();
    if (action === NdisHaltDeviceSurpriseRemoved) this.#hw.abandon();
    await this.#resetting;
    this.#service.enabled = false;
    this.#service.disarmAll();
    // Silences, resets, and so leaves no ring address behind for the next driver of a device without function reset.
    if (!this.#hw.gone) await resetMac(this.#hw, this.device, sleep);
    for (const ring of this.#rings.transmit) ring.abort(NDIS_STATUS_PAUSED);
    this.#unwind();
  }

  /** MiniportShutdownEx: no DMA, no interrupts, nothing freed. Any IRQL. */
  shutdown(): void {
    this.#service.enabled = false;
    silence(this.#hw, this.device);
    if (!this.#hw.gone) this.#setBusMaster(false);
  }

  /** NdisDevicePnPEventSurpriseRemoved: from here on the device is not touched. PASSIVE_LEVEL. */
  surpriseRemoved(): void {
    this.#hw.abandon();
    this.#goneReported = true;
    this.#service.enabled = false;
    for (const ring of this.#rings.transmit) ring.abort(NDIS_STATUS_NOT_ACCEPTED);
  }

  // ---- Restart and pause ----------------------------------------------------------------------------------------------

  async restart(): Promise<NDIS_STATUS> {
    await this.#resetting;
    if (this.#hw.gone) return NDIS_STATUS_FAILURE;
    this.#running = true;
    this.#applyIndicating();
    if (!this.#receiving) await this.#startReceive();
    return this.#hw.gone ? NDIS_STATUS_FAILURE : NDIS_STATUS_SUCCESS;
  }

  /** MiniportPause: no new indications, every send completed, every NBL back. Cannot fail. PASSIVE_LEVEL. */
  async pause(): Promise<NDIS_STATUS> {
    this.#running = false;
    this.#applyIndicating();
    for (const ring of this.#rings.transmit) ring.flushQueue(NDIS_STATUS_PAUSED);
    for (let waitedMs = 0; this.#rings.transmit.some((ring) => !ring.isIdle); waitedMs++) {
      if (this.#hw.gone) {
        for (const ring of this.#rings.transmit) ring.abort(NDIS_STATUS_NOT_ACCEPTED);
      } else if (waitedMs === PAUSE_SEND_DEADLINE_MS) {
        // Without a link, or hung, the device does not finish by itself.
        await this.#resetDevice(NDIS_STATUS_PAUSED);
      } else {
        for (const message of this.#service.plan!.transmitMessage) this.#service.queueDpc(message);
        await NdisMSleep(1000);
      }
    }
    while (this.#rings.receive.some((ring) => ring.outstanding > 0)) await NdisMSleep(1000);
    return NDIS_STATUS_SUCCESS;
  }

  // ---- Data path ------------------------------------------------------------------------------------------------------

  /** MiniportSendNetBufferLists. */
  send(chain: NET_BUFFER_LIST): void {
    const refused = this.#refusal();
    if (refused !== NDIS_STATUS_SUCCESS) {
      for (let nbl: NET_BUFFER_LIST | null = chain; nbl !== null; nbl = nbl.Next) nbl.Status = refused;
      NdisMSendNetBufferListsComplete(this.#handle, chain, 0);
      return;
    }
    this.#rings.transmit[0]!.send(chain);
  }

  #refusal(): NDIS_STATUS {
    if (this.#hw.gone) return NDIS_STATUS_NOT_ACCEPTED;
    if (!this.#running) return NDIS_STATUS_PAUSED;
    if (this.#resetting !== null) return NDIS_STATUS_RESET_IN_PROGRESS;
    if (this.#link !== null && !this.#link.up) return NDIS_STATUS_MEDIA_DISCONNECTED;
    return NDIS_STATUS_SUCCESS;
  }

  /** MiniportReturnNetBufferLists. */
  giveBack(chain: NET_BUFFER_LIST): void {
    this.#rings.receive[0]!.giveBack(chain);
  }

  /** MiniportCancelSend. */
  cancelSend(cancelId: unknown): void {
    for (const ring of this.#rings.transmit) ring.cancel(cancelId);
  }

  /** MiniportOidRequest. */
  handleOid(request: NDIS_OID_REQUEST): NDIS_STATUS {
    return this.#hw.gone ? NDIS_STATUS_NOT_ACCEPTED : handleOid(this, request);
  }

  // ---- Link -----------------------------------------------------------------------------------------------------------

  /** Reads STATUS and indicates a change, once per edge. IRQL <= DISPATCH_LEVEL. */
  #updateLink(): void {
    if (this.#resetting !== null) return;
    const status = this.#hw.read(STATUS);
    if ((status === 0 || this.#hw.gone) && !this.#hw.isPresent()) {
      this.#reportGone();
      return;
    }
    this.#indicateLink(decodeLink(status));
  }

  #indicateLink(link: LinkReading): void {
    const before = this.#link;
    if (
      before !== null &&
      before.up === link.up &&
      (!link.up || (before.speed === link.speed && before.fullDuplex === link.fullDuplex))
    ) {
      return;
    }
    this.#link = link;
    this.#indicateLinkState({
      Header: { Type: NDIS_OBJECT_TYPE_DEFAULT, Revision: 1, Size: NDIS_SIZEOF_LINK_STATE_REVISION_1 },
      MediaConnectState: link.up ? MediaConnectStateConnected : MediaConnectStateDisconnected,
      MediaDuplexState: !link.up
        ? MediaDuplexStateUnknown
        : link.fullDuplex
          ? MediaDuplexStateFull
          : MediaDuplexStateHalf,
      XmitLinkSpeed: link.up ? link.speed : NDIS_LINK_SPEED_UNKNOWN,
      RcvLinkSpeed: link.up ? link.speed : NDIS_LINK_SPEED_UNKNOWN,
      PauseFunctions: NdisPauseFunctionsUnsupported,
      AutoNegotiationFlags: 0,
    });
  }

  #indicateLinkState(state: NDIS_LINK_STATE): void {
    NdisMIndicateStatusEx(this.#handle, {
      Header: { Type: NDIS_OBJECT_TYPE_STATUS_INDICATION, Revision: 1, Size: 112 },
      SourceHandle: this.#handle,
      PortNumber: 0,
      StatusCode: NDIS_STATUS_LINK_STATE,
      Flags: 0,
      DestinationHandle: null,
      RequestId: null,
      StatusBuffer: state,
      StatusBufferSize: NDIS_SIZEOF_LINK_STATE_REVISION_1,
    });
  }

  /** The device answers no more: log it, complete everything, ask NDIS to remove the adapter. <= DISPATCH_LEVEL. */
  #reportGone(): void {
    if (this.#goneReported) return;
    this.#goneReported = true;
    this.#hw.abandon();
    NdisWriteErrorLogEntry(this.#handle, EVENT_DEVICE_GONE);
    this.#link = null;
    this.#indicateLinkState({
      Header: { Type: NDIS_OBJECT_TYPE_DEFAULT, Revision: 1, Size: NDIS_SIZEOF_LINK_STATE_REVISION_1 },
      MediaConnectState: MediaConnectStateUnknown,
      MediaDuplexState: MediaDuplexStateUnknown,
      XmitLinkSpeed: NDIS_LINK_SPEED_UNKNOWN,
      RcvLinkSpeed: NDIS_LINK_SPEED_UNKNOWN,
      PauseFunctions: NdisPauseFunctionsUnsupported,
      AutoNegotiationFlags: 0,
    });
    for (const ring of this.#rings.transmit) ring.abort(NDIS_STATUS_NOT_ACCEPTED);
    NdisMRemoveMiniport(this.#handle);
  }

  // ---- Watchdog and reset ---------------------------------------------------------------------------------------------

  /** MiniportCheckForHangEx, every 2 s. True asks for a reset. PASSIVE_LEVEL. */
  checkForHang(): boolean {
    if (!this.#service.enabled || this.#resetting !== null) return false;
    if (!this.#hw.isPresent()) {
      this.#reportGone();
      return false;
    }
    this.#sampleStatistics();
    this.#updateLink();
    const silent = this.#recoverLostInterrupts();
    return this.#findTransmitHang() || silent;
  }

  /**
   * Work that waits in memory, waited at the last check already, and no DPC ran in between: an interrupt was lost. Two
   * checks, because an event loop that was held up runs its timers before it reads the eventfds. True when a message
   * stays silent in spite of that: the device is reset then.
   */
  #recoverLostInterrupts(): boolean {
    let silent = false;
    const service = this.#service;
    const plan = service.plan!;
    for (let message = 0; message < service.runs.length; message++) {
      const idle = this.#lastRuns[message] === service.runs[message];
      this.#lastRuns[message] = service.runs[message]!;
      const waits =
        !service.isDiagnosed(message) &&
        (this.#rings.receive.some((ring) => plan.receiveMessage[ring.queue] === message && ring.hasWork()) ||
          this.#rings.transmit.some((ring) => plan.transmitMessage[ring.queue] === message && ring.hasWork()));
      const waited = this.#waited[message] === 1;
      this.#waited[message] = waits ? 1 : 0;
      if (!idle || !waits || !waited) continue;
      this.#lostInterrupts++;
      NdisWriteErrorLogEntry(this.#handle, EVENT_LOST_INTERRUPT, message, this.#lostInterrupts);
      const served = service.served[message]!;
      this.#lostInARow[message] = served === this.#lastServed[message] ? this.#lostInARow[message]! + 1 : 1;
      this.#lastServed[message] = served;
      if (this.#lostInARow[message]! >= SILENT_AFTER) {
        this.#lostInARow[message] = 0;
        silent = true;
      } else {
        service.queueDpc(message);
      }
    }
    return silent;
  }

  /** Descriptors in the device's hands, none finished for a whole check period, and none reported: a hang. */
  #findTransmitHang(): boolean {
    let hung = false;
    for (const [index, ring] of this.#rings.transmit.entries()) {
      const still = ring.inFlight > 0 && !ring.hasWork() && ring.progress === this.#lastProgress[index];
      this.#lastProgress[index] = ring.progress;
      if (!still) {
        this.#stuck[index] = false;
        continue;
      }
      // A slow device (reports come every 16 frames at most) still moves its head.
      const head = this.#hw.readAt(this.device.transmitHead, ring.queue);
      if (!this.#stuck[index] || head !== this.#lastHead[index]) {
        this.#stuck[index] = true;
        this.#lastHead[index] = head;
        continue;
      }
      this.#stuck[index] = false;
      const tail = this.#hw.readAt(this.device.transmitTail, ring.queue);
      NdisWriteErrorLogEntry(
        this.#handle,
        EVENT_TRANSMIT_HANG,
        ring.queue,
        head,
        tail,
        ring.inFlight,
        this.#hw.read(STATUS),
      );
      hung = true;
    }
    if (hung) this.#dumpRegisters();
    return hung;
  }

  #dumpRegisters(): void {
    for (const [index, [, registers]] of this.device.dump.entries()) {
      for (let queue = 0; queue < this.configuration.queues; queue++) {
        NdisWriteErrorLogEntry(this.#handle, EVENT_REGISTER, index, queue, this.#hw.readAt(registers, queue));
      }
    }
  }

  /** MiniportResetEx. <= DISPATCH_LEVEL; the work is done at PASSIVE_LEVEL and completed by NdisMResetComplete. */
  reset(addressingReset: Out<boolean>): NDIS_STATUS {
    addressingReset.Value = false;
    if (this.#resetting !== null) return NDIS_STATUS_RESET_IN_PROGRESS;
    if (this.#hw.gone) return NDIS_STATUS_HARD_ERRORS;
    void this.#resetDevice(NDIS_STATUS_RESET_IN_PROGRESS).then((status) =>
      NdisMResetComplete(this.#handle, status, false),
    );
    return NDIS_STATUS_PENDING;
  }

  /** Resets the device and restores it; sends in hand complete with `sendStatus`. */
  async #resetDevice(sendStatus: NDIS_STATUS): Promise<NDIS_STATUS> {
    await this.#resetting;
    let done = (): void => {};
    this.#resetting = new Promise((resolve) => {
      done = resolve;
    });
    this.#service.enabled = false;
    this.#service.disarmAll();
    // The reset clears the device's counters.
    this.#sampleStatistics();
    try {
      // The caller may be at DISPATCH_LEVEL; from the next microtask on it is PASSIVE_LEVEL and sleeping is allowed.
      await Promise.resolve();
      const result = await resetMac(this.#hw, this.device, sleep);
      for (const ring of this.#rings.transmit) ring.abort(this.#hw.gone ? NDIS_STATUS_NOT_ACCEPTED : sendStatus);
      if (result === 'done') {
        for (const ring of this.#rings.receive) ring.rewind();
        await this.#restoreHardware();
      }
    } finally {
      this.#resetting = null;
      done();
    }
    if (!this.#hw.isPresent()) {
      this.#reportGone();
      return NDIS_STATUS_HARD_ERRORS;
    }
    this.#service.enabled = true;
    this.#service.armAll();
    this.#updateLink();
    return NDIS_STATUS_SUCCESS;
  }
}
