/**
 * Counters of one interrupt message. Layer: ndis.
 * Invariant: counting allocates nothing; times stand in a Float64Array because a double in a field may be boxed.
 */

/** How often something was timed and how long it took, in microseconds. */
export interface TimeCounter {
  readonly count: number;
  readonly total: number;
  readonly max: number;
}

/** Public counters of one message; for a line-based interrupt of the line. */
export interface MessageCounters {
  /** Messages signalled, counted natively. */
  readonly wakes: number;
  readonly isrCalls: number;
  /** ISR calls that returned FALSE. */
  readonly isrFalse: number;
  readonly dpcRuns: number;
  /** Runs that left MoreNblsPending set and were repeated. */
  readonly dpcBudgetExhausted: number;
  /** Wakes that shared an ISR call with another one. */
  readonly coalesced: number;
  readonly diagnosticDisabled: boolean;
  readonly isrUs: TimeCounter;
  readonly dpcUs: TimeCounter;
  /** From queueing a DPC to its start. */
  readonly isrToDpcUs: TimeCounter;
  readonly nblsIndicated: number;
  readonly maxNblsInOneDpc: number;
}

export class TimeCount implements TimeCounter {
  readonly #values = new Float64Array(3);

  get count(): number {
    return this.#values[0] as number;
  }

  get total(): number {
    return this.#values[1] as number;
  }

  get max(): number {
    return this.#values[2] as number;
  }

  add(us: number): void {
    const values = this.#values;
    values[0] = (values[0] as number) + 1;
    values[1] = (values[1] as number) + us;
    if (us > (values[2] as number)) values[2] = us;
  }

  toJSON(): TimeCounter {
    return { count: this.count, total: this.total, max: this.max };
  }
}

export class MessageCount implements MessageCounters {
  wakes = 0;
  isrCalls = 0;
  isrFalse = 0;
  dpcRuns = 0;
  dpcBudgetExhausted = 0;
  coalesced = 0;
  diagnosticDisabled = false;
  readonly isrUs = new TimeCount();
  readonly dpcUs = new TimeCount();
  readonly isrToDpcUs = new TimeCount();
  nblsIndicated = 0;
  maxNblsInOneDpc = 0;
}
