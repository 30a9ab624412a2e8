/**
 * stub
 */
import type { NET_BUFFER_LIST } from './types.ts';

/** Transmit buffers of a protocol: one NBL, one NET_BUFFER and one MDL per slot, all in one piece of DMA memory. */
export interface SendPool {
  /** All slots; slot i starts at i * slotBytes. A TAP can read straight into it. */
  readonly memory: Uint8Array;
  readonly slotBytes: number;
  readonly frames: number;
  /** Slots free now. */
  readonly available: number;
  /** A free NBL (Next null), or null when all are out. */
  take(): NET_BUFFER_LIST | null;
  /** Gives one NBL back; its Next is overwritten, so read that first. */
  release(nbl: NET_BUFFER_LIST): void;
  /** Byte offset of the NBL's slot in `memory`. */
  offsetOf(nbl: NET_BUFFER_LIST): number;
  /** Sets the frame length, 0 to slotBytes. */
  setLength(nbl: NET_BUFFER_LIST, bytes: number): void;
  /** Frees the memory; no NBL may be out. */
  free(): void;
}
