/**
 * Sleeping, stalling and timers. Layer: ndis.
 * Invariants: timer functions run at DISPATCH_LEVEL and are synchronous; a cancelled timer does not fire. Sleep and
 * stall have no handle and so use the real time; timers use the adapter's clock.
 */
import type { Timer } from '../platform/index.ts';
import { type AdapterCore, type ClaimedTimer, coreOrNull, wrongHandle } from './core.ts';
import { KeGetCurrentIrql, requireIrqlAtMost, restoreIrql, setIrql } from './irql.ts';
import { type NDIS_STATUS, NDIS_STATUS_INVALID_PARAMETER, NDIS_STATUS_SUCCESS } from './status.ts';
import { DISPATCH_LEVEL, type NDIS_CONTEXT, type NDIS_HANDLE, type Out, PASSIVE_LEVEL } from './types.ts';
import { watcher } from './verifier/frames.ts';
import { wrapPlain } from './verifier/wrap.ts';

/** [ns-ndis-_ndis_timer_characteristics] */
export interface NDIS_TIMER_CHARACTERISTICS {
  /** IRQL = DISPATCH_LEVEL. */
  TimerFunction: (
    SystemSpecific1: null,
    FunctionContext: NDIS_CONTEXT,
    SystemSpecific2: null,
    SystemSpecific3: null,
  ) => void;
  /** Used when NdisSetTimerObject gives none. */
  FunctionContext: NDIS_CONTEXT;
}

/** Waits at least so many microseconds (rounded up to milliseconds). PASSIVE_LEVEL. [nf-ndis-ndismsleep] */
export function NdisMSleep(MicrosecondsToSleep: number): Promise<void> {
  requireIrqlAtMost(PASSIVE_LEVEL, 'NdisMSleep');
  return new Promise((resolve) => {
    setTimeout(resolve, Math.ceil(MicrosecondsToSleep / 1000));
  });
}

/** Busy-waits; at most 50 us by the rule. Any IRQL. [nf-ndis-ndisstallexecution] */
export function NdisStallExecution(MicrosecondsToStall: number): void {
  watcher()?.saw('stalled', { microseconds: MicrosecondsToStall });
  const endMs = performance.now() + MicrosecondsToStall / 1000;
  while (performance.now() < endMs);
}

class TimerObject implements ClaimedTimer {
  readonly core: AdapterCore;
  readonly #characteristics: NDIS_TIMER_CHARACTERISTICS;
  #context: NDIS_CONTEXT = null;
  #periodMs = 0;
  #timer: Timer | null = null;
  open = true;

  constructor(core: AdapterCore, characteristics: NDIS_TIMER_CHARACTERISTICS) {
    this.core = core;
    const { verifier } = core;
    const TimerFunction =
      verifier === null
        ? characteristics.TimerFunction
        : wrapPlain(verifier, 'NDIS_TIMER_FUNCTION', characteristics.TimerFunction);
    this.#characteristics = { ...characteristics, TimerFunction };
    core.timers.add(this);
    core.verifier?.took('timer', this);
  }

  get armed(): boolean {
    return this.#timer !== null;
  }

  get periodic(): boolean {
    return this.#timer !== null && this.#periodMs > 0;
  }

  set(dueMs: number, periodMs: number, context: NDIS_CONTEXT): boolean {
    const was = this.cancel();
    this.#context = context ?? this.#characteristics.FunctionContext;
    this.#periodMs = periodMs;
    this.#timer = this.core.clock.after(dueMs, this.#due);
    return was;
  }

  cancel(): boolean {
    const was = this.#timer !== null;
    this.#timer?.cancel();
    this.#timer = null;
    return was;
  }

  release(): void {
    this.cancel();
    this.open = false;
    this.core.timers.delete(this);
  }

  readonly #due = (): void => {
    if (this.#timer === null) return;
    this.#timer = this.#periodMs > 0 ? this.core.clock.every(this.#periodMs, this.#fire) : null;
    this.#fire();
  };

  readonly #fire = (): void => {
    if (this.core.faulted) return;
    const before = setIrql(DISPATCH_LEVEL);
    try {
      this.#characteristics.TimerFunction(null, this.#context, null, null);
    } catch (error) {
      this.core.fault('A timer function threw', undefined, error);
    } finally {
      restoreIrql(before);
    }
  };
}

function timerOf(handle: NDIS_HANDLE, what: string): TimerObject {
  const timer = handle as unknown;
  return timer instanceof TimerObject && timer.open ? timer : wrongHandle(what, 'a handle of NdisAllocateTimerObject');
}

/** Makes a timer. <= DISPATCH_LEVEL. INVALID_PARAMETER: no miniport handle. [nf-ndis-ndisallocatetimerobject] */
export function NdisAllocateTimerObject(
  NdisHandle: NDIS_HANDLE,
  TimerCharacteristics: NDIS_TIMER_CHARACTERISTICS,
  TimerObjectHandle: Out<NDIS_HANDLE | null>,
): NDIS_STATUS {
  requireIrqlAtMost(DISPATCH_LEVEL, 'NdisAllocateTimerObject');
  const core = coreOrNull(NdisHandle);
  if (core === null) return NDIS_STATUS_INVALID_PARAMETER;
  TimerObjectHandle.Value = new TimerObject(core, TimerCharacteristics) as unknown as NDIS_HANDLE;
  return NDIS_STATUS_SUCCESS;
}

/**
 * Starts a timer, or starts it anew. <= DISPATCH_LEVEL. DueTimeMs: milliseconds from now (ours; C has units of 100 ns).
 * MillisecondsPeriod 0: once. Returns true when it was running. [nf-ndis-ndissettimerobject]
 */
export function NdisSetTimerObject(
  TimerObjectHandle: NDIS_HANDLE,
  DueTimeMs: number,
  MillisecondsPeriod: number,
  FunctionContext: NDIS_CONTEXT,
): boolean {
  requireIrqlAtMost(DISPATCH_LEVEL, 'NdisSetTimerObject');
  return timerOf(TimerObjectHandle, 'NdisSetTimerObject').set(DueTimeMs, MillisecondsPeriod, FunctionContext);
}

/** Stops a timer. <= DISPATCH_LEVEL, a periodic one PASSIVE_LEVEL. Returns true when it was running. [nf-ndis-ndiscanceltimerobject] */
export function NdisCancelTimerObject(TimerObjectHandle: NDIS_HANDLE): boolean {
  requireIrqlAtMost(DISPATCH_LEVEL, 'NdisCancelTimerObject');
  const timer = timerOf(TimerObjectHandle, 'NdisCancelTimerObject');
  timer.core.verifier?.saw('timerCancelled', { periodic: timer.periodic, irql: KeGetCurrentIrql() });
  return timer.cancel();
}

/** Frees a timer; one still running is cancelled. <= DISPATCH_LEVEL. [nf-ndis-ndisfreetimerobject] */
export function NdisFreeTimerObject(TimerObjectHandle: NDIS_HANDLE): void {
  requireIrqlAtMost(DISPATCH_LEVEL, 'NdisFreeTimerObject');
  timerOf(TimerObjectHandle, 'NdisFreeTimerObject').release();
}
