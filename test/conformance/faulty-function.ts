/**
 * A PCI function whose calls can be made to fail, and which can vanish, over any other. Layer: test.
 * Invariants: with no fault set it changes nothing; a function that vanished reads all ones, takes no writes and moves no
 * data any more, and still closes in the safe order.
 */
import { NdisVfioError } from '../../src/base/errors.ts';
import type {
  Bar,
  BarInfo,
  DmaArena,
  InterruptKind,
  InterruptListener,
  InterruptVectors,
  PciFunction,
  PciIds,
} from '../../src/platform/index.ts';

/** What fails, all off to begin with; change it at any time. */
export interface Faults {
  mapBar?: boolean;
  enableInterrupts?: boolean;
  /** The nth call of allocateDma from now on (1 is the next), once. */
  allocateDma?: number | undefined;
  readConfig?: boolean;
  writeConfig?: boolean;
}

function injected(action: string, code: 'E_VFIO' | 'E_DMA'): NdisVfioError {
  return new NdisVfioError(code, { action, cause: 'the test makes it fail', cure: 'This is on purpose' });
}

const PCI_COMMAND = 4;
const BUS_MASTER = 4;

export class FaultyFunction implements PciFunction {
  readonly faults: Faults = {};
  /** Calls of allocateDma, failed ones included. */
  dmaAllocations = 0;
  readonly #inner: PciFunction;
  readonly #onVanish: () => void;
  #gone = false;
  #closed = false;

  /** `onVanish` takes the device away; without it the real one stays, with bus mastering off. */
  constructor(inner: PciFunction, onVanish?: () => void) {
    this.#inner = inner;
    this.#onVanish = onVanish ?? (() => inner.setBusMaster(false));
  }

  get gone(): boolean {
    return this.#gone;
  }

  get address() {
    return this.#inner.address;
  }

  get ids(): PciIds {
    return this.#inner.ids;
  }

  get bars(): readonly BarInfo[] {
    return this.#inner.bars;
  }

  get interruptCounts(): Readonly<Record<InterruptKind, number>> {
    return this.#inner.interruptCounts;
  }

  get onRemovalRequest(): (() => void) | undefined {
    return this.#inner.onRemovalRequest;
  }

  set onRemovalRequest(callback: (() => void) | undefined) {
    this.#inner.onRemovalRequest = callback;
  }

  get onDeviceError(): (() => void) | undefined {
    return this.#inner.onDeviceError;
  }

  set onDeviceError(callback: (() => void) | undefined) {
    this.#inner.onDeviceError = callback;
  }

  /** Surprise removal: from now on the function is not there. */
  vanish(): void {
    if (this.#gone) return;
    this.#onVanish();
    this.#gone = true;
  }

  /** Whether the device may move data now, by the command register of the real function. */
  get busMaster(): boolean {
    const command = new Uint8Array(2);
    return this.#inner.readConfig(PCI_COMMAND, command) === 2 && (command[0]! & BUS_MASTER) !== 0;
  }

  readConfig(offset: number, into: Uint8Array): number {
    if (this.faults.readConfig === true) return 0;
    if (!this.#gone) return this.#inner.readConfig(offset, into);
    into.fill(0xff);
    return into.length;
  }

  writeConfig(offset: number, from: Uint8Array): number {
    if (this.faults.writeConfig === true) return 0;
    return this.#gone ? from.length : this.#inner.writeConfig(offset, from);
  }

  mapBar(index: number): Bar {
    if (this.faults.mapBar === true) throw injected(`Cannot map BAR ${index}`, 'E_VFIO');
    return new FaultyBar(this, this.#inner.mapBar(index));
  }

  enableInterrupts(kind: InterruptKind, count: number, listener: InterruptListener): InterruptVectors {
    if (this.faults.enableInterrupts === true) throw injected(`Cannot enable ${count} vectors of ${kind}`, 'E_VFIO');
    return this.#inner.enableInterrupts(kind, count, (vector, wakes) => {
      if (!this.#gone) listener(vector, wakes);
    });
  }

  allocateDma(lengthBytes: number): DmaArena {
    this.dmaAllocations += 1;
    if (this.faults.allocateDma !== undefined) {
      this.faults.allocateDma -= 1;
      if (this.faults.allocateDma === 0) {
        this.faults.allocateDma = undefined;
        throw injected(`Cannot map ${lengthBytes} bytes of DMA memory`, 'E_DMA');
      }
    }
    return this.#inner.allocateDma(lengthBytes);
  }

  setBusMaster(on: boolean): void {
    if (!this.#gone) this.#inner.setBusMaster(on);
  }

  reset(): 'done' | 'unsupported' {
    return this.#gone ? 'unsupported' : this.#inner.reset();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#inner.close();
  }
}

class FaultyBar implements Bar {
  readonly #owner: FaultyFunction;
  readonly #inner: Bar;

  constructor(owner: FaultyFunction, inner: Bar) {
    this.#owner = owner;
    this.#inner = inner;
  }

  get lengthBytes(): number {
    return this.#inner.lengthBytes;
  }

  read32(offset: number): number {
    return this.#owner.gone ? 0xffff_ffff : this.#inner.read32(offset);
  }

  write32(offset: number, value: number): void {
    if (!this.#owner.gone) this.#inner.write32(offset, value);
  }

  read16(offset: number): number {
    return this.#owner.gone ? 0xffff : this.#inner.read16(offset);
  }

  write16(offset: number, value: number): void {
    if (!this.#owner.gone) this.#inner.write16(offset, value);
  }

  read8(offset: number): number {
    return this.#owner.gone ? 0xff : this.#inner.read8(offset);
  }

  write8(offset: number, value: number): void {
    if (!this.#owner.gone) this.#inner.write8(offset, value);
  }

  unmap(): void {
    this.#inner.unmap();
  }
}
