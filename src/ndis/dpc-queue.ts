/**
 * DPC queues, one per processor, for one interrupt. Layer: ndis. Frame path 2; next: the miniport's DPC. (Contract 1.11)
 * Invariants: a DPC's identity is (message, processor) and it is queued at most once; FIFO per processor; it leaves the
 * queue before it runs, so it may queue itself; queueing allocates nothing.
 */
import type { NDIS_CONTEXT } from './types.ts';

/** The DPC of one message on one processor. */
export class Dpc {
  readonly message: number;
  readonly processor: number;
  queued = false;
  /** MoreNblsPending was set: run again in a later turn of the event loop. */
  repeat = false;
  context: NDIS_CONTEXT = null;
  next: Dpc | null = null;
  queuedAtUs = 0.5;

  constructor(message: number, processor: number) {
    this.message = message;
    this.processor = processor;
  }
}

export class DpcQueues {
  readonly #dpcs: Dpc[] = [];
  readonly #heads: (Dpc | null)[] = [];
  readonly #tails: (Dpc | null)[] = [];
  readonly #processors: number;
  #turn = 0;
  length = 0;

  constructor(messages: number, processors: number) {
    this.#processors = processors;
    for (let message = 0; message < messages; message++) {
      for (let processor = 0; processor < processors; processor++) this.#dpcs.push(new Dpc(message, processor));
    }
    for (let processor = 0; processor < processors; processor++) {
      this.#heads.push(null);
      this.#tails.push(null);
    }
  }

  get all(): readonly Dpc[] {
    return this.#dpcs;
  }

  get(message: number, processor: number): Dpc {
    return this.#dpcs[message * this.#processors + processor] as Dpc;
  }

  /** False when it was queued already; its context then stays as it is. [nf-wdm-keinsertqueuedpc] */
  push(dpc: Dpc, context: NDIS_CONTEXT, nowUs: number): boolean {
    if (dpc.queued) return false;
    dpc.queued = true;
    dpc.context = context;
    dpc.queuedAtUs = nowUs;
    dpc.next = null;
    const tail = this.#tails[dpc.processor] as Dpc | null;
    if (tail === null) this.#heads[dpc.processor] = dpc;
    else tail.next = dpc;
    this.#tails[dpc.processor] = dpc;
    this.length++;
    return true;
  }

  /** Takes the next one, processors in turn; null when all queues are empty. */
  pop(): Dpc | null {
    if (this.length === 0) return null;
    for (;;) {
      const processor = this.#turn;
      this.#turn = processor + 1 === this.#processors ? 0 : processor + 1;
      const dpc = this.#heads[processor] as Dpc | null;
      if (dpc === null) continue;
      this.#heads[processor] = dpc.next;
      if (dpc.next === null) this.#tails[processor] = null;
      dpc.next = null;
      dpc.queued = false;
      this.length--;
      return dpc;
    }
  }

  clear(): void {
    while (this.pop() !== null);
    for (const dpc of this.#dpcs) {
      dpc.repeat = false;
      dpc.context = null;
    }
  }
}
