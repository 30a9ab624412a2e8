/**
 * One adapter as its host sees it: life cycle, OIDs, link, reset, counters. Layer: ndis (host-facing).
 * Invariants: every change of state goes through the table in state.ts; each miniport call is bounded in time; whatever a
 * miniport still holds when it is halted or failed to initialize is taken back and logged, so nothing leaks.
 */
import { NdisVfioError } from '../base/errors.ts';
import type { PciFunction, Timer } from '../platform/index.ts';
import { Completion } from './completion.ts';
import type { AdapterCore, AdapterFault, AdapterLogEntry, AdapterOptions, InterruptDetail } from './core.ts';
import { unknownLink } from './core.ts';
import { decideGrant, resourceList } from './grant.ts';
import { callAtIrql, KeGetCurrentIrql } from './irql.ts';
import { Listeners, type Unsubscribe } from './listeners.ts';
import type { NDIS_OFFLOAD } from './offload.ts';
import { cancelCurrentOid, cancelOid, decodeStatistics, makeOidRequest, resendPacketFilter, submitOid } from './oid.ts';
import { type NDIS_DEVICE_POWER_STATE, NdisDeviceStateD0 } from './oid-types.ts';
import { prepareDevice, removeDevice } from './pnp.ts';
import { changePower } from './power.ts';
import { createSendPool, type SendPool } from './send-pool.ts';
import { type AdapterState, isTransition, lets, nextState } from './state.ts';
import {
  type NDIS_STATUS,
  NDIS_STATUS_FAILURE,
  NDIS_STATUS_HARD_ERRORS,
  NDIS_STATUS_NOT_SUPPORTED,
  NDIS_STATUS_PENDING,
  NDIS_STATUS_REQUEST_ABORTED,
  NDIS_STATUS_SUCCESS,
  statusName,
} from './status.ts';
import {
  DISPATCH_LEVEL,
  HIGH_LEVEL,
  type NDIS_HALT_ACTION,
  type NDIS_LINK_STATE,
  type NDIS_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES,
  NDIS_MINIPORT_ATTRIBUTES_REGISTER_BUGCHECK_CALLBACK,
  NDIS_OBJECT_TYPE_DEFAULT,
  NDIS_OBJECT_TYPE_MINIPORT_INIT_PARAMETERS,
  type NDIS_OID_REQUEST,
  type NDIS_SHUTDOWN_ACTION,
  NDIS_SIZEOF_STATISTICS_INFO_REVISION_1,
  type NDIS_STATUS_INDICATION,
  NdisDevicePnPEventPowerProfileChanged,
  NdisDevicePnPEventSurpriseRemoved,
  NdisHaltDeviceDisabled,
  NdisHaltDeviceFailed,
  NdisHaltDeviceInitializationFailed,
  NdisHaltDeviceSurpriseRemoved,
  NdisPowerProfileAcOnline,
  NdisRequestQueryInformation,
  NdisRequestSetInformation,
  NdisShutdownPowerOff,
  type NdisStatistics,
  OID_802_3_MULTICAST_LIST,
  OID_GEN_CURRENT_PACKET_FILTER,
  OID_GEN_STATISTICS,
  out,
  PASSIVE_LEVEL,
} from './types.ts';
import type { Violation } from './verifier/violation.ts';

export type { Unsubscribe } from './listeners.ts';
export type { AdapterState } from './state.ts';

/** How long a miniport may take for a pause, restart, halt or reset before NDIS goes on without it. */
const OPERATION_LIMIT_MS = 10_000;
/** The same once the adapter has faulted: nothing will complete any more. */
const FAULTED_LIMIT_MS = 500;
/** How long a halt waits for an OID request, before and after it cancels it. */
const OID_LIMIT_MS = 1000;
const BUG_CHECK_WATCHDOG = 0x25;
const BUG_CHECK_PAUSE_RESTART_COMPLETE = 0x1f;
const BUG_CHECK_RESET_COMPLETE = 0x0f;
/** [miniport-adapter-check-for-hang-and-reset-operations] NDIS may reset when an OID takes this many check periods. */
const OID_HANG_TICKS = 4;
const TIMED_OUT = Symbol('timed out');

/** Bug check parameters for an interrupt and a timer left behind. (Contract 4.3) */
const LEFT_BEHIND = {
  halt: { interrupt: 0x08, timer: 0x09, where: 'MiniportHaltEx' },
  failed: { interrupt: 0x0b, timer: 0x0c, where: 'a failing MiniportInitializeEx' },
  undone: { interrupt: 0x0d, timer: 0x0e, where: 'MiniportHaltEx after MiniportInitializeEx' },
} as const;

export class Adapter {
  /** @internal NDIS's own. */
  readonly core: AdapterCore;
  #hangTimer: Timer | null = null;
  #running: Promise<unknown> = Promise.resolve();
  #resetting: Promise<NDIS_STATUS> | null = null;
  #removing: Promise<void> | null = null;
  readonly #hangListeners = new Listeners<void>();
  readonly #resetListeners = new Listeners<NDIS_STATUS>();
  readonly #removalListeners = new Listeners<void>();
  readonly #deviceErrorListeners = new Listeners<void>();

  /** @internal Made by Driver.createAdapter. */
  constructor(core: AdapterCore) {
    this.core = core;
    core.pci.onRemovalRequest = () => this.#removalListeners.emit();
    core.pci.onDeviceError = () => this.#deviceErrorListeners.emit();
    core.requestReset = () => queueMicrotask(() => void this.#resetQuietly());
    core.requestRemoval = () => queueMicrotask(() => void this.#removeFailed());
  }

  get pci(): PciFunction {
    return this.core.pci;
  }

  get options(): AdapterOptions {
    return this.core.options;
  }

  get state(): AdapterState {
    return this.core.state;
  }

  /** The miniport broke a rule that Windows answers with a bug check; only halting it is of use now. */
  get faulted(): boolean {
    return this.core.faulted;
  }

  get linkState(): NDIS_LINK_STATE {
    return this.core.link;
  }

  /** null before MiniportInitializeEx has set them. */
  get generalAttributes(): NDIS_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES | null {
    return this.core.general;
  }

  /** What is offloaded now and what could be, as the miniport told; null: it set no offload attributes. */
  get offload(): { readonly current: NDIS_OFFLOAD | null; readonly hardware: NDIS_OFFLOAD | null } | null {
    return this.core.offload;
  }

  /** The current station address; all zeros before initialization. */
  get macAddress(): Uint8Array {
    return this.core.general?.CurrentMacAddress.slice() ?? new Uint8Array(6);
  }

  /** Payload bytes of a frame; 0 before initialization. */
  get mtu(): number {
    return this.core.general?.MtuSize ?? 0;
  }

  /** null while no interrupt is registered. The object and its counters stay readable after that. */
  get interrupt(): InterruptDetail | null {
    return this.core.interrupt?.detail ?? null;
  }

  /** NBLs the protocols hold. */
  get receivesOutstanding(): number {
    return this.core.receivesOutstanding;
  }

  /** NBLs the miniport holds. */
  get sendsOutstanding(): number {
    return this.core.sendsOutstanding;
  }

  /** NBLs since the last initialization, as NDIS counted them. */
  get traffic(): {
    readonly indicated: number;
    readonly indicationsRefused: number;
    readonly sent: number;
    readonly sendsRejected: number;
  } {
    const core = this.core;
    return {
      indicated: core.nblsIndicated,
      indicationsRefused: core.nblsIndicationRefused,
      sent: core.nblsSent,
      sendsRejected: core.nblsSendRejected,
    };
  }

  /** The mask bit of an entry of the MSI-X table; for other interrupts the software mask. False without an interrupt. */
  tableEntryMasked(entry: number): boolean {
    return this.core.interrupt?.isEntryMasked(entry) ?? false;
  }

  /** True while an event of a masked entry waits, in the PBA or in software. */
  tableEntryPending(entry: number): boolean {
    return this.core.interrupt?.isEntryPending(entry) ?? false;
  }

  // ---- Life cycle -----------------------------------------------------------------------------------------------------

  /**
   * Halted -> Initializing -> Paused.
   * @throws NdisVfioError E_STATE; E_INITIALIZE with the status's name when MiniportInitializeEx fails (then Halted again).
   */
  async initialize(): Promise<void> {
    if (isRaised()) await null;
    const core = this.core;
    nextState(core.state, 'initialize');
    if (core.resume !== null) {
      core.power = NdisDeviceStateD0;
      core.resume = null;
    }
    prepareDevice(core, decideGrant(core.pci.interruptCounts, core.options.interrupts, core.options.messageLimit));
    core.enter('initialize');
    return this.#track(this.#initialize());
  }

  async #initialize(): Promise<void> {
    const core = this.core;
    this.#forget();
    const notes: string[] = [];
    const unsubscribe = core.logListeners.add((entry) => notes.push(entry.message));
    let failure: { readonly cause: string; readonly origin?: unknown } | null = null;
    let status: NDIS_STATUS = NDIS_STATUS_FAILURE;
    try {
      if (core.grant?.kind === null && core.pnp === null && core.options.interrupts !== undefined) {
        failure = { cause: `the function offers no interrupts of kind ${core.options.interrupts}` };
      } else {
        status = await callAtIrql(PASSIVE_LEVEL, () =>
          core.driver.characteristics.InitializeHandlerEx(core.handle, core.driver.context, this.#initParameters()),
        );
        if (status !== NDIS_STATUS_SUCCESS) failure = { cause: `MiniportInitializeEx returned ${statusName(status)}` };
      }
    } catch (error) {
      failure = { cause: `MiniportInitializeEx threw: ${describe(error)}`, origin: error };
    }
    if (failure === null) {
      const missing = core.registration === null || core.general === null;
      if (missing) failure = { cause: 'MiniportInitializeEx succeeded without setting its attributes' };
      else if (core.faulted) failure = { cause: 'the miniport broke a rule while it initialized' };
      else if (core.removed) failure = { cause: 'the device was removed while it initialized' };
      if (failure !== null) await this.#callHalt(NdisHaltDeviceInitializationFailed);
    }
    unsubscribe();
    if (failure === null) {
      core.enter('initializeComplete');
      this.#startHangTimer();
      this.#notifyPowerProfile();
      return;
    }
    this.#takeBack(status === NDIS_STATUS_SUCCESS ? 'undone' : 'failed');
    core.enter('initializeFailed');
    const why = notes.length === 0 ? '' : ` (${notes.slice(-2).join('; ')})`;
    throw new NdisVfioError(
      'E_INITIALIZE',
      {
        action: `Cannot initialize ${core.pci.address}`,
        cause: failure.cause + why,
        cure: 'Look at the log of the adapter, or try another kind of interrupts',
      },
      failure.origin,
    );
  }

  /** A new life starts without what the last one left. */
  #forget(): void {
    const core = this.core;
    core.forgetReports();
    core.faulted = false;
    core.context = null;
    core.registration = null;
    core.general = null;
    core.offload = null;
    core.receiveScale = null;
    core.encapsulation = null;
    core.receiveHash = false;
    core.link = unknownLink();
    core.addressingReset = false;
    core.sendsOutstanding = 0;
    core.receivesOutstanding = 0;
    core.nblsIndicated = 0;
    core.nblsIndicationRefused = 0;
    core.nblsSent = 0;
    core.nblsSendRejected = 0;
    // The packet filter is 0 after initialization until somebody sets it. [oid-gen-current-packet-filter]
    core.host.packetFilter = 0;
    core.host.multicast = [];
    for (const binding of core.bindings) {
      if (binding.packetFilter > 0) binding.packetFilter = 0;
      binding.multicast = [];
      binding.sendsOutstanding = 0;
    }
    core.refresh();
  }

  #initParameters() {
    const core = this.core;
    const grant = core.grant ?? decideGrant(core.pci.interruptCounts, undefined, undefined);
    return {
      Header: { Type: NDIS_OBJECT_TYPE_MINIPORT_INIT_PARAMETERS, Revision: 1, Size: 0 },
      Flags: 0,
      AllocatedResources: resourceList(core.pci, grant, core.processors),
      IMDeviceInstanceContext: null,
      MiniportAddDeviceContext: core.addedDevice?.context ?? null,
      IfIndex: 1,
      NetLuid: 0,
    } as const;
  }

  /** Paused -> Restarting -> Running. @throws NdisVfioError E_STATE; E_INITIALIZE when MiniportRestart fails (then Paused). */
  async restart(): Promise<void> {
    if (isRaised()) await null;
    this.core.enter('restart');
    return this.#track(this.#restart());
  }

  async #restart(): Promise<void> {
    const core = this.core;
    const completion = new Completion();
    core.restarting = completion;
    const parameters = { Header: header(), RestartAttributes: null, Flags: 0 } as const;
    const status = await this.#operate('MiniportRestart', completion, BUG_CHECK_PAUSE_RESTART_COMPLETE, () =>
      core.driver.characteristics.RestartHandler(core.context, parameters),
    );
    core.restarting = null;
    if (core.state !== 'Restarting') return;
    const done = status === NDIS_STATUS_SUCCESS && !core.faulted;
    core.enter(done ? 'restartComplete' : 'restartFailed');
    if (done) return;
    throw new NdisVfioError('E_INITIALIZE', {
      action: `Cannot restart ${core.pci.address}`,
      cause: core.faulted ? 'the miniport broke a rule' : `MiniportRestart returned ${statusName(status)}`,
      cure: 'Look at the log of the adapter',
    });
  }

  /**
   * Running -> Pausing -> Paused. New sends come back with NDIS_STATUS_PAUSED from the call on. Cannot fail: a miniport
   * that does not complete within 10 s (500 ms once it has faulted) is reported as a fault and the adapter is Paused.
   * @throws NdisVfioError E_STATE.
   */
  async pause(): Promise<void> {
    if (isRaised()) await null;
    this.core.enter('pause');
    return this.#track(this.#pause());
  }

  async #pause(): Promise<void> {
    const core = this.core;
    const completion = new Completion();
    core.pausing = completion;
    const parameters = { Header: header(), Flags: 0, PauseReason: 0 };
    const status = await this.#operate('MiniportPause', completion, BUG_CHECK_PAUSE_RESTART_COMPLETE, () =>
      core.driver.characteristics.PauseHandler(core.context, parameters),
    );
    core.pausing = null;
    if (core.state !== 'Pausing') return;
    if (status !== NDIS_STATUS_SUCCESS && !core.faulted) {
      core.fault(`MiniportPause returned ${statusName(status)}; it may only return SUCCESS or PENDING`);
    }
    if ((core.receivesOutstanding > 0 || core.sendsOutstanding > 0) && !core.faulted) {
      core.logRule(
        'INT-19',
        `the pause completed with ${core.receivesOutstanding} NBLs indicated and ${core.sendsOutstanding} sends outstanding`,
      );
    }
    core.enter('pauseComplete');
  }

  /** Paused -> Halted. Bounded in time as {@link pause} is. @throws NdisVfioError E_STATE. */
  async halt(action: NDIS_HALT_ACTION = NdisHaltDeviceDisabled): Promise<void> {
    if (isRaised()) await null;
    const core = this.core;
    nextState(core.state, 'halt');
    if (core.halting) {
      throw new NdisVfioError('E_STATE', {
        action: 'Cannot halt the adapter',
        cause: 'it is Paused and being halted already, to be Halted',
        cure: 'Wait for the first halt',
      });
    }
    core.halting = true;
    return this.#track(this.#halt(action));
  }

  async #halt(action: NDIS_HALT_ACTION): Promise<void> {
    const core = this.core;
    try {
      this.#stopHangTimer();
      await this.#settleOids();
      if (this.#resetting !== null) await this.#within(OPERATION_LIMIT_MS, this.#resetting);
      await this.#callHalt(action);
      this.#takeBack('halt');
    } finally {
      core.halting = false;
      if (isTransition(core.state, 'halt')) core.enter('halt');
    }
  }

  async #callHalt(action: NDIS_HALT_ACTION): Promise<void> {
    const core = this.core;
    try {
      const halted = callAtIrql(PASSIVE_LEVEL, () => core.driver.characteristics.HaltHandlerEx(core.context, action));
      const result = await this.#within(OPERATION_LIMIT_MS, Promise.resolve(halted));
      if (result === TIMED_OUT) core.fault('MiniportHaltEx took too long', BUG_CHECK_WATCHDOG);
    } catch (error) {
      core.fault('MiniportHaltEx threw', undefined, error);
    }
  }

  /** A halt never has an OID request outstanding: a slow one is cancelled, a stuck one aborted. */
  async #settleOids(): Promise<void> {
    const core = this.core;
    if ((await this.#within(OID_LIMIT_MS, core.oidTail)) !== TIMED_OUT) return;
    const current = core.oidCurrent;
    if (current === null) return;
    cancelCurrentOid(core);
    if ((await this.#within(OID_LIMIT_MS, core.oidTail)) !== TIMED_OUT) return;
    current.completion.complete(NDIS_STATUS_REQUEST_ABORTED);
    core.fault('An OID request was not completed before the halt', BUG_CHECK_WATCHDOG);
  }

  /**
   * Power-off: MiniportShutdownEx. Terminal; nothing of the miniport is called afterwards and nothing is freed but the
   * interrupt vectors (closing the function frees the rest). Returns at once while a halt is running.
   * NdisShutdownBugCheck: called at HIGH_LEVEL, and for an NDIS 6.30 driver only if it registered for it with
   * NDIS_MINIPORT_ATTRIBUTES_REGISTER_BUGCHECK_CALLBACK.
   * @throws NdisVfioError E_STATE.
   */
  shutdown(action: NDIS_SHUTDOWN_ACTION = NdisShutdownPowerOff): void {
    const core = this.core;
    if (core.halting) return;
    core.enter('shutdown');
    this.#stopHangTimer();
    const { characteristics } = core.driver;
    const flags = core.registration?.AttributeFlags ?? 0;
    const wanted =
      action === NdisShutdownPowerOff ||
      characteristics.MinorNdisVersion < 30 ||
      (flags & NDIS_MINIPORT_ATTRIBUTES_REGISTER_BUGCHECK_CALLBACK) !== 0;
    const irql = action === NdisShutdownPowerOff ? PASSIVE_LEVEL : HIGH_LEVEL;
    try {
      if (wanted) callAtIrql(irql, () => characteristics.ShutdownHandlerEx(core.context, action));
    } catch (error) {
      core.fault('MiniportShutdownEx threw', undefined, error);
    }
    core.interrupt?.forceRelease();
    for (const timer of [...core.timers]) timer.release();
  }

  /**
   * The device is gone: notifies the miniport, pauses it if it is running, halts it with NdisHaltDeviceSurpriseRemoved.
   * From the call on sends and OIDs are answered NDIS_STATUS_NOT_ACCEPTED. Waits for an operation in progress.
   * Any state; called again it gives the same promise. Ends in Halted (or Shutdown).
   */
  surpriseRemoved(): Promise<void> {
    this.core.removed = true;
    this.core.refresh();
    this.#removing ??= this.#surpriseRemoved();
    return this.#removing;
  }

  async #surpriseRemoved(): Promise<void> {
    const core = this.core;
    if (isRaised()) await null;
    this.#stopHangTimer();
    this.#notify(NdisDevicePnPEventSurpriseRemoved, null);
    await this.#bringDown(NdisHaltDeviceSurpriseRemoved);
    if (core.state === 'Halted') removeDevice(core);
  }

  /** MiniportDevicePnPEventNotify, once the miniport has a context. */
  #notify(event: number, buffer: Uint8Array | null): void {
    const core = this.core;
    if (!core.callable || core.registration === null) return;
    try {
      callAtIrql(PASSIVE_LEVEL, () =>
        core.driver.characteristics.DevicePnPEventNotifyHandler(core.context, {
          Header: header(),
          PortNumber: 0,
          DevicePnPEvent: event,
          InformationBuffer: buffer,
          InformationBufferLength: buffer?.length ?? 0,
        }),
      );
    } catch (error) {
      core.fault('MiniportDevicePnPEventNotify threw', undefined, error);
    }
  }

  #notifyPowerProfile(): void {
    const profile = this.core.options.powerProfile ?? NdisPowerProfileAcOnline;
    this.#notify(NdisDevicePnPEventPowerProfileChanged, Uint8Array.of(profile, 0, 0, 0));
  }

  // ---- Power ------------------------------------------------------------------------------------------------------------

  /** D0 unless {@link setPower} changed it. */
  get powerState(): NDIS_DEVICE_POWER_STATE {
    return this.core.power;
  }

  /**
   * To a low-power state and back to D0, from Paused or Running. A driver without NDIS_MINIPORT_ATTRIBUTES_NO_HALT_ON_SUSPEND
   * is paused and halted with NdisHaltDevicePoweredDown, and initialized (and restarted if it ran) for D0. With it, the
   * miniport gets OID_PNP_QUERY_POWER and OID_PNP_SET_POWER, after a pause unless it set NO_PAUSE_ON_SUSPEND; its
   * interrupt stays registered, sends are answered NDIS_STATUS_LOW_POWER_STATE. Then the same state is a no-op.
   * @throws NdisVfioError E_STATE in another state or between two low-power states; E_INITIALIZE; E_OID when the miniport
   * does not come back to D0 (it is halted with NdisHaltDeviceFailed then).
   */
  async setPower(state: NDIS_DEVICE_POWER_STATE): Promise<void> {
    if (isRaised()) await null;
    return changePower(
      {
        core: this.core,
        initialize: () => this.initialize(),
        restart: () => this.restart(),
        pause: () => this.pause(),
        halt: (action) => this.halt(action),
        watch: (on) => (on ? this.#startHangTimer() : this.#stopHangTimer()),
        notifyPowerProfile: () => this.#notifyPowerProfile(),
      },
      state,
    );
  }

  /** NdisMRemoveMiniport. The fault comes last, so the host finds the adapter Halted. */
  async #removeFailed(): Promise<void> {
    if (this.#removing !== null) return;
    this.#removing = this.#bringDown(NdisHaltDeviceFailed);
    await this.#removing;
    if (!this.core.removed) this.#removing = null;
    this.core.fault('The miniport gave its device up (NdisMRemoveMiniport)');
  }

  /** From any state to Halted, after and around what the host does meanwhile. Never rejects. */
  async #bringDown(action: NDIS_HALT_ACTION): Promise<void> {
    const core = this.core;
    // Each round waits for one operation or makes one; a life has no more of them than this.
    for (let round = 0; core.callable && round < 20; round++) {
      await this.#running.catch(() => undefined);
      try {
        if (core.state === 'Running') await this.pause();
        else if (core.state === 'Paused' && !core.halting) await this.halt(action);
      } catch (error) {
        core.log({ kind: 'info', message: `A removal was overtaken: ${describe(error)}` });
      }
    }
  }

  // ---- Reset ------------------------------------------------------------------------------------------------------------

  /**
   * MiniportResetEx; one at a time, a second call gets the first one's result. It changes no state. Afterwards the packet
   * filter and the multicast list are sent again if the miniport asks for it.
   * NDIS_STATUS_NOT_SUPPORTED: the miniport has no reset handler.
   * @throws NdisVfioError E_STATE before initialization and after halt.
   */
  reset(): Promise<NDIS_STATUS> {
    this.#resetting ??= this.#reset().finally(() => {
      this.#resetting = null;
    });
    return this.#resetting;
  }

  async #reset(): Promise<NDIS_STATUS> {
    if (isRaised()) await null;
    const core = this.core;
    if (!lets(core.state, 'oid') || core.halting || core.power !== NdisDeviceStateD0) {
      throw new NdisVfioError('E_STATE', {
        action: 'Cannot reset the adapter',
        cause: core.power === NdisDeviceStateD0 ? `it is ${core.state}` : 'it is in low power',
        cure: 'Initialize it, or power it up, first',
      });
    }
    const handler = core.driver.characteristics.ResetHandlerEx;
    if (!handler) return NDIS_STATUS_NOT_SUPPORTED;
    const completion = new Completion();
    const addressing = out(false);
    core.resetting = completion;
    core.addressingReset = false;
    const status = await this.#operate(
      'MiniportResetEx',
      completion,
      BUG_CHECK_RESET_COMPLETE,
      () => {
        const result = handler(core.context, addressing);
        if (result !== NDIS_STATUS_PENDING) core.addressingReset = addressing.Value;
        return result;
      },
      DISPATCH_LEVEL,
    );
    core.resetting = null;
    if (status === NDIS_STATUS_SUCCESS && core.addressingReset && !core.halting) await resendPacketFilter(core);
    if (status === NDIS_STATUS_HARD_ERRORS) {
      core.log({ kind: 'info', message: 'MiniportResetEx could not recover the device (NDIS_STATUS_HARD_ERRORS)' });
    }
    this.#resetListeners.emit(status);
    return status;
  }

  async #resetQuietly(): Promise<void> {
    try {
      await this.reset();
    } catch (error) {
      this.core.log({ kind: 'info', message: `A reset was not possible: ${describe(error)}` });
    }
  }

  /** [ns-ndis-_ndis_miniport_adapter_registration_attributes] A multiple of 2 s, rounded down; 0: 2 s. */
  #startHangTimer(): void {
    const core = this.core;
    if (core.options.checkForHang === false) return;
    const seconds = Math.max(2, Math.floor((core.registration?.CheckForHangTimeInSeconds ?? 0) / 2) * 2);
    this.#hangTimer = core.clock.every(seconds * 1000, () => this.#checkForHang());
  }

  #stopHangTimer(): void {
    this.#hangTimer?.cancel();
    this.#hangTimer = null;
  }

  #checkForHang(): void {
    const core = this.core;
    if (core.faulted || core.removed || this.#resetting !== null || !lets(core.state, 'oid')) return;
    let hung = false;
    const current = core.oidCurrent;
    if (current !== null && ++current.ticks >= OID_HANG_TICKS) {
      hung = true;
      current.ticks = 0;
    }
    const handler = core.driver.characteristics.CheckForHangHandlerEx;
    if (handler) {
      try {
        if (callAtIrql(PASSIVE_LEVEL, () => handler(core.context)) === true) hung = true;
      } catch (error) {
        core.fault('MiniportCheckForHangEx threw', undefined, error);
        return;
      }
    }
    if (!hung) return;
    this.#hangListeners.emit();
    void this.#resetQuietly();
  }

  // ---- OIDs -------------------------------------------------------------------------------------------------------------

  /** One request, after those before it. Never rejects for a status; see {@link queryOid} for the short form. */
  oidRequest(request: NDIS_OID_REQUEST): Promise<NDIS_STATUS> {
    return submitOid(this.core, this.core.host, request);
  }

  /**
   * Cancels requests by the RequestId they carry: one that waits for its turn is answered NDIS_STATUS_REQUEST_ABORTED
   * without reaching the miniport, for the one the miniport has MiniportCancelOidRequest is called. False: no such
   * request. <= DISPATCH_LEVEL. [nf-ndis-ndiscanceloidrequest]
   */
  cancelOidRequest(requestId: unknown): boolean {
    return cancelOid(this.core, requestId);
  }

  /** Queries into a buffer of `bytes` bytes; returns what was written. @throws NdisVfioError E_OID with the status's name. */
  async queryOid(oid: number, bytes: number): Promise<Uint8Array> {
    const request = makeOidRequest(NdisRequestQueryInformation, oid, new Uint8Array(bytes));
    const status = await this.oidRequest(request);
    if (status !== NDIS_STATUS_SUCCESS) throw refusedOid('query', oid, status);
    return (request.DATA.InformationBuffer as Uint8Array).subarray(0, request.DATA.BytesWritten);
  }

  /** @throws NdisVfioError E_OID with the status's name. */
  async setOid(oid: number, bytes: Uint8Array): Promise<void> {
    const status = await this.oidRequest(makeOidRequest(NdisRequestSetInformation, oid, bytes));
    if (status !== NDIS_STATUS_SUCCESS) throw refusedOid('set', oid, status);
  }

  /** The miniport's OID_GEN_STATISTICS. @throws NdisVfioError E_OID. */
  async statistics(): Promise<NdisStatistics> {
    const bytes = await this.queryOid(OID_GEN_STATISTICS, NDIS_SIZEOF_STATISTICS_INFO_REVISION_1);
    if (bytes.length < NDIS_SIZEOF_STATISTICS_INFO_REVISION_1) {
      throw refusedOid('query', OID_GEN_STATISTICS, NDIS_STATUS_FAILURE);
    }
    return decodeStatistics(bytes);
  }

  /** The host's packet filter (NDIS_PACKET_TYPE_... bits); replaces the one before. @throws NdisVfioError E_OID. */
  setPacketFilter(bits: number): Promise<void> {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, bits, true);
    return this.setOid(OID_GEN_CURRENT_PACKET_FILTER, bytes);
  }

  /** The host's multicast list; replaces the one before. @throws NdisVfioError E_OID. */
  setMulticastList(macs: readonly Uint8Array[]): Promise<void> {
    const bytes = new Uint8Array(macs.length * 6);
    macs.forEach((mac, index) => {
      bytes.set(mac, index * 6);
    });
    return this.setOid(OID_802_3_MULTICAST_LIST, bytes);
  }

  // ---- For protocols ------------------------------------------------------------------------------------------------------

  /** Transmit buffers in DMA memory of this function. @throws NdisVfioError E_OPTION, E_MEMLOCK, E_DMA. */
  allocateSendPool(options: { readonly frames: number; readonly frameBytes: number }): SendPool {
    return createSendPool(this.core, options.frames, options.frameBytes);
  }

  // ---- Events -------------------------------------------------------------------------------------------------------------

  /** Every status indication, of a link state only a changed one. <= DISPATCH_LEVEL. */
  onStatus(listener: (indication: NDIS_STATUS_INDICATION) => void): Unsubscribe {
    return this.core.statusListeners.add(listener);
  }

  /** Once per change of the link. <= DISPATCH_LEVEL. */
  onLink(listener: (state: NDIS_LINK_STATE) => void): Unsubscribe {
    return this.core.linkListeners.add(listener);
  }

  /** Error log, broken rules and leaks. Any IRQL. */
  onLog(listener: (entry: AdapterLogEntry) => void): Unsubscribe {
    return this.core.logListeners.add(listener);
  }

  /** Rules the verifier found broken, of each rule and place the first; empty while it is off. */
  get violations(): readonly Violation[] {
    return this.core.verifier?.violations ?? [];
  }

  /** A rule was broken, and was not before at the same place. Any IRQL. Never called while the verifier is off. */
  onViolation(listener: (violation: Violation) => void): Unsubscribe {
    return this.core.verifier?.onViolation(listener) ?? (() => {});
  }

  /** What Windows would answer with a bug check. PASSIVE_LEVEL. Without a listener it is a process warning. */
  onFault(listener: (fault: AdapterFault) => void): Unsubscribe {
    return this.core.faultListeners.add(listener);
  }

  /** MiniportCheckForHangEx returned TRUE, or an OID request took too long; a reset follows. */
  onHang(listener: () => void): Unsubscribe {
    return this.#hangListeners.add(listener);
  }

  /** A reset has ended with this status. */
  onReset(listener: (status: NDIS_STATUS) => void): Unsubscribe {
    return this.#resetListeners.add(listener);
  }

  /** The kernel asks for the function back (repeated until it is closed); call {@link surpriseRemoved} and close. */
  onRemovalRequest(listener: () => void): Unsubscribe {
    return this.#removalListeners.add(listener);
  }

  /** An uncorrectable PCIe error was reported. */
  onDeviceError(listener: () => void): Unsubscribe {
    return this.#deviceErrorListeners.add(listener);
  }

  // ---- Helpers --------------------------------------------------------------------------------------------------------------

  #track<T>(operation: Promise<T>): Promise<T> {
    this.#running = operation;
    return operation;
  }

  /** Calls a handler that may answer PENDING and waits for the answer. A throw or a timeout is a fault and a FAILURE. */
  async #operate(
    name: string,
    completion: Completion,
    bugCheck: number,
    call: () => NDIS_STATUS | Promise<NDIS_STATUS>,
    irql: number = PASSIVE_LEVEL,
  ): Promise<NDIS_STATUS> {
    const core = this.core;
    const answer = async (): Promise<NDIS_STATUS> => {
      const status = await callAtIrql(irql, call);
      if (status === NDIS_STATUS_PENDING) return completion.promise;
      if (completion.completed) core.fault(`${name} returned ${statusName(status)} and completed as well`, bugCheck);
      return status;
    };
    try {
      const status = await this.#within(OPERATION_LIMIT_MS, answer());
      if (status !== TIMED_OUT) return status;
      if (!core.faulted) core.fault(`${name} took too long`, BUG_CHECK_WATCHDOG);
    } catch (error) {
      core.fault(`${name} threw`, undefined, error);
    }
    return NDIS_STATUS_FAILURE;
  }

  /** The promise's value, or TIMED_OUT; once the adapter has faulted the limit is short. */
  #within<T>(limitMs: number, promise: Promise<T>): Promise<T | typeof TIMED_OUT> {
    const { clock, faulted, faultListeners } = this.core;
    const faultedMs = Math.min(limitMs, FAULTED_LIMIT_MS);
    return new Promise((resolve, reject) => {
      const expire = (): void => {
        end();
        resolve(TIMED_OUT);
      };
      let timer = clock.after(faulted ? faultedMs : limitMs, expire);
      const unsubscribe = faultListeners.addSilently(() => {
        timer.cancel();
        timer = clock.after(faultedMs, expire);
      });
      const end = (): void => {
        timer.cancel();
        unsubscribe();
      };
      promise.then(
        (value) => {
          end();
          resolve(value);
        },
        (error) => {
          end();
          reject(error);
        },
      );
    });
  }

  /** Frees what the miniport forgot, and says so. */
  #takeBack(when: keyof typeof LEFT_BEHIND): void {
    const core = this.core;
    core.verifier?.end(when);
    const { interrupt, timer, where } = LEFT_BEHIND[when];
    const leak = (what: string, bugCheck: number | undefined, free: () => void): void => {
      core.log({
        kind: 'leak',
        message: `${where} left ${what} behind`,
        ...(bugCheck === undefined ? {} : { bugCheck }),
      });
      attempt(free);
    };
    const attempt = (free: () => void): void => {
      try {
        free();
      } catch (error) {
        core.log({ kind: 'info', message: `Could not be freed: ${describe(error)}` });
      }
    };
    const left = core.interrupt;
    if (left !== null) leak('its interrupt', interrupt, () => left.forceRelease());
    for (const one of [...core.timers]) leak('a timer', one.armed ? timer : undefined, () => one.release());
    for (const one of [...core.claims]) leak(one.describe(), undefined, () => one.release());
    // Off before memory goes: a device left running must not write to what is being freed.
    attempt(() => core.pci.setBusMaster(false));
    for (const [buffer, block] of [...core.sharedMemory]) {
      core.sharedMemory.delete(buffer);
      leak(`${block.lengthBytes} bytes of shared memory`, undefined, () => block.free());
    }
    const dma = core.dma;
    if (dma !== null) leak('its scatter-gather DMA', undefined, () => dma.release());
    for (const space of [...core.ioSpaces]) leak('an I/O space', undefined, () => space.release());
    core.grant = null;
  }
}

function isRaised(): boolean {
  return KeGetCurrentIrql() > PASSIVE_LEVEL;
}

function header() {
  return { Type: NDIS_OBJECT_TYPE_DEFAULT, Revision: 1, Size: 0 };
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function refusedOid(verb: 'query' | 'set', oid: number, status: NDIS_STATUS): NdisVfioError {
  return new NdisVfioError('E_OID', {
    action: `Cannot ${verb} OID 0x${oid.toString(16).padStart(8, '0')}`,
    cause: `the answer is ${statusName(status)}`,
    cure: 'See the OID in the WDK for what this status means',
  });
}
