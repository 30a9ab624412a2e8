/**
 * Sends numbered frames to an echo and judges what comes back: lost, duplicated, reordered, corrupted. Layer: test.
 * Invariant: at most `window` frames are under way, so that the NIC always has a descriptor for what it is offered (a
 * stream wire loses silently otherwise); every received frame is compared byte for byte.
 */
import type { StreamWire } from './wire.ts';
import { checkStamp, stampFrame } from './wire.ts';

/** The link partner's address: locally administered. */
export const PARTNER_MAC = Buffer.from([0x02, 0x00, 0x00, 0x00, 0x00, 0x01]);
export const BROADCAST_MAC = Buffer.alloc(6, 0xff);
/** IEEE 802.1: the address of no protocol here, with the group bit set. */
export const MULTICAST_MAC = Buffer.from([0x03, 0x00, 0x00, 0x00, 0x88, 0xb5]);

export interface EchoOptions {
  readonly nicMac: Uint8Array;
  readonly count: number;
  /** Frames under way at most. */
  readonly window?: number;
  /** Number of the first frame; different runs use different numbers, so that a late frame is noticed. */
  readonly first?: number;
  /** Length of frame `sequence` without FCS. */
  readonly size?: (sequence: number) => number;
  /** Destination of frame `sequence`; default the NIC. */
  readonly destination?: (sequence: number) => Uint8Array;
  /** Ends the run when nothing has come for so long. */
  readonly stallMs?: number;
}

export interface EchoResult {
  readonly sent: number;
  readonly received: number;
  readonly lost: number;
  readonly duplicated: number;
  readonly reordered: number;
  readonly corrupted: number;
  /** Octets without FCS; received ones are at least 60 a frame. */
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly unicast: number;
  readonly multicast: number;
  readonly broadcast: number;
  readonly seconds: number;
  /** What the first corrupted frames had. */
  readonly notes: readonly string[];
}

/** What an echo without a fault has in these four counts. */
export const FLAWLESS = { lost: 0, duplicated: 0, reordered: 0, corrupted: 0 } as const;

let nextFirst = 1_000_000;

/** Lengths from 60 to 1514, all of them, without a pattern that a ring's length could hide. */
export function mixedSize(sequence: number): number {
  return 60 + ((Math.imul(sequence, 0x9e37_79b1) >>> 0) % 1455);
}

/** Sends `count` frames and waits for their echoes. */
export async function runEcho(wire: StreamWire, options: EchoOptions): Promise<EchoResult> {
  const { nicMac, count, window = 128, size = mixedSize, stallMs = 5000 } = options;
  const first = options.first ?? nextFirst;
  nextFirst = Math.max(nextFirst, first + count);
  const own = Buffer.from(nicMac);
  const destination = options.destination ?? (() => own);
  const seen = new Uint8Array(count);
  const result = {
    ...FLAWLESS,
    sent: 0,
    received: 0,
    bytesSent: 0,
    bytesReceived: 0,
    seconds: 0,
  } as Mutable<EchoResult>;
  const notes: string[] = [];
  Object.assign(result, { unicast: 0, multicast: 0, broadcast: 0 });
  let highest = -1;
  let distinct = 0;
  let lastArrival = performance.now();
  let finish = (): void => {};
  const finished = new Promise<void>((resolve) => {
    finish = resolve;
  });

  const pump = (): void => {
    const frames: Buffer[] = [];
    while (result.sent < count && result.sent - distinct < window) {
      const sequence = first + result.sent;
      const target = destination(sequence);
      const frame = stampFrame(target, PARTNER_MAC, sequence, size(sequence));
      if ((target[0]! & 1) === 0) result.unicast++;
      else if (target[0] === 0xff) result.broadcast++;
      else result.multicast++;
      result.sent++;
      result.bytesSent += frame.length;
      frames.push(frame);
    }
    if (frames.length > 0) wire.send(...frames);
  };

  const note = (text: string): void => {
    result.corrupted++;
    if (notes.length < 10) notes.push(text);
  };
  let pumpScheduled = false;
  const previous = wire.onFrame;
  wire.onFrame = (frame) => {
    lastArrival = performance.now();
    result.received++;
    result.bytesReceived += frame.length;
    const sequence = checkStamp(frame);
    if (typeof sequence === 'string') return note(sequence);
    const index = sequence - first;
    if (index < 0 || index >= result.sent) return note(`frame ${sequence} was not sent in this run`);
    const target = destination(sequence);
    const expected = (target[0]! & 1) === 0 ? PARTNER_MAC : target;
    if (frame.compare(expected, 0, 6, 0, 6) !== 0 || frame.compare(own, 0, 6, 6, 12) !== 0) {
      return note(`frame ${sequence}: addresses ${frame.toString('hex', 0, 12)}`);
    }
    if (seen[index] === 1) {
      result.duplicated++;
      return;
    }
    seen[index] = 1;
    distinct++;
    if (index < highest) result.reordered++;
    else highest = index;
    if (distinct === count) finish();
    // One write for all frames of a chunk.
    if (!pumpScheduled) {
      pumpScheduled = true;
      queueMicrotask(() => {
        pumpScheduled = false;
        pump();
      });
    }
  };

  const start = performance.now();
  const watchdog = setInterval(() => {
    if (performance.now() - lastArrival > stallMs) finish();
  }, 100);
  try {
    pump();
    await finished;
    result.seconds = (performance.now() - start) / 1000;
    // A duplicate of the last frames would come now.
    await new Promise((resolve) => setTimeout(resolve, 20));
  } finally {
    clearInterval(watchdog);
    wire.onFrame = previous;
  }
  result.lost = result.sent - distinct;
  return { ...result, notes };
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };
