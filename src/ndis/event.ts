/**
 * Events a miniport waits for at PASSIVE_LEVEL. Layer: ndis.
 * Invariant: an event stays set until it is reset, and setting it lets all go on that wait. There is no handle, so the
 * time limit of a wait is real time.
 */
import { requireIrqlAtMost } from './irql.ts';
import { DISPATCH_LEVEL, PASSIVE_LEVEL } from './types.ts';

/** Memory of the miniport's for an event; its members are NDIS's. [ns-ndis-_ndis_event] */
export interface NDIS_EVENT {
  Signaled: boolean;
  /** Those who wait. */
  Waiters: Set<() => void>;
}

/** Memory for an event, not set. Ours: C declares a variable. */
export function ndisEvent(): NDIS_EVENT {
  return { Signaled: false, Waiters: new Set() };
}

/** Makes an event that is not set. Any IRQL. [nf-ndis-ndisinitializeevent] */
export function NdisInitializeEvent(Event: NDIS_EVENT): void {
  Event.Signaled = false;
  Event.Waiters.clear();
}

/** Sets an event; whoever waits goes on in a microtask. <= DISPATCH_LEVEL. [nf-ndis-ndissetevent] @throws NdisVfioError E_STATE at DIRQL. */
export function NdisSetEvent(Event: NDIS_EVENT): void {
  requireIrqlAtMost(DISPATCH_LEVEL, 'NdisSetEvent');
  Event.Signaled = true;
  const waiters = [...Event.Waiters];
  Event.Waiters.clear();
  for (const wake of waiters) wake();
}

/** Resets an event. <= DISPATCH_LEVEL. [nf-ndis-ndisresetevent] @throws NdisVfioError E_STATE at DIRQL. */
export function NdisResetEvent(Event: NDIS_EVENT): void {
  requireIrqlAtMost(DISPATCH_LEVEL, 'NdisResetEvent');
  Event.Signaled = false;
}

/**
 * Waits until an event is set. PASSIVE_LEVEL. True: it was set; false: the time ran out. [nf-ndis-ndiswaitevent]
 * @param MsToWait milliseconds; 0: for ever.
 * @throws NdisVfioError E_STATE above PASSIVE_LEVEL.
 */
export function NdisWaitEvent(Event: NDIS_EVENT, MsToWait: number): Promise<boolean> {
  requireIrqlAtMost(PASSIVE_LEVEL, 'NdisWaitEvent');
  if (Event.Signaled) return Promise.resolve(true);
  return new Promise((resolve) => {
    let timer: NodeJS.Timeout | null = null;
    const wake = (): void => {
      if (timer !== null) clearTimeout(timer);
      resolve(true);
    };
    Event.Waiters.add(wake);
    if (MsToWait === 0) return;
    timer = setTimeout(() => {
      Event.Waiters.delete(wake);
      resolve(false);
    }, MsToWait);
  });
}
