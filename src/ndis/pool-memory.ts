/**
 * Memory with tags, from NdisAllocateMemoryWithTagPriority. Layer: ndis.
 * Invariant: every block is on its adapter's list until it is freed, so that a halt can say which tags leaked; the bytes
 * of a freed block are gone, and views of it read `undefined`.
 */
import { type AdapterCore, coreOrNull } from './core.ts';
import { requireIrqlAtMost } from './irql.ts';
import { DISPATCH_LEVEL, type NDIS_HANDLE } from './types.ts';

/** The system may fail the request when memory is low. */
export const LowPoolPriority = 0;
/** The system may fail the request when memory is very low. */
export const NormalPoolPriority = 16;
/** The system must not fail the request unless it is out of memory. */
export const HighPoolPriority = 32;
export type EX_POOL_PRIORITY = number;

/** NDIS's own: a tag as the four characters it is made of, the first in the low byte; others as dots. */
export function tagText(tag: number): string {
  return [0, 8, 16, 24]
    .map((shift) => (tag >>> shift) & 0xff)
    .map((code) => (code >= 0x20 && code < 0x7f ? String.fromCharCode(code) : '.'))
    .join('');
}

class PoolBlock {
  readonly core: AdapterCore;
  readonly tag: number;
  readonly bytes: Uint8Array;
  readonly lengthBytes: number;

  constructor(core: AdapterCore, tag: number, length: number) {
    this.core = core;
    this.tag = tag;
    this.lengthBytes = length;
    this.bytes = new Uint8Array(new ArrayBuffer(length));
    core.claims.add(this);
    core.verifier?.took('memory', this);
    BLOCKS.set(this.bytes.buffer, this);
  }

  describe(): string {
    return `${this.lengthBytes} bytes of memory with tag '${tagText(this.tag)}'`;
  }

  release(): void {
    this.core.claims.delete(this);
    this.core.verifier?.gave(this);
    const { buffer } = this.bytes;
    BLOCKS.delete(buffer);
    // Detaches it: what still refers to it finds nothing, as a use after free must not look like a success.
    structuredClone(buffer, { transfer: [buffer as ArrayBuffer] });
  }
}

const BLOCKS = new WeakMap<ArrayBufferLike, PoolBlock>();

/**
 * Allocates memory. <= DISPATCH_LEVEL.
 * The block is an array of its own, zeroed here (its contents are undefined in C). null: no miniport handle, no length,
 * or no memory. What is not freed by NdisFreeMemory is reported with its tag when the adapter halts.
 * [nf-ndis-ndisallocatememorywithtagpriority]
 * @param NdisHandle the handle MiniportInitializeEx was called with.
 * @param Length bytes.
 * @param Tag four characters, the first in the low byte.
 * @param _Priority an EX_POOL_PRIORITY; accepted and of no effect.
 * @throws NdisVfioError E_STATE above DISPATCH_LEVEL.
 */
export function NdisAllocateMemoryWithTagPriority(
  NdisHandle: NDIS_HANDLE,
  Length: number,
  Tag: number,
  _Priority: EX_POOL_PRIORITY,
): Uint8Array | null {
  requireIrqlAtMost(DISPATCH_LEVEL, 'NdisAllocateMemoryWithTagPriority');
  const core = coreOrNull(NdisHandle);
  if (core === null || !Number.isInteger(Length) || Length <= 0) return null;
  core.verifier?.saw('memoryAllocated', { tag: Tag });
  try {
    return new PoolBlock(core, Tag >>> 0, Length).bytes;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    core.log({ kind: 'info', message: `No memory of ${Length} bytes for tag '${tagText(Tag)}'` });
    return null;
  }
}

/**
 * Frees a block. <= DISPATCH_LEVEL. A block that was freed before, or of another allocator, or with another Length is
 * what Windows stops the machine for: a fault where the adapter is known. [nf-ndis-ndisfreememory]
 * @param VirtualAddress the array NdisAllocateMemoryWithTagPriority returned.
 * @param Length the bytes it was allocated with, or 0.
 * @param _MemoryFlags 0.
 * @throws RangeError for an array that is no block (any more), as no adapter can be named.
 */
export function NdisFreeMemory(VirtualAddress: Uint8Array, Length: number, _MemoryFlags: number): void {
  requireIrqlAtMost(DISPATCH_LEVEL, 'NdisFreeMemory');
  const block = BLOCKS.get(VirtualAddress.buffer);
  if (block === undefined || block.bytes !== VirtualAddress) {
    throw new RangeError('NdisFreeMemory: memory was freed twice, or is not of NdisAllocateMemoryWithTagPriority');
  }
  if (Length !== 0 && Length !== block.lengthBytes) {
    block.core.fault(`${block.describe()} was freed with a length of ${Length}`);
    return;
  }
  block.release();
}

/** Sets bytes to zero. Any IRQL. [nf-ndis-ndiszeromemory] @param Length bytes from the start of Destination. */
export function NdisZeroMemory(Destination: Uint8Array, Length: number): void {
  Destination.fill(0, 0, Length);
}

/**
 * Copies bytes; the two may overlap. Any IRQL. [nf-ndis-ndismovememory]
 * @param Length bytes from the start of each.
 * @throws RangeError when either array is shorter than Length.
 */
export function NdisMoveMemory(Destination: Uint8Array, Source: Uint8Array, Length: number): void {
  if (Length > Source.length) throw new RangeError(`NdisMoveMemory: ${Length} bytes of ${Source.length}`);
  Destination.set(Source.subarray(0, Length));
}
