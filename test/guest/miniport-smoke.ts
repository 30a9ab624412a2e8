/**
 * Smoke test of the miniports on emulated NICs: run with plain node inside the lab, two NICs of one model on a hub.
 * Layer: test. Per kind of interrupt: initialize, restart, link, frames both ways compared octet by octet, statistics,
 * every vector masked and unmasked, reset under traffic, pause, halt. Exit status 0 only when everything held.
 * Invariant: one line per fact on stdout; a failed expectation ends the run with its reason and status 1.
 */
import { systemClock } from '../../src/host/clock.ts';
import { openPciFunction } from '../../src/host/index.ts';
import { builtInMiniport } from '../../src/miniports/index.ts';
import {
  type Adapter,
  loadDriver,
  NDIS_CONNECT_MESSAGE_BASED,
  type NDIS_HANDLE,
  NDIS_PACKET_TYPE_BROADCAST,
  NDIS_PACKET_TYPE_DIRECTED,
  NDIS_RECEIVE_FLAGS_RESOURCES,
  NDIS_STATUS_SUCCESS,
  NdisDiagnosticDisableMessageInterrupt,
  NdisDiagnosticEnableMessageInterrupt,
  NdisOpenAdapterEx,
  NdisReturnNetBufferLists,
  NdisSendNetBufferLists,
  type NET_BUFFER_LIST,
  out,
  type SendPool,
  statusName,
} from '../../src/ndis/index.ts';
import type { Bar, InterruptKind, PciFunction } from '../../src/platform/index.ts';

const FRAMES = Number(process.env['SMOKE_FRAMES'] ?? 1000);
const WINDOW = 32;
const ADDRESSES = (process.env['SMOKE_NICS'] ?? '0000:01:00.0,0000:02:00.0').split(',');

function check(condition: boolean, what: string): void {
  if (!condition) throw new Error(what);
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function until(what: string, limitMs: number, probe: () => boolean): Promise<void> {
  const end = performance.now() + limitMs;
  while (!probe()) {
    check(performance.now() < end, `${what}: not within ${limitMs} ms`);
    await turn();
  }
}

/** One NIC with a protocol that checks what it gets. */
class Station {
  readonly adapter: Adapter;
  readonly pci: PciFunction;
  pool!: SendPool;
  binding!: NDIS_HANDLE;
  received = 0;
  wrong = 0;
  completed = 0;
  failed = 0;
  links: string[] = [];
  readonly #expected: Uint8Array[] = [];

  constructor(pci: PciFunction, adapter: Adapter) {
    this.pci = pci;
    this.adapter = adapter;
    adapter.onLink((state) => this.links.push(['unknown', 'up', 'down'][state.MediaConnectState]!));
    adapter.onLog((entry) => console.log(`  log ${pci.address}: ${entry.kind} ${entry.message} ${entry.values ?? ''}`));
    adapter.onFault((fault) => console.log(`  FAULT ${pci.address}: ${fault.message} ${String(fault.error ?? '')}`));
  }

  bind(): void {
    const handle = out<NDIS_HANDLE | null>(null);
    const status = NdisOpenAdapterEx(
      this.adapter,
      {
        ReceiveNetBufferListsHandler: (_context, chain, _port, _count, flags) => {
          for (let nbl: NET_BUFFER_LIST | null = chain; nbl !== null; nbl = nbl.Next) this.#take(nbl);
          if ((flags & NDIS_RECEIVE_FLAGS_RESOURCES) === 0) NdisReturnNetBufferLists(this.binding, chain, 0);
        },
        SendNetBufferListsCompleteHandler: (_context, chain) => {
          for (let nbl: NET_BUFFER_LIST | null = chain; nbl !== null; ) {
            const next: NET_BUFFER_LIST | null = nbl.Next;
            if (nbl.Status === NDIS_STATUS_SUCCESS) this.completed++;
            else this.failed++;
            this.pool.release(nbl);
            nbl = next;
          }
        },
      },
      null,
      handle,
    );
    check(status === NDIS_STATUS_SUCCESS, `bind: ${statusName(status)}`);
    this.binding = handle.Value!;
    this.pool = this.adapter.allocateSendPool({ frames: 256, frameBytes: 9216 });
  }

  #take(nbl: NET_BUFFER_LIST): void {
    const nb = nbl.FirstNetBuffer!;
    const mdl = nb.CurrentMdl!;
    const at = mdl.ByteOffset + nb.CurrentMdlOffset;
    const frame = mdl.StartVa.subarray(at, at + nb.DataLength);
    const expected = this.#expected.shift();
    this.received++;
    if (expected === undefined || Buffer.compare(frame, expected) !== 0) {
      this.wrong++;
      if (this.wrong < 4) {
        console.log(`  wrong frame: ${frame.length} bytes ${Buffer.from(frame.subarray(0, 24)).toString('hex')}`);
        if (expected)
          console.log(
            `  expected:    ${expected.length} bytes ${Buffer.from(expected.subarray(0, 24)).toString('hex')}`,
          );
      }
    }
  }

  /** Sends one batch to `peer` as one chain. */
  sendBatch(peer: Station, first: number, count: number, mtu: number): void {
    let head: NET_BUFFER_LIST | null = null;
    let tail: NET_BUFFER_LIST | null = null;
    for (let number = first; number < first + count; number++) {
      const length = number % 7 === 0 ? 14 + 4 : 18 + ((number * 131) % (mtu - 4));
      const nbl = this.pool.take()!;
      const at = this.pool.offsetOf(nbl);
      const frame = this.pool.memory.subarray(at, at + length);
      frame.set(peer.adapter.macAddress);
      frame.set(this.adapter.macAddress, 6);
      frame[12] = 0x88;
      frame[13] = 0xb5;
      for (let i = 14; i < length; i++) frame[i] = (number * 31 + i) & 0xff;
      this.pool.setLength(nbl, length);
      const onWire = new Uint8Array(Math.max(60, length));
      onWire.set(frame);
      peer.#expected.push(onWire);
      if (tail === null) head = nbl;
      else tail.Next = nbl;
      tail = nbl;
    }
    NdisSendNetBufferLists(this.binding, head!, 0, 0);
  }

  forget(): void {
    this.#expected.length = 0;
  }
}

/** Where both stations stand when something did not come. Registers the families share; reading them changes nothing. */
function dump(stations: readonly Station[]): void {
  for (const station of stations) {
    const bar = station.pci.mapBar(0);
    const hex = (offset: number): string => bar.read32(offset).toString(16);
    const messages = station.adapter.interrupt?.messages.slice(0, 3) ?? [];
    console.log(
      `  ${station.pci.address}: received ${station.received}, completed ${station.completed}, STATUS ${hex(8)}, ` +
        `ICS ${hex(0xc8)}, IMS ${hex(0xd0)}, RCTL ${hex(0x100)}, RDH ${hex(0x2810)}, RDT ${hex(0x2818)}, ` +
        `TDH ${hex(0x3810)}, TDT ${hex(0x3818)}; ` +
        messages.map((m, i) => `${i}: wakes ${m.wakes} isr ${m.isrCalls} dpc ${m.dpcRuns}`).join('; '),
    );
  }
}

async function traffic(a: Station, b: Station, frames: number, mtu: number): Promise<string> {
  const started = performance.now();
  const base = [a.received, b.received];
  for (let sent = 0; sent < frames; sent += WINDOW) {
    const count = Math.min(WINDOW, frames - sent);
    a.sendBatch(b, sent, count, mtu);
    b.sendBatch(a, sent, count, mtu);
    const wanted = sent + count;
    const all = (): boolean => a.received - base[0]! >= wanted && b.received - base[1]! >= wanted;
    await until(`frames ${wanted}`, 3500, all).catch((error: unknown) => {
      dump([a, b]);
      throw error;
    });
  }
  check(a.wrong === 0 && b.wrong === 0, `wrong frames: ${a.wrong}, ${b.wrong}`);
  return `${frames} frames each way in ${(performance.now() - started).toFixed(0)} ms`;
}

/** Fires a message's causes by software: EICS on the 82576, ICS through IVAR on the 82574. */
function fire(bar: Bar, name: string, message: number): void {
  if (name === 'igb') {
    bar.write32(0x1520, 1 << message);
    return;
  }
  const ivar = bar.read32(0xe4);
  let causes = 0;
  for (const [shift, position] of [
    [0, 20],
    [8, 22],
    [16, 24],
  ] as const) {
    if (((ivar >>> shift) & 0xf) === (8 | message)) causes |= 1 << position;
  }
  bar.write32(0xc8, causes);
}

async function maskEveryVector(station: Station, name: string, bar: Bar): Promise<string> {
  const detail = station.adapter.interrupt!;
  const facts: string[] = [];
  const used = Math.min(3, detail.messageCount);
  for (let message = 0; message < used; message++) {
    const counters = detail.messages[message]!;
    check(NdisDiagnosticDisableMessageInterrupt(detail.handle, message) === NDIS_STATUS_SUCCESS, 'disable');
    await sleep(5);
    const before = counters.isrCalls;
    for (let n = 0; n < 5; n++) {
      fire(bar, name, message);
      await sleep(1);
    }
    // The 82574L's model sends once more when its throttle timer ends; that has to happen under the mask.
    await sleep(100);
    const masked = counters.isrCalls - before;
    const pending = station.adapter.tableEntryPending(message);
    check(NdisDiagnosticEnableMessageInterrupt(detail.handle, message) === NDIS_STATUS_SUCCESS, 'enable');
    await until(`message ${message}: an ISR after unmask`, 3000, () => counters.isrCalls > before);
    await sleep(50);
    facts.push(`${message}: masked ${masked}, pending ${pending}, after ${counters.isrCalls - before}`);
    check(masked === 0, `message ${message}: ${masked} ISRs while masked`);
    check(pending, `message ${message}: no pending bit`);
    check(counters.isrCalls - before === 1, `message ${message}: ${counters.isrCalls - before} ISRs after unmask`);
  }
  return facts.join('; ');
}

interface Round {
  readonly kind: InterruptKind;
  readonly limit?: number;
  readonly mtu: number;
}

async function round(spec: Round): Promise<void> {
  const title = `${spec.kind}${spec.limit ? `/${spec.limit}` : ''} mtu ${spec.mtu}`;
  const functions = ADDRESSES.map((address) => openPciFunction(address));
  const entry = builtInMiniport(functions[0]!.ids)!;
  const driver = await loadDriver(entry.module);
  const stations = functions.map(
    (pci) =>
      new Station(
        pci,
        driver.createAdapter(pci, {
          clock: systemClock,
          interrupts: spec.kind,
          ...(spec.limit === undefined ? {} : { messageLimit: spec.limit }),
          configuration: { '*JumboPacket': spec.mtu + 14 },
        }),
      ),
  );
  const [a, b] = stations as [Station, Station];
  const initialized = performance.now();
  for (const station of stations) await station.adapter.initialize();
  console.log(`${entry.name} ${title}: initialized both in ${(performance.now() - initialized).toFixed(0)} ms`);
  for (const station of stations) {
    station.bind();
    await station.adapter.restart();
    await station.adapter.setPacketFilter(NDIS_PACKET_TYPE_DIRECTED | NDIS_PACKET_TYPE_BROADCAST);
  }
  await until('link', 3000, () => stations.every((station) => station.links.at(-1) === 'up'));
  console.log(`  link ${a.links.join()} / ${b.links.join()} after ${(performance.now() - initialized).toFixed(0)} ms`);
  const before = await a.adapter.statistics();
  console.log(`  ${await traffic(a, b, FRAMES, spec.mtu)}`);
  await until('completions', 2000, () => a.completed === FRAMES && b.completed === FRAMES);
  const after = await a.adapter.statistics();
  check(after.ifHCInUcastPkts - before.ifHCInUcastPkts === FRAMES, `ifHCInUcastPkts ${after.ifHCInUcastPkts}`);
  check(after.ifHCOutUcastPkts - before.ifHCOutUcastPkts === FRAMES, `ifHCOutUcastPkts ${after.ifHCOutUcastPkts}`);
  check(after.ifHCInOctets === after.ifHCInUcastOctets, `octets ${after.ifHCInOctets} ${after.ifHCInUcastOctets}`);
  check(after.ifHCOutOctets === after.ifHCOutUcastOctets, `octets ${after.ifHCOutOctets} ${after.ifHCOutUcastOctets}`);
  const rows = a.adapter
    .interrupt!.messages.slice(0, 3)
    .map((m, i) => `${i}: isr ${m.isrCalls} dpc ${m.dpcRuns} nbls ${m.nblsIndicated} max ${m.maxNblsInOneDpc}`);
  console.log(`  ${rows.join('; ')}`);
  if (spec.kind === 'msix' && a.adapter.interrupt!.type === NDIS_CONNECT_MESSAGE_BASED) {
    const bar = functions[0]!.mapBar(0);
    console.log(`  masks ${await maskEveryVector(a, entry.name, bar)}`);
    console.log(`  ${await traffic(a, b, 100, spec.mtu)} after the masks`);
  }
  const status = await a.adapter.reset();
  check(status === NDIS_STATUS_SUCCESS, `reset: ${statusName(status)}`);
  await until('link after reset', 3000, () => a.links.at(-1) === 'up');
  a.forget();
  b.forget();
  console.log(`  ${await traffic(a, b, 100, spec.mtu)} after a reset; link edges ${a.links.join()}`);
  for (const station of stations) {
    check(station.failed === 0, `${station.failed} failed sends`);
    await station.adapter.pause();
    station.pool.free();
    await station.adapter.halt();
  }
  await driver.unload();
  for (const pci of functions) pci.close();
}

const rounds: Round[] = [
  { kind: 'msix', mtu: 1500 },
  { kind: 'msix', limit: 2, mtu: 1500 },
  { kind: 'msix', limit: 1, mtu: 1500 },
  { kind: 'msi', mtu: 1500 },
  { kind: 'line', mtu: 1500 },
  { kind: 'msix', mtu: 9000 },
];
/** Rounds to run, by number and in this order: `0,3,3`; all without it. */
const chosen = process.argv[2]?.split(',').map((number) => rounds[Number(number)]!);
try {
  for (const spec of chosen ?? rounds) await round(spec);
  console.log('SMOKE OK');
  process.exit(0);
} catch (error) {
  console.log(`SMOKE FAILED: ${error instanceof Error ? error.stack : String(error)}`);
  process.exit(1);
}
