/**
 * A TAP interface in memory. Layer: sim, implements Tap of src/platform.
 * Invariant: two bounded queues. `setReadable` is level-triggered, one call per turn while frames wait, as a poll on the
 * file descriptor is; a full queue towards the kernel makes writeBatch stop early.
 */
import type { FramePairs, Tap } from '../platform/index.ts';
import type { TurnQueue } from './turns.ts';

/** Sizes and names of a simulated TAP. */
export interface SimTapOptions {
  readonly name?: string;
  readonly mtu?: number;
  readonly mac?: Uint8Array;
  /** Frames the kernel side takes before it reports "no room"; default 500, txqueuelen of a real TAP. */
  readonly capacity?: number;
}

/** The kernel's side is push() and take(), the bridge's side is Tap. */
export class SimTap implements Tap {
  readonly name: string;
  mac: Uint8Array;
  readonly capacity: number;
  mtu: number;
  writeErrors = 0;
  carrier = false;
  closed = false;
  /** Fault: the interface is down, every write fails with EIO and counts as taken. */
  down = false;
  readonly carrierChanges: boolean[] = [];
  readonly #turns: TurnQueue;
  #toBridge: Uint8Array[] = [];
  #fromBridge: Uint8Array[] = [];
  #readable: (() => void) | undefined;
  #posted = false;

  constructor(turns: TurnQueue, options: SimTapOptions = {}) {
    this.#turns = turns;
    this.name = options.name ?? 'sim0';
    this.mtu = options.mtu ?? 1500;
    this.mac = options.mac ?? Uint8Array.of(0x02, 0, 0, 0, 0, 1);
    this.capacity = options.capacity ?? 500;
  }

  /** The kernel sends a frame into the TAP; false when its queue is full and the frame is dropped. */
  push(frame: Uint8Array): boolean {
    if (this.#toBridge.length >= this.capacity) return false;
    this.#toBridge.push(frame.slice());
    this.#poll();
    return true;
  }

  /** The kernel takes up to `count` frames the bridge wrote. */
  take(count = Number.POSITIVE_INFINITY): Uint8Array[] {
    return this.#fromBridge.splice(0, Math.min(count, this.#fromBridge.length));
  }

  /** Frames that wait for the bridge. */
  get waiting(): number {
    return this.#toBridge.length;
  }

  readBatch(memory: Uint8Array, pairs: FramePairs, count: number): number {
    this.#check();
    let done = 0;
    while (done < count && this.#toBridge.length > 0) {
      const frame = this.#toBridge.shift()!;
      const offset = pairs[2 * done]!;
      const length = Math.min(frame.length, pairs[2 * done + 1]!);
      memory.set(frame.subarray(0, length), offset);
      pairs[2 * done + 1] = length;
      done += 1;
    }
    return done;
  }

  writeBatch(memory: Uint8Array, pairs: FramePairs, from: number, count: number): number {
    this.#check();
    let done = 0;
    while (done < count) {
      if (this.down) {
        this.writeErrors += 1;
      } else {
        if (this.#fromBridge.length >= this.capacity) break;
        const offset = pairs[2 * (from + done)]!;
        const length = pairs[2 * (from + done) + 1]!;
        this.#fromBridge.push(memory.slice(offset, offset + length));
      }
      done += 1;
    }
    this.#turns.note();
    return done;
  }

  setReadable(callback: (() => void) | undefined): void {
    this.#readable = callback;
    this.#poll();
  }

  setCarrier(up: boolean): void {
    this.#check();
    this.carrier = up;
    this.carrierChanges.push(up);
  }

  setMtu(mtuBytes: number): void {
    this.#check();
    this.mtu = mtuBytes;
  }

  setMac(mac: Uint8Array): void {
    this.#check();
    this.mac = mac.slice();
  }

  close(): void {
    this.closed = true;
    this.#readable = undefined;
  }

  #check(): void {
    if (this.closed) throw new Error('The TAP is closed');
  }

  #poll(): void {
    if (this.#posted || this.#readable === undefined || this.#toBridge.length === 0) return;
    this.#posted = true;
    this.#turns.post(() => {
      this.#posted = false;
      if (this.#toBridge.length > 0) this.#readable?.();
      this.#poll();
    });
  }
}
