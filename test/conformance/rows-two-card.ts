/**
 * NDISTest's two-card rows: traffic between the adapter under test and the support adapter. Layer: test.
 */
import { NdisRequestQueryInformation, OID_GEN_STATISTICS } from '../../src/ndis/index.ts';
import type { Bench } from './bench.ts';
import { BROADCAST, numbered, numberOf, padded } from './frames.ts';
import { rate } from './rows-one-card.ts';
import type { Station } from './station.ts';

/** Answers each frame with its own payload, from within the receive handler. */
function answer(station: Station): () => void {
  station.onFrame = (frame) => {
    const reply = frame.slice();
    reply.set(frame.subarray(6, 12));
    reply.set(station.mac, 6);
    station.send([reply]);
    return true;
  };
  return () => {
    station.onFrame = undefined;
  };
}

/** 2c_Ping. */
export async function ping(bench: Bench): Promise<void> {
  const { dut, support } = await bench.pair();
  for (const [asks, answers] of [
    [dut, support],
    [support, dut],
  ] as const) {
    const stop = answer(answers);
    const count = bench.count(200, 20);
    asks.takeReceived();
    const from = bench.now();
    for (let n = 0; n < count; n += 1) {
      const request = numbered(answers.mac, asks.mac, n, 60 + ((n * 97) % 1455));
      asks.send([request]);
      await bench.arrived(asks, n + 1);
      const reply = asks.received[n]!;
      bench.equal(numberOf(reply), n, 'number of the reply');
      bench.check(Buffer.compare(reply.subarray(12), request.subarray(12)) === 0, `reply ${n} has another payload`);
    }
    await bench.settled(asks, answers);
    stop();
    bench.note(`${asks.role} asks: ${count} of ${count} replies${rate(bench, 2 * count, bench.now() - from)}`);
  }
}

/** 2c_Mini6SendRecvReply. */
export async function sendReceiveReply(bench: Bench): Promise<void> {
  const { dut, support } = await bench.pair();
  const stop = answer(support);
  const total = bench.count(600, 64);
  dut.takeReceived();
  for (let at = 0; at < total; at += 16) {
    const frames = Array.from({ length: Math.min(16, total - at) }, (_, i) =>
      numbered(support.mac, dut.mac, at + i, bench.random(60, 1514)),
    );
    dut.send(frames);
    await bench.arrived(dut, at + frames.length);
    for (const [i, sent] of frames.entries()) {
      const reply = dut.received[at + i]!;
      bench.check(Buffer.compare(reply.subarray(12), sent.subarray(12)) === 0, `reply ${at + i} is not what was sent`);
    }
  }
  await bench.settled(dut, support);
  stop();
  for (const station of [dut, support]) {
    bench.equal(station.completed.length, total, `${station.role}: completions`);
    bench.check(
      station.completed.every((status) => status === 0),
      `${station.role}: a send failed`,
    );
  }
  bench.note(`${total} frames in chains of 16, every one answered, in order, and every send completed`);
}

/** 2c_Mini6Stress. */
export async function stress(bench: Bench): Promise<void> {
  const { dut, support } = await bench.pair();
  const rounds = bench.count(120, 20);
  const numbers = { dut: 0, support: 0 };
  const expected = { dut: [] as Uint8Array[], support: [] as Uint8Array[] };
  const got = { dut: [] as Uint8Array[], support: [] as Uint8Array[] };
  for (const station of [dut, support]) {
    station.takeReceived();
    station.onFrame = (frame) => got[station.role].push(frame) > 0;
  }
  let requests = 0;
  let longestHold = 0;
  for (let round = 0; round < rounds; round += 1) {
    for (const [from, to] of [
      [dut, support],
      [support, dut],
    ] as const) {
      const frames = Array.from({ length: bench.random(1, 24) }, () => {
        const number = numbers[from.role]++;
        const destination = bench.random(0, 9) === 0 ? BROADCAST : to.mac;
        return numbered(destination, from.mac, number, bench.random(18, 1514));
      });
      expected[to.role].push(...frames.map(padded));
      if (bench.random(0, 2) > 0) from.send(frames);
      else from.sendLists(frames.map((frame) => from.makePieces([frame.slice(0, 14), frame.slice(14)])));
    }
    const what = bench.random(0, 5);
    if (what === 0) dut.holding = true;
    else if (what === 1) {
      longestHold = Math.max(longestHold, dut.held.length);
      dut.holding = false;
      dut.giveBack();
    } else if (what === 2) {
      requests += 1;
      await bench.oid(dut, NdisRequestQueryInformation, OID_GEN_STATISTICS, new Uint8Array(152));
    } else if (what === 3) await bench.target.turn();
    // A window of one round per direction: a frame that is lost is the miniport's doing.
    await bench.until(
      `round ${round}`,
      () => got.dut.length >= expected.dut.length && got.support.length >= expected.support.length,
    );
  }
  dut.holding = false;
  dut.giveBack();
  await bench.settled(dut, support);
  for (const station of [dut, support]) {
    station.onFrame = undefined;
    bench.same(got[station.role], expected[station.role], `to ${station.role}`);
    bench.check(
      station.completed.every((status) => status === 0),
      `${station.role}: a send failed`,
    );
  }
  bench.note(
    `${rounds} rounds: ${numbers.dut} frames out, ${numbers.support} in, ${requests} OID requests, ` +
      `up to ${longestHold} NBLs held by the protocol`,
  );
}

async function bothWays(bench: Bench, size: number, count: number): Promise<{ elapsedMs: number; calls: number }> {
  const [dut, support] = [bench.station('dut'), bench.station('support')];
  dut.takeReceived();
  support.takeReceived();
  const calls = dut.isrCalls;
  const from = bench.now();
  for (let at = 0; at < count; at += 32) {
    const some = Math.min(32, count - at);
    dut.send(Array.from({ length: some }, (_, i) => numbered(support.mac, dut.mac, at + i, size)));
    support.send(Array.from({ length: some }, (_, i) => numbered(dut.mac, support.mac, at + i, size)));
    await bench.until(
      'frames both ways',
      () => dut.received.length >= at + some && support.received.length >= at + some,
    );
  }
  await bench.settled(dut, support);
  return { elapsedMs: bench.now() - from, calls: dut.isrCalls - calls };
}

/** 2c_Mini6Performance. */
export async function performance(bench: Bench): Promise<void> {
  await bench.pair();
  for (const size of [64, 512, 1514]) {
    const count = bench.count(600, 64);
    const { elapsedMs } = await bothWays(bench, size, count);
    for (const role of ['dut', 'support'] as const) {
      const station = bench.station(role);
      bench.equal(station.received.length, count, `${role}: frames of ${size} bytes`);
      bench.check(
        station.received.every((frame, i) => numberOf(frame) === i),
        `${role}: out of order`,
      );
    }
    bench.note(`${count} frames of ${size} bytes each way, in order${rate(bench, 2 * count, elapsedMs)}`);
  }
}

/** E2EPerf. */
export async function endToEnd(bench: Bench): Promise<void> {
  await bench.pair();
  const count = bench.count(1500, 64);
  const { elapsedMs, calls } = await bothWays(bench, 1514, count);
  const megabits = (2 * count * 1514 * 8) / elapsedMs / 1000;
  bench.check(calls > 0 && calls <= 4 * count, `${calls} interrupts for ${2 * count} frames`);
  bench.note(
    `${megabits.toFixed(1)} Mbit/s (${((megabits / 2000) * 100).toFixed(1)} % of 1 Gbit/s both ways), ` +
      `${Math.round((calls * 1000) / elapsedMs)} interrupts/s, ${((2 * count) / calls).toFixed(1)} frames per interrupt`,
  );
}

/** CheckConnectivity. */
export async function connectivity(bench: Bench): Promise<void> {
  const { dut, support } = await bench.pair();
  const count = bench.count(300, 30);
  for (const [from, to] of [
    [dut, support],
    [support, dut],
  ] as const) {
    await bench.deliver(
      from,
      to,
      bench.frames(from, to.mac, count, () => bench.random(60, 1514)),
    );
    await bench.deliver(
      from,
      to,
      bench.frames(from, BROADCAST, bench.count(30, 5), () => bench.random(60, 1514)),
    );
  }
  bench.note(`${count} frames of random size and ${bench.count(30, 5)} broadcasts each way, every octet compared`);
}
