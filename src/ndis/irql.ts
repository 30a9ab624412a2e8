/**
 * The interrupt request level (IRQL) that code runs at. Layer: ndis.
 * Invariant: one thread, so one level; NDIS raises it around every synchronous callback and restores it in `finally`,
 * also when the callback throws. It is the only module-level state that changes in this layer.
 */
import { NdisVfioError } from '../base/errors.ts';
import { DIRQL, DISPATCH_LEVEL, type KIRQL, PASSIVE_LEVEL } from './types.ts';

let current: KIRQL = PASSIVE_LEVEL;
let observer: ((what: string, limit: KIRQL, irql: KIRQL) => void) | null = null;

/** NDIS's own: whom a call from too high a level is told to before it is refused. */
export function observeIrql(told: (what: string, limit: KIRQL, irql: KIRQL) => void): void {
  observer = told;
}

/** The IRQL of the code that calls. Any IRQL. [nf-wdm-kegetcurrentirql] */
export function KeGetCurrentIrql(): KIRQL {
  return current;
}

/** NDIS's own: goes to a level and returns the one before, for {@link restoreIrql} in a `finally`. */
export function setIrql(level: KIRQL): KIRQL {
  const before = current;
  current = level;
  return before;
}

/** NDIS's own: the other half of {@link setIrql}. */
export function restoreIrql(before: KIRQL): void {
  current = before;
}

/** NDIS's own: calls back at a level; the level before is back when this returns or throws. */
export function callAtIrql<T>(level: KIRQL, callback: () => T): T {
  const before = setIrql(level);
  try {
    return callback();
  } finally {
    restoreIrql(before);
  }
}

/**
 * NDIS's own: refuses a call from too high a level.
 * @throws NdisVfioError E_STATE.
 */
export function requireIrqlAtMost(level: KIRQL, what: string): void {
  if (current > level) refuseIrql(level, what);
}

function refuseIrql(level: KIRQL, what: string): never {
  observer?.(what, level, current);
  throw new NdisVfioError('E_STATE', {
    action: `Cannot call ${what}`,
    cause: `it is allowed up to ${irqlName(level)} and was called at ${irqlName(current)}`,
    cure: 'Move the call out of the interrupt service routine or DPC',
  });
}

/** The level's name. */
export function irqlName(level: KIRQL): string {
  if (level > DIRQL) return 'HIGH_LEVEL';
  if (level === DIRQL) return 'DIRQL';
  return level >= DISPATCH_LEVEL ? 'DISPATCH_LEVEL' : 'PASSIVE_LEVEL';
}
