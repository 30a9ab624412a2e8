/**
 * One receive ring: post, harvest, indicate, take back. Layer: miniports/intel. Hot file.
 * Frame path 3: interrupt DPC -> harvest() -> NdisMIndicateReceiveNetBufferLists; next: bridge or protocol.
 * Invariants: a slot is in exactly one place: posted, free, or outstanding (with the protocols). At most count-1
 * descriptors are posted, so tail == head always means empty (82574 3.2.6, 82576 7.1.7). The DD word is read before the rest.
 * Nothing is allocated per frame; the tail is written at most once per batch.
 */
import {
  type MDL,
  NDIS_DEFAULT_PORT_NUMBER,
  type NDIS_HANDLE,
  NDIS_RECEIVE_FLAGS_DISPATCH_LEVEL,
  NDIS_RECEIVE_FLAGS_RESOURCES,
  NDIS_STATUS_SUCCESS,
  NdisMIndicateReceiveNetBufferLists,
  type NET_BUFFER,
  type NET_BUFFER_LIST,
} from '../../ndis/index.ts';
import { DESCRIPTOR_WORDS, RX_DD, RX_EOP, RX_LENGTH_MASK } from './descriptor.ts';
import type { HardwareAccess } from './hardware-access.ts';
import type { RegisterArray } from './register.ts';
import {
  COUNT_BROADCAST_OCTETS,
  COUNT_DISCARDS,
  COUNT_ERRORS,
  COUNT_FRAMES,
  COUNT_MULTICAST_OCTETS,
  COUNT_UNICAST_OCTETS,
} from './statistics.ts';

/** Below this share of the ring left to the device, protocols must copy (NDIS_RECEIVE_FLAGS_RESOURCES). */
const LOW_SHARE = 8;

/** A receive buffer with the structures that describe it, allocated once at initialize. */
export interface ReceiveSlot {
  readonly iova: number;
  /** The buffer's bytes; byte 0 is the first octet of the destination address. */
  readonly bytes: Uint8Array;
  readonly mdl: MDL;
  readonly netBufferList: NET_BUFFER_LIST;
  readonly netBuffer: NET_BUFFER;
}

export interface ReceiveRingParts {
  readonly hw: HardwareAccess;
  readonly handle: NDIS_HANDLE;
  readonly queue: number;
  readonly tailRegister: RegisterArray<'RW'>;
  /** Status bits that make a frame unusable. */
  readonly errorMask: number;
  /** The descriptors, four words each; a power of two of them. */
  readonly words: Uint32Array;
  /** As many as there are descriptors. */
  readonly slots: readonly ReceiveSlot[];
  readonly counters: Float64Array;
}

export class ReceiveRing {
  readonly queue: number;
  /** False: frames are thrown away and counted (adapter not running, or packet filter 0). */
  indicating = false;
  /** NBLs the protocols hold. */
  outstanding = 0;
  /** Batches indicated with NDIS_RECEIVE_FLAGS_RESOURCES. */
  lowBatches = 0;
  readonly #hw: HardwareAccess;
  readonly #handle: NDIS_HANDLE;
  readonly #tailRegister: RegisterArray<'RW'>;
  readonly #errorMask: number;
  readonly #words: Uint32Array;
  readonly #mask: number;
  readonly #slots: readonly ReceiveSlot[];
  readonly #counters: Float64Array;
  /** Slot behind each descriptor. */
  readonly #slotOf: Int32Array;
  /** Stack of free slots. */
  readonly #free: Int32Array;
  #freeCount = 0;
  /** Next descriptor to look at. */
  #head = 0;
  /** Next descriptor to post. */
  #tail = 0;
  #posted = 0;
  /** Inside a frame that spans descriptors: none does that fits the MTU, so it is thrown away whole. */
  #skipping = false;
  #harvesting = false;

  constructor(parts: ReceiveRingParts) {
    this.queue = parts.queue;
    this.#hw = parts.hw;
    this.#handle = parts.handle;
    this.#tailRegister = parts.tailRegister;
    this.#errorMask = parts.errorMask;
    this.#words = parts.words;
    this.#slots = parts.slots;
    this.#counters = parts.counters;
    const count = parts.slots.length;
    this.#mask = count - 1;
    this.#slotOf = new Int32Array(count).fill(-1);
    this.#free = new Int32Array(count);
    for (let slot = 0; slot < count; slot++) {
      this.#free[slot] = count - 1 - slot;
      parts.slots[slot]!.netBufferList.MiniportReserved = slot;
    }
    this.#freeCount = count;
  }

  get count(): number {
    return this.#mask + 1;
  }

  /** Buffers the device or the free stack holds. */
  get available(): number {
    return this.#posted + this.#freeCount;
  }

  /** True when a received descriptor waits. Reads memory only. */
  hasWork(): boolean {
    return this.#posted > 0 && (this.#words[this.#head * DESCRIPTOR_WORDS + 2]! & RX_DD) !== 0;
  }

  /**
   * Back to an empty ring after the device was reset: every posted slot is free again. Slots that are outstanding come
   * back through giveBack() as ever.
   */
  rewind(): void {
    for (; this.#posted > 0; this.#posted--) {
      this.#free[this.#freeCount++] = this.#slotOf[this.#head]!;
      this.#head = (this.#head + 1) & this.#mask;
    }
    this.#words.fill(0);
    this.#head = 0;
    this.#tail = 0;
    this.#skipping = false;
  }

  /** Posts free slots and rings the doorbell once. IRQL <= DISPATCH_LEVEL. */
  refill(): void {
    const words = this.#words;
    const mask = this.#mask;
    const slots = this.#slots;
    let tail = this.#tail;
    let room = mask - this.#posted;
    if (room > this.#freeCount) room = this.#freeCount;
    if (room === 0) return;
    for (let n = room; n > 0; n--) {
      const slot = this.#free[--this.#freeCount]!;
      const at = tail * DESCRIPTOR_WORDS;
      // The write-back overwrote the address; word 2 must not show DD again.
      words[at] = slots[slot]!.iova;
      words[at + 1] = 0;
      words[at + 2] = 0;
      words[at + 3] = 0;
      this.#slotOf[tail] = slot;
      tail = (tail + 1) & mask;
    }
    this.#posted += room;
    this.#tail = tail;
    this.#hw.writeAt(this.#tailRegister, this.queue, tail);
  }

  /**
   * Takes up to `limit` descriptors off the ring, indicates their frames as one chain and posts what is free again.
   * Returns how many were taken; frames with errors count, so that the work is bounded. IRQL = DISPATCH_LEVEL.
   */
  harvest(limit: number): number {
    const words = this.#words;
    const mask = this.#mask;
    const errorMask = this.#errorMask;
    const counters = this.#counters;
    let head = this.#head;
    let posted = this.#posted;
    let first: NET_BUFFER_LIST | null = null;
    let last: NET_BUFFER_LIST | null = null;
    let indicated = 0;
    let taken = 0;
    while (taken < limit && posted > 0) {
      const at = head * DESCRIPTOR_WORDS;
      // DD first: on x86-64 the loads below cannot pass this one.
      const status = words[at + 2]!;
      if ((status & RX_DD) === 0) break;
      const bytes = words[at + 3]! & RX_LENGTH_MASK;
      const index = this.#slotOf[head]!;
      head = (head + 1) & mask;
      posted--;
      taken++;
      if (this.#skipping || (status & RX_EOP) === 0) {
        if (!this.#skipping) counters[COUNT_ERRORS]! += 1;
        this.#skipping = (status & RX_EOP) === 0;
        this.#free[this.#freeCount++] = index;
        continue;
      }
      if ((status & errorMask) !== 0) {
        counters[COUNT_ERRORS]! += 1;
        this.#free[this.#freeCount++] = index;
        continue;
      }
      const slot = this.#slots[index]!;
      counters[COUNT_FRAMES]! += 1;
      const destination = slot.bytes[0]!;
      if ((destination & 1) === 0) counters[COUNT_UNICAST_OCTETS]! += bytes;
      else if (destination === 0xff && slot.bytes[5] === 0xff) counters[COUNT_BROADCAST_OCTETS]! += bytes;
      else counters[COUNT_MULTICAST_OCTETS]! += bytes;
      if (!this.indicating) {
        counters[COUNT_DISCARDS]! += 1;
        this.#free[this.#freeCount++] = index;
        continue;
      }
      const nb = slot.netBuffer;
      nb.DataLength = bytes;
      nb.DataOffset = 0;
      nb.CurrentMdl = slot.mdl;
      nb.CurrentMdlOffset = 0;
      const nbl = slot.netBufferList;
      nbl.Next = null;
      nbl.Status = NDIS_STATUS_SUCCESS;
      if (last === null) first = nbl;
      else last.Next = nbl;
      last = nbl;
      indicated++;
    }
    this.#head = head;
    this.#posted = posted;
    if (first !== null) this.#indicate(first, indicated);
    if (taken > 0) this.refill();
    return taken;
  }

  #indicate(first: NET_BUFFER_LIST, count: number): void {
    const low = this.available < this.count / LOW_SHARE;
    this.#harvesting = true;
    if (low) {
      this.lowBatches++;
      NdisMIndicateReceiveNetBufferLists(
        this.#handle,
        first,
        NDIS_DEFAULT_PORT_NUMBER,
        count,
        NDIS_RECEIVE_FLAGS_DISPATCH_LEVEL | NDIS_RECEIVE_FLAGS_RESOURCES,
      );
      // Ours again, chain intact (contract 3.2).
      this.#reclaim(first);
    } else {
      // Counted first: the return may come from inside the indication.
      this.outstanding += count;
      NdisMIndicateReceiveNetBufferLists(
        this.#handle,
        first,
        NDIS_DEFAULT_PORT_NUMBER,
        count,
        NDIS_RECEIVE_FLAGS_DISPATCH_LEVEL,
      );
    }
    this.#harvesting = false;
  }

  /**
   * Takes returned NBLs back (MiniportReturnNetBufferLists) and posts them, unless a harvest is under way, which posts
   * at its end. IRQL <= DISPATCH_LEVEL.
   */
  giveBack(chain: NET_BUFFER_LIST): void {
    this.outstanding -= this.#reclaim(chain);
    if (!this.#harvesting) this.refill();
  }

  #reclaim(chain: NET_BUFFER_LIST): number {
    let count = 0;
    for (let nbl: NET_BUFFER_LIST | null = chain; nbl !== null; ) {
      const next: NET_BUFFER_LIST | null = nbl.Next;
      nbl.Next = null;
      this.#free[this.#freeCount++] = nbl.MiniportReserved as number;
      count++;
      nbl = next;
    }
    return count;
  }
}
