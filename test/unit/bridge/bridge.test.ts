/**
 * Rules under test: no frame waits in the bridge, order is kept, every slot and every NBL comes back exactly once.
 * The TAP is the simulated one, the adapter a fake edge whose completions the test decides.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { type Bridge, openBridge } from '../../../src/bridge/bridge.ts';
import { slotBytesFor } from '../../../src/bridge/edge.ts';
import { NDIS_STATUS_PAUSED } from '../../../src/ndis/status.ts';
import { NDIS_RECEIVE_FLAGS_DISPATCH_LEVEL, NDIS_RECEIVE_FLAGS_RESOURCES } from '../../../src/ndis/types.ts';
import { SimClock, SimTap, TurnQueue } from '../../../src/sim/index.ts';
import { chainOf, FakeEdge, frameOf, linkState, listOf, makeNbl, mdlOf } from './fake-edge.ts';

const MTU = 1500;
let turns: TurnQueue;
let tap: SimTap;
let edge: FakeEdge;
let bridge: Bridge;
let failures: unknown[] = [];

function build(slotCount: number, mtu = MTU): void {
  failures = [];
  turns = new TurnQueue();
  tap = new SimTap(turns, { mtu });
  bridge = openBridge(tap, { mtu, onTapFailure: (error) => failures.push(error) }, (handlers) => {
    edge = new FakeEdge(handlers, slotCount, slotBytesFor(mtu));
    return edge;
  });
}

function received(numbers: readonly number[], arena = new Uint8Array(64 * 2048)) {
  return chainOf(
    numbers.map((number, index) => {
      const frame = frameOf(number);
      arena.set(frame, index * 2048);
      return makeNbl(mdlOf(arena, index * 2048, 2048), frame.length);
    }),
  );
}

describe('bridge, TAP to NIC', () => {
  beforeEach(() => build(128));

  it('sends the frames of one read as one chain, in order and byte for byte', async () => {
    bridge.start(linkState(true));
    for (let number = 0; number < 10; number++) tap.push(frameOf(number, 60 + number));
    await turns.settle();
    expect(edge.chains.map((chain) => chain.length)).toEqual([10]);
    expect(edge.inFlight.map((nbl) => edge.bytesOf(nbl))).toEqual(
      Array.from({ length: 10 }, (_, number) => frameOf(number, 60 + number)),
    );
    expect(bridge.counters().toNic).toMatchObject({ frames: 10, bytes: 645, batches: 1, inFlight: 10, completed: 0 });
  });

  it('keeps the order over many reads while slots complete and come back', async () => {
    bridge.start(linkState(true));
    const seen: Uint8Array[] = [];
    for (let round = 0; round < 20; round++) {
      for (let i = 0; i < 37; i++) tap.push(frameOf(round * 37 + i));
      await turns.settle();
      for (const nbl of edge.inFlight) seen.push(edge.bytesOf(nbl));
      edge.complete(edge.inFlight.length);
    }
    expect(seen).toEqual(Array.from({ length: 740 }, (_, number) => frameOf(number)));
    expect(bridge.counters().toNic).toMatchObject({ frames: 740, completed: 740, failed: 0, inFlight: 0 });
  });

  it('stops reading when no slot is free and goes on when one completes, losing nothing', async () => {
    build(8);
    bridge.start(linkState(true));
    for (let number = 0; number < 20; number++) tap.push(frameOf(number));
    await turns.settle();
    expect(edge.inFlight).toHaveLength(8);
    expect(tap.waiting).toBe(12);
    expect(bridge.counters().toNic.stalls).toBe(1);
    const order = edge.inFlight.map((nbl) => edge.bytesOf(nbl));
    edge.complete(3);
    await turns.settle();
    expect(edge.inFlight).toHaveLength(8);
    order.push(...edge.inFlight.slice(5).map((nbl) => edge.bytesOf(nbl)));
    while (edge.inFlight.length > 0 || tap.waiting > 0) {
      const before = edge.inFlight.length;
      edge.complete(before);
      await turns.settle();
      order.push(...edge.inFlight.map((nbl) => edge.bytesOf(nbl)));
    }
    expect(order).toEqual(Array.from({ length: 20 }, (_, number) => frameOf(number)));
  });

  it('takes completions from inside send', async () => {
    bridge.start(linkState(true));
    edge.completeAtOnce = true;
    for (let number = 0; number < 200; number++) tap.push(frameOf(number));
    await turns.settle();
    expect(bridge.counters().toNic).toMatchObject({ frames: 200, completed: 200, inFlight: 0 });
    expect(tap.waiting).toBe(0);
  });

  it('counts sends that failed', async () => {
    bridge.start(linkState(true));
    for (let number = 0; number < 4; number++) tap.push(frameOf(number));
    await turns.settle();
    edge.complete(2);
    edge.complete(2, NDIS_STATUS_PAUSED);
    expect(bridge.counters().toNic).toMatchObject({ completed: 4, failed: 2 });
  });

  it('stops with frames in flight: reads no more, waits for them, and holds no slot afterwards', async () => {
    const clock = new SimClock(turns);
    bridge.start(linkState(true));
    for (let number = 0; number < 5; number++) tap.push(frameOf(number));
    await turns.settle();
    bridge.stop();
    tap.push(frameOf(99));
    const idle = bridge.whenIdle(clock, 500);
    await turns.settle();
    expect(tap.waiting).toBe(1);
    edge.complete(5);
    expect(await idle).toBe(true);
    expect(edge.free).toHaveLength(128);
    bridge.close();
    expect(edge.closed).toBe(true);
  });

  it('reports sends that never complete instead of waiting for ever', async () => {
    const clock = new SimClock(turns);
    bridge.start(linkState(true));
    tap.push(frameOf(1));
    await turns.settle();
    bridge.stop();
    const idle = bridge.whenIdle(clock, 500);
    await clock.advance(501);
    expect(await idle).toBe(false);
    expect(bridge.counters().toNic.inFlight).toBe(1);
  });
});

describe('bridge, NIC to TAP', () => {
  beforeEach(() => build(16));

  it('writes a chain in order with one write per memory, and returns it in one call', () => {
    bridge.start(linkState(true));
    const chain = received([1, 2, 3, 4, 5]);
    const nbls = listOf(chain);
    edge.handlers.received(chain, NDIS_RECEIVE_FLAGS_DISPATCH_LEVEL);
    expect(tap.take()).toEqual([1, 2, 3, 4, 5].map((number) => frameOf(number)));
    expect(edge.returned).toEqual([nbls]);
    expect(bridge.counters().toTap).toMatchObject({ frames: 5, bytes: 300, batches: 1, copied: 0 });
  });

  it('groups slices of the same buffer, and keeps the order when memories alternate', () => {
    bridge.start(linkState(true));
    const one = new Uint8Array(8192);
    const two = new Uint8Array(8192);
    const nbls = [0, 1, 2, 3, 4, 5].map((number) => {
      const slice = (number < 4 ? one : two).subarray((number % 4) * 2048, (number % 4) * 2048 + 2048);
      slice.set(frameOf(number));
      return makeNbl(mdlOf(slice, 0, 2048), 60);
    });
    edge.handlers.received(chainOf([nbls[0]!, nbls[1]!, nbls[4]!, nbls[2]!, nbls[5]!, nbls[3]!]), 0);
    expect(tap.take()).toEqual([0, 1, 4, 2, 5, 3].map((number) => frameOf(number)));
    expect(bridge.counters().toTap.batches).toBe(5);
  });

  it('drops and counts what the TAP has no room for, without waiting', () => {
    turns = new TurnQueue();
    tap = new SimTap(turns, { capacity: 3 });
    bridge = openBridge(tap, { mtu: MTU, onTapFailure: (error) => failures.push(error) }, (handlers) => {
      edge = new FakeEdge(handlers, 4, 2048);
      return edge;
    });
    bridge.start(linkState(true));
    edge.handlers.received(received([1, 2, 3, 4, 5]), 0);
    expect(tap.take()).toEqual([1, 2, 3].map((number) => frameOf(number)));
    expect(bridge.counters().toTap).toMatchObject({ frames: 3, dropped: { noRoom: 2, refused: 0, oversize: 0 } });
    expect(edge.returned[0]).toHaveLength(5);
  });

  it('counts frames the kernel refuses because the interface is down', () => {
    bridge.start(linkState(true));
    tap.down = true;
    edge.handlers.received(received([1, 2]), 0);
    expect(bridge.counters().toTap).toMatchObject({ frames: 0, dropped: { refused: 2 } });
  });

  it('does not return NBLs indicated with RESOURCES: they are the miniport’s again', () => {
    bridge.start(linkState(true));
    edge.handlers.received(received([7]), NDIS_RECEIVE_FLAGS_RESOURCES);
    expect(tap.take()).toEqual([frameOf(7)]);
    expect(edge.returned).toEqual([]);
  });

  it('drops frames longer than the MTU allows and still returns their NBLs', () => {
    bridge.start(linkState(true));
    const arena = new Uint8Array(8192);
    arena.set(frameOf(2), 4096);
    const chain = chainOf([makeNbl(mdlOf(arena, 0, 4096), MTU + 19), makeNbl(mdlOf(arena, 4096, 2048), 60)]);
    edge.handlers.received(chain, 0);
    expect(tap.take()).toEqual([frameOf(2)]);
    expect(bridge.counters().toTap.dropped.oversize).toBe(1);
    expect(edge.returned[0]).toHaveLength(2);
  });

  it.each([0, 2, 3])('puts a frame over several buffers together, data starting %i bytes into the first', (skip) => {
    build(4, 9000);
    bridge.start(linkState(true));
    const frame = frameOf(3, 9000);
    const arena = new Uint8Array(5 * 2048);
    const sizes = [2048 - skip, 2048, 2048, 2048, 2048];
    let at = 0;
    let chain: ReturnType<typeof mdlOf> | null = null;
    for (let i = 0; i < 5; i++) {
      arena.set(frame.subarray(at, at + sizes[i]!), i * 2048 + (i === 0 ? skip : 0));
      at += sizes[i]!;
    }
    for (let i = 4; i >= 0; i--) chain = mdlOf(arena, i * 2048, 2048, chain);
    const nbls = Array.from({ length: 20 }, () => makeNbl(chain, 9000, skip));
    edge.handlers.received(chainOf(nbls), 0);
    const frames = tap.take();
    expect(frames).toHaveLength(20);
    for (const each of frames) expect(Buffer.compare(each, frame)).toBe(0);
    expect(bridge.counters().toTap.copied).toBe(20);
    expect(edge.returned[0]).toHaveLength(20);
  });

  it('follows the link with the carrier', () => {
    bridge.start(linkState(false));
    edge.handlers.linkChanged(linkState(true));
    edge.handlers.linkChanged(linkState(false));
    expect(tap.carrierChanges).toEqual([false, true, false]);
  });

  it('survives a TAP that somebody deletes: reports it once, drops, and returns what it received', async () => {
    bridge.start(linkState(true));
    tap.close();
    edge.handlers.received(received([1, 2]), 0);
    edge.handlers.received(received([3]), 0);
    edge.handlers.linkChanged(linkState(false));
    expect(failures).toHaveLength(1);
    expect(edge.returned.map((chain) => chain.length)).toEqual([2, 1]);
    expect(bridge.counters().toTap).toMatchObject({ frames: 0, dropped: { noRoom: 3 } });
  });
});
