/**
 * Which callback of which miniport is running. Layer: ndis/verifier; used only while a verifier is on.
 * Invariants: a synchronous callback is found in `current`, what runs after an `await` of an asynchronous one through
 * AsyncLocalStorage; a frame outlives its callback, so code that a miniport left running is still traced to it.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { observeIrql, KeGetCurrentIrql as readIrql } from '../irql.ts';
import type { KIRQL } from '../types.ts';
import type { RunningCallback, VerifierEvents } from './events.ts';

/** One call of a miniport's entry point. */
export class Frame implements RunningCallback {
  readonly callback: string;
  readonly irql: KIRQL;
  /** Interrupt message it was called for, or null. */
  readonly message: number | null;
  readonly flagged: boolean;
  /** Whom to report to. */
  readonly owner: FrameOwner;
  /** The callback has returned, or its promise has settled. */
  ended = false;
  /** Spin locks taken in it and not released: lock -> by NdisDprAcquireSpinLock. */
  locks: Map<object, boolean> | null = null;
  /** A violation was reported in it, so an error of NDIS's that leaves it needs no report. */
  reported = false;

  constructor(owner: FrameOwner, callback: string, irql: KIRQL, message: number | null, flagged: boolean) {
    this.owner = owner;
    this.callback = callback;
    this.irql = irql;
    this.message = message;
    this.flagged = flagged;
  }
}

/** The verifier of an adapter, as far as functions without an adapter handle need it. */
export interface FrameOwner {
  /** Something that has no adapter handle happened. May throw. */
  saw<Name extends keyof VerifierEvents>(event: Name, data: VerifierEvents[Name]): boolean;
  /** Something that has to be given back was. */
  gave(object: object): void;
  /** A spin lock changes hands: what it was, and what it is going to be. May throw. */
  lockTaken(lock: object, dpr: boolean, held: boolean): void;
  lockReleased(lock: object, dpr: boolean, held: boolean): void;
}

let current: Frame | null = null;
/** False until the first verifier is made: the way out that costs nothing. */
let watching = false;

/** Called by every verifier that is made. */
export function startWatching(): void {
  if (watching) return;
  watching = true;
  observeIrql((what, limit, irql) => watcher()?.saw('irqlTooHigh', { what, limit, irql }));
}

/** Whom code without an adapter handle reports to; null: no verifier, or none of its callbacks. */
export function watcher(): FrameOwner | null {
  return watching ? (currentFrame()?.owner ?? null) : null;
}

/** Object -> who wants to know that it is given back; for functions that get no adapter handle. */
const OWNERS = new WeakMap<object, FrameOwner>();

/** `owner` waits for {@link gaveBack}. */
export function awaitReturn(object: object, owner: FrameOwner): void {
  OWNERS.set(object, owner);
}

/** An object was given back, wherever that was. */
export function gaveBack(object: object): void {
  if (watching) OWNERS.get(object)?.gave(object);
}

/** The IRQL of the code that calls. Any IRQL. [nf-wdm-kegetcurrentirql] */
export function KeGetCurrentIrql(): KIRQL {
  if (watching) {
    const frame = currentFrame();
    if (frame !== null && !frame.ended) frame.owner.saw('irqlQueried', { frame });
  }
  return readIrql();
}
const store = new AsyncLocalStorage<Frame>();

/** The callback that runs, or the one that started what runs (then `ended` may be true); null: none. */
export function currentFrame(): Frame | null {
  return current ?? store.getStore() ?? null;
}

/** Runs a callback that cannot wait. */
export function runSync<T>(frame: Frame, callback: () => T): T {
  const before = current;
  current = frame;
  try {
    return callback();
  } finally {
    current = before;
    frame.ended = true;
  }
}

/** Runs a callback that may return a promise; the frame ends when that settles. */
export function runMaybeAsync<T>(frame: Frame, callback: () => T): T {
  const before = current;
  current = frame;
  let result: T;
  try {
    result = store.run(frame, callback);
  } catch (error) {
    frame.ended = true;
    throw error;
  } finally {
    current = before;
  }
  if (result instanceof Promise) {
    const end = (): void => {
      frame.ended = true;
    };
    result.then(end, end);
  } else {
    frame.ended = true;
  }
  return result;
}

/** Folder of the NDIS layer as it stands in stack traces: what lies there is not the miniport's. */
const NDIS_FOLDER = new URL('../', import.meta.url);
const OURS = [NDIS_FOLDER.href, decodeURIComponent(NDIS_FOLDER.pathname)];
const OURS_OR_NODE = [...OURS, 'node:', '<anonymous>', 'at async Promise.'];
const DEPTH = 30;

/**
 * Where the caller's miniport stands: the frames between the NDIS function that noticed and the NDIS code that called
 * the miniport. Empty when nothing of the miniport is on the stack.
 */
export function miniportStack(): string[] {
  const holder: { stack?: string } = {};
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = DEPTH;
  Error.captureStackTrace(holder, miniportStack);
  Error.stackTraceLimit = limit;
  return ownFrames(holder.stack ?? '');
}

/** The miniport's frames of a stack as V8 writes it. */
export function ownFrames(stack: string): string[] {
  const lines = stack.split('\n').filter((line) => /^\s+at /.test(line));
  const own: string[] = [];
  for (const line of lines) {
    const foreign = OURS_OR_NODE.some((part) => line.includes(part));
    if (foreign && own.length > 0) break;
    if (!foreign) own.push(line.trim().replace(/^at (async )?/, ''));
  }
  // Without any frame of NDIS below or above it would be the host's stack, not the miniport's.
  return lines.some((line) => OURS.some((part) => line.includes(part))) ? own : [];
}
