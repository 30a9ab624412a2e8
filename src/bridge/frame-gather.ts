/**
 * Turns a chain of received NET_BUFFER_LISTs into groups of (offset, length) pairs over one memory each, in order.
 * Layer: bridge. Frame path 5; next: the sink (bridge.ts writes the group to the TAP, the public API hands it on).
 * Invariants: frames keep their order; nothing is allocated per frame; a frame in one buffer is never copied; a frame
 * over several buffers (jumbo chain) is copied once, into scratch memory that is free again when the sink returns.
 */
import type { NET_BUFFER, NET_BUFFER_LIST } from '../ndis/types.ts';
import type { FramePairs } from '../platform/index.ts';

/**
 * Takes one group. `first` to `last` are its NBLs, linked by Next; the sink may cut the chain behind `last`.
 * `scratch` is true when the bytes lie in scratch memory, valid only during the call. `pairs` is valid only during the
 * call, too.
 */
export type GroupSink = (
  memory: Uint8Array,
  pairs: FramePairs,
  count: number,
  first: NET_BUFFER_LIST,
  last: NET_BUFFER_LIST,
  scratch: boolean,
) => void;

/** Frames in one group at most. */
export const GROUP_FRAMES = 256;
const SCRATCH_SLOTS = 16;

/** Whole-buffer views of one ArrayBuffer: what MDLs of several slices of the same arena have in common. */
interface WholeViews {
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
}

export class FrameGather {
  /** Frames copied because they lay in several buffers. */
  copied = 0;
  /** Frames left out because they were longer than the limit. */
  oversize = 0;
  private readonly maxFrameBytes: number;
  private readonly sink: GroupSink;
  private readonly pairs: FramePairs = new Uint32Array(2 * GROUP_FRAMES);
  private readonly scratchSlotBytes: number;
  private readonly scratch: WholeViews;
  private readonly views = new WeakMap<ArrayBufferLike, WholeViews>();
  private cachedBuffer: ArrayBufferLike | null = null;
  private cachedViews: WholeViews;
  private scratchUsed = 0;

  constructor(maxFrameBytes: number, sink: GroupSink) {
    this.maxFrameBytes = maxFrameBytes;
    this.sink = sink;
    this.scratchSlotBytes = Math.ceil(maxFrameBytes / 64) * 64;
    this.scratch = wholeViews(new ArrayBuffer(SCRATCH_SLOTS * this.scratchSlotBytes));
    this.cachedViews = this.scratch;
  }

  /** Walks the chain and calls the sink for each group; every NBL belongs to exactly one group. */
  run(chain: NET_BUFFER_LIST): void {
    const pairs = this.pairs;
    let memory: Uint8Array | null = null;
    let first: NET_BUFFER_LIST = chain;
    let last: NET_BUFFER_LIST = chain;
    let open = false;
    let count = 0;
    let nbl: NET_BUFFER_LIST | null = chain;
    while (nbl !== null) {
      const next: NET_BUFFER_LIST | null = nbl.Next;
      const buffer = nbl.FirstNetBuffer;
      const mdl = buffer === null ? null : buffer.CurrentMdl;
      const length = buffer === null ? 0 : buffer.DataLength;
      if (buffer === null || mdl === null || length > this.maxFrameBytes) {
        // Nothing to hand on, but the NBL still travels with its group so that it is returned in order.
        this.oversize++;
      } else {
        const whole = mdl.ByteCount - buffer.CurrentMdlOffset >= length;
        if (!whole && this.scratchUsed === SCRATCH_SLOTS && count > 0) {
          this.flush(memory, count, first, last);
          open = false;
          count = 0;
        }
        const source: Uint8Array = whole ? this.viewsOf(mdl.StartVa.buffer).bytes : this.scratch.bytes;
        if (count > 0 && (memory !== source || count === GROUP_FRAMES)) {
          this.flush(memory, count, first, last);
          open = false;
          count = 0;
        }
        memory = source;
        pairs[2 * count] = whole
          ? mdl.StartVa.byteOffset + mdl.ByteOffset + buffer.CurrentMdlOffset
          : this.copyToScratch(buffer);
        pairs[2 * count + 1] = length;
        count++;
      }
      if (!open) first = nbl;
      open = true;
      last = nbl;
      nbl = next;
    }
    if (open) this.flush(memory, count, first, last);
  }

  private flush(memory: Uint8Array | null, count: number, first: NET_BUFFER_LIST, last: NET_BUFFER_LIST): void {
    const scratch = memory === null || memory === this.scratch.bytes;
    this.sink(memory ?? this.scratch.bytes, this.pairs, count, first, last, scratch);
    this.scratchUsed = 0;
  }

  /** Copies by words where source and target are aligned, which buffers of a ring are; returns the scratch offset. */
  private copyToScratch(buffer: NET_BUFFER): number {
    this.copied++;
    const start = this.scratchUsed * this.scratchSlotBytes;
    this.scratchUsed++;
    const toBytes = this.scratch.bytes;
    const toWords = this.scratch.words;
    let to = start;
    let left = buffer.DataLength;
    let skip = buffer.CurrentMdlOffset;
    let mdl = buffer.CurrentMdl;
    while (mdl !== null && left > 0) {
      const piece = Math.min(left, mdl.ByteCount - skip);
      const from = this.viewsOf(mdl.StartVa.buffer);
      const fromBytes = from.bytes;
      const at = mdl.StartVa.byteOffset + mdl.ByteOffset + skip;
      let done = 0;
      if (((at | to) & 3) === 0) {
        const fromWords = from.words;
        const wordCount = piece >>> 2;
        const fromWord = at >>> 2;
        const toWord = to >>> 2;
        for (let i = 0; i < wordCount; i++) toWords[toWord + i] = fromWords[fromWord + i]!;
        done = wordCount << 2;
      }
      for (; done < piece; done++) toBytes[to + done] = fromBytes[at + done]!;
      to += piece;
      left -= piece;
      skip = 0;
      mdl = mdl.Next;
    }
    return start;
  }

  private viewsOf(buffer: ArrayBufferLike): WholeViews {
    if (buffer === this.cachedBuffer) return this.cachedViews;
    let views = this.views.get(buffer);
    if (views === undefined) {
      // Once per arena, not per frame.
      views = wholeViews(buffer);
      this.views.set(buffer, views);
    }
    this.cachedBuffer = buffer;
    this.cachedViews = views;
    return views;
  }
}

function wholeViews(buffer: ArrayBufferLike): WholeViews {
  return { bytes: new Uint8Array(buffer), words: new Uint32Array(buffer, 0, buffer.byteLength >>> 2) };
}
