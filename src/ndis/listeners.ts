/**
 * Subscriptions of the host-facing API. Layer: ndis.
 * Invariant: a listener that throws disturbs neither NDIS nor the other listeners; its error surfaces as an uncaught
 * exception in a turn of its own.
 */

/** Ends a subscription. Idempotent. */
export type Unsubscribe = () => void;

/** A list of callbacks for one kind of event. */
export class Listeners<T> {
  #listeners: ((value: T) => void)[] = [];
  #silent = 0;

  /** Listeners that deal with the event; {@link addSilently} ones do not count. */
  get count(): number {
    return this.#listeners.length - this.#silent;
  }

  add(listener: (value: T) => void): Unsubscribe {
    // A copy on every change: a listener may unsubscribe while an event is being delivered.
    this.#listeners = [...this.#listeners, listener];
    return () => {
      this.#listeners = this.#listeners.filter((one) => one !== listener);
    };
  }

  /** NDIS's own interest in an event. */
  addSilently(listener: (value: T) => void): Unsubscribe {
    const unsubscribe = this.add(listener);
    let subscribed = true;
    this.#silent++;
    return () => {
      if (!subscribed) return;
      subscribed = false;
      this.#silent--;
      unsubscribe();
    };
  }

  emit(value: T): void {
    for (const listener of this.#listeners) {
      try {
        listener(value);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
