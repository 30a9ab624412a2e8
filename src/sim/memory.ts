/**
 * Memory shared with the simulated device, behind an IOMMU. Layer: sim, implements DmaArena of src/platform.
 * Invariants: one ArrayBuffer per arena at an address of its own below 4 GiB, with an unmapped gap on both sides; an
 * access of the device outside of an arena, across its end, or with bus mastering off touches nothing and is recorded.
 */
import { asIova, type Iova } from '../base/units.ts';
import type { DmaArena } from '../platform/index.ts';

/** What an IOMMU would have reported. */
export interface DmaFault {
  readonly kind: 'unmapped' | 'bus-master-off';
  readonly iova: number;
  readonly lengthBytes: number;
  readonly write: boolean;
  /** What the device was doing. */
  readonly what: string;
}

const PAGE_BYTES = 4096;

class SimArena implements DmaArena {
  readonly bytes: Uint8Array;
  readonly iova: Iova;
  readonly lengthBytes: number;
  readonly #space: DmaSpace;
  freed = false;

  constructor(space: DmaSpace, iova: number, lengthBytes: number) {
    this.#space = space;
    this.bytes = new Uint8Array(new ArrayBuffer(lengthBytes));
    this.iova = asIova(iova);
    this.lengthBytes = lengthBytes;
  }

  free(): void {
    if (this.freed) return;
    this.freed = true;
    // Detach first: views of software read undefined from here on, as with the native arena.
    const buffer = this.bytes.buffer as ArrayBuffer;
    structuredClone(buffer, { transfer: [buffer] });
    this.#space.remove(this);
  }
}

/** The IOVA space of one function. */
export class DmaSpace {
  readonly faults: DmaFault[] = [];
  busMaster = false;
  /** Accesses the device made, for "no DMA after halt". */
  accesses = 0;
  #arenas: SimArena[] = [];
  #nextIova = 0x0010_0000;

  allocate(lengthBytes: number): DmaArena {
    const rounded = Math.ceil(Math.max(1, lengthBytes) / PAGE_BYTES) * PAGE_BYTES;
    const arena = new SimArena(this, this.#nextIova, rounded);
    this.#nextIova += rounded + 16 * PAGE_BYTES;
    this.#arenas.push(arena);
    return arena;
  }

  remove(arena: DmaArena): void {
    this.#arenas = this.#arenas.filter((other) => other !== arena);
  }

  get arenas(): readonly DmaArena[] {
    return this.#arenas;
  }

  /** The bytes at a bus address, as the device sees them; null (and a fault) when it may not. */
  access(iova: number, lengthBytes: number, write: boolean, what: string): Uint8Array | null {
    if (!this.busMaster) {
      this.faults.push({ kind: 'bus-master-off', iova, lengthBytes, write, what });
      return null;
    }
    for (const arena of this.#arenas) {
      if (iova >= arena.iova && iova + lengthBytes <= arena.iova + arena.lengthBytes) {
        this.accesses += 1;
        const start = iova - arena.iova;
        return arena.bytes.subarray(start, start + lengthBytes);
      }
    }
    this.faults.push({ kind: 'unmapped', iova, lengthBytes, write, what });
    return null;
  }
}
