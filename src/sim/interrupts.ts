/**
 * Messages and lines from the simulated device to the listener. Layer: sim, implements InterruptVectors.
 * Invariants: MSI-X as the PCI specification has it: a message to a masked entry sets its pending bit, unmasking sends
 * one message and clears it. INTx is a level that VFIO masks at each delivery. One eventfd per vector: signals add up
 * until its turn comes; every delivery is a macrotask of its own.
 */
import type { InterruptKind, InterruptListener, InterruptVectors } from '../platform/index.ts';
import type { TurnQueue } from './turns.ts';

/** The device's side: where it sends messages to and drives its line. */
export class SimInterruptPort {
  readonly #turns: TurnQueue;
  #set: SimVectors | null = null;
  #line = false;
  #lose = new Map<number, number>();
  /** Messages the device sent, per vector, lost ones included. */
  readonly messagesSent: number[] = [];
  /** Set after each message; the throttling quirks hook in here. */
  onMessage: ((vector: number) => void) | undefined;

  constructor(turns: TurnQueue) {
    this.#turns = turns;
  }

  /** What is switched on in configuration space. `line` also stands for "nothing enabled": the device drives its pin. */
  get kind(): InterruptKind {
    return this.#set?.kind ?? 'line';
  }

  get open(): SimVectors | null {
    return this.#set;
  }

  get line(): boolean {
    return this.#line;
  }

  enable(kind: InterruptKind, count: number, hardwareMask: boolean, listener: InterruptListener): InterruptVectors {
    if (this.#set !== null) throw new Error('Interrupt kinds exclude one another: close the previous set first');
    const set = new SimVectors(this.#turns, this, kind, count, hardwareMask, listener);
    this.#set = set;
    if (kind === 'line') set.level(this.#line);
    return set;
  }

  /** Fault: the next `count` messages on a vector vanish. */
  lose(vector: number, count: number): void {
    this.#lose.set(vector, count);
  }

  /** Fault: a message without a cause. */
  ghost(vector: number): void {
    this.#set?.message(vector);
  }

  message(vector: number): void {
    this.messagesSent[vector] = (this.messagesSent[vector] ?? 0) + 1;
    this.#turns.note();
    const lose = this.#lose.get(vector) ?? 0;
    if (lose > 0) {
      this.#lose.set(vector, lose - 1);
      return;
    }
    if (this.#set !== null && this.#set.kind !== 'line') this.#set.message(vector);
    this.onMessage?.(vector);
  }

  drive(level: boolean): void {
    this.#line = level;
    if (this.#set?.kind === 'line') this.#set.level(level);
  }

  /** The device takes back a pending message (82574 CTRL_EXT.PBA_CLR, PBACLR). */
  clearPending(vector: number): void {
    this.#set?.clearPending(vector);
  }

  closed(set: SimVectors): void {
    if (this.#set === set) this.#set = null;
  }
}

/** One set of enabled vectors. */
export class SimVectors implements InterruptVectors {
  readonly kind: InterruptKind;
  readonly count: number;
  readonly hardwareMask: boolean;
  readonly #turns: TurnQueue;
  readonly #port: SimInterruptPort;
  readonly #listener: InterruptListener;
  readonly #signals: number[];
  readonly #masked: boolean[];
  readonly #pending: boolean[];
  #level = false;
  #open = true;

  constructor(
    turns: TurnQueue,
    port: SimInterruptPort,
    kind: InterruptKind,
    count: number,
    hardwareMask: boolean,
    listener: InterruptListener,
  ) {
    this.#turns = turns;
    this.#port = port;
    this.kind = kind;
    this.count = count;
    this.hardwareMask = kind === 'msix' && hardwareMask;
    this.#listener = listener;
    this.#signals = new Array<number>(count).fill(0);
    this.#masked = new Array<boolean>(count).fill(false);
    this.#pending = new Array<boolean>(count).fill(false);
  }

  mask(vector: number): void {
    this.#check(vector);
    if (this.kind === 'line' || this.hardwareMask) this.#masked[vector] = true;
  }

  unmask(vector: number): void {
    this.#check(vector);
    if (this.kind !== 'line' && !this.hardwareMask) return;
    this.#masked[vector] = false;
    if (this.kind === 'line') {
      this.level(this.#level);
    } else if (this.#pending[vector]) {
      this.#pending[vector] = false;
      this.#signal(vector);
    }
  }

  isMasked(vector: number): boolean {
    this.#check(vector);
    return this.#masked[vector] ?? false;
  }

  isPending(vector: number): boolean {
    this.#check(vector);
    return this.hardwareMask && (this.#pending[vector] ?? false);
  }

  trigger(vector: number): void {
    this.#check(vector);
    this.#signal(vector);
  }

  close(): void {
    this.#open = false;
    this.#port.closed(this);
  }

  /** The device's memory write for this entry. MSI has one vector whatever the device names. */
  message(vector: number): void {
    const entry = this.kind === 'msi' ? 0 : vector;
    if (entry >= this.count) return; // entries that were not enabled stay masked
    if (this.#masked[entry]) this.#pending[entry] = true;
    else this.#signal(entry);
  }

  level(high: boolean): void {
    this.#level = high;
    if (!high || this.#masked[0]) return;
    this.#masked[0] = true; // VFIO masks INTx before it signals the eventfd
    this.#signal(0);
  }

  clearPending(vector: number): void {
    if (vector < this.count) this.#pending[vector] = false;
  }

  #signal(vector: number): void {
    const before = this.#signals[vector] ?? 0;
    this.#signals[vector] = before + 1;
    if (before > 0) return;
    this.#turns.post(() => {
      const wakes = this.#signals[vector] ?? 0;
      this.#signals[vector] = 0;
      if (this.#open && wakes > 0) this.#listener(vector, wakes);
    });
  }

  #check(vector: number): void {
    if (!Number.isInteger(vector) || vector < 0 || vector >= this.count) {
      throw new RangeError(`Vector ${vector} is not one of the ${this.count} enabled`);
    }
    if (!this.#open) throw new Error('The vectors are closed');
  }
}
