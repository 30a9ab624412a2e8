/**
 * Work of the device that must stay in order but may come late. Layer: sim.
 * Invariant: steps run in the order they were submitted; only the moment is up to the mode. PCIe keeps posted writes
 * in order, so this is exactly the freedom a NIC has with its descriptor write-backs.
 */
import type { Random } from './random.ts';
import type { TurnQueue } from './turns.ts';

/** now: at once. turn: in the next turn of the event loop. random: some now, some in later turns. hold: when released. */
export type InOrderMode = 'now' | 'turn' | 'random' | 'hold';

/** A queue of steps. */
export class InOrder {
  mode: InOrderMode = 'now';
  readonly #turns: TurnQueue;
  readonly #random: Random;
  #steps: Array<() => void> = [];
  #posted = false;
  #running = false;

  constructor(turns: TurnQueue, random: Random) {
    this.#turns = turns;
    this.#random = random;
  }

  get waiting(): number {
    return this.#steps.length;
  }

  submit(step: () => void): void {
    this.#steps.push(step);
    if (this.mode === 'now') this.run(Number.POSITIVE_INFINITY);
    else if (this.mode === 'turn') this.#post();
    else if (this.mode === 'random') {
      if (this.#random.chance(0.2)) this.run(this.#random.integer(0, 3));
      if (this.#steps.length > 0) this.#post();
    }
  }

  /** Runs up to `count` steps; in hold mode this is the release. */
  run(count: number): void {
    if (this.#running) return;
    this.#running = true;
    try {
      for (let i = 0; i < count; i += 1) {
        const step = this.#steps.shift();
        if (step === undefined) break;
        step();
      }
    } finally {
      this.#running = false;
    }
  }

  clear(): void {
    this.#steps = [];
  }

  #post(): void {
    if (this.#posted) return;
    this.#posted = true;
    this.#turns.post(() => {
      this.#posted = false;
      if (this.mode === 'hold') return;
      this.run(this.mode === 'random' ? this.#random.integer(0, 4) : Number.POSITIVE_INFINITY);
      if (this.#steps.length > 0) this.#post();
    });
  }
}
