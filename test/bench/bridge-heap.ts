/**
 * What a frame costs the JavaScript heap in the bridge: both directions between a TAP and an adapter's edge that cost
 * nothing themselves. Method as in heap.ts: the same number of batches with few and with many frames; the difference a
 * frame must be 0. Ends with status 1 where it is not. Layer: test/bench. Run: node dist/test/bench/bridge-heap.js
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { getHeapSpaceStatistics } from 'node:v8';
import { type Bridge, openBridge } from '../../src/bridge/bridge.ts';
import type { EdgeHandlers } from '../../src/bridge/edge.ts';
import type { MDL, NET_BUFFER_LIST } from '../../src/ndis/index.ts';
import type { FramePairs, Tap } from '../../src/platform/index.ts';
import { FakeEdge, linkState, makeNbl, mdlOf } from '../unit/bridge/fake-edge.ts';

const MTU = 9000;
const SLOT_BYTES = 9216;
const FEW = 4;
const MANY = 64;
const BATCHES = 4000;
/** One page of the young generation over a measurement's frames; see heap.ts. */
const NOISE_BYTES_PER_FRAME = 0.3;
const FLAGS = ['--expose-gc', '--min-semi-space-size=64', '--max-semi-space-size=64'];

/** A TAP that always has the frames it was told to and room for all. */
class PlayedTap implements Tap {
  readonly name = 'played0';
  readonly mtu = MTU;
  readonly mac = new Uint8Array(6);
  readonly writeErrors = 0;
  ready = 0;
  written = 0;
  readable: (() => void) | undefined;

  readBatch(_memory: Uint8Array, pairs: FramePairs, count: number): number {
    const frames = Math.min(count, this.ready);
    for (let i = 0; i < frames; i++) pairs[2 * i + 1] = 60;
    this.ready -= frames;
    return frames;
  }

  writeBatch(_memory: Uint8Array, _pairs: FramePairs, _from: number, count: number): number {
    this.written += count;
    return count;
  }

  setReadable(callback: (() => void) | undefined): void {
    this.readable = callback;
  }

  setCarrier(): void {}
  setMtu(): void {}
  setMac(): void {}
  close(): void {}
}

/** An edge that completes a chain as it is sent, and whose slots are a linked list. */
class PlayedEdge extends FakeEdge {
  completed = 0;
  private head: NET_BUFFER_LIST | null = null;

  constructor(handlers: EdgeHandlers) {
    super(handlers, 2 * MANY, SLOT_BYTES);
    for (const nbl of this.free.splice(0)) this.push(nbl);
    Object.assign(this.slots, {
      take: () => {
        const nbl = this.head;
        if (nbl !== null) this.head = nbl.Next;
        return nbl;
      },
      release: (nbl: NET_BUFFER_LIST) => this.push(nbl),
    });
  }

  override send(first: NET_BUFFER_LIST): void {
    for (let nbl: NET_BUFFER_LIST | null = first; nbl !== null; nbl = nbl.Next) this.completed++;
    this.handlers.sendCompleted(first);
  }

  override returnReceived(): void {}

  private push(nbl: NET_BUFFER_LIST): void {
    nbl.Next = this.head;
    this.head = nbl;
  }
}

interface World {
  readonly tap: PlayedTap;
  readonly edge: PlayedEdge;
  readonly bridge: Bridge;
}

function fail(error: unknown): never {
  throw error;
}

function build(): World {
  const tap = new PlayedTap();
  let edge: PlayedEdge | undefined;
  const bridge = openBridge(tap, { mtu: MTU, onTapFailure: fail }, (handlers) => {
    edge = new PlayedEdge(handlers);
    return edge;
  });
  bridge.start(linkState(true));
  return { tap, edge: edge!, bridge };
}

interface Loop {
  readonly name: string;
  round(frames: number): void;
  done(): number;
}

function sendLoop({ tap, edge }: World): Loop {
  return {
    name: 'TAP to NIC',
    round(frames) {
      tap.ready = frames;
      tap.readable?.();
    },
    done: () => edge.completed,
  };
}

/** `pieces` buffers of 2 KiB a frame; more than one is the jumbo chain, copied once. */
function receiveLoop({ tap, edge }: World, name: string, pieces: number, lengthBytes: number): Loop {
  const arena = new Uint8Array(MANY * pieces * 2048);
  const nbls = Array.from({ length: MANY }, (_, frame) => {
    let chain: MDL | null = null;
    for (let i = pieces - 1; i >= 0; i--) {
      const at = (frame * pieces + i) * 2048;
      chain = mdlOf(arena.subarray(at, at + 2048), 0, 2048, chain);
    }
    return makeNbl(chain, lengthBytes);
  });
  return {
    name,
    round(frames) {
      for (let i = 0; i < frames; i++) nbls[i]!.Next = i + 1 < frames ? nbls[i + 1]! : null;
      edge.handlers.received(nbls[0]!, 0);
    },
    done: () => tap.written,
  };
}

function youngBytes(): number {
  let bytes = 0;
  for (const space of getHeapSpaceStatistics()) {
    if (space.space_name.startsWith('new_')) bytes += space.space_used_size;
  }
  return bytes;
}

function measure(loop: Loop, frames: number): number {
  globalThis.gc?.();
  const before = youngBytes();
  for (let n = 0; n < BATCHES; n++) loop.round(frames);
  return youngBytes() - before;
}

function bench(loop: Loop): boolean {
  for (let n = 0; n < BATCHES; n++) loop.round(n % 2 === 0 ? MANY : FEW);
  const before = loop.done();
  const results: number[] = [];
  const times: number[] = [];
  for (let run = 0; run < 5; run++) {
    const few = measure(loop, FEW);
    const startMs = performance.now();
    const many = measure(loop, MANY);
    times.push(((performance.now() - startMs) * 1e6) / (BATCHES * MANY));
    results.push((many - few) / (BATCHES * (MANY - FEW)));
  }
  const bytes = results.sort((a, b) => a - b)[2]!;
  const moved = loop.done() - before;
  const expected = 5 * BATCHES * (FEW + MANY);
  const good = Math.abs(bytes) < NOISE_BYTES_PER_FRAME && moved === expected;
  console.log(
    `${good ? 'ok  ' : 'FAIL'} bridge ${loop.name.padEnd(22)} ${bytes.toFixed(4)} heap bytes a frame, ` +
      `${Math.min(...times).toFixed(0)} ns; ${moved} of ${expected} frames`,
  );
  return good;
}

if (globalThis.gc === undefined) {
  // The young generation must hold a whole measurement, or the collector would hide what was allocated.
  const { status } = spawnSync(process.execPath, [...FLAGS, fileURLToPath(import.meta.url)], { stdio: 'inherit' });
  process.exit(status ?? 1);
}
const results = [
  bench(sendLoop(build())),
  bench(receiveLoop(build(), 'NIC to TAP', 1, 60)),
  bench(receiveLoop(build(), 'NIC to TAP, 5 buffers', 5, 9000)),
];
process.exit(results.every(Boolean) ? 0 : 1);
