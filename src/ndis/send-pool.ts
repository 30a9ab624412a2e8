/**
 * Transmit buffers for protocols, made once: NBL, NET_BUFFER and MDL per slot in one piece of DMA memory. Layer: ndis.
 * Invariant: take and release move one NBL between its user and a list linked through Next; neither allocates, and the
 * device reads the frame where the protocol (or a TAP) put it.
 */
import { NdisVfioError } from '../base/errors.ts';
import type { AdapterCore } from './core.ts';
import { Mdl, NetBuffer, NetBufferList } from './net-buffer-list.ts';
import { NDIS_STATUS_SUCCESS } from './status.ts';
import type { NDIS_HANDLE, NET_BUFFER_LIST } from './types.ts';

/** Transmit buffers of a protocol. All functions: any IRQL up to DISPATCH_LEVEL, nothing allocated. */
export interface SendPool {
  /** All slots; slot i starts at i * slotBytes. A TAP can read straight into it. */
  readonly memory: Uint8Array;
  readonly slotBytes: number;
  readonly frames: number;
  /** Slots free now. */
  readonly available: number;
  /** A free NBL (Next null), or null when all are out. */
  take(): NET_BUFFER_LIST | null;
  /** Gives one NBL back; its Next is overwritten, so read that first. @throws NdisVfioError E_STATE when it is not out. */
  release(nbl: NET_BUFFER_LIST): void;
  /** Byte offset of the NBL's slot in `memory`. */
  offsetOf(nbl: NET_BUFFER_LIST): number;
  /** Sets the frame length, 0 to slotBytes. @throws RangeError. */
  setLength(nbl: NET_BUFFER_LIST, bytes: number): void;
  /** Frees the memory. @throws NdisVfioError E_STATE while NBLs are out. Idempotent. */
  free(): void;
}

const SLOT_ALIGN = 64;

class Pool implements SendPool {
  readonly memory: Uint8Array;
  readonly slotBytes: number;
  readonly frames: number;
  available: number;
  readonly #nbls: NetBufferList[] = [];
  readonly #out: Uint8Array;
  #free: NetBufferList | null = null;
  #release: (() => void) | null;

  constructor(core: AdapterCore, frames: number, frameBytes: number) {
    this.frames = frames;
    this.available = frames;
    this.slotBytes = Math.ceil(frameBytes / SLOT_ALIGN) * SLOT_ALIGN;
    const arena = core.pci.allocateDma(frames * this.slotBytes);
    this.memory = arena.bytes;
    this.#release = () => arena.free();
    this.#out = new Uint8Array(frames);
    const pool = this as unknown as NDIS_HANDLE;
    for (let slot = frames - 1; slot >= 0; slot--) {
      const offset = slot * this.slotBytes;
      const mdl = new Mdl(arena.bytes, offset, this.slotBytes, arena.iova + offset);
      const nbl = new NetBufferList(pool, null, new NetBuffer(pool, mdl, 0, 0));
      nbl.slot = slot;
      nbl.Next = this.#free;
      this.#free = nbl;
      this.#nbls[slot] = nbl;
    }
  }

  take(): NET_BUFFER_LIST | null {
    const nbl = this.#free;
    if (nbl === null) return null;
    this.#free = nbl.Next as NetBufferList | null;
    nbl.Next = null;
    nbl.Status = NDIS_STATUS_SUCCESS;
    this.#out[nbl.slot] = 1;
    this.available--;
    return nbl;
  }

  release(nbl: NET_BUFFER_LIST): void {
    const slot = (nbl as NetBufferList).slot;
    if (this.#nbls[slot] !== nbl || this.#out[slot] !== 1 || (nbl.NdisReserved as number) > 0) notOut();
    this.#out[slot] = 0;
    nbl.Next = this.#free;
    this.#free = nbl as NetBufferList;
    this.available++;
  }

  offsetOf(nbl: NET_BUFFER_LIST): number {
    return (nbl as NetBufferList).slot * this.slotBytes;
  }

  setLength(nbl: NET_BUFFER_LIST, bytes: number): void {
    if (!(bytes >= 0 && bytes <= this.slotBytes)) tooLong(bytes, this.slotBytes);
    const netBuffer = nbl.FirstNetBuffer;
    if (netBuffer !== null) netBuffer.DataLength = bytes;
  }

  free(): void {
    if (this.#release === null) return;
    if (this.available !== this.frames) {
      throw new NdisVfioError('E_STATE', {
        action: 'Cannot free a send pool',
        cause: `${this.frames - this.available} of its NBLs are out`,
        cure: 'Wait until the sends are complete and release the NBLs',
      });
    }
    this.#release();
    this.#release = null;
    this.#free = null;
    this.available = 0;
  }
}

function notOut(): never {
  throw new NdisVfioError('E_STATE', {
    action: 'Cannot release an NBL',
    cause: 'it is not of this pool, was released before, or is still being sent',
    cure: 'Release each NBL once, after its send is complete',
  });
}

function tooLong(bytes: number, slotBytes: number): never {
  throw new RangeError(`a frame of ${bytes} bytes does not fit a slot of ${slotBytes}`);
}

/** @throws NdisVfioError E_OPTION for numbers out of range; E_MEMLOCK or E_DMA when the memory cannot be had. */
export function createSendPool(core: AdapterCore, frames: number, frameBytes: number): SendPool {
  if (!(Number.isInteger(frames) && frames > 0 && Number.isInteger(frameBytes) && frameBytes > 0)) {
    throw new NdisVfioError('E_OPTION', {
      action: 'Cannot allocate a send pool',
      cause: `${frames} frames of ${frameBytes} bytes`,
      cure: 'Give positive integers',
    });
  }
  return new Pool(core, frames, frameBytes);
}
