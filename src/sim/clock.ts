/**
 * Time under the test's control. Layer: sim, implements Clock of src/platform.
 * Invariant: time moves only by advance(), stall() and the small cost of each register access. Timers of software run
 * in turns of their own; timers of the hardware also run while software stalls, because the device does not wait.
 */
import type { Clock, Timer } from '../platform/index.ts';
import type { TurnQueue } from './turns.ts';

interface Entry extends Timer {
  dueUs: number;
  readonly periodUs: number;
  readonly hardware: boolean;
  readonly callback: () => void;
  readonly order: number;
  cancelled: boolean;
}

/** A clock that stands still until told otherwise. */
export class SimClock implements Clock {
  readonly #turns: TurnQueue;
  #nowUs = 1_000_000;
  #order = 0;
  #entries: Entry[] = [];

  constructor(turns: TurnQueue) {
    this.#turns = turns;
  }

  nowUs(): number {
    // A loop that waits on the clock alone must end: each look costs a little.
    this.#nowUs += 0.01;
    return this.#nowUs;
  }

  after(delayMs: number, callback: () => void): Timer {
    return this.#add(delayMs * 1000, 0, false, callback);
  }

  every(periodMs: number, callback: () => void): Timer {
    return this.#add(periodMs * 1000, periodMs * 1000, false, callback);
  }

  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.#add(delayMs * 1000, 0, false, resolve);
    });
  }

  stall(delayUs: number): void {
    const end = this.#nowUs + Math.max(0, delayUs);
    for (;;) {
      const next = this.#next(true);
      if (next === undefined || next.dueUs > end) break;
      this.#run(next);
    }
    this.#nowUs = Math.max(this.#nowUs, end);
  }

  /** A timer of the device. */
  afterHardware(delayUs: number, callback: () => void): Timer {
    return this.#add(delayUs, 0, true, callback);
  }

  /** Timers of software that still run: a leak when the adapter is halted. */
  get softwareTimers(): number {
    return this.#entries.filter((entry) => !entry.hardware).length;
  }

  /** When the next timer of either kind is due, in microseconds of nowUs(). */
  get nextDueUs(): number | undefined {
    return this.#next(false)?.dueUs;
  }

  /** Moves time forward by `delayMs`, running every timer on the way in its order and letting the machine settle after each. */
  async advance(delayMs: number): Promise<void> {
    const end = this.#nowUs + delayMs * 1000;
    await this.#turns.settle();
    for (;;) {
      const next = this.#next(false);
      if (next === undefined || next.dueUs > end) break;
      this.#run(next);
      await this.#turns.settle();
    }
    this.#nowUs = Math.max(this.#nowUs, end);
  }

  /** Runs the next timer, if one is due within `limitMs`. */
  async step(limitMs: number): Promise<boolean> {
    const next = this.#next(false);
    if (next === undefined || next.dueUs > this.#nowUs + limitMs * 1000) return false;
    this.#run(next);
    await this.#turns.settle();
    return true;
  }

  #add(delayUs: number, periodUs: number, hardware: boolean, callback: () => void): Timer {
    this.#order += 1;
    const entry: Entry = {
      dueUs: this.#nowUs + Math.max(0, delayUs),
      periodUs,
      hardware,
      callback,
      order: this.#order,
      cancelled: false,
      cancel: () => {
        entry.cancelled = true;
        this.#entries = this.#entries.filter((other) => other !== entry);
      },
    };
    this.#entries.push(entry);
    return entry;
  }

  #next(hardwareOnly: boolean): Entry | undefined {
    let best: Entry | undefined;
    for (const entry of this.#entries) {
      if (hardwareOnly && !entry.hardware) continue;
      if (best === undefined || entry.dueUs < best.dueUs || (entry.dueUs === best.dueUs && entry.order < best.order)) {
        best = entry;
      }
    }
    return best;
  }

  #run(entry: Entry): void {
    this.#nowUs = Math.max(this.#nowUs, entry.dueUs);
    if (entry.periodUs > 0) entry.dueUs = this.#nowUs + entry.periodUs;
    else this.#entries = this.#entries.filter((other) => other !== entry);
    this.#turns.note();
    if (entry.hardware) entry.callback();
    else
      this.#turns.post(() => {
        if (!entry.cancelled) entry.callback();
      });
  }
}

/**
 * Sends setTimeout through the simulated clock until the returned function is called. NdisMSleep has no handle, so it
 * uses real time; in a simulation its waits must be simulated time too.
 */
export function redirectSleep(clock: SimClock): () => void {
  const real = globalThis.setTimeout;
  const fake = (callback: (...values: unknown[]) => void, delayMs = 0, ...values: unknown[]): Timer =>
    clock.after(delayMs, () => callback(...values));
  globalThis.setTimeout = fake as unknown as typeof globalThis.setTimeout;
  return () => {
    globalThis.setTimeout = real;
  };
}
