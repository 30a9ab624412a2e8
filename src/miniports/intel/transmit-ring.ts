/**
 * One transmit ring with its software queue. Layer: miniports/intel. Hot file.
 * Frame path, sending: NdisSendNetBufferLists -> send() -> descriptors -> tail; DPC -> harvest() -> completion.
 * Invariants: every NBL accepted is completed exactly once; NBLs and their NET_BUFFERs go out in order; one descriptor
 * stays free, so tail == head means empty. Status is reported for the last frame of a batch and every 16th, and stands
 * for all before it. Nothing is allocated per frame; the tail is written at most once per batch.
 */
import {
  type NDIS_HANDLE,
  NDIS_SG_LIST_WRITE_TO_DEVICE,
  type NDIS_STATUS,
  NDIS_STATUS_INVALID_LENGTH,
  NDIS_STATUS_RESOURCES,
  NDIS_STATUS_SEND_ABORTED,
  NDIS_STATUS_SUCCESS,
  NdisMAllocateNetBufferSGList,
  NdisMFreeNetBufferSGList,
  NdisMSendNetBufferListsComplete,
  type NET_BUFFER,
  type NET_BUFFER_LIST,
  type SCATTER_GATHER_LIST,
} from '../../ndis/index.ts';
import { DESCRIPTOR_WORDS, TX_DD } from './descriptor.ts';
import type { DescriptorFormat } from './device.ts';
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

/** Shortest frame without CRC: shorter ones are padded with zeros (IEEE 802.3 4.2.3.3). */
export const MIN_FRAME_BYTES = 60;
/** A status report at least every so many frames: bounds how late a completion can be inside a long batch. */
const REPORT_EVERY = 16;
/**
 * No descriptor's buffer crosses a page. Both chips would take longer ones, but behind an IOMMU neighbouring bus addresses
 * need not be neighbours in memory, and QEMU drops, uncounted, a frame with such a buffer (hw/net/net_tx_pkt.c).
 */
const PAGE_BYTES = 4096;
/** Descriptors a frame is expected to need at most; with fewer free its list is not even asked for. */
const USUAL_DESCRIPTORS = 4;

const POSTED = 0;
const FULL = 1;
const FAILED = 2;

export interface TransmitRingParts {
  readonly hw: HardwareAccess;
  readonly handle: NDIS_HANDLE;
  readonly dma: NDIS_HANDLE;
  readonly queue: number;
  readonly tailRegister: RegisterArray<'RW'>;
  readonly format: DescriptorFormat;
  /** The descriptors, four words each; a power of two of them. */
  readonly words: Uint32Array;
  /** Bus address of {@link MIN_FRAME_BYTES} zero octets. */
  readonly padIova: number;
  readonly maxFrameBytes: number;
  readonly counters: Float64Array;
}

export class TransmitRing {
  readonly queue: number;
  /** Completed NET_BUFFERs, ever: the watchdog compares. */
  progress = 0;
  readonly #hw: HardwareAccess;
  readonly #handle: NDIS_HANDLE;
  readonly #dma: NDIS_HANDLE;
  readonly #tailRegister: RegisterArray<'RW'>;
  readonly #words: Uint32Array;
  readonly #mask: number;
  readonly #command: number;
  readonly #end: number;
  readonly #report: number;
  readonly #payloadShift: number;
  readonly #padIova: number;
  readonly #maxFrameBytes: number;
  readonly #counters: Float64Array;
  /** NET_BUFFER and NBL whose last descriptor this is, else null. */
  readonly #netBufferAt: (NET_BUFFER | null)[];
  readonly #listAt: (NET_BUFFER_LIST | null)[];
  /** Descriptors with a status report, oldest first, as a ring of their own. */
  readonly #reports: Int32Array;
  #reportHead = 0;
  #reportCount = 0;
  /** Oldest descriptor not yet reclaimed. */
  #head = 0;
  /** Next descriptor to fill. */
  #tail = 0;
  #used = 0;
  #sinceReport = 0;
  /** Last descriptor filled since the doorbell, or -1. */
  #unrung = -1;
  /** Software queue of NBLs; the first may be partly on the ring. */
  #queueHead: NET_BUFFER_LIST | null = null;
  #queueTail: NET_BUFFER_LIST | null = null;
  /** Next NET_BUFFER of the first queued NBL; null: it has not been begun. */
  #nextNetBuffer: NET_BUFFER | null = null;
  #begun = false;
  /** Completion chain under construction. */
  #doneHead: NET_BUFFER_LIST | null = null;
  #doneTail: NET_BUFFER_LIST | null = null;
  #list: SCATTER_GATHER_LIST | null = null;
  #busy = false;
  #completing = false;

  constructor(parts: TransmitRingParts) {
    const count = parts.words.length / DESCRIPTOR_WORDS;
    this.queue = parts.queue;
    this.#hw = parts.hw;
    this.#handle = parts.handle;
    this.#dma = parts.dma;
    this.#tailRegister = parts.tailRegister;
    this.#words = parts.words;
    this.#mask = count - 1;
    this.#command = parts.format.transmitCommand;
    this.#end = parts.format.transmitEnd;
    this.#report = parts.format.transmitReport;
    this.#payloadShift = parts.format.payloadLengthShift;
    this.#padIova = parts.padIova;
    this.#maxFrameBytes = parts.maxFrameBytes;
    this.#counters = parts.counters;
    this.#netBufferAt = new Array<NET_BUFFER | null>(count).fill(null);
    this.#listAt = new Array<NET_BUFFER_LIST | null>(count).fill(null);
    this.#reports = new Int32Array(count);
  }

  get count(): number {
    return this.#mask + 1;
  }

  /** Descriptors in the device's hands. */
  get inFlight(): number {
    return this.#used;
  }

  get isIdle(): boolean {
    return this.#used === 0 && this.#queueHead === null;
  }

  get isQueued(): boolean {
    return this.#queueHead !== null;
  }

  /** Receives the list NDIS built; MiniportProcessSGList, called inside NdisMAllocateNetBufferSGList. */
  acceptList(list: SCATTER_GATHER_LIST): void {
    this.#list = list;
  }

  /** True when the oldest report has come in. Reads memory only. */
  hasWork(): boolean {
    return (
      this.#reportCount > 0 && (this.#words[this.#reports[this.#reportHead]! * DESCRIPTOR_WORDS + 3]! & TX_DD) !== 0
    );
  }

  /** Takes a chain of NBLs: as much as fits goes onto the ring, the rest waits. IRQL = DISPATCH_LEVEL. */
  send(chain: NET_BUFFER_LIST): void {
    if (this.#queueTail === null) this.#queueHead = chain;
    else this.#queueTail.Next = chain;
    let last = chain;
    for (let next = last.Next; next !== null; next = next.Next) last = next;
    this.#queueTail = last;
    if (this.#busy) return;
    this.#busy = true;
    // A send out of a completion must not complete in turn: with a device that sends at once it would never end.
    if (!this.#completing && this.#used > this.count >>> 1) this.#reclaim();
    this.#pump();
    this.#busy = false;
    this.#complete();
  }

  /** Completes what the device is done with and sends on from the queue. IRQL = DISPATCH_LEVEL. */
  harvest(): void {
    if (this.#busy) return;
    this.#busy = true;
    this.#reclaim();
    if (this.#queueHead !== null) this.#pump();
    this.#busy = false;
    this.#complete();
  }

  /** Completes the queued NBLs that carry `cancelId` and are not begun, with SEND_ABORTED (contract 3.1). */
  cancel(cancelId: unknown): void {
    let previous: NET_BUFFER_LIST | null = null;
    for (let nbl = this.#queueHead; nbl !== null; ) {
      const next: NET_BUFFER_LIST | null = nbl.Next;
      const begun = nbl === this.#queueHead && this.#begun;
      if (!begun && nbl.NetBufferListInfo.NetBufferListCancelId === cancelId) {
        if (previous === null) this.#queueHead = next;
        else previous.Next = next;
        if (next === null) this.#queueTail = previous;
        this.#counters[COUNT_DISCARDS]! += 1;
        this.#finish(nbl, NDIS_STATUS_SEND_ABORTED);
      } else {
        previous = nbl;
      }
      nbl = next;
    }
    this.#complete();
  }

  /** Completes the software queue with `status`. A begun NBL keeps what is on the ring and ends with it. */
  flushQueue(status: NDIS_STATUS): void {
    let nbl = this.#queueHead;
    if (nbl !== null && this.#begun) {
      const begun = nbl;
      nbl = nbl.Next;
      begun.Next = null;
      begun.Status = status;
      this.#settle(begun);
    }
    this.#queueHead = null;
    this.#queueTail = null;
    this.#nextNetBuffer = null;
    this.#begun = false;
    while (nbl !== null) {
      const next: NET_BUFFER_LIST | null = nbl.Next;
      this.#counters[COUNT_DISCARDS]! += 1;
      this.#finish(nbl, status);
      nbl = next;
    }
    this.#complete();
  }

  /**
   * Completes everything with `status` and empties the ring. Only while the device does not read it: stopped, reset or
   * gone. What the device had already reported as sent counts as sent.
   */
  abort(status: NDIS_STATUS): void {
    this.#busy = true;
    this.#reclaim();
    for (; this.#used > 0; this.#used--) {
      const at = this.#head;
      this.#head = (at + 1) & this.#mask;
      const nb = this.#netBufferAt[at]!;
      if (nb === null) continue;
      const nbl = this.#listAt[at]!;
      nbl!.Status = status;
      this.#counters[COUNT_DISCARDS]! += 1;
      this.#release(at, nb, nbl!);
    }
    this.#words.fill(0);
    this.#head = 0;
    this.#tail = 0;
    this.#reportHead = 0;
    this.#reportCount = 0;
    this.#sinceReport = 0;
    this.#unrung = -1;
    this.#busy = false;
    this.flushQueue(status);
  }

  /** Moves NET_BUFFERs from the queue to the ring and rings once. */
  #pump(): void {
    let nbl = this.#queueHead;
    while (nbl !== null) {
      if (!this.#begun) {
        this.#begun = true;
        this.#nextNetBuffer = nbl.FirstNetBuffer;
        nbl.Status = NDIS_STATUS_SUCCESS;
        // One share for the queue itself, so that an early completion of its first frames cannot end it.
        nbl.Scratch = 1;
      }
      let nb = this.#nextNetBuffer;
      while (nb !== null) {
        const result = this.#post(nb, nbl);
        if (result === FULL) break;
        nb = nb.Next;
      }
      this.#nextNetBuffer = nb;
      if (nb !== null) break;
      const next: NET_BUFFER_LIST | null = nbl.Next;
      this.#queueHead = next;
      if (next === null) this.#queueTail = null;
      this.#begun = false;
      nbl.Next = null;
      this.#settle(nbl);
      nbl = next;
    }
    if (this.#unrung >= 0) this.#ring();
  }

  #ring(): void {
    const last = this.#unrung;
    if (this.#sinceReport > 0) this.#mark(last);
    this.#unrung = -1;
    this.#hw.writeAt(this.#tailRegister, this.queue, this.#tail);
  }

  #mark(descriptor: number): void {
    this.#words[descriptor * DESCRIPTOR_WORDS + 2]! |= this.#report;
    this.#reports[(this.#reportHead + this.#reportCount) & this.#mask] = descriptor;
    this.#reportCount++;
    this.#sinceReport = 0;
  }

  #post(nb: NET_BUFFER, nbl: NET_BUFFER_LIST): number {
    const length = nb.DataLength;
    if (length === 0 || length > this.#maxFrameBytes) {
      this.#counters[COUNT_ERRORS]! += 1;
      nbl.Status = NDIS_STATUS_INVALID_LENGTH;
      return FAILED;
    }
    const free = this.#mask - this.#used;
    if (free < USUAL_DESCRIPTORS) return FULL;
    this.#list = null;
    const status = NdisMAllocateNetBufferSGList(this.#dma, nb, this, NDIS_SG_LIST_WRITE_TO_DEVICE, null, 0);
    const list = this.#list as SCATTER_GATHER_LIST | null;
    if (status !== NDIS_STATUS_SUCCESS || list === null) {
      // Map registers come back with completions; with nothing in flight none would.
      if (this.#used > 0) return FULL;
      this.#counters[COUNT_DISCARDS]! += 1;
      nbl.Status = NDIS_STATUS_RESOURCES;
      return FAILED;
    }
    // The list starts where CurrentMdl starts (contract, trap 64).
    let skip = nb.CurrentMdlOffset;
    let left = length;
    let needed = length < MIN_FRAME_BYTES ? 1 : 0;
    const elements = list.Elements;
    for (let i = 0; i < list.NumberOfElements && left > 0; i++) {
      const element = elements[i]!;
      let bytes = element.Length;
      if (skip >= bytes) {
        skip -= bytes;
        continue;
      }
      bytes -= skip;
      if (bytes > left) bytes = left;
      left -= bytes;
      const offset = (element.Address + skip) % PAGE_BYTES;
      skip = 0;
      needed += Math.ceil((offset + bytes) / PAGE_BYTES);
    }
    if (left > 0 || needed > free) {
      NdisMFreeNetBufferSGList(this.#dma, list, nb);
      if (left === 0 && needed < this.#mask && this.#used > 0) return FULL;
      this.#counters[COUNT_ERRORS]! += 1;
      nbl.Status = left > 0 ? NDIS_STATUS_INVALID_LENGTH : NDIS_STATUS_RESOURCES;
      return FAILED;
    }
    this.#fill(nb, list, length);
    this.#netBufferAt[this.#unrung] = nb;
    this.#listAt[this.#unrung] = nbl;
    nb.MiniportReserved = list;
    nbl.Scratch = (nbl.Scratch as number) + 1;
    this.#sinceReport++;
    if (this.#sinceReport >= REPORT_EVERY) this.#mark(this.#unrung);
    this.#count(nb, length);
    return POSTED;
  }

  #fill(nb: NET_BUFFER, list: SCATTER_GATHER_LIST, length: number): void {
    const words = this.#words;
    const mask = this.#mask;
    const command = this.#command;
    const elements = list.Elements;
    const onWire = Math.max(length, MIN_FRAME_BYTES);
    // Only the first descriptor's payload length counts; the others may carry it too.
    const word3 = this.#payloadShift === 0 ? 0 : onWire << this.#payloadShift;
    let tail = this.#tail;
    let used = 0;
    let last = tail;
    let skip = nb.CurrentMdlOffset;
    let left = length;
    for (let i = 0; i < list.NumberOfElements && left > 0; i++) {
      const element = elements[i]!;
      let bytes = element.Length;
      if (skip >= bytes) {
        skip -= bytes;
        continue;
      }
      let address = element.Address + skip;
      bytes -= skip;
      skip = 0;
      if (bytes > left) bytes = left;
      left -= bytes;
      while (bytes > 0) {
        const piece = Math.min(bytes, PAGE_BYTES - (address % PAGE_BYTES));
        const at = tail * DESCRIPTOR_WORDS;
        words[at] = address;
        words[at + 1] = 0;
        words[at + 2] = command | piece;
        words[at + 3] = word3;
        last = tail;
        tail = (tail + 1) & mask;
        used++;
        address += piece;
        bytes -= piece;
      }
    }
    if (length < MIN_FRAME_BYTES) {
      const at = tail * DESCRIPTOR_WORDS;
      words[at] = this.#padIova;
      words[at + 1] = 0;
      words[at + 2] = command | (MIN_FRAME_BYTES - length);
      words[at + 3] = word3;
      last = tail;
      tail = (tail + 1) & mask;
      used++;
    }
    words[last * DESCRIPTOR_WORDS + 2]! |= this.#end;
    this.#tail = tail;
    this.#used += used;
    this.#unrung = last;
  }

  #count(nb: NET_BUFFER, length: number): void {
    const counters = this.#counters;
    counters[COUNT_FRAMES]! += 1;
    const mdl = nb.CurrentMdl!;
    const at = mdl.ByteOffset + nb.CurrentMdlOffset;
    const destination = mdl.StartVa[at]!;
    const onWire = Math.max(length, MIN_FRAME_BYTES);
    if ((destination & 1) === 0) counters[COUNT_UNICAST_OCTETS]! += onWire;
    else if (destination === 0xff && mdl.StartVa[at + 5] === 0xff) counters[COUNT_BROADCAST_OCTETS]! += onWire;
    else counters[COUNT_MULTICAST_OCTETS]! += onWire;
  }

  /** Releases every frame up to the newest report that has come in. */
  #reclaim(): void {
    const words = this.#words;
    const mask = this.#mask;
    while (this.#reportCount > 0) {
      const reported = this.#reports[this.#reportHead]!;
      if ((words[reported * DESCRIPTOR_WORDS + 3]! & TX_DD) === 0) return;
      this.#reportHead = (this.#reportHead + 1) & mask;
      this.#reportCount--;
      for (let at = this.#head, ended = false; !ended; at = (at + 1) & mask) {
        ended = at === reported;
        this.#used--;
        const nb = this.#netBufferAt[at]!;
        if (nb !== null) this.#release(at, nb, this.#listAt[at]!);
      }
      this.#head = (reported + 1) & mask;
    }
  }

  #release(at: number, nb: NET_BUFFER, nbl: NET_BUFFER_LIST): void {
    this.#netBufferAt[at] = null;
    this.#listAt[at] = null;
    NdisMFreeNetBufferSGList(this.#dma, nb.MiniportReserved as SCATTER_GATHER_LIST, nb);
    nb.MiniportReserved = null;
    this.progress++;
    this.#settle(nbl);
  }

  /** Takes one share off an NBL; without shares it is done, with the status it has by then. */
  #settle(nbl: NET_BUFFER_LIST): void {
    const shares = (nbl.Scratch as number) - 1;
    nbl.Scratch = shares;
    if (shares === 0) this.#finish(nbl, nbl.Status);
  }

  #finish(nbl: NET_BUFFER_LIST, status: NDIS_STATUS): void {
    nbl.Status = status;
    nbl.Next = null;
    if (this.#doneTail === null) this.#doneHead = nbl;
    else this.#doneTail.Next = nbl;
    this.#doneTail = nbl;
  }

  /** Hands the finished NBLs over as one chain. A send from inside the completion leaves its own to the loop here. */
  #complete(): void {
    if (this.#completing || this.#busy) return;
    this.#completing = true;
    for (let chain = this.#doneHead; chain !== null; chain = this.#doneHead) {
      this.#doneHead = null;
      this.#doneTail = null;
      NdisMSendNetBufferListsComplete(this.#handle, chain, 0);
    }
    this.#completing = false;
  }
}
