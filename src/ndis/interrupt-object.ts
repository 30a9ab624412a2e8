/**
 * The interrupt object: from an eventfd's wake-up to ISR and DPC. Layer: ndis. Frame path 1; next: dpc-queue.ts.
 * Invariants: one ISR call per wake-up however many messages it folds; an event under a mask or the lock is remembered
 * once; outputs and throttle parameters are one reused object each; DPCs run in a microtask, repeats and the rest of a
 * long queue in a macrotask, so the event loop never starves; after Deregister nothing is called. (Contract 1.7 to 1.15)
 */
import { NdisVfioError } from '../base/errors.ts';
import type { InterruptVectors } from '../platform/index.ts';
import type { AdapterCore, ClaimedInterrupt, InterruptDetail } from './core.ts';
import { MessageCount } from './counters.ts';
import { type Dpc, DpcQueues } from './dpc-queue.ts';
import { FIRST_VECTOR, type InterruptGrant, processorMask } from './grant.ts';
import { restoreIrql, setIrql } from './irql.ts';
import {
  DIRQL,
  DISPATCH_LEVEL,
  type IO_INTERRUPT_MESSAGE_INFO,
  type ISR_OUTPUTS,
  Latched,
  type MINIPORT_SYNCHRONIZE_INTERRUPT,
  NDIS_CONNECT_LINE_BASED,
  NDIS_CONNECT_MESSAGE_BASED,
  type NDIS_CONTEXT,
  type NDIS_HANDLE,
  NDIS_INDICATE_ALL_NBLS,
  type NDIS_MINIPORT_INTERRUPT_CHARACTERISTICS,
  type NDIS_RECEIVE_THROTTLE_PARAMETERS,
} from './types.ts';

/** The copies NDIS keeps; the caller's structure usually stands on its stack. */
export type InterruptHandlers = Readonly<
  Pick<
    NDIS_MINIPORT_INTERRUPT_CHARACTERISTICS,
    | 'InterruptHandler'
    | 'InterruptDpcHandler'
    | 'DisableInterruptHandler'
    | 'EnableInterruptHandler'
    | 'MsiSyncWithAllMessages'
    | 'MessageInterruptHandler'
    | 'MessageInterruptDpcHandler'
    | 'DisableMessageInterruptHandler'
    | 'EnableMessageInterruptHandler'
  >
>;

export type InterruptPhase = 'Connecting' | 'Connected' | 'Draining' | 'Unregistered';

/** DPC runs in one drain before the rest waits for the next turn of the event loop (trap 32). */
const DPCS_PER_TURN_MIN = 32;
/** DPC runs Deregister allows before it reports a DPC that queues itself for ever. */
const DRAIN_RUNS_MAX = 1000;
/** Windows puts message addresses here; VFIO hides the real ones, so these are only distinct. */
const MESSAGE_ADDRESS_BASE = 0xfee0_0000;

export class InterruptObject implements ClaimedInterrupt {
  readonly core: AdapterCore;
  readonly line: boolean;
  phase: InterruptPhase = 'Connecting';
  readonly #context: NDIS_CONTEXT;
  readonly #handlers: InterruptHandlers;
  readonly #grant: InterruptGrant;
  readonly #outputs: ISR_OUTPUTS = { QueueDefaultInterruptDpc: false, TargetProcessors: 0 };
  readonly #throttle: NDIS_RECEIVE_THROTTLE_PARAMETERS = { MaxNblsToIndicate: 0, MoreNblsPending: 0 };
  #counters: MessageCount[] = [];
  #locked: Uint8Array = new Uint8Array(0);
  #lockedCount = 0;
  #queues: DpcQueues = new DpcQueues(0, 1);
  #vectors: InterruptVectors | null = null;
  #stopped = false;
  #draining = false;
  #drainScheduled = false;
  #restScheduled = false;
  #repeatScheduled = false;
  #pendingScheduled = false;
  /** VFIO masked the line at delivery and the unmask is owed (diagnostically disabled, or not armed yet). */
  #lineOwed = false;
  #detail: InterruptDetail;

  constructor(core: AdapterCore, context: NDIS_CONTEXT, handlers: InterruptHandlers, grant: InterruptGrant) {
    this.core = core;
    this.line = grant.kind === 'line';
    this.#context = context;
    this.#handlers = handlers;
    this.#grant = grant;
    this.#detail = this.resize();
  }

  get handle(): NDIS_HANDLE {
    return this as unknown as NDIS_HANDLE;
  }

  get detail(): InterruptDetail {
    return this.#detail;
  }

  /** True when masks are the MSI-X table's own. */
  get hardwareMask(): boolean {
    return this.#vectors?.hardwareMask === true;
  }

  /** Rows of counters, locks and DPCs: one per message, one for a line. */
  get messageCount(): number {
    return this.#counters.length;
  }

  /** Fits everything to the grant's number of messages. Before arming only. */
  resize(): InterruptDetail {
    const count = this.line ? 1 : this.#grant.messageCount;
    this.#counters = Array.from({ length: count }, () => new MessageCount());
    this.#locked = new Uint8Array(count);
    this.#queues = new DpcQueues(count, this.core.processors);
    this.#detail = {
      type: this.line ? NDIS_CONNECT_LINE_BASED : NDIS_CONNECT_MESSAGE_BASED,
      messageCount: count,
      handle: this.handle,
      messages: this.#counters,
    };
    return this.#detail;
  }

  /** The table a miniport sees, frozen; null for a line. [ns-wdm-_io_interrupt_message_info] */
  buildTable(): IO_INTERRUPT_MESSAGE_INFO | null {
    if (this.line) return null;
    const all = processorMask(this.core.processors);
    const MessageInfo = Object.freeze(
      this.#counters.map((_, message) =>
        Object.freeze({
          MessageAddress: MESSAGE_ADDRESS_BASE + message * 0x1000,
          TargetProcessorSet: this.#grant.affinity[message] || all,
          InterruptObject: this.handle,
          MessageData: 0x4000 + message,
          Vector: FIRST_VECTOR + message,
          Irql: DIRQL,
          Mode: Latched,
          Polarity: 1,
        } as const),
      ),
    );
    return Object.freeze({ UnifiedIrql: DIRQL, MessageCount: MessageInfo.length, MessageInfo });
  }

  /** The vectors are on. The masks set before are brought to the hardware, an unmask owed to the line is made. */
  connected(vectors: InterruptVectors): void {
    this.#vectors = vectors;
    this.phase = 'Connected';
    if (vectors.hardwareMask) {
      for (let entry = 0; entry < vectors.count; entry++) if (this.#grant.masked[entry] === 1) vectors.mask(entry);
    }
    this.#settleLine();
  }

  // ---- Wake-up -> ISR -----------------------------------------------------------------------------------------------

  /** The platform's listener. Entered from the event loop. */
  readonly onWake = (vector: number, wakes: number): void => {
    // Trap 35: a wake-up read before Deregister and dispatched after it is dropped.
    if (this.#stopped || this.phase === 'Draining' || this.phase === 'Unregistered') return;
    const grant = this.#grant;
    if (vector >= grant.entryCount) return;
    const message = this.line ? 0 : (grant.messageOf[vector] as number);
    const counters = this.#counters[message] as MessageCount;
    counters.wakes += wakes;
    const masked = grant.masked[vector] === 1;
    if (masked || this.#isLocked(message)) {
      counters.coalesced += grant.pending[vector] === 1 ? wakes : wakes - 1;
      grant.pending[vector] = 1;
      if (!masked) this.#schedulePending();
      return;
    }
    counters.coalesced += wakes - 1;
    this.#serve(message, counters);
  };

  #serve(message: number, counters: MessageCount): void {
    const outputs = this.#outputs;
    outputs.QueueDefaultInterruptDpc = false;
    outputs.TargetProcessors = 0;
    const clock = this.core.clock;
    let claimed: unknown = false;
    let thrown: unknown = null;
    let threw = false;
    counters.isrCalls++;
    this.#lock(message);
    const before = setIrql(DIRQL);
    const startUs = clock.nowUs();
    try {
      claimed = this.line
        ? this.#handlers.InterruptHandler?.(this.#context, outputs)
        : this.#handlers.MessageInterruptHandler?.(this.#context, message, outputs);
    } catch (error) {
      threw = true;
      thrown = error;
    } finally {
      restoreIrql(before);
      this.#unlock(message);
    }
    counters.isrUs.add(clock.nowUs() - startUs);
    if (threw) {
      this.core.fault(`The ISR of ${this.#nameOf(message)} threw`, undefined, thrown);
      return;
    }
    if (typeof claimed !== 'boolean') {
      this.core.fault(`INT-08: the ISR of ${this.#nameOf(message)} returned no boolean but ${typeName(claimed)}`);
      return;
    }
    if (!claimed) {
      counters.isrFalse++;
      if (!this.line) this.core.logRule('NV-10', `a message ISR returned FALSE, though messages are not shared`);
    }
    // Independent of the return value (trap 19). The default DPC overrides the mask (trap 18).
    if (outputs.QueueDefaultInterruptDpc) this.queueDpc(message, this.#grant.home[message] as number, null);
    else if (outputs.TargetProcessors !== 0) this.queueDpc(message, outputs.TargetProcessors, null);
    if (this.line) {
      this.#lineOwed = true;
      this.#settleLine();
    }
  }

  /** Trap 41: VFIO masks INTx at delivery; unmask after TRUE and after FALSE. A line still asserted fires again. */
  #settleLine(): void {
    if (!this.#lineOwed || this.#vectors === null || this.#counters[0]?.diagnosticDisabled) return;
    this.#lineOwed = false;
    this.#vectors.unmask(0);
  }

  #schedulePending(): void {
    if (this.#pendingScheduled) return;
    this.#pendingScheduled = true;
    queueMicrotask(this.#deliverPending);
  }

  readonly #deliverPending = (): void => {
    this.#pendingScheduled = false;
    const grant = this.#grant;
    for (let entry = 0; entry < grant.entryCount; entry++) {
      if (this.#stopped || this.phase !== 'Connected') return;
      if (grant.pending[entry] === 0 || grant.masked[entry] === 1) continue;
      grant.pending[entry] = 0;
      const message = this.line ? 0 : (grant.messageOf[entry] as number);
      this.#serve(message, this.#counters[message] as MessageCount);
    }
  };

  // ---- The lock that ISRs hold ----------------------------------------------------------------------------------------

  #isLocked(message: number): boolean {
    return this.#locked[message] === 1 || (this.#handlers.MsiSyncWithAllMessages && this.#lockedCount > 0);
  }

  #lock(message: number): void {
    this.#locked[message] = 1;
    this.#lockedCount++;
  }

  #unlock(message: number): void {
    this.#locked[message] = 0;
    this.#lockedCount--;
  }

  /**
   * Calls back at DIRQL, excluding the ISR of the message (of all messages with MsiSyncWithAllMessages).
   * @throws NdisVfioError E_STATE where the lock is already held, which on Windows is a deadlock; whatever it throws.
   */
  underLock<T>(message: number, what: string, callback: () => T): T {
    this.#takeLock(message, what);
    const before = setIrql(DIRQL);
    try {
      return callback();
    } finally {
      restoreIrql(before);
      this.#unlock(message);
    }
  }

  /** {@link underLock} for the synchronize function, without a closure. */
  synchronize(message: number, callback: MINIPORT_SYNCHRONIZE_INTERRUPT, context: NDIS_CONTEXT): unknown {
    this.#takeLock(message, 'NdisMSynchronizeWithInterruptEx');
    const before = setIrql(DIRQL);
    try {
      return callback(context);
    } finally {
      restoreIrql(before);
      this.#unlock(message);
    }
  }

  #takeLock(message: number, what: string): void {
    if (this.#isLocked(message)) {
      this.core.logRule('INT-16', `${what} was called while the lock of ${this.#nameOf(message)} is held`);
      throw new NdisVfioError('E_STATE', {
        action: `Cannot call ${what}`,
        cause: `the lock of ${this.#nameOf(message)} is already held (INT-16); on Windows this is a deadlock`,
        cure: 'Do not call it from the ISR or from a synchronize function of the same message',
      });
    }
    this.#lock(message);
  }

  // ---- DPCs -----------------------------------------------------------------------------------------------------------

  /** Queues a DPC on every processor of the mask. Returns the processors it was newly queued on. Any IRQL. */
  queueDpc(message: number, mask: number, context: NDIS_CONTEXT): number {
    if (this.#stopped || this.phase === 'Unregistered') return 0;
    const present = processorMask(this.core.processors);
    if ((mask & ~present) !== 0) this.core.logRule('INT-09', `a DPC was requested on an absent processor`);
    const nowUs = this.core.clock.nowUs();
    let queued = 0;
    for (let processor = 0; processor < this.core.processors; processor++) {
      const bit = 1 << processor;
      if ((mask & bit) === 0) continue;
      if (this.#queues.push(this.#queues.get(message, processor), context, nowUs)) queued |= bit;
    }
    if (queued !== 0) this.#scheduleDrain();
    return queued >>> 0;
  }

  #scheduleDrain(): void {
    if (this.#draining || this.#drainScheduled) return;
    this.#drainScheduled = true;
    queueMicrotask(this.#drainSoon);
  }

  readonly #drainSoon = (): void => {
    this.#drainScheduled = false;
    this.#drain();
  };

  readonly #drainRest = (): void => {
    this.#restScheduled = false;
    this.#drain();
  };

  #drain(): void {
    if (this.#draining || this.phase === 'Draining' || this.phase === 'Unregistered') return;
    this.#draining = true;
    let left = Math.max(DPCS_PER_TURN_MIN, 2 * this.#queues.all.length);
    while (left > 0 && !this.#stopped) {
      const dpc = this.#queues.pop();
      if (dpc === null) break;
      this.#run(dpc);
      left--;
    }
    this.#draining = false;
    if (this.#queues.length > 0 && !this.#restScheduled) {
      this.#restScheduled = true;
      setImmediate(this.#drainRest);
    }
  }

  readonly #runRepeats = (): void => {
    this.#repeatScheduled = false;
    if (this.#stopped || this.phase !== 'Connected') return;
    const nowUs = this.core.clock.nowUs();
    for (const dpc of this.#queues.all) {
      // One that was queued in the meantime has run, or will, and does the repeat's work.
      if (!dpc.repeat) continue;
      dpc.repeat = false;
      this.#queues.push(dpc, null, nowUs);
    }
    this.#drain();
  };

  #run(dpc: Dpc): void {
    const core = this.core;
    const message = dpc.message;
    const counters = this.#counters[message] as MessageCount;
    const context = dpc.context;
    const throttle = this.#throttle;
    dpc.context = null;
    dpc.repeat = false;
    throttle.MaxNblsToIndicate = core.dpcBudget;
    throttle.MoreNblsPending = 0;
    core.dpcIndicated = 0;
    let result: unknown;
    let thrown: unknown = null;
    let threw = false;
    const startUs = core.clock.nowUs();
    counters.dpcRuns++;
    counters.isrToDpcUs.add(startUs - dpc.queuedAtUs);
    const before = setIrql(DISPATCH_LEVEL);
    try {
      result = this.line
        ? this.#handlers.InterruptDpcHandler?.(this.#context, context, throttle, null)
        : this.#handlers.MessageInterruptDpcHandler?.(this.#context, message, context, throttle, null);
    } catch (error) {
      threw = true;
      thrown = error;
    } finally {
      restoreIrql(before);
    }
    counters.dpcUs.add(core.clock.nowUs() - startUs);
    const indicated = core.dpcIndicated;
    counters.nblsIndicated += indicated;
    if (indicated > counters.maxNblsInOneDpc) counters.maxNblsInOneDpc = indicated;
    if (threw) {
      core.fault(`The DPC of ${this.#nameOf(message)} threw`, undefined, thrown);
      return;
    }
    if (result !== undefined && result !== null && typeof result === 'object') {
      core.fault(`INT-11: the DPC of ${this.#nameOf(message)} returned ${typeName(result)}; it must be synchronous`);
      return;
    }
    if (core.dpcBudget !== NDIS_INDICATE_ALL_NBLS && indicated > core.dpcBudget) {
      core.logRule('INT-12', `a DPC indicated ${indicated} NBLs and was allowed ${core.dpcBudget}`);
    }
    // A one-bit field: of an assigned number only bit 0 remains.
    if ((Number(throttle.MoreNblsPending) & 1) === 0 || this.phase !== 'Connected') return;
    if (core.dpcBudget === NDIS_INDICATE_ALL_NBLS) {
      core.logRule('INT-12', 'MoreNblsPending was set though MaxNblsToIndicate is NDIS_INDICATE_ALL_NBLS');
      return;
    }
    counters.dpcBudgetExhausted++;
    dpc.repeat = true;
    if (this.#repeatScheduled) return;
    this.#repeatScheduled = true;
    setImmediate(this.#runRepeats);
  }

  // ---- Masks ----------------------------------------------------------------------------------------------------------

  maskEntry(entry: number): void {
    this.#grant.masked[entry] = 1;
    const vectors = this.#vectors;
    if (vectors?.hardwareMask && entry < vectors.count) vectors.mask(entry);
  }

  unmaskEntry(entry: number): void {
    const grant = this.#grant;
    if (grant.masked[entry] === 0) return;
    grant.masked[entry] = 0;
    const vectors = this.#vectors;
    let hardwareDelivers = false;
    if (vectors?.hardwareMask && entry < vectors.count) {
      // An event that was under way when the mask was set waits in software; the hardware may hold another. One ISR.
      hardwareDelivers = grant.pending[entry] === 1 && vectors.isPending(entry);
      vectors.unmask(entry);
    }
    if (grant.pending[entry] === 0) return;
    if (hardwareDelivers) grant.pending[entry] = 0;
    else this.#schedulePending();
  }

  isEntryMasked(entry: number): boolean {
    const vectors = this.#vectors;
    if (vectors?.hardwareMask && entry < vectors.count) return vectors.isMasked(entry);
    return this.#grant.masked[entry] === 1;
  }

  isEntryPending(entry: number): boolean {
    if (this.#grant.pending[entry] === 1) return true;
    const vectors = this.#vectors;
    return vectors?.hardwareMask === true && entry < vectors.count && vectors.isPending(entry);
  }

  /** Contract 1.14: the miniport's own handler at DIRQL, excluding the ISR. */
  diagnose(message: number, disable: boolean): void {
    const handlers = this.#handlers;
    const context = this.#context;
    this.underLock(message, 'a diagnostic function', () => {
      if (this.line) (disable ? handlers.DisableInterruptHandler : handlers.EnableInterruptHandler)?.(context);
      else if (disable) handlers.DisableMessageInterruptHandler?.(context, message);
      else handlers.EnableMessageInterruptHandler?.(context, message);
    });
    (this.#counters[message] as MessageCount).diagnosticDisabled = disable;
    if (!disable && this.line) this.#settleLine();
  }

  // ---- The end --------------------------------------------------------------------------------------------------------

  /**
   * NdisMDeregisterInterruptEx. Queued DPCs run to the last before it returns; MoreNblsPending is ignored.
   * @throws NdisVfioError E_MINIPORT when they never end; the interrupt is gone all the same.
   */
  deregister(): void {
    this.phase = 'Draining';
    this.#closeVectors();
    let runs = 0;
    for (let dpc = this.#queues.pop(); dpc !== null && !this.#stopped; dpc = this.#queues.pop()) {
      this.#run(dpc);
      if (++runs === DRAIN_RUNS_MAX) break;
    }
    const endless = runs === DRAIN_RUNS_MAX;
    this.#finish();
    if (endless) {
      throw new NdisVfioError('E_MINIPORT', {
        action: 'Cannot deregister the interrupt cleanly',
        cause: `DPCs still queued DPCs after ${runs} runs`,
        cure: 'Let the miniport stop queueing DPCs before it calls NdisMDeregisterInterruptEx',
      });
    }
  }

  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#queues.clear();
    const vectors = this.#vectors;
    if (vectors?.hardwareMask) for (let entry = 0; entry < vectors.count; entry++) vectors.mask(entry);
  }

  forceRelease(): void {
    this.#stopped = true;
    this.#closeVectors();
    this.#finish();
  }

  #closeVectors(): void {
    const vectors = this.#vectors;
    this.#vectors = null;
    vectors?.close();
  }

  #finish(): void {
    this.#queues.clear();
    this.phase = 'Unregistered';
    if (this.core.interrupt === this) this.core.interrupt = null;
  }

  #nameOf(message: number): string {
    return this.line ? 'the line' : `message ${message}`;
  }
}

function typeName(value: unknown): string {
  return value instanceof Promise ? 'a Promise' : value === null ? 'null' : typeof value;
}
