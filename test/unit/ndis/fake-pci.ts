/**
 * A scripted PCI function and a manual clock for the tests of the NDIS layer. Layer: test.
 * Invariant: it knows no register; interrupts are raised by the test, MSI-X mask and pending bits behave as in hardware.
 */
import { asIova, type PciAddress } from '../../../src/base/units.ts';
import type {
  Bar,
  Clock,
  DmaArena,
  InterruptKind,
  InterruptListener,
  InterruptVectors,
  PciFunction,
  PciIds,
  Timer,
} from '../../../src/platform/index.ts';

export class ManualClock implements Clock {
  now = 1000;
  #timers: { atMs: number; periodMs: number; callback: () => void; live: boolean }[] = [];

  nowUs(): number {
    this.now += 0.25;
    return this.now;
  }

  after(delayMs: number, callback: () => void): Timer {
    return this.#add(delayMs, 0, callback);
  }

  every(periodMs: number, callback: () => void): Timer {
    return this.#add(periodMs, periodMs, callback);
  }

  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.after(delayMs, resolve);
    });
  }

  stall(): void {}

  get armed(): number {
    return this.#timers.filter((one) => one.live).length;
  }

  #add(delayMs: number, periodMs: number, callback: () => void): Timer {
    const timer = { atMs: this.#ms + delayMs, periodMs, callback, live: true };
    this.#timers.push(timer);
    return {
      cancel: () => {
        timer.live = false;
      },
    };
  }

  #ms = 0;

  #moveTo(ms: number): void {
    this.now += (ms - this.#ms) * 1000;
    this.#ms = ms;
  }

  /** Lets time pass and fires what falls due, with the microtasks between. */
  async pass(ms: number): Promise<void> {
    const end = this.#ms + ms;
    for (;;) {
      const due = this.#timers.filter((one) => one.live && one.atMs <= end).sort((a, b) => a.atMs - b.atMs)[0];
      if (due === undefined) break;
      this.#moveTo(Math.max(this.#ms, due.atMs));
      if (due.periodMs > 0) due.atMs += due.periodMs;
      else due.live = false;
      due.callback();
      await turn();
    }
    this.#moveTo(end);
    this.#timers = this.#timers.filter((one) => one.live);
    await turn();
  }
}

/** One turn of the event loop: all microtasks and the macrotasks queued before. */
export function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/** All microtasks, no macrotask. */
export async function microtasks(): Promise<void> {
  for (let count = 0; count < 50; count++) await null;
}

export class FakeVectors implements InterruptVectors {
  readonly kind: InterruptKind;
  readonly count: number;
  readonly hardwareMask: boolean;
  readonly listener: InterruptListener;
  readonly masked: boolean[];
  readonly pending: boolean[];
  readonly calls: string[] = [];
  closed = false;

  constructor(kind: InterruptKind, count: number, hardwareMask: boolean, listener: InterruptListener) {
    this.kind = kind;
    this.count = count;
    this.hardwareMask = hardwareMask;
    this.listener = listener;
    this.masked = Array.from({ length: count }, () => false);
    this.pending = Array.from({ length: count }, () => false);
  }

  mask(vector: number): void {
    this.calls.push(`mask ${vector}`);
    this.masked[vector] = true;
  }

  unmask(vector: number): void {
    this.calls.push(`unmask ${vector}`);
    this.masked[vector] = false;
    if (!this.pending[vector]) return;
    this.pending[vector] = false;
    // A message that was held back comes through the eventfd, so in a later turn.
    setImmediate(() => this.#deliver(vector, 1));
  }

  isMasked(vector: number): boolean {
    return this.masked[vector] === true;
  }

  isPending(vector: number): boolean {
    return this.pending[vector] === true;
  }

  trigger(vector: number): void {
    this.fire(vector);
  }

  close(): void {
    this.closed = true;
  }

  /** The device raises a table entry `wakes` times; a masked entry of a hardware table remembers one. */
  fire(vector: number, wakes = 1): void {
    if (this.kind === 'msix' && this.hardwareMask && this.masked[vector]) this.pending[vector] = true;
    else this.#deliver(vector, wakes);
  }

  #deliver(vector: number, wakes: number): void {
    if (!this.closed) this.listener(vector, wakes);
  }
}

export class FakeArena implements DmaArena {
  readonly bytes: Uint8Array;
  readonly iova: ReturnType<typeof asIova>;
  readonly lengthBytes: number;
  freed = false;

  constructor(iova: number, lengthBytes: number) {
    this.bytes = new Uint8Array(lengthBytes);
    this.iova = asIova(iova);
    this.lengthBytes = lengthBytes;
  }

  free(): void {
    this.freed = true;
  }
}

export interface FakePciScript {
  readonly msix?: number;
  readonly msi?: number;
  readonly line?: number;
  /** Vectors the kernel can give at once. */
  readonly vectorsAvailable?: number;
  readonly hardwareMask?: boolean;
  /** Called inside enableInterrupts, before it returns. */
  readonly whileArming?: (listener: InterruptListener) => void;
  readonly dmaLimit?: number;
}

export class FakePci implements PciFunction {
  readonly address = '0000:01:00.0' as PciAddress;
  readonly ids: PciIds = {
    vendorId: 0x8086,
    deviceId: 0x10c9,
    subsystemVendorId: 0x8086,
    subsystemId: 0xa03c,
    revisionId: 1,
  };
  readonly bars = [
    { index: 0, busAddress: 0xfe00_0000, lengthBytes: 0x20000 },
    { index: 3, busAddress: 0xfe10_0000, lengthBytes: 0x4000 },
  ];
  readonly interruptCounts: Readonly<Record<InterruptKind, number>>;
  readonly script: FakePciScript;
  readonly events: string[] = [];
  readonly arenas: FakeArena[] = [];
  readonly config = new Uint8Array(256);
  readonly registers = new Map<number, number>();
  vectors: FakeVectors | null = null;
  busMaster = false;
  mapped = 0;
  onRemovalRequest: (() => void) | undefined = undefined;
  onDeviceError: (() => void) | undefined = undefined;
  #nextIova = 0x10_0000;

  constructor(script: FakePciScript = {}) {
    this.script = script;
    this.interruptCounts = { msix: script.msix ?? 4, msi: script.msi ?? 1, line: script.line ?? 1 };
  }

  /** The vectors switched on. */
  get armed(): FakeVectors {
    if (this.vectors === null) throw new Error('no vectors are on');
    return this.vectors;
  }

  readConfig(offset: number, into: Uint8Array): number {
    into.set(this.config.subarray(offset, offset + into.length));
    return into.length;
  }

  writeConfig(offset: number, from: Uint8Array): number {
    this.config.set(from, offset);
    return from.length;
  }

  mapBar(index: number): Bar {
    this.mapped++;
    const info = this.bars.find((one) => one.index === index);
    const read = (offset: number): number => this.registers.get(offset) ?? 0;
    const write = (offset: number, value: number): void => {
      this.registers.set(offset, value >>> 0);
    };
    return {
      lengthBytes: info?.lengthBytes ?? 0,
      read32: read,
      write32: write,
      read16: read,
      write16: write,
      read8: read,
      write8: write,
      unmap: () => {
        this.mapped--;
      },
    };
  }

  enableInterrupts(kind: InterruptKind, count: number, listener: InterruptListener): InterruptVectors {
    this.events.push(`enable ${kind} ${count}`);
    if (count > (this.script.vectorsAvailable ?? 1000)) throw new Error(`the kernel grants fewer than ${count}`);
    this.vectors = new FakeVectors(kind, count, (this.script.hardwareMask ?? true) && kind === 'msix', listener);
    this.script.whileArming?.(listener);
    return this.vectors;
  }

  allocateDma(lengthBytes: number): DmaArena {
    const rounded = Math.ceil(lengthBytes / 4096) * 4096;
    if (lengthBytes > (this.script.dmaLimit ?? 1e9)) throw new Error('RLIMIT_MEMLOCK');
    const arena = new FakeArena(this.#nextIova, rounded);
    this.#nextIova += rounded + 4096;
    this.arenas.push(arena);
    return arena;
  }

  setBusMaster(on: boolean): void {
    this.busMaster = on;
  }

  reset(): 'done' {
    return 'done';
  }

  close(): void {}
}
