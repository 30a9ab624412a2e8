/**
 * The public API for applications that want frames, not NDIS: openNic. Layer: application.
 * Invariants: a frame handed out by copy is the application's for ever; a zero-copy batch is valid until its release()
 * or the end of the NIC; every send slot taken is either sent or released; closing completes every send and takes back
 * every batch. Callbacks of the application never break the driver: what they throw surfaces on the event loop.
 */
import { NdisVfioError } from '../base/errors.ts';
import { type AdapterEdge, FRAME_OVERHEAD_BYTES, openEdge, slotBytesFor } from '../bridge/edge.ts';
import { FrameGather, GROUP_FRAMES } from '../bridge/frame-gather.ts';
import {
  type Adapter,
  MediaConnectStateConnected,
  MediaDuplexStateFull,
  MediaDuplexStateHalf,
  NDIS_LINK_SPEED_UNKNOWN,
  type NDIS_LINK_STATE,
  NDIS_RECEIVE_FLAGS_RESOURCES,
  NDIS_STATUS_SUCCESS,
  type NdisStatistics,
  type NET_BUFFER_LIST,
} from '../ndis/index.ts';
import type { FramePairs } from '../platform/index.ts';
import { linuxMachine } from './linux-machine.ts';
import type { Machine } from './machine.ts';
import { type AdapterSettings, type OpenedAdapter, openAdapter, startAdapter } from './open-adapter.ts';
import { type EndReason, watchEnd } from './watch-end.ts';

/** Smallest frame: an Ethernet header. The NIC pads to 60 bytes by itself. */
const FRAME_BYTES_MIN = 14;
const SEND_SLOTS_DEFAULT = 256;

export interface NicOptions extends AdapterSettings {
  /** Send slots, i.e. frames that can be in flight at once. Default 256. */
  readonly sendSlots?: number | undefined;
  /** The machine to open it on; default the Linux host. Tests pass a simulated one. */
  readonly machine?: Machine | undefined;
}

/** State of the link. */
export interface NicLink {
  readonly up: boolean;
  /** Megabits per second; 0 when unknown. */
  readonly speedMbps: number;
  readonly duplex: 'full' | 'half' | 'unknown';
}

export interface NicStatistics {
  /** What the NIC counted, under the names of NDIS_STATISTICS_INFO. */
  readonly nic: NdisStatistics;
  /** Frames handed to the adapter, and how they ended. */
  readonly sent: { readonly frames: number; readonly completed: number; readonly failed: number };
  /** Frames handed to the application; `dropped`: nobody listened; `oversize`: longer than the MTU allows. */
  readonly received: { readonly frames: number; readonly dropped: number; readonly oversize: number };
}

/**
 * Frames of one zero-copy delivery. Frame i is `memory[pairs[2i] .. pairs[2i] + pairs[2i + 1] - 1]`. The NIC cannot reuse the
 * buffers before release(); holding many batches starves it. The object is reused after its release.
 */
export interface ReceivedBatch {
  readonly memory: Uint8Array;
  readonly pairs: FramePairs;
  readonly count: number;
  /** A view of frame `index` (allocates the view, copies nothing). Valid until release(). */
  frame(index: number): Uint8Array;
  /** Gives the buffers back. Once per batch, from any place. */
  release(): void;
}

/** A running NIC. Made by {@link openNic}; ends with close() or `await using`. */
export interface Nic extends AsyncDisposable {
  /** `0000:01:00.0`. */
  readonly address: string;
  /** Six bytes. */
  readonly mac: Uint8Array;
  /** Bytes without the Ethernet header. */
  readonly mtu: number;
  readonly link: NicLink;
  /** The NDIS adapter below, for OIDs, interrupt counters and everything else NDIS. */
  readonly adapter: Adapter;

  /**
   * Sends frames: whole Ethernet frames without FCS, 14 to mtu + 18 bytes, copied before this returns or as soon as a slot is
   * free. Resolves with the number sent successfully, when the NIC has completed all of them.
   * @throws RangeError for a frame of another length; NdisVfioError E_STATE when the NIC is closed.
   */
  send(frames: Uint8Array | readonly Uint8Array[]): Promise<number>;
  /** Calls back for each received frame with a copy. Replaces an earlier callback; undefined stops. Runs at DISPATCH_LEVEL. */
  onReceive(callback: ((frame: Uint8Array) => void) | undefined): void;
  /** Calls back with batches in place of single frames; each must be released. Replaces an earlier callback. Runs at DISPATCH_LEVEL. */
  onReceiveBatch(callback: ((batch: ReceivedBatch) => void) | undefined): void;

  /** DMA memory of the send slots, for {@link takeSlots}. Valid until close(). */
  readonly sendMemory: Uint8Array;
  /** Bytes of one slot. */
  readonly slotBytes: number;
  /** Takes up to `count` free slots: writes [offset in sendMemory, slotBytes] per slot; returns how many. */
  takeSlots(pairs: FramePairs, count: number): number;
  /**
   * Sends `count` filled slots, in order; set each pair's second word to the frame's length first. The slots return by
   * themselves when their frames have left. Allocates nothing.
   */
  sendBatch(pairs: FramePairs, count: number): void;
  /** Gives back slots that were taken and not sent. */
  releaseSlots(pairs: FramePairs, count: number): void;
  /** Calls back when sends have completed, i.e. takeSlots can succeed again. Runs at DISPATCH_LEVEL. */
  onSlotsFree(callback: (() => void) | undefined): void;

  /** Calls back when the link changes. */
  onLink(callback: ((link: NicLink) => void) | undefined): void;
  /** Calls back once when the NIC ends by itself (removal request, device gone, fault), after it was closed. */
  onEnd(callback: ((reason: EndReason) => void) | undefined): void;
  statistics(): Promise<NicStatistics>;
  /** Completes every send, stops the device and gives it back. Idempotent; resolves when all is closed. */
  close(): Promise<void>;
}

/**
 * Opens a NIC that is bound to vfio-pci and starts it: frames flow when this resolves (the link may follow later).
 * @param address PCI address such as `0000:01:00.0`
 * @throws NdisVfioError; the device is closed again then
 * @example
 * await using nic = await openNic('0000:01:00.0');
 * nic.onReceive((frame) => console.log(frame.length));
 * await nic.send(new Uint8Array(60));
 */
export async function openNic(address: string, options: NicOptions = {}): Promise<Nic> {
  const machine = options.machine ?? linuxMachine;
  const slots = options.sendSlots ?? SEND_SLOTS_DEFAULT;
  if (!Number.isInteger(slots) || slots < 1 || slots > 65_536) {
    throw new RangeError(`sendSlots must be a whole number from 1 to 65536, not ${slots}`);
  }
  const slotBytes = slotBytesFor(options.mtu ?? 1500);
  const opened = await openAdapter(machine, address, options, slots * slotBytes);
  let nic: OpenedNic | undefined;
  try {
    await opened.adapter.initialize();
    nic = new OpenedNic(opened, machine, slots);
    await startAdapter(opened, options.promiscuous ?? false);
    return nic;
  } catch (error) {
    await (nic === undefined ? opened.close() : nic.close()).catch(() => undefined);
    throw error;
  }
}

/** How long close() waits for sends on the wire before it lets the miniport abort them. */
const SEND_DRAIN_MS = 500;

/** One call of send(): its frames wait here until slots are free. */
interface SendJob {
  readonly frames: readonly Uint8Array[];
  next: number;
  completed: number;
  succeeded: number;
  readonly resolve: (sent: number) => void;
  readonly reject: (error: Error) => void;
}

class Batch implements ReceivedBatch {
  memory: Uint8Array = new Uint8Array(0);
  readonly pairs: FramePairs = new Uint32Array(2 * GROUP_FRAMES);
  count = 0;
  held = false;
  /** NBLs to return; null when the batch is a copy. */
  chain: NET_BUFFER_LIST | null = null;
  private readonly owner: OpenedNic;

  constructor(owner: OpenedNic) {
    this.owner = owner;
  }

  frame(index: number): Uint8Array {
    if (!this.held || index < 0 || index >= this.count) throw new RangeError(`the batch holds no frame ${index}`);
    const offset = this.pairs[2 * index]!;
    return this.memory.subarray(offset, offset + this.pairs[2 * index + 1]!);
  }

  release(): void {
    if (!this.held) return;
    this.held = false;
    const chain = this.chain;
    this.chain = null;
    this.owner.batchReleased(this, chain);
  }
}

class OpenedNic implements Nic {
  readonly address: string;
  readonly mtu: number;
  readonly adapter: Adapter;
  private readonly opened: OpenedAdapter;
  private readonly machine: Machine;
  private readonly edge: AdapterEdge;
  private readonly gather: FrameGather;
  private readonly jobs: SendJob[] = [];
  private readonly slotNbls: (NET_BUFFER_LIST | null)[];
  private readonly batches: Batch[] = [];
  private readonly freeBatches: Batch[] = [];
  private receive: ((frame: Uint8Array) => void) | undefined;
  private receiveBatch: ((batch: ReceivedBatch) => void) | undefined;
  private slotsFree: (() => void) | undefined;
  private linkListener: ((link: NicLink) => void) | undefined;
  private endListener: ((reason: EndReason) => void) | undefined;
  private idleListener: (() => void) | undefined;
  private inFlight = 0;
  private lowResources = false;
  private sentFrames = 0;
  private completedFrames = 0;
  private failedFrames = 0;
  private receivedFrames = 0;
  private droppedFrames = 0;
  private gone = false;
  private closing: Promise<void> | undefined;

  constructor(opened: OpenedAdapter, machine: Machine, slots: number) {
    this.opened = opened;
    this.machine = machine;
    this.adapter = opened.adapter;
    this.address = opened.pci.address;
    this.mtu = opened.mtu;
    this.slotNbls = new Array<NET_BUFFER_LIST | null>(slots).fill(null);
    this.gather = new FrameGather(opened.mtu + FRAME_OVERHEAD_BYTES, (memory, pairs, count, first, last, scratch) =>
      this.deliver(memory, pairs, count, first, last, scratch),
    );
    this.edge = openEdge(opened.adapter, slots, slotBytesFor(opened.mtu), {
      received: (first, flags) => {
        this.lowResources = (flags & NDIS_RECEIVE_FLAGS_RESOURCES) !== 0;
        this.gather.run(first);
      },
      sendCompleted: (first) => this.sendCompleted(first),
      linkChanged: () => this.guard(() => this.linkListener?.(this.link)),
    });
    watchEnd(opened, (reason) => this.endByItself(reason));
  }

  get mac(): Uint8Array {
    return this.adapter.macAddress;
  }

  get link(): NicLink {
    return toNicLink(this.adapter.linkState);
  }

  get sendMemory(): Uint8Array {
    return this.edge.slots.memory;
  }

  get slotBytes(): number {
    return this.edge.slots.slotBytes;
  }

  send(frames: Uint8Array | readonly Uint8Array[]): Promise<number> {
    const list = frames instanceof Uint8Array ? [frames] : frames;
    for (const frame of list) {
      if (frame.length < FRAME_BYTES_MIN || frame.length > this.mtu + FRAME_OVERHEAD_BYTES) {
        throw new RangeError(
          `a frame has ${FRAME_BYTES_MIN} to ${this.mtu + FRAME_OVERHEAD_BYTES} bytes, not ${frame.length}`,
        );
      }
    }
    if (this.closing !== undefined) return Promise.reject(this.closedError());
    if (list.length === 0) return Promise.resolve(0);
    return new Promise((resolve, reject) => {
      this.jobs.push({ frames: list, next: 0, completed: 0, succeeded: 0, resolve, reject });
      this.pump();
    });
  }

  onReceive(callback: ((frame: Uint8Array) => void) | undefined): void {
    this.receive = callback;
    this.receiveBatch = undefined;
  }

  onReceiveBatch(callback: ((batch: ReceivedBatch) => void) | undefined): void {
    this.receiveBatch = callback;
    this.receive = undefined;
  }

  takeSlots(pairs: FramePairs, count: number): number {
    const slots = this.edge.slots;
    let taken = 0;
    while (taken < count && this.closing === undefined) {
      const nbl = slots.take();
      if (nbl === null) break;
      const offset = slots.offsetOf(nbl);
      this.slotNbls[offset / slots.slotBytes] = nbl;
      pairs[2 * taken] = offset;
      pairs[2 * taken + 1] = slots.slotBytes;
      taken++;
    }
    return taken;
  }

  sendBatch(pairs: FramePairs, count: number): void {
    if (this.closing !== undefined) throw this.closedError();
    const slots = this.edge.slots;
    let first: NET_BUFFER_LIST | null = null;
    // From the last to the first, so that the chain is built by prepending; nothing is taken before all are checked.
    for (let i = count - 1; i >= 0; i--) this.slotNbl(pairs[2 * i]!);
    for (let i = count - 1; i >= 0; i--) {
      const nbl = this.slotNbl(pairs[2 * i]!);
      this.slotNbls[pairs[2 * i]! / slots.slotBytes] = null;
      slots.setLength(nbl, pairs[2 * i + 1]!);
      nbl.ProtocolReserved = null;
      nbl.Next = first;
      first = nbl;
    }
    if (first === null) return;
    this.inFlight += count;
    this.sentFrames += count;
    this.edge.send(first);
  }

  releaseSlots(pairs: FramePairs, count: number): void {
    const slots = this.edge.slots;
    for (let i = 0; i < count; i++) {
      const nbl = this.slotNbl(pairs[2 * i]!);
      this.slotNbls[pairs[2 * i]! / slots.slotBytes] = null;
      slots.release(nbl);
    }
    this.pump();
  }

  onSlotsFree(callback: (() => void) | undefined): void {
    this.slotsFree = callback;
  }

  onLink(callback: ((link: NicLink) => void) | undefined): void {
    this.linkListener = callback;
  }

  onEnd(callback: ((reason: EndReason) => void) | undefined): void {
    this.endListener = callback;
  }

  async statistics(): Promise<NicStatistics> {
    return {
      nic: await this.adapter.statistics(),
      sent: { frames: this.sentFrames, completed: this.completedFrames, failed: this.failedFrames },
      received: { frames: this.receivedFrames, dropped: this.droppedFrames, oversize: this.gather.oversize },
    };
  }

  close(): Promise<void> {
    this.closing ??= this.closeOnce();
    return this.closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** @internal Called by a batch when the application is done with it. */
  batchReleased(batch: Batch, chain: NET_BUFFER_LIST | null): void {
    this.freeBatches.push(batch);
    if (chain !== null) this.edge.returnReceived(chain, 0);
  }

  private async closeOnce(): Promise<void> {
    const waiting = this.jobs.splice(0);
    for (const job of waiting) job.reject(this.closedError());
    this.receive = undefined;
    this.receiveBatch = undefined;
    for (let i = 0; i < this.slotNbls.length; i++) {
      const nbl = this.slotNbls[i];
      if (nbl != null) this.edge.slots.release(nbl);
      this.slotNbls[i] = null;
    }
    for (const batch of this.batches) batch.release();
    try {
      if (!this.gone) {
        if (this.inFlight > 0) await this.drain();
        if (this.adapter.state === 'Running') await this.adapter.pause();
        this.edge.close();
      }
      await this.opened.close(this.gone);
    } finally {
      this.opened.abandon();
    }
  }

  private drain(): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.machine.clock.after(SEND_DRAIN_MS, () => {
        this.idleListener = undefined;
        resolve();
      });
      this.idleListener = () => {
        timer.cancel();
        this.idleListener = undefined;
        resolve();
      };
    });
  }

  private endByItself(reason: EndReason): void {
    if (this.closing !== undefined) return;
    this.gone = reason.kind === 'gone';
    // The listener hears of it in either case; a failure to close orderly adds nothing it could act on.
    this.close()
      .catch(() => undefined)
      .finally(() => this.guard(() => this.endListener?.(reason)));
  }

  /** Moves waiting frames into free slots, one chain per job and call. */
  private pump(): void {
    const slots = this.edge.slots;
    while (this.jobs.length > 0 && this.closing === undefined) {
      const job = this.jobs[0]!;
      let first: NET_BUFFER_LIST | null = null;
      let last: NET_BUFFER_LIST | null = null;
      let count = 0;
      while (job.next < job.frames.length) {
        const nbl = slots.take();
        if (nbl === null) break;
        const frame = job.frames[job.next++]!;
        slots.memory.set(frame, slots.offsetOf(nbl));
        slots.setLength(nbl, frame.length);
        nbl.ProtocolReserved = job;
        nbl.Next = null;
        if (last === null) first = nbl;
        else last.Next = nbl;
        last = nbl;
        count++;
      }
      if (job.next === job.frames.length) this.jobs.shift();
      if (first === null) return;
      this.inFlight += count;
      this.sentFrames += count;
      this.edge.send(first);
    }
  }

  private sendCompleted(chain: NET_BUFFER_LIST): void {
    const slots = this.edge.slots;
    let nbl: NET_BUFFER_LIST | null = chain;
    while (nbl !== null) {
      const next: NET_BUFFER_LIST | null = nbl.Next;
      const succeeded = nbl.Status === NDIS_STATUS_SUCCESS;
      const job = nbl.ProtocolReserved as SendJob | null;
      nbl.ProtocolReserved = null;
      slots.release(nbl);
      this.inFlight--;
      this.completedFrames++;
      if (!succeeded) this.failedFrames++;
      if (job !== null) {
        job.completed++;
        if (succeeded) job.succeeded++;
        if (job.completed === job.frames.length) job.resolve(job.succeeded);
      }
      nbl = next;
    }
    this.pump();
    if (this.slotsFree !== undefined) this.guard(this.slotsFree);
    if (this.inFlight === 0 && this.idleListener !== undefined) this.idleListener();
  }

  private deliver(
    memory: Uint8Array,
    pairs: FramePairs,
    count: number,
    first: NET_BUFFER_LIST,
    last: NET_BUFFER_LIST,
    scratch: boolean,
  ): void {
    const mustReturn = !this.lowResources;
    if (mustReturn) last.Next = null;
    let kept = false;
    if (count > 0) {
      if (this.receiveBatch !== undefined) {
        this.receivedFrames += count;
        kept = this.deliverBatch(memory, pairs, count, first, scratch || !mustReturn);
      } else if (this.receive !== undefined) {
        this.receivedFrames += count;
        for (let i = 0; i < count && this.receive !== undefined; i++) {
          const offset = pairs[2 * i]!;
          const frame = memory.slice(offset, offset + pairs[2 * i + 1]!);
          this.guard(() => this.receive?.(frame));
        }
      } else {
        this.droppedFrames += count;
      }
    }
    if (mustReturn && !kept) this.edge.returnReceived(first, 0);
  }

  /** True when the batch keeps the NBLs until its release; false when it got a copy. */
  private deliverBatch(
    memory: Uint8Array,
    pairs: FramePairs,
    count: number,
    first: NET_BUFFER_LIST,
    copy: boolean,
  ): boolean {
    let batch = this.freeBatches.pop();
    if (batch === undefined) {
      batch = new Batch(this);
      this.batches.push(batch);
    }
    batch.count = count;
    batch.held = true;
    if (copy) this.fillCopy(batch, memory, pairs, count);
    else {
      for (let i = 0; i < 2 * count; i++) batch.pairs[i] = pairs[i]!;
      batch.memory = memory;
      batch.chain = first;
    }
    const callback = this.receiveBatch!;
    const delivered = batch;
    this.guard(() => callback(delivered));
    return !copy;
  }

  /** The rare case: the miniport wants its buffers back at once, or the frames lie in scratch memory. */
  private fillCopy(batch: Batch, memory: Uint8Array, pairs: FramePairs, count: number): void {
    let total = 0;
    for (let i = 0; i < count; i++) total += pairs[2 * i + 1]!;
    const copy = new Uint8Array(total);
    let at = 0;
    for (let i = 0; i < count; i++) {
      const offset = pairs[2 * i]!;
      const length = pairs[2 * i + 1]!;
      copy.set(memory.subarray(offset, offset + length), at);
      batch.pairs[2 * i] = at;
      batch.pairs[2 * i + 1] = length;
      at += length;
    }
    batch.memory = copy;
    batch.chain = null;
  }

  private slotNbl(offset: number): NET_BUFFER_LIST {
    const nbl = this.slotNbls[offset / this.edge.slots.slotBytes];
    if (nbl == null) throw new RangeError(`offset ${offset} is no slot that was taken`);
    return nbl;
  }

  private closedError(): NdisVfioError {
    return new NdisVfioError('E_STATE', {
      action: `Cannot send on ${this.address}`,
      cause: 'the NIC is closed',
      cure: 'Open it again with openNic()',
    });
  }

  /** Runs a callback of the application; what it throws must not unwind through the miniport's DPC. */
  private guard(callback: () => void): void {
    try {
      callback();
    } catch (error) {
      setImmediate(() => {
        throw error;
      });
    }
  }
}

/** The link state of NDIS in plain terms. */
export function toNicLink(state: NDIS_LINK_STATE): NicLink {
  const speed = state.XmitLinkSpeed;
  return {
    up: state.MediaConnectState === MediaConnectStateConnected,
    speedMbps: speed >= NDIS_LINK_SPEED_UNKNOWN ? 0 : speed / 1e6,
    duplex:
      state.MediaDuplexState === MediaDuplexStateFull
        ? 'full'
        : state.MediaDuplexState === MediaDuplexStateHalf
          ? 'half'
          : 'unknown',
  };
}
