/**
 * A PCI function over vfio-pci. Layer: host.
 * Invariants: bus mastering is off after open (the caller resets the device first: some keep their rings over a
 * process's death); close() goes the safe order whatever was left open; the kernel resets the function after it.
 */
import { NdisVfioError } from '../base/errors.ts';
import { asIova, type Iova, type PciAddress } from '../base/units.ts';
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
import type { NativeAddon, NativeBar, NativeContainer, NativeDevice, NativeDmaArena, NativeIrqSet } from './addon.ts';
import { CONFIG_BYTES, type MsixCapability, readMsixCapability } from './config-space.ts';
import { IRQ_INDEX, openVectors } from './interrupts.ts';
import { isNativeError, loadAddon } from './native.ts';
import { checkMemlock, checkOpenable, explainOpen, memlockError, readStatus } from './open-errors.ts';
import { SYSTEM_ROOTS, type SystemRoots } from './roots.ts';
import { readPciFunction } from './sysfs.ts';

export interface OpenOptions {
  /** DMA memory the caller is going to allocate: checked against RLIMIT_MEMLOCK before anything is opened. */
  readonly dmaBytes?: number | undefined;
  readonly roots?: SystemRoots | undefined;
  readonly addon?: NativeAddon | undefined;
}

/**
 * Opens a PCI function that is bound to vfio-pci.
 * @throws NdisVfioError E_BAD_ADDRESS, E_NO_DEVICE, E_NO_IOMMU, E_WRONG_DRIVER, E_GROUP_NOT_VIABLE, E_NO_VFIO,
 * E_PERMISSION, E_BUSY, E_MEMLOCK, E_VFIO, E_ADDON.
 */
export function openPciFunction(addressText: string, options: OpenOptions = {}): PciFunction {
  const roots = options.roots ?? SYSTEM_ROOTS;
  const info = readPciFunction(addressText, roots);
  const group = checkOpenable(info, roots);
  const addon = options.addon ?? loadAddon();
  if (options.dmaBytes !== undefined) {
    checkMemlock(`Cannot open ${info.address}`, options.dmaBytes, addon.memlockLimit(), roots);
  }
  let container: NativeContainer | undefined;
  try {
    container = addon.openContainer();
    const device = container.openGroup(group).openDevice(info.address);
    device.setBusMaster(false);
    return new VfioPciFunction(addon, roots, container, device, info.address, info.ids, info.bars);
  } catch (error) {
    container?.close();
    throw explainOpen(info, group, roots, error);
  }
}

class VfioPciFunction implements PciFunction {
  readonly address: PciAddress;
  readonly ids: PciIds;
  readonly bars: readonly BarInfo[];
  readonly interruptCounts: Readonly<Record<InterruptKind, number>>;
  onRemovalRequest: (() => void) | undefined = undefined;
  onDeviceError: (() => void) | undefined = undefined;

  #addon: NativeAddon;
  #roots: SystemRoots;
  #container: NativeContainer;
  #device: NativeDevice;
  #msix: MsixCapability | undefined;
  #vectors: InterruptVectors | undefined;
  #notices: NativeIrqSet[] = [];
  #closed = false;

  constructor(
    addon: NativeAddon,
    roots: SystemRoots,
    container: NativeContainer,
    device: NativeDevice,
    address: PciAddress,
    ids: PciIds,
    bars: readonly BarInfo[],
  ) {
    this.#addon = addon;
    this.#roots = roots;
    this.#container = container;
    this.#device = device;
    this.address = address;
    this.ids = ids;
    this.bars = bars;
    const config = new Uint8Array(CONFIG_BYTES);
    device.readConfig(0, config);
    this.#msix = readMsixCapability(config);
    this.interruptCounts = {
      msix: this.#msix === undefined ? 0 : irqCount(device, IRQ_INDEX.msix),
      msi: Math.min(irqCount(device, IRQ_INDEX.msi), 1),
      line: irqCount(device, IRQ_INDEX.line),
    };
    this.#listen(IRQ_INDEX.error, () => this.onDeviceError?.());
    this.#listen(IRQ_INDEX.request, () => this.onRemovalRequest?.());
  }

  readConfig(offset: number, into: Uint8Array): number {
    return this.#run('read the configuration space of', (device) => device.readConfig(offset, into));
  }

  writeConfig(offset: number, from: Uint8Array): number {
    return this.#run('write the configuration space of', (device) => device.writeConfig(offset, from));
  }

  mapBar(index: number): Bar {
    const native = this.#run(`map BAR ${index} of`, (device) => device.mapBar(index));
    // The native object itself, so that a register access is one call into the addon.
    return Object.assign(native as NativeBar & { unmap: () => void }, { unmap: () => native.close() });
  }

  enableInterrupts(kind: InterruptKind, count: number, listener: InterruptListener): InterruptVectors {
    const action = `Cannot enable ${count} ${kind} interrupts of ${this.address}`;
    if (this.#vectors !== undefined) {
      throw new NdisVfioError('E_STATE', {
        action,
        cause: `${this.#vectors.kind} interrupts are on, and the kinds exclude one another`,
        cure: 'Close them first',
      });
    }
    const offered = this.interruptCounts[kind];
    if (!Number.isInteger(count) || count < 1 || count > offered) {
      throw new NdisVfioError('E_VFIO', {
        action,
        cause: `the function offers ${offered}`,
        cure: offered === 0 ? 'Choose another kind of interrupt' : `Ask for 1 to ${offered}`,
      });
    }
    const vectors = this.#run(`enable ${kind} interrupts of`, (device) =>
      openVectors(device, kind, count, this.#msix, listener, () => {
        this.#vectors = undefined;
      }),
    );
    this.#vectors = vectors;
    return vectors;
  }

  allocateDma(lengthBytes: number): DmaArena {
    this.#requireOpen('allocate DMA memory for');
    try {
      return new VfioDmaArena(this.#container.allocateDma(lengthBytes));
    } catch (error) {
      const action = `Cannot allocate ${lengthBytes} bytes of DMA memory for ${this.address}`;
      if (!isNativeError(error) || error.code === 'ERR_ARGUMENT') throw error;
      if (error.code === 'ENOMEM' && error.step === 'VFIO_IOMMU_MAP_DMA') {
        const limit = this.#addon.memlockLimit();
        throw memlockError(action, lengthBytes, limit, readStatus(this.#roots).lockedBytes, error);
      }
      const cure =
        error.code === 'ENOMEM' || error.code === 'ERR_VFIO' ? 'Ask for less' : 'See the last lines of `dmesg`';
      throw new NdisVfioError('E_DMA', { action, cause: error.message, cure }, error);
    }
  }

  setBusMaster(on: boolean): void {
    this.#run('switch bus mastering of', (device) => device.setBusMaster(on));
  }

  reset(): 'done' | 'unsupported' {
    return this.#run('reset', (device) => (device.reset() ? 'done' : 'unsupported'));
  }

  // The addon's close of the container is the whole safe order; the vectors go first because they own a listener.
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    try {
      this.#device.setBusMaster(false);
    } catch {
      // A function that has gone masters no bus.
    }
    this.#vectors?.close();
    for (const notice of this.#notices) notice.close();
    this.#container.close();
    this.onRemovalRequest = undefined;
    this.onDeviceError = undefined;
  }

  #listen(index: number, callback: () => void): void {
    if (irqCount(this.#device, index) > 0) this.#notices.push(this.#device.openIrqs(index, 1, callback));
  }

  #requireOpen(verb: string): void {
    if (!this.#closed) return;
    const text = { action: `Cannot ${verb} ${this.address}`, cause: 'it was closed', cure: 'Open it again' };
    throw new NdisVfioError('E_STATE', text);
  }

  #run<Result>(verb: string, call: (device: NativeDevice) => Result): Result {
    this.#requireOpen(verb);
    try {
      return call(this.#device);
    } catch (error) {
      if (!isNativeError(error) || error.code === 'ERR_RANGE' || error.code === 'ERR_ARGUMENT') throw error;
      const gone = error.code === 'EIO' || error.code === 'ENODEV' || error.code === 'ENXIO';
      throw new NdisVfioError(
        gone ? 'E_DEVICE_GONE' : 'E_VFIO',
        {
          action: `Cannot ${verb} ${this.address}`,
          cause: error.message,
          cure: gone ? 'Check that the device is still there: `lspci -D`' : 'See the last lines of `dmesg`',
        },
        error,
      );
    }
  }
}

class VfioDmaArena implements DmaArena {
  readonly bytes: Uint8Array;
  readonly iova: Iova;
  readonly lengthBytes: number;
  #native: NativeDmaArena;

  constructor(native: NativeDmaArena) {
    this.#native = native;
    this.bytes = new Uint8Array(native.buffer);
    this.iova = asIova(native.iova);
    this.lengthBytes = native.lengthBytes;
  }

  free(): void {
    this.#native.close();
  }
}

/** 0 also where VFIO does not know the index for this function (ERR on a device that is not PCI Express). */
function irqCount(device: NativeDevice, index: number): number {
  try {
    return device.irqInfo(index).count;
  } catch {
    return 0;
  }
}
