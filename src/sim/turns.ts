/**
 * The event loop as the simulation sees it. Layer: sim.
 * Invariant: every call into code under test that the hardware causes is one macrotask of its own (setImmediate), so
 * the microtasks it queues run before the next one, as the platform contract of InterruptListener demands.
 */

/** Posts macrotasks and knows when the machine has come to rest. */
export class TurnQueue {
  #pending = 0;
  #activity = 0;

  /** Runs `task` in a turn of its own. */
  post(task: () => void): void {
    this.#pending += 1;
    setImmediate(() => {
      this.#pending -= 1;
      this.#activity += 1;
      task();
    });
  }

  /** Something happened (a register access, a frame): not idle yet. */
  note(): void {
    this.#activity += 1;
  }

  /** Posted turns that have not run. */
  get pending(): number {
    return this.#pending;
  }

  /**
   * Resolves when nothing posted here waits and four turns in a row brought no activity. Code under test may use
   * setImmediate itself (the repeat of a DPC does): such a turn shows as activity when it touches the device.
   * @throws Error when the machine is still busy after `maxTurns`.
   */
  async settle(maxTurns = 200_000): Promise<void> {
    let quiet = 0;
    let seen = this.#activity;
    for (let turn = 0; turn < maxTurns; turn += 1) {
      await new Promise<void>((resolve) => setImmediate(resolve));
      if (this.#pending === 0 && this.#activity === seen) {
        quiet += 1;
        if (quiet === 4) return;
      } else {
        quiet = 0;
        seen = this.#activity;
      }
    }
    throw new Error(`The simulation is still busy after ${maxTurns} turns`);
  }
}
