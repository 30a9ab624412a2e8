/**
 * Interrupt vectors over the addon: MSI-X with the table's own mask bits, MSI, INTx. Layer: host.
 * Invariants: only MSI-X with a mappable table masks in hardware; MSI cannot be masked here, the mask is a flag; INTx
 * is masked by VFIO at each delivery and stays so until unmask(). After close() nothing is called.
 */
import type { InterruptKind, InterruptListener, InterruptVectors } from '../platform/index.ts';
import type { NativeDevice, NativeIrqSet, NativeMsixTable } from './addon.ts';
import type { MsixCapability } from './config-space.ts';

/** VFIO's index of each kind [linux/vfio.h, VFIO_PCI_*_IRQ_INDEX]. */
export const IRQ_INDEX = { line: 0, msi: 1, msix: 2, error: 3, request: 4 } as const;

/** Switches vectors on. `onClosed` runs once when they are off again. @throws NativeError. */
export function openVectors(
  device: NativeDevice,
  kind: InterruptKind,
  count: number,
  msix: MsixCapability | undefined,
  listener: InterruptListener,
  onClosed: () => void,
): InterruptVectors {
  if (kind === 'line') return new LineVector(device, listener, onClosed);
  if (kind === 'msi') return new MessageVectors(device, 'msi', count, undefined, listener, onClosed);
  return new MessageVectors(device, 'msix', count, mapTable(device, msix), listener, onClosed);
}

/** The table, or undefined where the kernel does not let it be mapped (no MSIX_MAPPABLE). */
function mapTable(device: NativeDevice, msix: MsixCapability | undefined): NativeMsixTable | undefined {
  if (msix === undefined) return undefined;
  try {
    return device.mapMsix(msix.tableBar, msix.tableOffset, msix.pbaBar, msix.pbaOffset, msix.count);
  } catch {
    return undefined;
  }
}

class MessageVectors implements InterruptVectors {
  readonly kind: InterruptKind;
  readonly count: number;
  readonly hardwareMask: boolean;
  #irqs: NativeIrqSet;
  #table: NativeMsixTable | undefined;
  #masked: Uint8Array;
  #onClosed: (() => void) | undefined;

  constructor(
    device: NativeDevice,
    kind: InterruptKind,
    count: number,
    table: NativeMsixTable | undefined,
    listener: InterruptListener,
    onClosed: () => void,
  ) {
    this.kind = kind;
    this.count = count;
    this.hardwareMask = table !== undefined;
    this.#table = table;
    this.#masked = new Uint8Array(count);
    try {
      this.#irqs = device.openIrqs(IRQ_INDEX[kind], count, listener);
    } catch (error) {
      table?.close();
      throw error;
    }
    this.#onClosed = onClosed;
  }

  mask(vector: number): void {
    this.#check(vector);
    this.#masked[vector] = 1;
    this.#table?.setMasked(vector, true);
  }

  unmask(vector: number): void {
    this.#check(vector);
    this.#masked[vector] = 0;
    this.#table?.setMasked(vector, false);
  }

  isMasked(vector: number): boolean {
    this.#check(vector);
    return this.#table?.isMasked(vector) ?? this.#masked[vector] === 1;
  }

  isPending(vector: number): boolean {
    this.#check(vector);
    return this.#table?.isPending(vector) ?? false;
  }

  trigger(vector: number): void {
    this.#irqs.trigger(vector);
  }

  close(): void {
    this.#irqs.close();
    this.#table?.close();
    this.#onClosed?.();
    this.#onClosed = undefined;
  }

  // The table has more entries than vectors may be in use.
  #check(vector: number): void {
    if (!(vector >= 0 && vector < this.count)) throw new RangeError(`vector ${vector} of ${this.count}`);
  }
}

class LineVector implements InterruptVectors {
  readonly kind = 'line';
  readonly count = 1;
  readonly hardwareMask = false;
  #irqs: NativeIrqSet;
  #masked = false;
  #onClosed: (() => void) | undefined;

  constructor(device: NativeDevice, listener: InterruptListener, onClosed: () => void) {
    this.#irqs = device.openIrqs(IRQ_INDEX.line, 1, (vector, wakes) => {
      this.#masked = true; // VFIO masked the line when it signalled the eventfd
      listener(vector, wakes);
    });
    this.#onClosed = onClosed;
  }

  mask(): void {
    if (this.#masked) return;
    this.#irqs.mask(0);
    this.#masked = true;
  }

  unmask(): void {
    this.#masked = false;
    this.#irqs.unmask(0);
  }

  isMasked(): boolean {
    return this.#masked;
  }

  isPending(): boolean {
    return false;
  }

  trigger(vector: number): void {
    this.#irqs.trigger(vector);
  }

  close(): void {
    this.#irqs.close();
    this.#onClosed?.();
    this.#onClosed = undefined;
  }
}
