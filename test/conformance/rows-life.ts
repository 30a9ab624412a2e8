/**
 * Rows about the adapter's life: link, reset, opening and closing, cancelled sends, removal. Layer: test.
 */
import {
  NDIS_PACKET_TYPE_MULTICAST,
  NDIS_STATUS_MEDIA_DISCONNECTED,
  NDIS_STATUS_NOT_ACCEPTED,
  NDIS_STATUS_PAUSED,
  NDIS_STATUS_RESET_IN_PROGRESS,
  NDIS_STATUS_SEND_ABORTED,
  NDIS_STATUS_SUCCESS,
  NdisCancelSendNetBufferLists,
  NdisRequestQueryInformation,
  OID_802_3_MULTICAST_LIST,
  OID_GEN_CURRENT_PACKET_FILTER,
  statusName,
} from '../../src/ndis/index.ts';
import { type Bench, USUAL_FILTER } from './bench.ts';
import { group, hex, numbered, numberOf } from './frames.ts';
import type { Station } from './station.ts';

/** A bound for MiniportInitializeEx. Windows complains after many seconds; the lab's processor is emulated. */
const INITIALIZE_LIMIT_MS = 5000;
const LONG_LOSS_MS = 31_000;

/** Statuses a send may come back with, counted. */
function tally(statuses: readonly number[]): string {
  const counts = new Map<number, number>();
  for (const status of statuses) counts.set(status, (counts.get(status) ?? 0) + 1);
  return [...counts].map(([status, count]) => `${count} ${statusName(status)}`).join(', ');
}

/** Frames both ways, as many as the wire takes, not caring which arrive. */
function load(bench: Bench, dut: Station, support: Station, count: number): void {
  const frames = (from: Station, to: Station): Uint8Array[] =>
    Array.from({ length: count }, (_, n) => numbered(to.mac, from.mac, n, bench.random(60, 1514)));
  dut.send(frames(dut, support));
  support.send(frames(support, dut));
}

/** Reset. */
export async function reset(bench: Bench): Promise<void> {
  const { dut, support } = await bench.pair({}, USUAL_FILTER | NDIS_PACKET_TYPE_MULTICAST);
  const groups = [group(1), group(2), group(300)];
  await dut.adapter.setMulticastList(groups);
  const filterBefore = await dut.adapter.queryOid(OID_GEN_CURRENT_PACKET_FILTER, 4);
  const resets = bench.count(10, 4);
  let frames = 0;
  for (let n = 0; n < resets; n += 1) {
    load(bench, dut, support, 16);
    const done = dut.adapter.reset();
    load(bench, dut, support, 16);
    bench.status(await done, NDIS_STATUS_SUCCESS, `reset ${n + 1}`);
    load(bench, dut, support, 8);
    frames += 40;
    await bench.settled(dut, support);
    if (n % 2 === 1) await bench.linked(dut, support);
  }
  bench.equal(dut.completed.length, frames, 'sends that came back');
  const allowed = [NDIS_STATUS_SUCCESS, NDIS_STATUS_RESET_IN_PROGRESS, NDIS_STATUS_MEDIA_DISCONNECTED];
  const odd = dut.completed.find((status) => !allowed.includes(status));
  bench.check(odd === undefined, `a send came back with ${statusName(odd ?? 0)}`);
  await bench.linked(dut, support);
  await bench.quiet();
  const filterAfter = await dut.adapter.queryOid(OID_GEN_CURRENT_PACKET_FILTER, 4);
  bench.equal(hex(filterAfter), hex(filterBefore), 'packet filter');
  const list = await bench.oid(dut, NdisRequestQueryInformation, OID_802_3_MULTICAST_LIST, new Uint8Array(18));
  bench.equal(hex(list.buffer), groups.map(hex).join(''), 'multicast list');
  dut.takeReceived();
  support.send([
    ...groups.map((to, n) => numbered(to, support.mac, n, 80)),
    numbered(group(500), support.mac, 7, 80),
    numbered(Uint8Array.of(2, 0x77, 0, 0, 0, 1), support.mac, 8, 80),
    numbered(dut.mac, support.mac, 9, 80),
  ]);
  await bench.until('the directed frame', () => dut.received.some((frame) => numberOf(frame) === 9));
  bench.equal(dut.takeReceived().map(numberOf).join(), '0,1,2,9', 'frames through the restored filters');
  await bench.deliver(
    dut,
    support,
    bench.frames(dut, support.mac, 20, () => 300),
  );
  bench.note(`${resets} resets under load; sends: ${tally(dut.completed.slice(0, frames))}; filter and list restored`);
}

/** LinkCheck. */
export async function linkCheck(bench: Bench): Promise<void> {
  const setCable = bench.target.setCable!;
  const { dut, support } = await bench.pair();
  for (const lossMs of [100, 2000, LONG_LOSS_MS]) {
    const from = dut.links.length;
    await setCable(false);
    await bench.until(`the loss of ${lossMs} ms being told`, () => !dut.linkUp);
    const completed = dut.completed.length;
    dut.send(bench.frames(dut, support.mac, 8, () => 100));
    await bench.sleep(lossMs);
    await setCable(true);
    await bench.until(`the link after ${lossMs} ms`, () => dut.linkUp);
    await bench.linked(support);
    await bench.settled(dut);
    const states = dut.links.slice(from).map((link) => link.MediaConnectState);
    bench.equal(states.join(), '2,1', `link indications of a loss of ${lossMs} ms (2 down, 1 up)`);
    bench.note(
      `${lossMs} ms: one indication down, one up; 8 sends meanwhile: ${tally(dut.completed.slice(completed))}`,
    );
    await bench.deliver(
      dut,
      support,
      bench.frames(dut, support.mac, 5, () => 200),
    );
    await bench.deliver(
      support,
      dut,
      bench.frames(support, dut.mac, 5, () => 200),
    );
  }
  // Load and unload with the cable out.
  await setCable(false);
  await bench.end(dut);
  const from = bench.now();
  const again = await bench.create('dut');
  await again.initialize();
  const initializeMs = bench.now() - from;
  bench.check(
    initializeMs < INITIALIZE_LIMIT_MS,
    `MiniportInitializeEx took ${initializeMs.toFixed(0)} ms without a link`,
  );
  await again.start(USUAL_FILTER);
  await bench.sleep(1500);
  bench.check(!again.linkUp, 'a link without a cable');
  await again.adapter.pause();
  await again.adapter.restart();
  await setCable(true);
  await bench.linked(again, support);
  await bench.deliver(
    again,
    support,
    bench.frames(again, support.mac, 5, () => 200),
  );
  bench.note(`loads without a cable in ${initializeMs.toFixed(0)} ms, and works once it is in`);
}

/** OpenClose. */
export async function openClose(bench: Bench): Promise<void> {
  const { dut, support } = await bench.pair();
  const rounds = bench.count(10, 4);
  for (let n = 0; n < rounds; n += 1) {
    support.send(bench.frames(support, dut.mac, 8, () => 200));
    await bench.settled(support);
    await bench.quiet();
    dut.unbind();
    support.send(bench.frames(support, dut.mac, 8, () => 200));
    await bench.settled(support);
    dut.bind();
    await bench.quiet();
    await bench.deliver(
      support,
      dut,
      bench.frames(support, dut.mac, 4, () => 100),
    );
  }
  bench.note(`${rounds} protocols bound and unbound under load`);
}

/** CancelSend. */
export async function cancelSend(bench: Bench): Promise<void> {
  // A ring of 64 descriptors: most of a chain waits in the miniport's own queue.
  const { dut, support } = await bench.pair({ configuration: { '*TransmitBuffers': 64 } });
  const rounds = bench.count(5, 2);
  const statuses: number[] = [];
  for (let n = 0; n < rounds; n += 1) {
    support.takeReceived();
    const from = dut.completed.length;
    const kept = bench.frames(dut, support.mac, 150, () => 60);
    const dropped = Array.from({ length: 100 }, (_, i) => numbered(support.mac, dut.mac, 1000 + i, 60));
    dut.send(kept, 'keep');
    dut.send(dropped, 'drop');
    NdisCancelSendNetBufferLists(dut.binding, 'drop');
    NdisCancelSendNetBufferLists(dut.binding, 'nothing has this id');
    await bench.settled(dut);
    await bench.quiet();
    const came = dut.completed.slice(from);
    const aborted = came.filter((status) => status === NDIS_STATUS_SEND_ABORTED).length;
    const good = came.filter((status) => status === NDIS_STATUS_SUCCESS).length;
    bench.equal(aborted + good, 250, `sends completed as sent or aborted (${tally(came)})`);
    bench.check(aborted > 0, 'not one send was cancelled');
    const numbers = support.takeReceived().map(numberOf);
    bench.equal(numbers.length, good, 'frames on the wire for sends that succeeded');
    bench.equal(numbers.filter((number) => number < 1000).length, 150, 'frames of the id that was not cancelled');
    statuses.push(...came);
  }
  bench.note(
    `${rounds} rounds of 250 sends, 100 of them cancelled: ${tally(statuses)}; on the wire exactly what succeeded`,
  );
}

/** VMQPnpTest and its like. */
export async function plugAndPlay(bench: Bench): Promise<void> {
  const support = await bench.open('support');
  const rounds = bench.count(4, 2);
  let sends = 0;
  for (let n = 0; n < rounds; n += 1) {
    // Disable and enable under load.
    const dut = await bench.open('dut');
    await bench.linked(dut, support);
    load(bench, dut, support, 32);
    const paused = dut.adapter.pause();
    load(bench, dut, support, 16);
    await paused;
    await bench.settled(dut, support);
    const allowed = [NDIS_STATUS_SUCCESS, NDIS_STATUS_PAUSED];
    const odd = dut.completed.find((status) => !allowed.includes(status));
    bench.check(odd === undefined, `disabled: a send came back with ${statusName(odd ?? 0)}`);
    bench.equal(dut.completed.length, 48, 'disabled: sends that came back');
    sends += 48;
    await bench.end(dut);
    // Removal under load.
    const victim = await bench.open('dut');
    await bench.linked(victim, support);
    load(bench, victim, support, 32);
    victim.pci.vanish();
    load(bench, victim, support, 16);
    await victim.adapter.surpriseRemoved();
    bench.equal(victim.adapter.state, 'Halted', 'state after the removal');
    bench.equal(victim.outstanding, 0, 'sends out after the removal');
    const strange = victim.completed.find(
      (status) => ![NDIS_STATUS_SUCCESS, NDIS_STATUS_NOT_ACCEPTED, NDIS_STATUS_PAUSED].includes(status),
    );
    bench.check(strange === undefined, `removed: a send came back with ${statusName(strange ?? 0)}`);
    sends += 48;
    await bench.end(victim, true);
    await bench.settled(support);
  }
  const dut = await bench.open('dut');
  await bench.linked(dut, support);
  await bench.deliver(
    dut,
    support,
    bench.frames(dut, support.mac, 10, () => 200),
  );
  await bench.deliver(
    support,
    dut,
    bench.frames(support, dut.mac, 10, () => 200),
  );
  bench.note(`${rounds} rounds of disable, enable and surprise removal under load; all ${sends} sends came back`);
}
