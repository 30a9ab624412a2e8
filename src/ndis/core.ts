/**
 * stub: shared state of one adapter
 */
import type { Clock, InterruptKind } from '../platform/index.ts';
import type { NDIS_HANDLE, NDIS_INTERRUPT_TYPE } from './types.ts';

export interface AdapterOptions {
  readonly clock: Clock;
  /** Default: the best the function offers, in the order msix, msi, line. */
  readonly interrupts?: InterruptKind;
  /** Upper limit of messages granted (MessageNumberLimit in Windows). */
  readonly messageLimit?: number;
  /** Processors DPCs can be queued on, 1 to 32; default 1. */
  readonly processors?: number;
  /** MaxNblsToIndicate of every DPC; default 64; NDIS_INDICATE_ALL_NBLS allowed. */
  readonly dpcBudget?: number;
  /** Registry keywords, e.g. `{ '*JumboPacket': 9014 }`. */
  readonly configuration?: Readonly<Record<string, string | number>>;
  /** Default true. */
  readonly checkForHang?: boolean;
}

/** How often something was timed and how long it took, in microseconds. */
export interface TimeCounter {
  readonly count: number;
  readonly total: number;
  readonly max: number;
}

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
  readonly isrToDpcUs: TimeCounter;
  readonly nblsIndicated: number;
  readonly maxNblsInOneDpc: number;
}

export interface InterruptDetail {
  readonly type: NDIS_INTERRUPT_TYPE;
  readonly messageCount: number;
  readonly handle: NDIS_HANDLE;
  readonly messages: readonly MessageCounters[];
}

/** An entry of the adapter's log. */
export interface AdapterLogEntry {
  /** `miniport`: NdisWriteErrorLogEntry; `rule`: a broken rule that does no harm; `leak`: a resource NDIS had to take back; `info`. */
  readonly kind: 'miniport' | 'rule' | 'leak' | 'info';
  readonly message: string;
  /** ErrorCode of NdisWriteErrorLogEntry. */
  readonly code?: number;
  readonly values?: readonly number[];
  /** Parameter 1 of bug check 0x7C, where Windows has one for this. */
  readonly bugCheck?: number;
}

/** What Windows would answer with a bug check. The adapter takes no more interrupts; the host decides what follows. */
export interface AdapterFault {
  readonly message: string;
  readonly bugCheck?: number;
  /** What was thrown, if anything. */
  readonly error?: unknown;
}
