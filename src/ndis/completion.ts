/**
 * One operation that a miniport may complete later (PENDING). Layer: ndis.
 * Invariant: it is completed once; a second completion is the caller's to report.
 */
import type { NDIS_STATUS } from './status.ts';

export class Completion {
  completed = false;
  readonly promise: Promise<NDIS_STATUS>;
  #resolve: (status: NDIS_STATUS) => void = () => {};

  constructor() {
    this.promise = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  /** False when it was completed before. */
  complete(status: NDIS_STATUS): boolean {
    if (this.completed) return false;
    this.completed = true;
    this.#resolve(status);
    return true;
  }
}
