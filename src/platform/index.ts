/**
 * What the NDIS layer needs from the machine, as interfaces only. Layer: platform (imports base).
 * Two implementations: `src/host` over the native addon, `src/sim` as a simulated NIC.
 * Invariants: nothing here knows a register; a `close`d object refuses further use; interrupt listeners are entered
 * from the event loop, one vector at a time, and microtasks queued by a listener run before the next listener.
 */
import type { Iova, PciAddress } from '../base/units.ts';

/** How interrupts reach the processor. `msix` has a table with a mask bit per vector, `msi` has one vector, `line` is INTx. */
export type InterruptKind = 'msix' | 'msi' | 'line';

/** Identity of a PCI function, as in its configuration header. */
export interface PciIds {
  readonly vendorId: number;
  readonly deviceId: number;
  readonly subsystemVendorId: number;
  readonly subsystemId: number;
  readonly revisionId: number;
}

/** A memory base address register. */
export interface BarInfo {
  /** 0 to 5. */
  readonly index: number;
  /** Bus address the firmware or kernel assigned; the value a miniport sees as a translated resource. */
  readonly busAddress: number;
  readonly lengthBytes: number;
}

/**
 * A mapped BAR. Offsets are bytes from its start, must be multiples of the access width and inside the BAR
 * (RangeError otherwise). After the device has gone every read gives all ones.
 */
export interface Bar {
  readonly lengthBytes: number;
  read32(offset: number): number;
  write32(offset: number, value: number): void;
  read16(offset: number): number;
  write16(offset: number, value: number): void;
  read8(offset: number): number;
  write8(offset: number, value: number): void;
  unmap(): void;
}

/**
 * Memory that device and process share, at one bus address, coherent, zeroed. `free()` detaches `bytes` (views read
 * `undefined` afterwards) before the device's mapping is removed.
 */
export interface DmaArena {
  readonly bytes: Uint8Array;
  readonly iova: Iova;
  readonly lengthBytes: number;
  free(): void;
}

/**
 * Called for each wake-up of a vector's eventfd. `wakes` is how many messages were folded into this call (>= 1).
 * Microtasks queued inside run as soon as it returns.
 */
export type InterruptListener = (vector: number, wakes: number) => void;

/** The vectors of one function after they were switched on together. */
export interface InterruptVectors {
  readonly kind: InterruptKind;
  readonly count: number;
  /**
   * True when mask() and isPending() act on the hardware: the vector-control and pending bits of an MSI-X table that
   * can be mapped. False for MSI, and for MSI-X tables that cannot; the caller then keeps the mask in software.
   */
  readonly hardwareMask: boolean;
  /** MSI-X: sets the vector-control mask bit. line: leaves INTx masked after the next delivery. Any IRQL. */
  mask(vector: number): void;
  /** MSI-X: clears the mask bit; a pending message is delivered at once. line: VFIO's INTx unmask. Any IRQL. */
  unmask(vector: number): void;
  isMasked(vector: number): boolean;
  /** The PBA bit of the vector (MSI-X with hardwareMask), else false. */
  isPending(vector: number): boolean;
  /** Fires the eventfd without the device (VFIO loop-back, DATA_NONE): tests the path from the kernel upwards. */
  trigger(vector: number): void;
  /** Stops listening and releases the vectors; no listener call follows, also not for wake-ups already signalled. */
  close(): void;
}

/** One PCI function, opened. */
export interface PciFunction {
  readonly address: PciAddress;
  readonly ids: PciIds;
  readonly bars: readonly BarInfo[];
  /** How many vectors each kind offers; 0 where the function lacks the kind. */
  readonly interruptCounts: Readonly<Record<InterruptKind, number>>;
  /** Reads configuration space; returns the bytes read, 0 to into.length. Any IRQL. */
  readConfig(offset: number, into: Uint8Array): number;
  writeConfig(offset: number, from: Uint8Array): number;
  mapBar(index: number): Bar;
  /**
   * Switches on `count` vectors of a kind in one call. Kinds exclude one another: close the previous set first.
   * @throws when the kernel grants fewer.
   */
  enableInterrupts(kind: InterruptKind, count: number, listener: InterruptListener): InterruptVectors;
  /** @throws NdisVfioError E_MEMLOCK or E_DMA. Length is rounded up to whole pages. */
  allocateDma(lengthBytes: number): DmaArena;
  setBusMaster(on: boolean): void;
  /** Function-level reset by VFIO. `unsupported`: the function has no reset method. Some devices report success and reset nothing. */
  reset(): 'done' | 'unsupported';
  /** The kernel asks for the function back (unbind, hot unplug); repeated every 10 s until it is closed. */
  onRemovalRequest: (() => void) | undefined;
  /** An uncorrectable PCIe error (AER) was reported. */
  onDeviceError: (() => void) | undefined;
  /** Closes everything in the safe order: bus master off, vectors, DMA, mappings, device. Idempotent. */
  close(): void;
}

/** A timer that can be ended. `cancel` is idempotent. */
export interface Timer {
  cancel(): void;
}

/** Time, replaceable in tests. */
export interface Clock {
  /** Monotonic time in microseconds with a fraction; allocation-free once warm. */
  nowUs(): number;
  /** Calls back once after at least `delayMs`. */
  after(delayMs: number, callback: () => void): Timer;
  /** Calls back every `periodMs`. */
  every(periodMs: number, callback: () => void): Timer;
  /** Resolves after at least `delayMs`. */
  sleep(delayMs: number): Promise<void>;
  /** Busy-waits; for the microsecond delays of hardware sequences. */
  stall(delayUs: number): void;
}

/** Frames to or from a TAP: pairs [offset, lengthBytes], offset counted in `memory`. */
export type FramePairs = Uint32Array;

/** A TAP interface. Frames go without a checksum and without a virtio header. */
export interface Tap {
  readonly name: string;
  readonly mtu: number;
  readonly mac: Uint8Array;
  /**
   * Reads up to `count` frames. In: pair i = [offset, capacityBytes]; out: its length word becomes the frame's length.
   * Returns how many frames were read; fewer than count: the queue is empty.
   */
  readBatch(memory: Uint8Array, pairs: FramePairs, count: number): number;
  /**
   * Writes pairs `from` to `from + count - 1`. Returns how many the kernel took, stopping at the first it has no room
   * for; a frame it refuses for good (interface down: EIO) counts as taken and is added to {@link writeErrors}.
   */
  writeBatch(memory: Uint8Array, pairs: FramePairs, from: number, count: number): number;
  /** Frames the kernel refused, e.g. because the interface is down. */
  readonly writeErrors: number;
  /** Calls back while frames wait; undefined stops listening (back-pressure). */
  setReadable(callback: (() => void) | undefined): void;
  setCarrier(up: boolean): void;
  setMtu(mtuBytes: number): void;
  /** Gives the interface another address (six bytes, unicast). Allowed while it is up. */
  setMac(mac: Uint8Array): void;
  close(): void;
}
