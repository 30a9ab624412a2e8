/**
 * NDISTest's one-card rows: the adapter alone, another station only to see what it sends. Layer: test.
 */

import * as ndis from '../../src/ndis/index.ts';
import {
  NDIS_STATISTICS_FIELDS,
  NDIS_STATUS_BUFFER_TOO_SHORT,
  NDIS_STATUS_INVALID_DATA,
  NDIS_STATUS_INVALID_LENGTH,
  NDIS_STATUS_INVALID_OID,
  NDIS_STATUS_MULTICAST_FULL,
  NDIS_STATUS_NOT_SUPPORTED,
  NDIS_STATUS_SUCCESS,
  NdisRequestQueryInformation as QUERY,
  NdisRequestSetInformation as SET,
  statusName,
} from '../../src/ndis/index.ts';
import { type Bench, USUAL_FILTER } from './bench.ts';
import type { Faults } from './faulty-function.ts';
import { group, numbered, padded } from './frames.ts';
import type { Station } from './station.ts';

const FAULT_LOOPS = 8;

interface FaultKind {
  readonly name: string;
  readonly faults: Faults;
  /** The driver may do without: then it must load and work. */
  readonly optional?: boolean;
}

/** A driver that loads in spite of a fault must carry frames in spite of it. */
async function worksAnyway(bench: Bench, dut: Station): Promise<void> {
  dut.bind();
  await dut.start(USUAL_FILTER);
  const support = await bench.open('support');
  await bench.linked(dut, support);
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
  await bench.end(support);
}

/** 1c_FaultHandling. */
export async function faultHandling(bench: Bench): Promise<void> {
  const probe = await bench.create('dut');
  await probe.adapter.initialize();
  const allocations = probe.pci.dmaAllocations;
  await bench.end(probe);
  bench.check(allocations > 0, 'the miniport allocates no shared memory');
  const kinds: FaultKind[] = [
    { name: 'map I/O space', faults: { mapBar: true } },
    { name: 'interrupt registration', faults: { enableInterrupts: true } },
    { name: 'bus configuration read', faults: { readConfig: true }, optional: true },
    { name: 'bus configuration write', faults: { writeConfig: true }, optional: true },
  ];
  for (let nth = 1; nth <= allocations; nth += 1) {
    kinds.push({ name: `map registers and shared memory, allocation ${nth}`, faults: { allocateDma: nth } });
  }
  const outcomes = new Map<string, Set<string>>();
  for (let loop = 1; loop <= FAULT_LOOPS; loop += 1) {
    for (const { name, faults, optional } of kinds) {
      const station = await bench.create('dut');
      Object.assign(station.pci.faults, faults);
      const code = await station.adapter.initialize().then(
        () => 'loaded',
        (error: { code?: string; message: string }) => error.code ?? error.message,
      );
      outcomes.set(name, (outcomes.get(name) ?? new Set()).add(code));
      bench.check(
        code === 'E_INITIALIZE' || (optional === true && code === 'loaded'),
        `loop ${loop}, ${name}: ${code}`,
      );
      if (code === 'loaded') {
        if (loop === 1) await worksAnyway(bench, station);
        await station.stop();
      } else {
        bench.equal(station.adapter.state, 'Halted', `state after "${name}" failed`);
        bench.equal(bench.target.held('dut').join(), '', `left behind after "${name}" failed`);
      }
      for (const fault of Object.keys(faults) as (keyof Faults)[]) delete station.pci.faults[fault];
      await station.adapter.initialize();
      bench.equal(station.adapter.state, 'Paused', `state once "${name}" works again`);
      await bench.end(station);
    }
  }
  for (const [name, codes] of outcomes)
    bench.note(
      codes.has('loaded') ? `${name}: loads and works without it` : `${name}: ${[...codes].join()}, then loads`,
    );
  const { dut, support } = await bench.pair();
  await bench.deliver(
    dut,
    support,
    bench.frames(dut, support.mac, 20, () => 200),
  );
  bench.note(`${FAULT_LOOPS} loops, ${kinds.length} kinds of call; frames flow afterwards`);
}

const COUNTERS_64: Readonly<Record<string, number>> = {
  OID_GEN_XMIT_OK: ndis.OID_GEN_XMIT_OK,
  OID_GEN_RCV_OK: ndis.OID_GEN_RCV_OK,
  OID_GEN_XMIT_ERROR: ndis.OID_GEN_XMIT_ERROR,
  OID_GEN_RCV_ERROR: ndis.OID_GEN_RCV_ERROR,
  OID_GEN_RCV_NO_BUFFER: ndis.OID_GEN_RCV_NO_BUFFER,
  OID_GEN_RCV_DISCARDS: ndis.OID_GEN_RCV_DISCARDS,
  OID_GEN_XMIT_DISCARDS: ndis.OID_GEN_XMIT_DISCARDS,
  OID_GEN_BYTES_RCV: ndis.OID_GEN_BYTES_RCV,
  OID_GEN_BYTES_XMIT: ndis.OID_GEN_BYTES_XMIT,
  OID_GEN_DIRECTED_BYTES_XMIT: ndis.OID_GEN_DIRECTED_BYTES_XMIT,
  OID_GEN_DIRECTED_FRAMES_XMIT: ndis.OID_GEN_DIRECTED_FRAMES_XMIT,
  OID_GEN_MULTICAST_BYTES_XMIT: ndis.OID_GEN_MULTICAST_BYTES_XMIT,
  OID_GEN_MULTICAST_FRAMES_XMIT: ndis.OID_GEN_MULTICAST_FRAMES_XMIT,
  OID_GEN_BROADCAST_BYTES_XMIT: ndis.OID_GEN_BROADCAST_BYTES_XMIT,
  OID_GEN_BROADCAST_FRAMES_XMIT: ndis.OID_GEN_BROADCAST_FRAMES_XMIT,
  OID_GEN_DIRECTED_BYTES_RCV: ndis.OID_GEN_DIRECTED_BYTES_RCV,
  OID_GEN_DIRECTED_FRAMES_RCV: ndis.OID_GEN_DIRECTED_FRAMES_RCV,
  OID_GEN_MULTICAST_BYTES_RCV: ndis.OID_GEN_MULTICAST_BYTES_RCV,
  OID_GEN_MULTICAST_FRAMES_RCV: ndis.OID_GEN_MULTICAST_FRAMES_RCV,
  OID_GEN_BROADCAST_BYTES_RCV: ndis.OID_GEN_BROADCAST_BYTES_RCV,
  OID_GEN_BROADCAST_FRAMES_RCV: ndis.OID_GEN_BROADCAST_FRAMES_RCV,
};

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** 1c_64BitOIDs. */
export async function oids64(bench: Bench): Promise<void> {
  const { dut, support } = await bench.pair();
  await bench.deliver(
    dut,
    support,
    bench.frames(dut, support.mac, 10, () => 100),
  );
  await bench.deliver(
    support,
    dut,
    bench.frames(support, dut.mac, 7, () => 120),
  );
  await bench.quiet();
  const values: string[] = [];
  for (const [name, oid] of Object.entries(COUNTERS_64)) {
    for (const length of [0, 3]) {
      const short = await bench.oid(dut, QUERY, oid, length === 0 ? null : new Uint8Array(length));
      const what = `${name} with ${length} bytes`;
      bench.status(short.status, NDIS_STATUS_INVALID_LENGTH, what);
      bench.equal(short.bytesNeeded, 8, `${what}: BytesNeeded`);
      bench.equal(short.bytesWritten, 0, `${what}: BytesWritten`);
    }
    const half = await bench.oid(dut, QUERY, oid, new Uint8Array(4));
    bench.status(half.status, NDIS_STATUS_SUCCESS, `${name} with 4 bytes`);
    bench.equal(half.bytesWritten, 4, `${name} with 4 bytes: BytesWritten`);
    bench.equal(half.bytesNeeded, 8, `${name} with 4 bytes: BytesNeeded`);
    for (const length of [8, 12]) {
      const whole = await bench.oid(dut, QUERY, oid, new Uint8Array(length).fill(0xa5));
      bench.status(whole.status, NDIS_STATUS_SUCCESS, `${name} with ${length} bytes`);
      bench.equal(whole.bytesWritten, 8, `${name} with ${length} bytes: BytesWritten`);
      bench.equal(viewOf(whole.buffer).getUint32(0, true), viewOf(half.buffer).getUint32(0, true), `${name}: low half`);
      bench.check(
        whole.buffer.subarray(8).every((octet) => octet === 0xa5),
        `${name}: wrote past BytesWritten`,
      );
      if (length === 8) values.push(`${name.slice(8)} ${viewOf(whole.buffer).getBigUint64(0, true)}`);
    }
  }
  const size = ndis.NDIS_SIZEOF_STATISTICS_INFO_REVISION_1;
  for (const length of [0, 8, size - 1]) {
    const short = await bench.oid(dut, QUERY, ndis.OID_GEN_STATISTICS, new Uint8Array(length));
    bench.status(short.status, NDIS_STATUS_INVALID_LENGTH, `OID_GEN_STATISTICS with ${length} bytes`);
    bench.equal(short.bytesNeeded, size, 'OID_GEN_STATISTICS: BytesNeeded');
  }
  const whole = await bench.oid(dut, QUERY, ndis.OID_GEN_STATISTICS, new Uint8Array(size));
  bench.status(whole.status, NDIS_STATUS_SUCCESS, 'OID_GEN_STATISTICS');
  bench.equal(whole.bytesWritten, 8 + 8 * NDIS_STATISTICS_FIELDS.length, 'OID_GEN_STATISTICS: BytesWritten');
  bench.note(`${values.length} counters with 0, 3, 4, 8 and 12 bytes; ${values.slice(0, 2).join(', ')}`);
}

/** Sends lists of many shapes and checks every octet at the other end. */
export async function send(bench: Bench): Promise<void> {
  const { dut, support } = await bench.pair();
  const sizes = [60, 61, 64, 65, 127, 128, 511, 512, 1023, 1024, 1500, 1513, 1514];
  const shapes: Readonly<Record<string, (frame: Uint8Array) => readonly Uint8Array[]>> = {
    'one piece': (frame) => [frame],
    'header and payload apart': (frame) => [frame.slice(0, 14), frame.slice(14)],
    'pieces of odd length': (frame) => [frame.slice(0, 13), frame.slice(13, 14), frame.slice(14, 33), frame.slice(33)],
  };
  let number = 0;
  for (const [shape, cut] of Object.entries(shapes)) {
    for (const chain of [1, 7, 16]) {
      const lengths = Array.from({ length: Math.max(chain, bench.count(26)) }, (_, i) =>
        i < sizes.length ? sizes[i]! : bench.random(60, 1514),
      );
      const frames = lengths.map((length) => numbered(support.mac, dut.mac, number++, length));
      support.takeReceived();
      for (let at = 0; at < frames.length; at += chain) {
        const some = frames.slice(at, at + chain);
        dut.sendLists(some.map((frame) => dut.makePieces(cut(frame))));
        await bench.arrived(support, at + some.length);
      }
      await bench.settled(dut);
      bench.same(support.takeReceived(), frames.map(padded), `${shape}, chains of ${chain}`);
    }
  }
  bench.equal(dut.completed.filter((status) => status !== 0).length, 0, 'failed sends');
  bench.equal(dut.completed.length, number, 'completions');
  bench.note(`${number} frames, ${Object.keys(shapes).length} shapes, chains of 1, 7 and 16, 60 to 1514 bytes`);
}

/** Sends as fast as completions come, size by size. */
export async function performanceSend(bench: Bench): Promise<void> {
  const { dut, support } = await bench.pair();
  const rates: string[] = [];
  for (const size of [64, 128, 256, 512, 1024, 1514]) {
    const frames = bench.frames(dut, support.mac, bench.count(400, 32), () => size);
    const from = bench.now();
    await bench.deliver(dut, support, frames, 32);
    rates.push(`${size} bytes${rate(bench, frames.length, bench.now() - from)}`);
  }
  bench.note(`${bench.count(400, 32)} frames of each size: ${rates.join(', ')}`);
}

/** Frames per second as text; nothing in a simulation, whose rates say nothing about a machine. */
export function rate(bench: Bench, frames: number, elapsedMs: number): string {
  return bench.target.kind === 'simulated' ? '' : ` ${Math.round((frames * 1000) / elapsedMs)} frames/s`;
}

/** OIDs every NDIS 6 Ethernet miniport, or NDIS for it, answers, with the least length of the answer. (Contract 3.9) */
const MANDATORY_QUERIES: Readonly<Record<string, readonly [oid: number, leastBytes: number]>> = {
  OID_GEN_SUPPORTED_LIST: [ndis.OID_GEN_SUPPORTED_LIST, 4],
  OID_GEN_MEDIA_SUPPORTED: [ndis.OID_GEN_MEDIA_SUPPORTED, 4],
  OID_GEN_MEDIA_IN_USE: [ndis.OID_GEN_MEDIA_IN_USE, 4],
  OID_GEN_PHYSICAL_MEDIUM: [ndis.OID_GEN_PHYSICAL_MEDIUM, 4],
  OID_GEN_MAXIMUM_LOOKAHEAD: [ndis.OID_GEN_MAXIMUM_LOOKAHEAD, 4],
  OID_GEN_CURRENT_LOOKAHEAD: [ndis.OID_GEN_CURRENT_LOOKAHEAD, 4],
  OID_GEN_MAXIMUM_FRAME_SIZE: [ndis.OID_GEN_MAXIMUM_FRAME_SIZE, 4],
  OID_GEN_MAXIMUM_TOTAL_SIZE: [ndis.OID_GEN_MAXIMUM_TOTAL_SIZE, 4],
  OID_GEN_LINK_SPEED: [ndis.OID_GEN_LINK_SPEED, 4],
  OID_GEN_LINK_STATE: [ndis.OID_GEN_LINK_STATE, 40],
  OID_GEN_TRANSMIT_BUFFER_SPACE: [ndis.OID_GEN_TRANSMIT_BUFFER_SPACE, 4],
  OID_GEN_RECEIVE_BUFFER_SPACE: [ndis.OID_GEN_RECEIVE_BUFFER_SPACE, 4],
  OID_GEN_TRANSMIT_BLOCK_SIZE: [ndis.OID_GEN_TRANSMIT_BLOCK_SIZE, 4],
  OID_GEN_RECEIVE_BLOCK_SIZE: [ndis.OID_GEN_RECEIVE_BLOCK_SIZE, 4],
  OID_GEN_VENDOR_ID: [ndis.OID_GEN_VENDOR_ID, 4],
  OID_GEN_VENDOR_DESCRIPTION: [ndis.OID_GEN_VENDOR_DESCRIPTION, 2],
  OID_GEN_VENDOR_DRIVER_VERSION: [ndis.OID_GEN_VENDOR_DRIVER_VERSION, 4],
  OID_GEN_DRIVER_VERSION: [ndis.OID_GEN_DRIVER_VERSION, 2],
  OID_GEN_CURRENT_PACKET_FILTER: [ndis.OID_GEN_CURRENT_PACKET_FILTER, 4],
  OID_GEN_MAC_OPTIONS: [ndis.OID_GEN_MAC_OPTIONS, 4],
  OID_GEN_MEDIA_CONNECT_STATUS: [ndis.OID_GEN_MEDIA_CONNECT_STATUS, 4],
  OID_GEN_INTERRUPT_MODERATION: [ndis.OID_GEN_INTERRUPT_MODERATION, 12],
  OID_GEN_STATISTICS: [ndis.OID_GEN_STATISTICS, 152],
  OID_802_3_PERMANENT_ADDRESS: [ndis.OID_802_3_PERMANENT_ADDRESS, 6],
  OID_802_3_CURRENT_ADDRESS: [ndis.OID_802_3_CURRENT_ADDRESS, 6],
  OID_802_3_MAXIMUM_LIST_SIZE: [ndis.OID_802_3_MAXIMUM_LIST_SIZE, 4],
};

const TOO_SHORT = [NDIS_STATUS_INVALID_LENGTH, NDIS_STATUS_BUFFER_TOO_SHORT] as const;
const REFUSED = [NDIS_STATUS_NOT_SUPPORTED, NDIS_STATUS_INVALID_OID] as const;
const UNKNOWN_OID = 0xff12_3456;

async function badQueries(bench: Bench, dut: Station): Promise<void> {
  for (const [name, [oid, least]] of Object.entries(MANDATORY_QUERIES)) {
    const none = await bench.oid(dut, QUERY, oid, null);
    bench.status(none.status, TOO_SHORT, `${name} without a buffer`);
    const needed = none.bytesNeeded;
    bench.check(needed >= least, `${name}: BytesNeeded is ${needed}, the answer has at least ${least}`);
    const short = await bench.oid(dut, QUERY, oid, new Uint8Array(needed - 1));
    bench.status(short.status, TOO_SHORT, `${name} with ${needed - 1} bytes`);
    bench.equal(short.bytesWritten, 0, `${name} with ${needed - 1} bytes: BytesWritten`);
    for (const extra of [0, 3]) {
      const whole = await bench.oid(dut, QUERY, oid, new Uint8Array(needed + extra).fill(0xa5));
      bench.status(whole.status, NDIS_STATUS_SUCCESS, `${name} with ${needed + extra} bytes`);
      bench.equal(whole.bytesWritten, needed, `${name} with ${needed + extra} bytes: BytesWritten`);
      bench.check(
        whole.buffer.subarray(needed).every((octet) => octet === 0xa5),
        `${name}: wrote past BytesWritten`,
      );
    }
  }
}

const ulong = (value: number): Uint8Array => {
  const bytes = new Uint8Array(4);
  viewOf(bytes).setUint32(0, value, true);
  return bytes;
};

async function queryUlong(bench: Bench, dut: Station, oid: number): Promise<number> {
  const { buffer } = await bench.oid(dut, QUERY, oid, new Uint8Array(4));
  return viewOf(buffer).getUint32(0, true);
}

/** OidsNdisRequest. */
export async function oidsNdisRequest(bench: Bench): Promise<void> {
  const { dut, support } = await bench.pair();
  await badQueries(bench, dut);
  // Sets: what is refused changes nothing.
  const filter = ndis.OID_GEN_CURRENT_PACKET_FILTER;
  const before = await queryUlong(bench, dut, filter);
  for (const length of [0, 1, 3]) {
    const { status, bytesNeeded } = await bench.oid(dut, SET, filter, length === 0 ? null : new Uint8Array(length));
    bench.status(status, TOO_SHORT, `a packet filter of ${length} bytes`);
    bench.equal(bytesNeeded, 4, `a packet filter of ${length} bytes: BytesNeeded`);
  }
  const odd = await bench.oid(dut, SET, filter, ulong(0x8000_0000));
  bench.status(odd.status, [NDIS_STATUS_NOT_SUPPORTED, NDIS_STATUS_INVALID_DATA], 'a packet filter nobody supports');
  bench.equal(await queryUlong(bench, dut, filter), before, 'the packet filter after refused sets');
  const list = ndis.OID_802_3_MULTICAST_LIST;
  const kept = Uint8Array.of(...group(1), ...group(2));
  bench.status((await bench.oid(dut, SET, list, kept)).status, NDIS_STATUS_SUCCESS, 'a multicast list');
  for (const length of [1, 5, 7]) {
    const { status } = await bench.oid(dut, SET, list, new Uint8Array(length));
    bench.status(status, NDIS_STATUS_INVALID_LENGTH, `a multicast list of ${length} bytes`);
  }
  const most = await queryUlong(bench, dut, ndis.OID_802_3_MAXIMUM_LIST_SIZE);
  const long = new Uint8Array((most + 1) * 6);
  for (let i = 0; i <= most; i += 1) long.set(group(i), i * 6);
  bench.status((await bench.oid(dut, SET, list, long)).status, NDIS_STATUS_MULTICAST_FULL, `${most + 1} groups`);
  const after = await bench.oid(dut, QUERY, list, new Uint8Array(12));
  bench.check(Buffer.compare(after.buffer, kept) === 0, 'the multicast list changed by refused sets');
  const lookahead = ndis.OID_GEN_CURRENT_LOOKAHEAD;
  bench.status((await bench.oid(dut, SET, lookahead, ulong(128))).status, NDIS_STATUS_SUCCESS, 'a lookahead of 128');
  bench.status(
    (await bench.oid(dut, SET, lookahead, ulong(0x7fff_ffff))).status,
    [NDIS_STATUS_INVALID_DATA, NDIS_STATUS_SUCCESS],
    'a huge lookahead',
  );
  for (const oid of [ndis.OID_GEN_SUPPORTED_LIST, ndis.OID_802_3_PERMANENT_ADDRESS, ndis.OID_GEN_STATISTICS]) {
    bench.status((await bench.oid(dut, SET, oid, new Uint8Array(152))).status, REFUSED, `a set of ${hexOid(oid)}`);
  }
  for (const type of [QUERY, SET]) {
    bench.status((await bench.oid(dut, type, UNKNOWN_OID, new Uint8Array(8))).status, REFUSED, 'an unknown OID');
  }
  const listed = await supportedList(bench, dut);
  for (const oid of listed) {
    const { status } = await bench.oid(dut, QUERY, oid, new Uint8Array(4096));
    bench.check(status === NDIS_STATUS_SUCCESS || !isQueryable(oid), `listed ${hexOid(oid)}: ${statusName(status)}`);
  }
  await bench.deliver(
    support,
    dut,
    bench.frames(support, dut.mac, 10, () => 200),
  );
  bench.note(
    `${Object.keys(MANDATORY_QUERIES).length} mandatory queries, ${listed.length} OIDs listed, refused sets kept`,
  );
}

const hexOid = (oid: number): string => `0x${oid.toString(16).padStart(8, '0')}`;

/** Listed because a set is answered, while a query is not. */
const SET_ONLY: ReadonlySet<number> = new Set([
  ndis.OID_GEN_RECEIVE_SCALE_PARAMETERS,
  ndis.OID_TCP_OFFLOAD_PARAMETERS,
  ndis.OID_PNP_SET_POWER,
  ndis.OID_PM_ADD_WOL_PATTERN,
  ndis.OID_PM_REMOVE_WOL_PATTERN,
]);

const isQueryable = (oid: number): boolean => !SET_ONLY.has(oid);

/** OID_GEN_SUPPORTED_LIST as numbers. */
export async function supportedList(bench: Bench, dut: Station): Promise<number[]> {
  const { bytesNeeded } = await bench.oid(dut, QUERY, ndis.OID_GEN_SUPPORTED_LIST, null);
  const { buffer } = await bench.oid(dut, QUERY, ndis.OID_GEN_SUPPORTED_LIST, new Uint8Array(bytesNeeded));
  return Array.from({ length: bytesNeeded / 4 }, (_, i) => viewOf(buffer).getUint32(4 * i, true));
}
