/**
 * The adapter's state machine as one table. Layer: ndis. [miniport-adapter-states-and-operations]
 * Invariant: what the table does not list is illegal and throws E_STATE naming both states. Reset is no event here: it
 * changes no state and may overlap a pause.
 */
import { NdisVfioError } from '../base/errors.ts';

export type AdapterState = 'Halted' | 'Shutdown' | 'Initializing' | 'Paused' | 'Restarting' | 'Running' | 'Pausing';

/** Event -> state before -> state after. Halt leaves only Paused; Shutdown is terminal. */
export const ADAPTER_TRANSITIONS = {
  initialize: { Halted: 'Initializing' },
  initializeComplete: { Initializing: 'Paused' },
  initializeFailed: { Initializing: 'Halted' },
  restart: { Paused: 'Restarting' },
  restartComplete: { Restarting: 'Running' },
  restartFailed: { Restarting: 'Paused' },
  pause: { Running: 'Pausing' },
  pauseComplete: { Pausing: 'Paused' },
  halt: { Paused: 'Halted' },
  shutdown: { Paused: 'Shutdown', Restarting: 'Shutdown', Running: 'Shutdown', Pausing: 'Shutdown' },
} as const satisfies Record<string, Partial<Record<AdapterState, AdapterState>>>;

export type AdapterEvent = keyof typeof ADAPTER_TRANSITIONS;

/**
 * States in which NDIS lets a kind of traffic through. Indications start when MiniportRestart is called, sends when it
 * has completed; a send in Pausing belongs to an NBL the miniport already owns, so new ones need Running.
 */
export const ADAPTER_TRAFFIC = {
  send: ['Running'],
  indicate: ['Restarting', 'Running'],
  oid: ['Paused', 'Restarting', 'Running', 'Pausing'],
} as const satisfies Record<string, readonly AdapterState[]>;

const AFTER: Readonly<Record<AdapterEvent, AdapterState>> = {
  initialize: 'Initializing',
  initializeComplete: 'Paused',
  initializeFailed: 'Halted',
  restart: 'Restarting',
  restartComplete: 'Running',
  restartFailed: 'Paused',
  pause: 'Pausing',
  pauseComplete: 'Paused',
  halt: 'Halted',
  shutdown: 'Shutdown',
};

/** True when `event` may happen in `state`. */
export function isTransition(state: AdapterState, event: AdapterEvent): boolean {
  return (ADAPTER_TRANSITIONS[event] as Partial<Record<AdapterState, AdapterState>>)[state] !== undefined;
}

/** True when `state` lets the kind of traffic through. */
export function lets(state: AdapterState, traffic: keyof typeof ADAPTER_TRAFFIC): boolean {
  return (ADAPTER_TRAFFIC[traffic] as readonly AdapterState[]).includes(state);
}

/**
 * The state after `event`.
 * @throws NdisVfioError E_STATE when the event is illegal in `state`.
 */
export function nextState(state: AdapterState, event: AdapterEvent): AdapterState {
  const after = (ADAPTER_TRANSITIONS[event] as Partial<Record<AdapterState, AdapterState>>)[state];
  if (after !== undefined) return after;
  const from = Object.keys(ADAPTER_TRANSITIONS[event]).join(' or ');
  throw new NdisVfioError('E_STATE', {
    action: `Cannot ${event} the adapter`,
    cause: `it is ${state}, and only from ${from} does it become ${AFTER[event]}`,
    cure: `Bring the adapter to ${from} first`,
  });
}
