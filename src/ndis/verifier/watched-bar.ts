/**
 * A BAR that tells the verifier about accesses. Layer: ndis/verifier.
 * Invariant: an access is passed on unchanged; a miniport gets this object only while a verifier is on.
 */
import type { Bar } from '../../platform/index.ts';

/** Who is told. */
interface Watcher {
  registerRead(): void;
  registerWritten(offset: number): void;
}

export class WatchedBar implements Bar {
  readonly lengthBytes: number;
  readonly #bar: Bar;
  readonly #watcher: Watcher;

  constructor(bar: Bar, watcher: Watcher) {
    this.#bar = bar;
    this.#watcher = watcher;
    this.lengthBytes = bar.lengthBytes;
  }

  read32(offset: number): number {
    this.#watcher.registerRead();
    return this.#bar.read32(offset);
  }

  write32(offset: number, value: number): void {
    this.#watcher.registerWritten(offset);
    this.#bar.write32(offset, value);
  }

  read16(offset: number): number {
    this.#watcher.registerRead();
    return this.#bar.read16(offset);
  }

  write16(offset: number, value: number): void {
    this.#watcher.registerWritten(offset);
    this.#bar.write16(offset, value);
  }

  read8(offset: number): number {
    this.#watcher.registerRead();
    return this.#bar.read8(offset);
  }

  write8(offset: number, value: number): void {
    this.#watcher.registerWritten(offset);
    this.#bar.write8(offset, value);
  }

  unmap(): void {
    this.#bar.unmap();
  }
}
