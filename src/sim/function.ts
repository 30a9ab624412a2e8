/**
 * The simulated NIC as a PCI function. Layer: sim, implements PciFunction and Bar of src/platform.
 * Invariants: BAR0 holds the registers, BAR3 the MSI-X table (not for drivers); a closed or unmapped object refuses
 * further use; every resource handed out is counted, so that a test can ask what was left behind.
 */
import { NdisVfioError } from '../base/errors.ts';
import type { PciAddress } from '../base/units.ts';
import type {
  Bar,
  BarInfo,
  DmaArena,
  InterruptKind,
  InterruptListener,
  InterruptVectors,
  PciFunction,
  PciIds,
} from '../platform/index.ts';
import type { DmaSpace } from './memory.ts';
import type { SimNic } from './nic.ts';
import { RegisterFile } from './register-file.ts';

/** Faults of the bus and the kernel, all off to begin with. */
export interface BusFaults {
  /** The nth call of allocateDma (1 is the first) fails, once. */
  failAllocateDma?: number | undefined;
  /** enableInterrupts fails for more vectors than this. */
  maxVectors?: number | undefined;
  /** enableInterrupts fails always. */
  failEnableInterrupts?: boolean;
  /** Configuration reads return at most so many bytes. */
  configReadLimit?: number | undefined;
  failMapBar?: boolean;
  /** reset() answers `unsupported`. */
  noReset?: boolean;
}

/** What the function is. */
export interface FunctionOptions {
  readonly ids: PciIds;
  readonly interruptCounts: Readonly<Record<InterruptKind, number>>;
  /** False: the MSI-X table cannot be mapped, masking is the caller's business. */
  readonly hardwareMask: boolean;
  readonly resetIsNoop: boolean;
}

const REGISTER_BAR: BarInfo = { index: 0, busAddress: 0xfebc_0000, lengthBytes: RegisterFile.lengthBytes };
const TABLE_BAR: BarInfo = { index: 3, busAddress: 0xfebf_0000, lengthBytes: 0x4000 };

class SimBar implements Bar {
  readonly lengthBytes: number;
  readonly #nic: SimNic;
  readonly #onUnmap: () => void;
  #mapped = true;

  constructor(nic: SimNic, lengthBytes: number, onUnmap: () => void) {
    this.#nic = nic;
    this.lengthBytes = lengthBytes;
    this.#onUnmap = onUnmap;
  }

  read32(offset: number): number {
    this.#check(offset, 4);
    return this.#nic.read32(offset);
  }

  write32(offset: number, value: number): void {
    this.#check(offset, 4);
    this.#nic.write32(offset, value);
  }

  read16(offset: number): number {
    this.#narrow(offset, 2);
    return (this.#nic.read32(offset & ~3) >>> (8 * (offset & 3))) & 0xffff;
  }

  write16(offset: number, _value: number): void {
    this.#narrow(offset, 2);
  }

  read8(offset: number): number {
    this.#narrow(offset, 1);
    return (this.#nic.read32(offset & ~3) >>> (8 * (offset & 3))) & 0xff;
  }

  write8(offset: number, _value: number): void {
    this.#narrow(offset, 1);
  }

  unmap(): void {
    if (!this.#mapped) return;
    this.#mapped = false;
    this.#onUnmap();
  }

  #check(offset: number, width: number): void {
    if (!this.#mapped) throw new Error('The BAR is unmapped');
    if (!Number.isInteger(offset) || offset < 0 || offset % width !== 0 || offset + width > this.lengthBytes) {
      throw new RangeError(`Offset ${offset} of width ${width} is not inside the BAR`);
    }
  }

  /** Both chips take 32-bit accesses only (82574 10.1.1, 82576 8.1.1). */
  #narrow(offset: number, width: number): void {
    this.#check(offset, width);
    this.#nic.registers.violate('access narrower than 32 bits', `offset 0x${offset.toString(16)}`);
  }
}

/** A simulated PCI function. */
export class SimPciFunction implements PciFunction {
  readonly address = '0000:01:00.0' as PciAddress;
  readonly ids: PciIds;
  readonly bars: readonly BarInfo[] = [REGISTER_BAR, TABLE_BAR];
  readonly interruptCounts: Readonly<Record<InterruptKind, number>>;
  onRemovalRequest: (() => void) | undefined = undefined;
  onDeviceError: (() => void) | undefined = undefined;
  /** Faults to inject; change them at any time. */
  readonly faults: BusFaults = {};
  closed = false;
  /** Calls of reset(). */
  functionResets = 0;
  /** Calls of allocateDma, failed ones included. */
  dmaAllocations = 0;
  readonly #nic: SimNic;
  readonly #memory: DmaSpace;
  readonly #options: FunctionOptions;
  readonly #config = new Uint8Array(256);
  #bars = new Set<SimBar>();

  constructor(nic: SimNic, options: FunctionOptions) {
    this.#nic = nic;
    this.#memory = nic.memory;
    this.#options = options;
    this.ids = options.ids;
    this.interruptCounts = options.interruptCounts;
    this.#fillConfig();
  }

  /** What is still held: mapped BARs, live DMA memory, open vectors, bus mastering. Empty when all is given back. */
  get held(): string[] {
    const held: string[] = [];
    if (this.#bars.size > 0) held.push(`${this.#bars.size} mapped BAR`);
    if (this.#memory.arenas.length > 0) held.push(`${this.#memory.arenas.length} DMA arenas`);
    if (this.#nic.interrupts.open !== null) held.push(`${this.#nic.interrupts.open.count} vectors`);
    if (this.#memory.busMaster && this.#nic.gone === 'no') held.push('bus mastering');
    return held;
  }

  readConfig(offset: number, into: Uint8Array): number {
    this.#check();
    const limit = this.faults.configReadLimit ?? into.length;
    const count = Math.max(0, Math.min(into.length, limit, this.#config.length - offset));
    if (this.#nic.gone !== 'no') into.fill(0xff, 0, count);
    else into.set(this.#config.subarray(offset, offset + count));
    return count;
  }

  writeConfig(offset: number, from: Uint8Array): number {
    this.#check();
    const count = Math.max(0, Math.min(from.length, this.#config.length - offset));
    if (this.#nic.gone === 'no') {
      this.#config.set(from.subarray(0, count), offset);
      if (offset <= 4 && offset + count > 4) this.setBusMaster((this.#config[4]! & 4) !== 0);
    }
    return count;
  }

  mapBar(index: number): Bar {
    this.#check();
    if (this.faults.failMapBar === true) {
      throw new NdisVfioError('E_VFIO', { action: 'Cannot map BAR 0', cause: 'EINVAL', cure: 'This is injected' });
    }
    if (index !== 0) throw new RangeError(`BAR ${index} is not for drivers`);
    const bar = new SimBar(this.#nic, REGISTER_BAR.lengthBytes, () => this.#bars.delete(bar));
    this.#bars.add(bar);
    return bar;
  }

  enableInterrupts(kind: InterruptKind, count: number, listener: InterruptListener): InterruptVectors {
    this.#check();
    const most = Math.min(this.interruptCounts[kind], this.faults.maxVectors ?? Number.POSITIVE_INFINITY);
    if (this.faults.failEnableInterrupts === true || count > most) {
      throw new NdisVfioError('E_VFIO', {
        action: `Cannot enable ${count} vectors of ${kind}`,
        cause: 'the kernel granted fewer',
        cure: 'This is injected',
      });
    }
    return this.#nic.interrupts.enable(kind, count, this.#options.hardwareMask, listener);
  }

  allocateDma(lengthBytes: number): DmaArena {
    this.#check();
    this.dmaAllocations += 1;
    if (this.dmaAllocations === this.faults.failAllocateDma) {
      throw new NdisVfioError('E_DMA', { action: 'Cannot map DMA memory', cause: 'ENOMEM', cure: 'This is injected' });
    }
    return this.#memory.allocate(lengthBytes);
  }

  setBusMaster(on: boolean): void {
    this.#check();
    this.#memory.busMaster = on;
    this.#config[4] = on ? this.#config[4]! | 4 : this.#config[4]! & ~4;
    this.#nic.busMasterChanged();
  }

  reset(): 'done' | 'unsupported' {
    this.#check();
    this.functionResets += 1;
    if (this.faults.noReset === true) return 'unsupported';
    if (!this.#options.resetIsNoop && this.#nic.gone === 'no') this.#nic.functionReset();
    return 'done';
  }

  close(): void {
    if (this.closed) return;
    this.setBusMaster(false);
    this.#nic.interrupts.open?.close();
    for (const arena of [...this.#memory.arenas]) arena.free();
    for (const bar of [...this.#bars]) bar.unmap();
    this.closed = true;
  }

  #check(): void {
    if (this.closed) {
      throw new NdisVfioError('E_STATE', {
        action: 'Cannot use the PCI function',
        cause: 'it is closed',
        cure: 'Open it again',
      });
    }
  }

  #fillConfig(): void {
    const view = new DataView(this.#config.buffer);
    const { ids } = this.#options;
    view.setUint16(0x00, ids.vendorId, true);
    view.setUint16(0x02, ids.deviceId, true);
    view.setUint16(0x04, 0x0002, true); // memory decoding on, bus mastering off: as VFIO opens it
    view.setUint16(0x06, 0x0010, true); // capability list
    view.setUint8(0x08, ids.revisionId);
    view.setUint32(0x09, 0x02_0000, true); // class: Ethernet controller
    view.setUint32(0x10, REGISTER_BAR.busAddress, true);
    view.setUint32(0x1c, TABLE_BAR.busAddress, true);
    view.setUint16(0x2c, ids.subsystemVendorId, true);
    view.setUint16(0x2e, ids.subsystemId, true);
    view.setUint8(0x34, 0x40);
    view.setUint8(0x3d, 1); // INTA#
    view.setUint16(0x40, 0x5001, true); // power management, next 0x50
    view.setUint16(0x50, 0x7005, true); // MSI, next 0x70
    view.setUint16(0x52, 0x0080, true);
    view.setUint16(0x70, 0xa011, true); // MSI-X, next 0xA0
    view.setUint16(0x72, Math.max(0, this.interruptCounts.msix - 1), true);
    view.setUint32(0x74, 0x0000_0003, true); // table in BAR3 at 0
    view.setUint32(0x78, 0x0000_2003, true); // PBA in BAR3 at 0x2000
    view.setUint16(0xa0, 0x0010, true); // PCI Express, last
    view.setUint16(0xa2, 0x0002, true);
  }
}
