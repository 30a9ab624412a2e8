/**
 * Bounded waits. Layer: base (imports nothing).
 * Invariant: a wait never writes to the device, always has a deadline, and ends at once when its probe says that
 * waiting has become pointless (device gone). How to pause is the caller's: a sleep at PASSIVE_LEVEL, a stall above.
 */

/** What a probe found. `hopeless` ends the wait: the awaited event cannot come any more. */
export type Probe = 'done' | 'wait' | 'hopeless';

/** How a wait ended. */
export type WaitResult = 'done' | 'timeout' | 'hopeless';

/**
 * Asks `probe` until it is done or about `deadlineUs` have passed in steps of `stepUs`, pausing by `sleep` in between.
 * The deadline counts steps, not a clock: with a slow `sleep` it is a lower bound, and it never ends too early.
 */
export async function waitUntil(
  probe: () => Probe,
  sleep: (us: number) => Promise<void>,
  stepUs: number,
  deadlineUs: number,
): Promise<WaitResult> {
  for (let waitedUs = 0; ; waitedUs += stepUs) {
    const found = probe();
    if (found !== 'wait') return found;
    if (waitedUs >= deadlineUs) return 'timeout';
    await sleep(stepUs);
  }
}

/** The same for callers that may not sleep; `stall` busy-waits, so keep `deadlineUs` in the tens of microseconds. */
export function stallUntil(
  probe: () => Probe,
  stall: (us: number) => void,
  stepUs: number,
  deadlineUs: number,
): WaitResult {
  for (let waitedUs = 0; ; waitedUs += stepUs) {
    const found = probe();
    if (found !== 'wait') return found;
    if (waitedUs >= deadlineUs) return 'timeout';
    stall(stepUs);
  }
}
