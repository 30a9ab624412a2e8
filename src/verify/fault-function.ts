/**
 * A PCI function whose resource calls can be made to fail, one at a time. Layer: verify.
 * Invariants: calls are numbered from 1 in the order they are made; everything else passes through; what a call that
 * fails throws is what the host throws for a shortage.
 */
import { NdisVfioError } from '../base/errors.ts';
import type {
  Bar,
  DmaArena,
  InterruptKind,
  InterruptListener,
  InterruptVectors,
  PciFunction,
} from '../platform/index.ts';

/** What failed, e.g. `allocateDma(65536)`. */
export interface FaultRecord {
  readonly call: string;
  readonly number: number;
}

export class FaultFunction implements PciFunction {
  readonly address: PciFunction['address'];
  readonly ids: PciFunction['ids'];
  readonly bars: PciFunction['bars'];
  readonly interruptCounts: PciFunction['interruptCounts'];
  /** Resource calls so far. */
  calls = 0;
  /** Number of the call that fails; 0: none. */
  failAt = 0;
  /** The call that failed. */
  failed: FaultRecord | null = null;
  readonly #inner: PciFunction;

  constructor(inner: PciFunction) {
    this.#inner = inner;
    this.address = inner.address;
    this.ids = inner.ids;
    this.bars = inner.bars;
    this.interruptCounts = inner.interruptCounts;
  }

  /** Counts anew. */
  arm(failAt: number): void {
    this.calls = 0;
    this.failAt = failAt;
    this.failed = null;
  }

  get onRemovalRequest(): (() => void) | undefined {
    return this.#inner.onRemovalRequest;
  }

  set onRemovalRequest(listener: (() => void) | undefined) {
    this.#inner.onRemovalRequest = listener;
  }

  get onDeviceError(): (() => void) | undefined {
    return this.#inner.onDeviceError;
  }

  set onDeviceError(listener: (() => void) | undefined) {
    this.#inner.onDeviceError = listener;
  }

  readConfig(offset: number, into: Uint8Array): number {
    return this.#fails(`readConfig(0x${offset.toString(16)})`) ? 0 : this.#inner.readConfig(offset, into);
  }

  writeConfig(offset: number, from: Uint8Array): number {
    return this.#inner.writeConfig(offset, from);
  }

  mapBar(index: number): Bar {
    if (this.#fails(`mapBar(${index})`)) throw shortage(`Cannot map BAR ${index}`);
    return this.#inner.mapBar(index);
  }

  enableInterrupts(kind: InterruptKind, count: number, listener: InterruptListener): InterruptVectors {
    if (this.#fails(`enableInterrupts(${kind}, ${count})`)) throw shortage(`Cannot enable ${count} vectors`);
    return this.#inner.enableInterrupts(kind, count, listener);
  }

  allocateDma(lengthBytes: number): DmaArena {
    if (this.#fails(`allocateDma(${lengthBytes})`)) throw shortage(`Cannot allocate ${lengthBytes} bytes`);
    return this.#inner.allocateDma(lengthBytes);
  }

  setBusMaster(on: boolean): void {
    this.#inner.setBusMaster(on);
  }

  reset(): 'done' | 'unsupported' {
    return this.#inner.reset();
  }

  close(): void {
    this.#inner.close();
  }

  #fails(call: string): boolean {
    this.calls++;
    if (this.calls !== this.failAt) return false;
    this.failed = { call, number: this.calls };
    return true;
  }
}

function shortage(action: string): NdisVfioError {
  return new NdisVfioError('E_DMA', { action, cause: 'the verifier made this call fail', cure: 'Handle it' });
}
