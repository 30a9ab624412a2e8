/**
 * What the rules look at: the events NDIS tells the verifier, and what it remembers between them. Layer: ndis/verifier.
 * Invariant: types and data only; an event says what a miniport did, never that it was wrong.
 */
import type { AdapterState } from '../state.ts';
import type { NDIS_STATUS } from '../status.ts';
import type { KIRQL, NDIS_OID_REQUEST } from '../types.ts';

/** The callback of a miniport that an event happened in, as far as a check looks at it. */
export interface RunningCallback {
  /** The WDK's name of the callback, e.g. `MiniportMessageInterruptDPC`. */
  readonly callback: string;
  readonly irql: KIRQL;
  /** It got a flag that says DISPATCH_LEVEL, so it need not ask for the IRQL. */
  readonly flagged: boolean;
}

/** Where resources are taken stock of: contract 4.3, 0x08 to 0x0E. */
export type Reckoning = 'halt' | 'failed' | 'undone';

/** Kinds of things a miniport takes and has to give back. */
export type Held =
  | 'interrupt'
  | 'armed timer'
  | 'timer'
  | 'scatter-gather DMA'
  | 'shared memory'
  | 'I/O space'
  | 'configuration handle'
  | 'MDL'
  | 'NBL'
  | 'NBL pool'
  | 'work item'
  | 'memory';

export interface VerifierEvents {
  /** A function was called above its highest IRQL. */
  irqlTooHigh: { readonly what: string; readonly limit: KIRQL; readonly irql: KIRQL };
  /** A function was called below its lowest IRQL. */
  irqlTooLow: { readonly what: string; readonly needed: KIRQL; readonly irql: KIRQL };
  irqlQueried: { readonly frame: RunningCallback };
  stalled: { readonly microseconds: number };
  /** NdisMRegisterInterruptEx got these handlers. */
  handlers: { readonly missing: readonly string[] };
  /** The characteristics' MessageInfoTable was read after a registration. */
  tableRead: { readonly typeWasRead: boolean };
  tableWritten: { readonly property: string };
  /** A function was called with the handle of a deregistered interrupt. */
  staleInterrupt: { readonly what: string };
  isrReturned: {
    readonly line: boolean;
    readonly claimed: boolean;
    readonly queueDefault: boolean;
    readonly targets: number;
  };
  dpcReturned: { readonly elapsedUs: number; readonly more: boolean };
  registerWritten: { readonly offset: number };
  timerCancelled: { readonly periodic: boolean; readonly irql: KIRQL };
  pauseReturned: { readonly status: NDIS_STATUS };
  initializeReturned: { readonly status: NDIS_STATUS };
  oidReturned: { readonly request: NDIS_OID_REQUEST; readonly status: NDIS_STATUS };
  oidCompleting: { readonly request: NDIS_OID_REQUEST; readonly status: NDIS_STATUS };
  /** NdisMConfigMSIXTableEntry was called. */
  entryConfigured: { readonly set: boolean; readonly message: number; readonly messageCount: number };
  /** NdisMConfigMSIXTableEntry was called outside Initialize to Halt. */
  entryConfiguredOutside: Record<never, never>;
  driverDeregistered: Record<never, never>;
  /** The unused end of a block of shared memory is not zero any more. */
  slackWritten: { readonly lengthBytes: number; readonly at: number };
  callbackThrew: { readonly callback: string; readonly error: unknown };
  leftBehind: { readonly kind: Held; readonly when: Reckoning; readonly count: number; readonly detail: string };
  /** Once a second of the adapter's clock while something is pending. */
  tick: { readonly nowUs: number };
  /** A spin lock was acquired or released. */
  lock: { readonly op: 'acquire' | 'release'; readonly dpr: boolean; readonly held: boolean };
  /** A callback returned with spin locks still held. */
  locksHeld: { readonly callback: string; readonly count: number; readonly dpr: boolean };
  memoryAllocated: { readonly tag: number };
}

/** An OID request in the miniport's hands, or the last one that was. */
export interface OidLife {
  readonly request: NDIS_OID_REQUEST;
  readonly startedUs: number;
  /** What MiniportOidRequest returned; null: it has not yet. */
  returned: NDIS_STATUS | null;
  completions: number;
  late: boolean;
}

/** What is remembered of one life of an adapter, from MiniportInitializeEx to MiniportHaltEx. */
export class Life {
  oid: OidLife | null = null;
  /** The OIDs the miniport said it supports. */
  oidsClaimed: readonly number[] = [];
  /** MiniportDevicePnPEventNotify was told that the device is gone, and returned. */
  removalNoticed = false;
  /** NdisMAllocateSharedMemory failed in Initialize and no log entry followed yet. */
  unloggedFailure = false;
  /** Line ISR calls in a row that claimed the interrupt and did nothing about it. */
  idleClaims = 0;
  /** The running DPC unmasked a table entry. */
  unmasked = false;
  /** Sends in the miniport's hands -> when they came, in microseconds. */
  readonly sends = new Map<object, number>();
  /** When the last send completed, or the first pending one came. */
  sendProgressUs = 0;
}

/** What a check may look at besides its event. */
export interface Scene {
  readonly life: Life;
  readonly state: AdapterState;
  readonly halting: boolean;
  readonly frame: RunningCallback | null;
}
