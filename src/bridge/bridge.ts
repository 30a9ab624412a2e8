/**
 * Joins an adapter to a TAP. Layer: bridge. Frame path 6 of receive (TAP write) and path 1 of send (TAP read).
 * Invariants: no frame waits here: what the TAP cannot take is dropped and counted, what the NIC cannot take stays in
 * the TAP's queue, because reading stops until sends complete (back-pressure). Received buffers go back to the miniport
 * before the handler returns. Nothing is allocated per frame.
 */
import {
  MediaConnectStateConnected,
  type NDIS_LINK_STATE,
  NDIS_RECEIVE_FLAGS_RESOURCES,
  NDIS_RETURN_FLAGS_DISPATCH_LEVEL,
  type NET_BUFFER_LIST,
} from '../ndis/types.ts';
import type { Clock, FramePairs, Tap } from '../platform/index.ts';
import { type AdapterEdge, type EdgeHandlers, FRAME_OVERHEAD_BYTES } from './edge.ts';
import { FrameGather } from './frame-gather.ts';

/** Frames read from the TAP in one system-call batch, and sent in one NBL chain. */
const READ_BATCH = 64;
/** Batches per wake-up before the event loop gets its turn; the TAP's poll is level-triggered and calls again. */
const BATCHES_PER_WAKE = 4;

/** Counters since the bridge was opened. */
export interface BridgeCounters {
  /** TAP to NIC. */
  readonly toNic: {
    readonly frames: number;
    readonly bytes: number;
    readonly batches: number;
    readonly completed: number;
    /** Completed with a status other than NDIS_STATUS_SUCCESS. */
    readonly failed: number;
    /** Times reading stopped for want of a free slot. */
    readonly stalls: number;
    readonly inFlight: number;
  };
  /** NIC to TAP. */
  readonly toTap: {
    readonly frames: number;
    readonly bytes: number;
    readonly batches: number;
    readonly copied: number;
    readonly dropped: { readonly noRoom: number; readonly refused: number; readonly oversize: number };
  };
}

// Indexes of the counters. A Float64Array, because a number field that outgrows 31 bits is boxed on every change.
const TX_FRAMES = 0;
const TX_BYTES = 1;
const TX_BATCHES = 2;
const TX_COMPLETED = 3;
const TX_FAILED = 4;
const TX_STALLS = 5;
const RX_FRAMES = 6;
const RX_BYTES = 7;
const RX_BATCHES = 8;
const RX_NO_ROOM = 9;
const COUNTERS = 10;

export interface BridgeOptions {
  /** Bytes, without the Ethernet header. Longer frames from the NIC are dropped and counted. */
  readonly mtu: number;
  /** The TAP failed, e.g. somebody deleted the interface. Called once, at DISPATCH_LEVEL; the bridge has stopped then. */
  readonly onTapFailure: (error: unknown) => void;
}

/** A running bridge. Made by {@link openBridge}; `stop`, `whenIdle`, `close` in this order. */
export class Bridge {
  private readonly tap: Tap;
  private readonly onTapFailure: (error: unknown) => void;
  private readonly edge: AdapterEdge;
  private readonly gather: FrameGather;
  private readonly counts = new Float64Array(COUNTERS);
  private readonly staged: NET_BUFFER_LIST[] = [];
  private readonly stagedPairs: FramePairs = new Uint32Array(2 * READ_BATCH);
  private readonly onReadable = (): void => this.readTap();
  private stagedCount = 0;
  private inFlight = 0;
  private running = false;
  private stalled = false;
  private tapFailed = false;
  private idleListener: (() => void) | undefined;

  /** @internal Use {@link openBridge}. */
  constructor(tap: Tap, options: BridgeOptions, open: (handlers: EdgeHandlers) => AdapterEdge) {
    this.tap = tap;
    this.onTapFailure = options.onTapFailure;
    this.gather = new FrameGather(options.mtu + FRAME_OVERHEAD_BYTES, (memory, pairs, count) =>
      this.writeGroup(memory, pairs, count),
    );
    this.edge = open({
      received: (first, flags) => this.received(first, flags),
      sendCompleted: (first) => this.sendCompleted(first),
      linkChanged: (state) => this.linkChanged(state),
    });
  }

  /** Starts reading the TAP. `link` is the link's state now; later changes arrive as indications. */
  start(link: NDIS_LINK_STATE): void {
    this.running = true;
    this.linkChanged(link);
    this.tap.setReadable(this.onReadable);
  }

  /** Stops reading the TAP; frames already handed to the adapter go on. Idempotent. */
  stop(): void {
    if (!this.running) return;
    this.running = false;
    this.tap.setReadable(undefined);
    while (this.stagedCount > 0) this.edge.slots.release(this.staged[--this.stagedCount]!);
  }

  /** Resolves true once no send is in flight, false when `timeoutMs` passes first. */
  whenIdle(clock: Clock, timeoutMs: number): Promise<boolean> {
    if (this.inFlight === 0) return Promise.resolve(true);
    return new Promise((resolve) => {
      const timer = clock.after(timeoutMs, () => {
        this.idleListener = undefined;
        resolve(false);
      });
      this.idleListener = () => {
        timer.cancel();
        this.idleListener = undefined;
        resolve(true);
      };
    });
  }

  /** Unbinds from the adapter. The TAP stays open: it belongs to the caller. Idempotent. */
  close(): void {
    this.stop();
    this.edge.close();
  }

  /** Snapshot of the counters. */
  counters(): BridgeCounters {
    const c = this.counts;
    const refused = this.tap.writeErrors;
    return {
      toNic: {
        frames: c[TX_FRAMES]!,
        bytes: c[TX_BYTES]!,
        batches: c[TX_BATCHES]!,
        completed: c[TX_COMPLETED]!,
        failed: c[TX_FAILED]!,
        stalls: c[TX_STALLS]!,
        inFlight: this.inFlight,
      },
      toTap: {
        frames: c[RX_FRAMES]! - refused,
        bytes: c[RX_BYTES]!,
        batches: c[RX_BATCHES]!,
        copied: this.gather.copied,
        dropped: { noRoom: c[RX_NO_ROOM]!, refused, oversize: this.gather.oversize },
      },
    };
  }

  private readTap(): void {
    const slots = this.edge.slots;
    const staged = this.staged;
    const pairs = this.stagedPairs;
    for (let turn = 0; turn < BATCHES_PER_WAKE && this.running; turn++) {
      while (this.stagedCount < READ_BATCH) {
        const slot = slots.take();
        if (slot === null) break;
        staged[this.stagedCount++] = slot;
      }
      const offered = this.stagedCount;
      if (offered === 0) {
        this.stalled = true;
        this.counts[TX_STALLS]!++;
        this.tap.setReadable(undefined);
        return;
      }
      for (let i = 0; i < offered; i++) {
        pairs[2 * i] = slots.offsetOf(staged[i]!);
        pairs[2 * i + 1] = slots.slotBytes;
      }
      let count = 0;
      try {
        count = this.tap.readBatch(slots.memory, pairs, offered);
      } catch (error) {
        this.failTap(error);
        return;
      }
      if (count > 0) this.sendStaged(count);
      if (count < offered) return;
    }
  }

  /** Sends the first `count` staged slots as one chain and moves the others up. A capture point would sit here. */
  private sendStaged(count: number): void {
    const slots = this.edge.slots;
    const staged = this.staged;
    let bytes = 0;
    for (let i = 0; i < count; i++) {
      const nbl = staged[i]!;
      const length = this.stagedPairs[2 * i + 1]!;
      slots.setLength(nbl, length);
      nbl.Next = i + 1 < count ? staged[i + 1]! : null;
      bytes += length;
    }
    const first = staged[0]!;
    const left = this.stagedCount - count;
    for (let i = 0; i < left; i++) staged[i] = staged[count + i]!;
    this.stagedCount = left;
    // Before the call: completions may run inside it.
    this.inFlight += count;
    this.counts[TX_FRAMES]! += count;
    this.counts[TX_BYTES]! += bytes;
    this.counts[TX_BATCHES]!++;
    this.edge.send(first);
  }

  private sendCompleted(first: NET_BUFFER_LIST): void {
    const slots = this.edge.slots;
    let count = 0;
    let nbl: NET_BUFFER_LIST | null = first;
    while (nbl !== null) {
      const next: NET_BUFFER_LIST | null = nbl.Next;
      if (nbl.Status !== 0) this.counts[TX_FAILED]!++;
      nbl.Next = null;
      slots.release(nbl);
      count++;
      nbl = next;
    }
    this.inFlight -= count;
    this.counts[TX_COMPLETED]! += count;
    if (this.stalled && this.running) {
      this.stalled = false;
      this.tap.setReadable(this.onReadable);
    }
    if (this.inFlight === 0 && this.idleListener !== undefined) this.idleListener();
  }

  private received(first: NET_BUFFER_LIST, flags: number): void {
    this.gather.run(first);
    // With RESOURCES the chain is the miniport's again on return, and returning it here would return it twice.
    if ((flags & NDIS_RECEIVE_FLAGS_RESOURCES) !== 0) return;
    this.edge.returnReceived(first, NDIS_RETURN_FLAGS_DISPATCH_LEVEL);
  }

  /** Sink of the gather. Leaves the chain linked: it is returned in one piece. A capture point would sit here. */
  private writeGroup(memory: Uint8Array, pairs: FramePairs, count: number): void {
    if (count === 0) return;
    let taken = 0;
    if (!this.tapFailed) {
      try {
        taken = this.tap.writeBatch(memory, pairs, 0, count);
      } catch (error) {
        this.failTap(error);
      }
    }
    let bytes = 0;
    for (let i = 0; i < taken; i++) bytes += pairs[2 * i + 1]!;
    this.counts[RX_FRAMES]! += taken;
    this.counts[RX_BYTES]! += bytes;
    this.counts[RX_BATCHES]!++;
    this.counts[RX_NO_ROOM]! += count - taken;
  }

  private linkChanged(state: NDIS_LINK_STATE): void {
    if (this.tapFailed) return;
    try {
      this.tap.setCarrier(state.MediaConnectState === MediaConnectStateConnected);
    } catch (error) {
      this.failTap(error);
    }
  }

  /** An exception must not unwind through a DPC of the miniport, and a TAP that failed once does not come back. */
  private failTap(error: unknown): void {
    if (this.tapFailed) return;
    this.tapFailed = true;
    this.stop();
    this.onTapFailure(error);
  }
}

/**
 * Binds a TAP to an adapter's upper edge. IRQL = PASSIVE_LEVEL. Call `start` when the adapter is Running.
 * `open` makes the edge from the handlers, normally `(handlers) => openEdge(adapter, slots, slotBytes, handlers)`.
 */
export function openBridge(tap: Tap, options: BridgeOptions, open: (handlers: EdgeHandlers) => AdapterEdge): Bridge {
  return new Bridge(tap, options, open);
}
