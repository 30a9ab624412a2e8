/**
 * The verifier of one adapter: takes what NDIS tells it, asks the table of rules, reports. Layer: ndis/verifier.
 * Invariants: NDIS holds `null` instead while it is off, so that off costs nothing; a violation is reported once a rule
 * and place and counted after that; once the adapter has faulted nothing is reported, as on Windows nothing would run.
 */
import { NdisVfioError } from '../../base/errors.ts';
import type { Bar, Clock, Timer } from '../../platform/index.ts';
import { KeGetCurrentIrql } from '../irql.ts';
import { Listeners, type Unsubscribe } from '../listeners.ts';
import type { AdapterState } from '../state.ts';
import { type NDIS_STATUS, NDIS_STATUS_PENDING } from '../status.ts';
import type { NDIS_OID_REQUEST, NET_BUFFER_LIST } from '../types.ts';
import { type Held, Life, type Reckoning, type Scene, type VerifierEvents } from './events.ts';
import {
  awaitReturn,
  currentFrame,
  Frame,
  type FrameOwner,
  miniportStack,
  ownFrames,
  startWatching,
} from './frames.ts';
import { bugCheckId, findRule, type Rule, reportedWith, rulesOn } from './rules.ts';
import { pageUrl, VerifierError, type Violation } from './violation.ts';
import { WatchedBar } from './watched-bar.ts';

/** `report`: tell and go on. `throw`: tell, throw into the miniport, and stop the adapter as a bug check would. */
export type VerifierMode = 'off' | 'report' | 'throw';

export interface VerifierOptions {
  readonly mode: VerifierMode;
  /** Called for each violation that is reported. */
  readonly onViolation?: (violation: Violation) => void;
}

/** What the verifier needs to know of its adapter; the adapter's core fits it. */
export interface VerifiedAdapter {
  readonly clock: Clock;
  readonly pci: { readonly address: string };
  readonly state: AdapterState;
  readonly halting: boolean;
  readonly faulted: boolean;
  readonly interrupt: object | null;
  readonly dma: object | null;
  readonly general: { readonly SupportedOidList: readonly number[] } | null;
  readonly sharedMemory: ReadonlyMap<unknown, SharedMemory>;
  readonly ioSpaces: ReadonlySet<unknown>;
  readonly timers: ReadonlySet<{ readonly armed: boolean }>;
  /** Stops the adapter as a bug check would. */
  fault(message: string, bugCheck?: number, error?: unknown): void;
}

/** A block of shared memory, as the adapter keeps it. */
export interface SharedMemory {
  readonly virtualAddress: Uint8Array;
  readonly lengthBytes: number;
}

/** Something a miniport took and has not given back. */
interface Taken {
  readonly kind: Held;
  readonly stack: readonly string[];
}

const TICK_MS = 1000;
/** Violations kept; more are counted only. */
const VIOLATIONS_MAX = 1000;

/** Makes the verifier of an adapter; null: off. */
export function openVerifier(
  adapter: VerifiedAdapter,
  options: VerifierMode | VerifierOptions | undefined,
): Verifier | null {
  const given = typeof options === 'object' ? options : { mode: options ?? ('off' as const) };
  return given.mode === 'off' ? null : new Verifier(adapter, given);
}

export class Verifier implements FrameOwner {
  readonly mode: VerifierMode;
  readonly #adapter: VerifiedAdapter;
  readonly #listeners = new Listeners<Violation>();
  readonly #violations: Violation[] = [];
  readonly #counts = new Map<string, number>();
  readonly #taken = new Map<object, Taken>();
  #life = new Life();
  #timer: Timer | null = null;
  /** The violation reported last, until the end of the turn: a fault in the same turn is its consequence. */
  #fresh: Violation | null = null;
  /** The callback that has just returned, while its result is looked at. */
  #returned: Frame | null = null;

  constructor(adapter: VerifiedAdapter, options: VerifierOptions) {
    this.mode = options.mode;
    this.#adapter = adapter;
    if (options.onViolation !== undefined) this.#listeners.add(options.onViolation);
    startWatching();
  }

  /** What was reported, in order; of each rule and place the first. */
  get violations(): readonly Violation[] {
    return this.#violations;
  }

  /** How often a rule was broken. */
  countOf(rule: string): number {
    return this.#counts.get(rule) ?? 0;
  }

  onViolation(listener: (violation: Violation) => void): Unsubscribe {
    return this.#listeners.add(listener);
  }

  // ---- Reporting --------------------------------------------------------------------------------------------------------

  /**
   * Something happened: the first rule it breaks is reported. True when one was.
   * @throws VerifierError in mode `throw`, while a callback of the miniport runs.
   */
  saw<Name extends keyof VerifierEvents>(event: Name, data: VerifierEvents[Name], stack?: readonly string[]): boolean {
    const adapter = this.#adapter;
    if (adapter.faulted) return false;
    const scene: Scene = {
      life: this.#life,
      state: adapter.state,
      halting: adapter.halting,
      frame: currentFrame(),
    };
    for (const rule of rulesOn(event)) {
      const check = (rule.checks as Record<Name, (data: VerifierEvents[Name], scene: Scene) => string | null>)[event];
      const what = check(data, scene);
      if (what === null) continue;
      this.#report(rule, what, stack);
      return true;
    }
    return false;
  }

  /** NDIS itself found a rule broken. Ids outside the table are none of the verifier's. @throws as {@link saw}. */
  violate(id: string, what: string): void {
    const rule = findRule(id);
    if (rule !== undefined && !this.#adapter.faulted) this.#report(rule, what, undefined);
  }

  /**
   * NDIS is about to stop the adapter. Reports why, unless that was just reported. False when `error` is a violation on
   * its way out of the miniport: everything has been said then and the adapter is stopped already.
   */
  faulting(message: string, bugCheck: number | undefined, error: unknown, rule: string | undefined): boolean {
    if (error instanceof VerifierError) return false;
    if (this.#fresh !== null || this.#adapter.faulted) return true;
    const id = rule ?? (bugCheck === undefined ? /^(INT-\d\d|NV-\d\d):/.exec(message)?.[1] : bugCheckId(bugCheck));
    const row = id === undefined ? undefined : findRule(id);
    // A callback that threw was seen where it threw.
    if (row !== undefined) this.#report(row, message.replace(/^(INT|NV)-\d\d: /, ''), undefined, false);
    return true;
  }

  /** NDIS has stopped the adapter. @throws VerifierError in mode `throw`, while a callback of the miniport runs. */
  faulted(): void {
    if (this.mode === 'throw' && this.#fresh !== null) this.#throwInside(this.#fresh);
  }

  #throwInside(violation: Violation): void {
    const frame = currentFrame();
    if (frame !== null && !frame.ended && frame.owner === this) throw new VerifierError(violation);
  }

  #report(rule: Rule, what: string, stack: readonly string[] | undefined, mayStop = true): void {
    this.#counts.set(rule.id, this.countOf(rule.id) + 1);
    // Without a callback it is the host's stack, not the miniport's.
    const violation = this.#describe(rule, what, stack ?? (currentFrame() === null ? [] : miniportStack()));
    const place = violation.stack[0] ?? violation.callback;
    const known = this.#violations.some(
      (one) => one.rule === rule.id && (one.stack[0] ?? one.callback) === place && one.adapter === violation.adapter,
    );
    this.#fresh = violation;
    const frame = currentFrame();
    if (frame !== null) frame.reported = true;
    queueMicrotask(() => {
      if (this.#fresh === violation) this.#fresh = null;
    });
    if (!known && this.#violations.length < VIOLATIONS_MAX) {
      this.#violations.push(violation);
      this.#listeners.emit(violation);
    }
    if (!mayStop || this.mode !== 'throw' || rule.severity === 'advice') return;
    this.#adapter.fault(`${rule.id}: ${what}`, violation.bugCheck[0] === 0x7c ? violation.bugCheck[1] : undefined);
    this.#throwInside(violation);
  }

  #describe(rule: Rule, what: string, stack: readonly string[]): Violation {
    const frame = currentFrame();
    const mine = this.#returned ?? (frame?.owner === this ? frame : null);
    const irql = this.#returned?.irql ?? KeGetCurrentIrql();
    const message = mine?.message ?? null;
    const { address } = this.#adapter.pci;
    return Object.freeze({
      rule: rule.id,
      also: reportedWith(rule.id),
      severity: rule.severity,
      text: rule.text,
      what,
      adapter: address,
      state: this.#adapter.halting ? 'Halting' : this.#adapter.state,
      callback: mine?.callback ?? null,
      afterCallback: this.#returned === null && mine?.ended === true,
      irql,
      message,
      stack,
      timeUs: this.#adapter.clock.nowUs(),
      page: rule.page,
      url: pageUrl(rule.page),
      fix: rule.fix,
      bugCheck: [...rule.bugCheck, addressNumber(address), irql, message ?? 0] as const,
    });
  }

  // ---- Callbacks ----------------------------------------------------------------------------------------------------------

  /** Calls an entry point of the miniport. `returned` sees its (awaited) result. @throws whatever it throws. */
  call<T>(
    callback: string,
    message: number | null,
    flagged: boolean,
    run: (frame: Frame, invoke: () => T) => T,
    invoke: () => T,
    returned: ((result: unknown) => void) | null,
  ): T {
    const frame = new Frame(this, callback, KeGetCurrentIrql(), message, flagged);
    let result: T;
    try {
      result = run(frame, invoke);
    } catch (error) {
      this.#threw(frame, error);
      throw error;
    }
    if (result instanceof Promise) {
      return result.then(
        (value) => {
          this.#look(frame, () => returned?.(value));
          return value;
        },
        (error: unknown) => {
          this.#threw(frame, error);
          throw error;
        },
      ) as T;
    }
    this.#look(frame, () => returned?.(result));
    return result;
  }

  /** Looks at what a callback returned and left behind; what is found is that callback's. */
  #look(frame: Frame, look: () => void): void {
    const before = this.#returned;
    this.#returned = frame;
    try {
      this.#left(frame);
      look();
    } finally {
      this.#returned = before;
    }
  }

  #threw(frame: Frame, error: unknown): void {
    const { callback } = frame;
    if (error instanceof VerifierError || (frame.reported && error instanceof NdisVfioError)) return;
    const stack = error instanceof Error ? ownFrames(error.stack ?? '') : [];
    this.#returned = frame;
    try {
      this.saw('callbackThrew', { callback, error }, stack);
    } finally {
      this.#returned = null;
    }
  }

  /** A callback has returned: no spin lock of its may be held. */
  #left(frame: Frame): void {
    const locks = frame.locks;
    if (locks === null || locks.size === 0) return;
    const dpr = [...locks.values()].some((one) => one);
    this.saw('locksHeld', { callback: frame.callback, count: locks.size, dpr });
  }

  lockTaken(lock: object, dpr: boolean, held: boolean): void {
    this.saw('lock', { op: 'acquire', dpr, held });
    const frame = currentFrame();
    if (frame === null || held) return;
    frame.locks ??= new Map();
    frame.locks.set(lock, dpr);
  }

  lockReleased(lock: object, dpr: boolean, held: boolean): void {
    this.saw('lock', { op: 'release', dpr, held });
    currentFrame()?.locks?.delete(lock);
  }

  // ---- Life of the adapter --------------------------------------------------------------------------------------------------

  /** MiniportInitializeEx is about to be called. */
  begin(): void {
    this.#life = new Life();
    this.#taken.clear();
    this.#stopTimer();
  }

  /** What MiniportInitializeEx returned. */
  initialized(status: NDIS_STATUS): void {
    this.#life.oidsClaimed = this.#adapter.general?.SupportedOidList ?? [];
    this.saw('initializeReturned', { status });
    this.#life.unloggedFailure = false;
  }

  /** The miniport should hold nothing any more. Called before NDIS takes back what it does. */
  end(when: Reckoning): void {
    this.#stopTimer();
    const { interrupt, dma, sharedMemory, ioSpaces, timers } = this.#adapter;
    const armed = [...timers].filter((timer) => timer.armed);
    const idle = [...timers].filter((timer) => !timer.armed);
    this.#leftBehind('interrupt', when, interrupt === null ? [] : [interrupt]);
    this.#leftBehind('armed timer', when, armed);
    this.#leftBehind('timer', when, idle);
    this.#leftBehind('shared memory', when, [...sharedMemory.values()]);
    this.#leftBehind('scatter-gather DMA', when, dma === null ? [] : [dma]);
    this.#leftBehind('I/O space', when, [...ioSpaces] as object[]);
    for (const kind of TAKEN_KINDS) {
      this.#leftBehind(
        kind,
        when,
        [...this.#taken].filter(([, taken]) => taken.kind === kind).map(([object]) => object),
      );
    }
    this.#taken.clear();
  }

  #leftBehind(kind: Held, when: Reckoning, objects: readonly object[]): void {
    const [first] = objects;
    if (first === undefined) return;
    const stack = this.#taken.get(first)?.stack ?? [];
    this.saw('leftBehind', { kind, when, count: objects.length, detail: '' }, stack);
  }

  /** The miniport took something it has to give back. */
  took(kind: Held, object: object): void {
    this.#taken.set(object, { kind, stack: miniportStack() });
    awaitReturn(object, this);
  }

  /** It gave it back. */
  gave(object: object): void {
    this.#taken.delete(object);
  }

  // ---- Memory and registers ---------------------------------------------------------------------------------------------------

  /** A block of shared memory was asked for in MiniportInitializeEx and there was none. */
  sharedMemoryFailed(): void {
    if (this.#adapter.state === 'Initializing') this.#life.unloggedFailure = true;
  }

  /** NdisWriteErrorLogEntry was called. */
  logged(): void {
    this.#life.unloggedFailure = false;
  }

  /** Looks at the unused ends of the blocks of shared memory; called when one is allocated or freed. */
  checkSlack(blocks: Iterable<SharedMemory>): void {
    for (const { virtualAddress, lengthBytes } of blocks) {
      const { buffer, byteOffset } = virtualAddress;
      const end = byteOffset + lengthBytes;
      const rest = new Uint8Array(buffer, end, Math.min(buffer.byteLength - end, -lengthBytes & (PAGE_BYTES - 1)));
      const at = rest.findIndex((byte) => byte !== 0);
      if (at < 0) continue;
      rest.fill(0);
      this.saw('slackWritten', { lengthBytes, at: lengthBytes + at });
      return;
    }
  }

  /** The registers as the miniport gets them. */
  watchBar(bar: Bar): Bar {
    return new WatchedBar(bar, this);
  }

  registerRead(): void {
    this.#life.idleClaims = 0;
  }

  registerWritten(offset: number): void {
    const life = this.#life;
    life.idleClaims = 0;
    if (life.removalNoticed) this.saw('registerWritten', { offset });
  }

  /** MiniportDevicePnPEventNotify returned from a surprise removal. */
  removalNoticed(): void {
    this.#life.removalNoticed = true;
  }

  // ---- Interrupts -------------------------------------------------------------------------------------------------------------

  isrReturned(line: boolean, claimed: boolean, queueDefault: boolean, targets: number): void {
    const life = this.#life;
    life.idleClaims = claimed ? life.idleClaims + 1 : 0;
    this.saw('isrReturned', { line, claimed, queueDefault, targets });
  }

  dpcStarts(): void {
    this.#life.unmasked = false;
    this.#life.idleClaims = 0;
  }

  dpcReturned(elapsedUs: number, more: boolean): void {
    this.saw('dpcReturned', { elapsedUs, more });
  }

  /** A table entry was unmasked by the miniport. */
  unmasked(): void {
    this.#life.unmasked = true;
  }

  // ---- OIDs -------------------------------------------------------------------------------------------------------------------

  oidStarts(request: NDIS_OID_REQUEST): void {
    const startedUs = this.#adapter.clock.nowUs();
    this.#life.oid = { request, startedUs, returned: null, completions: 0, late: false };
    this.#startTimer();
  }

  oidReturned(request: NDIS_OID_REQUEST, status: NDIS_STATUS): void {
    this.saw('oidReturned', { request, status });
    if (this.#life.oid?.request === request) this.#life.oid.returned = status;
  }

  oidCompleting(request: NDIS_OID_REQUEST, status: NDIS_STATUS): void {
    this.saw('oidCompleting', { request, status });
    if (this.#life.oid?.request === request) this.#life.oid.completions++;
  }

  // ---- Sends ------------------------------------------------------------------------------------------------------------------

  /** A chain goes to the miniport. */
  sending(chain: NET_BUFFER_LIST): void {
    const nowUs = this.#adapter.clock.nowUs();
    const { sends } = this.#life;
    if (sends.size === 0) this.#life.sendProgressUs = nowUs;
    for (let nbl: NET_BUFFER_LIST | null = chain; nbl !== null; nbl = nbl.Next) sends.set(nbl, nowUs);
    this.#startTimer();
  }

  /** A chain comes back. */
  sent(chain: NET_BUFFER_LIST): void {
    const { sends } = this.#life;
    this.#life.sendProgressUs = this.#adapter.clock.nowUs();
    for (let nbl: NET_BUFFER_LIST | null = chain; nbl !== null; nbl = nbl.Next) sends.delete(nbl);
  }

  // ---- Time -------------------------------------------------------------------------------------------------------------------

  #startTimer(): void {
    this.#timer ??= this.#adapter.clock.every(TICK_MS, () => this.#tick());
  }

  #stopTimer(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  #tick(): void {
    const { oid, sends } = this.#life;
    const oidPending =
      oid !== null && oid.completions === 0 && (oid.returned === null || oid.returned === NDIS_STATUS_PENDING);
    if (!oidPending && sends.size === 0) {
      this.#stopTimer();
      return;
    }
    this.saw('tick', { nowUs: this.#adapter.clock.nowUs() });
  }
}

const PAGE_BYTES = 4096;

/** What {@link Verifier.took} records, in the order it is reported. */
const TAKEN_KINDS: readonly Held[] = ['configuration handle', 'NBL', 'NBL pool', 'MDL', 'work item', 'memory'];

/** `0000:01:00.0` as domain, bus, device and function in one number. */
function addressNumber(address: string): number {
  const match = /^([0-9a-f]{4}):([0-9a-f]{2}):([0-9a-f]{2})\.([0-7])$/i.exec(address);
  if (match === null) return 0;
  const [domain, bus, device, fn] = match.slice(1).map((part) => Number.parseInt(part, 16)) as [
    number,
    number,
    number,
    number,
  ];
  return ((domain << 16) | (bus << 8) | (device << 3) | fn) >>> 0;
}
