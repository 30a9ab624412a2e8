/**
 * The native addon's surface, written down once. Layer: host (the only folder that loads the .node file).
 * Kernel ABI only: no policy and no register names on the other side. Every failure is an Error with `code` (errno
 * name), `syscall` and `step`. Every handle closes itself when the environment ends; close() is idempotent.
 */

/** Failure of a native call. */
export interface NativeError extends Error {
  /** errno name such as `EPERM`, or `ERR_CLOSED`, `ERR_RANGE`, `ERR_ARGUMENT`, `ERR_VFIO` for failures without errno. */
  readonly code: string;
  /** `open`, `ioctl`, `mmap`, ... */
  readonly syscall: string;
  /** What was being done, e.g. `VFIO_GROUP_GET_DEVICE_FD`. */
  readonly step: string;
  readonly errno?: number;
}

export interface NativeRegionInfo {
  readonly flags: number;
  readonly sizeBytes: number;
  readonly fileOffset: number;
  /** VFIO_REGION_INFO_CAP ids, e.g. 1 sparse mmap, 3 MSIX_MAPPABLE. */
  readonly capabilities: readonly number[];
  /** Areas of a sparse-mmap capability; empty when there is none. */
  readonly sparseAreas: readonly { readonly offset: number; readonly sizeBytes: number }[];
}

export interface NativeIrqInfo {
  readonly flags: number;
  readonly count: number;
}

/**
 * Offsets outside of the BAR or not a multiple of the width: RangeError with code ERR_RANGE; so is a write into the
 * MSI-X table, which belongs to the kernel. Values are taken modulo 2^32. One access is one bus cycle of that width.
 */
export interface NativeBar {
  readonly lengthBytes: number;
  read32(offset: number): number;
  write32(offset: number, value: number): void;
  read16(offset: number): number;
  write16(offset: number, value: number): void;
  read8(offset: number): number;
  write8(offset: number, value: number): void;
  /** True once a fault on this mapping was caught; reads give all ones from then on. */
  readonly faulted: boolean;
  close(): void;
}

/** Vector control (bit 0) of MSI-X table entries and the pending bits, through mapped pages. Nothing else is written. */
export interface NativeMsixTable {
  readonly count: number;
  setMasked(vector: number, masked: boolean): void;
  isMasked(vector: number): boolean;
  isPending(vector: number): boolean;
  close(): void;
}

export interface NativeIrqSet {
  /** VFIO loop-back trigger (DATA_NONE) of one vector. */
  trigger(vector: number): void;
  /** INTx only: VFIO_IRQ_SET_ACTION_UNMASK / MASK. */
  unmask(vector: number): void;
  mask(vector: number): void;
  /** SET_IRQS count 0, polls closed, eventfds closed; no callback follows. */
  close(): void;
}

export interface NativeDmaArena {
  /** External ArrayBuffer over page-aligned zeroed memory mapped at `iova`. Detached by close(). */
  readonly buffer: ArrayBuffer;
  readonly iova: number;
  readonly lengthBytes: number;
  close(): void;
}

export interface NativeDevice {
  /** VFIO_DEVICE_FLAGS_*: bit 0 RESET, bit 1 PCI. */
  readonly flags: number;
  readonly regionCount: number;
  readonly irqCount: number;
  regionInfo(index: number): NativeRegionInfo;
  irqInfo(index: number): NativeIrqInfo;
  /** pread/pwrite of the configuration region; returns bytes moved. */
  readConfig(offset: number, into: Uint8Array): number;
  writeConfig(offset: number, from: Uint8Array): number;
  /** Maps a BAR around what must not be mapped; falls back to pread/pwrite access where the kernel offers no mmap. */
  mapBar(index: number): NativeBar;
  /** Maps table and PBA. @throws where the region lacks MSIX_MAPPABLE. */
  mapMsix(tableBar: number, tableOffset: number, pbaBar: number, pbaOffset: number, count: number): NativeMsixTable;
  /**
   * One SET_IRQS for `count` vectors of a VFIO IRQ index (0 INTx, 1 MSI, 2 MSI-X, 3 ERR, 4 REQ); one eventfd and one
   * uv_poll each. The callback is entered through a callback scope for every wake-up with (vector, eventfd count).
   */
  openIrqs(irqIndex: number, count: number, callback: (vector: number, wakes: number) => void): NativeIrqSet;
  /** VFIO_DEVICE_RESET. False: the device has no reset method (EINVAL). */
  reset(): boolean;
  setBusMaster(on: boolean): void;
  close(): void;
}

export interface NativeGroup {
  /** VFIO_GROUP_FLAGS_VIABLE; always true, as openGroup throws ERR_VFIO for a group that is not. */
  readonly viable: boolean;
  openDevice(address: string): NativeDevice;
  close(): void;
}

/** Closing it closes everything below in the safe order: bus master, interrupts, DMA, mappings, device, group. */
export interface NativeContainer {
  /** Opens /dev/vfio/N, checks that it is viable and attaches it; the first group also sets the type1v2 IOMMU. */
  openGroup(group: number): NativeGroup;
  /**
   * Allocates and maps; picks a free IOVA from 1 MiB to 4 GiB in the IOMMU's valid ranges and leaves an unmapped page
   * behind it, so that a device that runs past the end faults.
   */
  allocateDma(lengthBytes: number): NativeDmaArena;
  /** Number of live mappings. */
  readonly mappingCount: number;
  close(): void;
}

/**
 * Pairs are [offset, lengthBytes] into `memory`, all checked before a byte moves (ERR_RANGE). A frame longer than its
 * capacity is cut by the kernel. EIO, EINVAL and EMSGSIZE on write count as taken and as a write error; EAGAIN and
 * ENOBUFS stop the batch. After the interface was deleted both throw EBADFD.
 */
export interface NativeTap {
  readonly name: string;
  readBatch(memory: Uint8Array, pairs: Uint32Array, count: number): number;
  writeBatch(memory: Uint8Array, pairs: Uint32Array, from: number, count: number): number;
  readonly writeErrors: number;
  /** One uv_poll for readability; null stops it. */
  setReadable(callback: (() => void) | null): void;
  setCarrier(up: boolean): void;
  setMtu(mtuBytes: number): void;
  getMtu(): number;
  setMac(mac: Uint8Array): void;
  getMac(): Uint8Array;
  setUp(up: boolean): void;
  close(): void;
}

export interface NativeAddon {
  openContainer(): NativeContainer;
  /** TUNSETIFF with IFF_TAP | IFF_NO_PI, exclusive (IFF_TUN_EXCL): an existing name is an error (EBUSY). */
  openTap(name: string): NativeTap;
  /** Writes CLOCK_MONOTONIC into [seconds, nanoseconds] of the array: allocates nothing. */
  readClock(into: Uint32Array): void;
  /** Busy-waits on CLOCK_MONOTONIC; at most 1 s. */
  stall(delayUs: number): void;
  /** RLIMIT_MEMLOCK soft limit in bytes; Infinity when unlimited. */
  memlockLimit(): number;
  /**
   * Eventfds without a device: the same poll, drain and callback-scope path as openIrqs, for tests and benchmarks.
   * trigger() writes the eventfd.
   */
  openEventfds(count: number, callback: (vector: number, wakes: number) => void): NativeIrqSet;
  /** Open handles of this environment by kind, for leak tests. */
  handleCounts(): Readonly<Record<'container' | 'group' | 'device' | 'bar' | 'msix' | 'irq' | 'dma' | 'tap', number>>;
}
