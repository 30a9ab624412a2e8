/**
 * A protocol on the adapter's upper edge, driven from the host: it opens the adapter with the settings asked for, echoes
 * or swallows frames, and reports what it, NDIS and the NIC's registers counted. Layer: test (runs in the guest).
 * Invariants: everything returned is plain data, the host asserts; registers are touched through a mapping of the
 * test's own, and of the clear-on-read counters only such as the miniports leave alone (TPR, TPT, TOR, TOT).
 */
import { spawn } from 'node:child_process';
import { existsSync, readlinkSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { bindVfio, sleep, until } from '../../../scripts/guest/tools.ts';
import { linuxMachine } from '../../../src/application/linux-machine.ts';
import type { Machine } from '../../../src/application/machine.ts';
import { type OpenedAdapter, openAdapter, startAdapter } from '../../../src/application/open-adapter.ts';
import {
  MediaConnectStateConnected,
  type MessageCounters,
  NDIS_DEFAULT_PORT_NUMBER,
  type NDIS_HANDLE,
  type NDIS_LINK_STATE,
  NDIS_RECEIVE_FLAGS_RESOURCES,
  NDIS_RETURN_FLAGS_DISPATCH_LEVEL,
  NDIS_SEND_FLAGS_DISPATCH_LEVEL,
  NDIS_STATUS_LINK_STATE,
  NDIS_STATUS_SUCCESS,
  NdisCloseAdapterEx,
  NdisDiagnosticDisableInterrupt,
  NdisDiagnosticDisableMessageInterrupt,
  NdisDiagnosticEnableInterrupt,
  NdisDiagnosticEnableMessageInterrupt,
  NdisOpenAdapterEx,
  NdisReturnNetBufferLists,
  NdisSendNetBufferLists,
  type NdisStatistics,
  type NET_BUFFER,
  type NET_BUFFER_LIST,
  out,
  type SendPool,
  statusName,
  type TimeCounter,
} from '../../../src/ndis/index.ts';
import type { Bar, InterruptKind, InterruptVectors } from '../../../src/platform/index.ts';

// ---- Registers the test reads or writes itself ---------------------------------------------------------------------

/** Total packets and octets, received and sent; octets with CRC [82574 10.2.7, 82576 8.18]. Clear on read. */
const TORL = 0x040c0;
const TORH = 0x040c4;
const TOTL = 0x040c8;
const TOTH = 0x040cc;
const TPR = 0x040d0;
const TPT = 0x040d4;
const ICS = 0x000c8;
const ICS_LSC = 1 << 2;
const ICR = 0x000c0;
const IMS = 0x000d0;
const IMC = 0x000d8;
const EIAC = 0x000dc;
/** 82576 8.8.2, 8.8.3: bit n is message n in MSI-X mode. */
const EICS = 0x01520;
const EIMS = 0x01524;
/** 82574 10.2.4.10: [lane of IVAR, valid bit of IVAR, cause bit of ICS]. */
const IVAR = 0x000e4;
const CAUSES_82574 = [
  { lane: 0, valid: 3, cause: 20 },
  { lane: 8, valid: 11, cause: 22 },
  { lane: 16, valid: 19, cause: 24 },
] as const;

/** Cause and IVAR lane of receive queue 1, which the miniport leaves unused: for messages no cause leads to. */
const RXQ1_82574 = 1 << 21;
const IVAR_RXQ1_LANE = 4;
const IVAR_RXQ1_VALID = 1 << 7;

const DEVICE_82574L = 0x10d3;

// ---- The one adapter that is open ----------------------------------------------------------------------------------

const SLOTS = 512;

export interface OpenParams {
  readonly bdf: string;
  readonly interrupts?: InterruptKind;
  readonly messages?: number;
  readonly mtu?: number;
  readonly configuration?: Readonly<Record<string, string | number>>;
  /** Behave as if the kernel did not let the MSI-X table be mapped: the mask is then NDIS's own. */
  readonly withoutTable?: boolean;
}

export interface OpenResult {
  readonly mac: readonly number[];
  readonly mtu: number;
  /** 1 line, 2 message. */
  readonly interruptType: number;
  readonly messageCount: number;
  readonly state: string;
}

/** What the protocol saw; octets without FCS, as frames stand in memory. */
export interface EdgeCounts {
  received: number;
  receivedBytes: number;
  indications: number;
  sent: number;
  sentBytes: number;
  completed: number;
  failed: number;
  /** Frames not echoed for want of a send slot. */
  noSlot: number;
  /** Most NBLs handed over between two turns of the microtask queue, i.e. by one DPC. */
  maxNblsInOneDpc: number;
  linkUps: number;
  linkDowns: number;
}

interface Edge {
  readonly opened: OpenedAdapter;
  readonly binding: NDIS_HANDLE;
  readonly pool: SendPool;
  readonly bar: Bar;
  readonly mac: Uint8Array;
  readonly kind: InterruptKind;
  /** The MSI-X table can be mapped. */
  readonly table: boolean;
  readonly counts: EdgeCounts;
  readonly logs: string[];
  mode: 'echo' | 'sink';
  nblsThisDpc: number;
  /** Called once after each DPC that indicated, still before the next macrotask. */
  afterDpc: (() => void) | undefined;
}

let edge: Edge | undefined;

function current(): Edge {
  if (edge === undefined) throw new Error('no adapter is open: call open first');
  return edge;
}

/** Copies a frame out of its MDL chain. */
function copyFrame(buffer: NET_BUFFER, memory: Uint8Array, offset: number): void {
  let mdl = buffer.CurrentMdl;
  let skip = buffer.CurrentMdlOffset;
  let left = buffer.DataLength;
  let at = offset;
  while (mdl !== null && left > 0) {
    const from = mdl.ByteOffset + skip;
    const piece = Math.min(left, mdl.ByteCount - skip);
    memory.set(mdl.StartVa.subarray(from, from + piece), at);
    at += piece;
    left -= piece;
    skip = 0;
    mdl = mdl.Next;
  }
}

/** Back to the sender: the addresses swap; a group destination stays one, so that sends count by kind too. */
function swapAddresses(memory: Uint8Array, offset: number, own: Uint8Array): void {
  const group = (memory[offset]! & 1) !== 0;
  for (let i = 0; i < 6; i++) {
    if (!group) memory[offset + i] = memory[offset + 6 + i]!;
    memory[offset + 6 + i] = own[i]!;
  }
}

function received(self: Edge, first: NET_BUFFER_LIST, flags: number): void {
  const { counts, pool } = self;
  counts.indications++;
  if (self.nblsThisDpc === 0) {
    // Runs when the DPC, a microtask itself, has ended; its repeat is a macrotask.
    queueMicrotask(() => {
      if (self.nblsThisDpc > counts.maxNblsInOneDpc) counts.maxNblsInOneDpc = self.nblsThisDpc;
      self.nblsThisDpc = 0;
      self.afterDpc?.();
    });
  }
  let echo: NET_BUFFER_LIST | null = null;
  let last: NET_BUFFER_LIST | null = null;
  for (let nbl: NET_BUFFER_LIST | null = first; nbl !== null; nbl = nbl.Next) {
    self.nblsThisDpc++;
    const buffer = nbl.FirstNetBuffer!;
    const bytes = buffer.DataLength;
    counts.received++;
    counts.receivedBytes += bytes;
    if (self.mode !== 'echo') continue;
    const slot = pool.take();
    if (slot === null) {
      counts.noSlot++;
      continue;
    }
    const offset = pool.offsetOf(slot);
    copyFrame(buffer, pool.memory, offset);
    swapAddresses(pool.memory, offset, self.mac);
    pool.setLength(slot, bytes);
    slot.Next = null;
    if (last === null) echo = slot;
    else last.Next = slot;
    last = slot;
    counts.sent++;
    counts.sentBytes += bytes;
  }
  if ((flags & NDIS_RECEIVE_FLAGS_RESOURCES) === 0) {
    NdisReturnNetBufferLists(self.binding, first, NDIS_RETURN_FLAGS_DISPATCH_LEVEL);
  }
  if (echo !== null) {
    NdisSendNetBufferLists(self.binding, echo, NDIS_DEFAULT_PORT_NUMBER, NDIS_SEND_FLAGS_DISPATCH_LEVEL);
  }
}

function sendCompleted(self: Edge, first: NET_BUFFER_LIST): void {
  let nbl: NET_BUFFER_LIST | null = first;
  while (nbl !== null) {
    const next: NET_BUFFER_LIST | null = nbl.Next;
    self.counts.completed++;
    if (nbl.Status !== NDIS_STATUS_SUCCESS) self.counts.failed++;
    self.pool.release(nbl);
    nbl = next;
  }
}

/** The real machine, but its MSI-X vectors say that they cannot mask. */
function machineWithoutTable(): Machine {
  return {
    ...linuxMachine,
    openPciFunction(address, dmaBytes) {
      const pci = linuxMachine.openPciFunction(address, dmaBytes);
      const enable = pci.enableInterrupts.bind(pci);
      pci.enableInterrupts = (kind, count, listener) => withoutMask(enable(kind, count, listener));
      return pci;
    },
  };
}

function withoutMask(vectors: InterruptVectors): InterruptVectors {
  const masked = new Uint8Array(vectors.count);
  return {
    kind: vectors.kind,
    count: vectors.count,
    hardwareMask: false,
    mask: (vector) => {
      masked[vector] = 1;
    },
    unmask: (vector) => {
      masked[vector] = 0;
    },
    isMasked: (vector) => masked[vector] === 1,
    isPending: () => false,
    trigger: (vector) => vectors.trigger(vector),
    close: () => vectors.close(),
  };
}

/** The script takes a second under emulation; the binding stays. */
export async function bindOnce(bdf: string): Promise<void> {
  const driver = `/sys/bus/pci/devices/${bdf}/driver`;
  if (existsSync(driver) && readlinkSync(driver).endsWith('/vfio-pci')) return;
  await bindVfio(bdf);
}

/** Opens and starts the adapter and waits for the link. Ends the one that was open before. */
export async function open(params: OpenParams): Promise<OpenResult> {
  await close();
  await bindOnce(params.bdf);
  const mtu = params.mtu ?? 1500;
  const slotBytes = Math.ceil((mtu + 18) / 1024) * 1024;
  const machine = params.withoutTable ? machineWithoutTable() : linuxMachine;
  const { interrupts, messages, configuration } = params;
  const opened = await openAdapter(
    machine,
    params.bdf,
    { mtu, interrupts, messages, configuration },
    SLOTS * slotBytes,
  );
  try {
    const { adapter } = opened;
    const logs: string[] = [];
    adapter.onLog((entry) => logs.push(`${entry.kind}: ${entry.message}`));
    adapter.onFault((fault) => logs.push(`fault: ${fault.message}`));
    await adapter.initialize();
    const pool = adapter.allocateSendPool({ frames: SLOTS, frameBytes: slotBytes });
    const binding = out<NDIS_HANDLE | null>(null);
    let self: Edge | undefined;
    const counts: EdgeCounts = {
      received: 0,
      receivedBytes: 0,
      indications: 0,
      sent: 0,
      sentBytes: 0,
      completed: 0,
      failed: 0,
      noSlot: 0,
      maxNblsInOneDpc: 0,
      linkUps: 0,
      linkDowns: 0,
    };
    const status = NdisOpenAdapterEx(
      adapter,
      {
        ReceiveNetBufferListsHandler: (_context, first, _port, _count, flags) => received(self!, first, flags),
        SendNetBufferListsCompleteHandler: (_context, first) => sendCompleted(self!, first),
        StatusHandlerEx: (_context, indication) => {
          if (indication.StatusCode !== NDIS_STATUS_LINK_STATE) return;
          const { MediaConnectState } = indication.StatusBuffer as NDIS_LINK_STATE;
          if (MediaConnectState === MediaConnectStateConnected) counts.linkUps++;
          else counts.linkDowns++;
        },
      },
      null,
      binding,
    );
    if (binding.Value === null) throw new Error(`NdisOpenAdapterEx answered ${statusName(status)}`);
    self = {
      opened,
      binding: binding.Value,
      pool,
      bar: opened.pci.mapBar(0),
      mac: adapter.macAddress,
      kind: interrupts ?? 'msix',
      table: params.withoutTable !== true,
      counts,
      logs,
      mode: 'echo',
      nblsThisDpc: 0,
      afterDpc: undefined,
    };
    edge = self;
    await startAdapter(opened, false);
    await until('the link', () => adapter.linkState.MediaConnectState === MediaConnectStateConnected, 10_000, 20);
    // From here on the test's counters and the wire's start at zero together.
    readTotals(self.bar);
    return {
      mac: [...adapter.macAddress],
      mtu: adapter.mtu,
      interruptType: adapter.interrupt?.type ?? 0,
      messageCount: adapter.interrupt?.messageCount ?? 0,
      state: adapter.state,
    };
  } catch (error) {
    edge = undefined;
    await opened.close().catch(() => undefined);
    throw error;
  }
}

export interface CloseResult {
  readonly state: string;
  readonly sendsOutstanding: number;
  readonly receivesOutstanding: number;
  /** Entries of the adapter's log: broken rules, leaks, what the miniport reported. */
  readonly logs: readonly string[];
  readonly counts: EdgeCounts;
}

/** Ends the adapter; null when none was open. */
export async function close(): Promise<CloseResult | null> {
  if (edge === undefined) return null;
  const self = edge;
  edge = undefined;
  const { adapter } = self.opened;
  await adapter.pause();
  const { sendsOutstanding, receivesOutstanding } = adapter;
  NdisCloseAdapterEx(self.binding);
  self.pool.free();
  self.bar.unmap();
  await self.opened.close();
  return { state: adapter.state, sendsOutstanding, receivesOutstanding, logs: self.logs, counts: self.counts };
}

// ---- Counters ------------------------------------------------------------------------------------------------------

export interface TotalRegisters {
  readonly framesReceived: number;
  readonly framesSent: number;
  /** With 4 octets of CRC a frame. */
  readonly octetsReceived: number;
  readonly octetsSent: number;
}

/** Reads and thereby clears; the low word of a pair comes first. */
function readTotals(bar: Bar): TotalRegisters {
  const torl = bar.read32(TORL);
  const octetsReceived = bar.read32(TORH) * 2 ** 32 + torl;
  const totl = bar.read32(TOTL);
  const octetsSent = bar.read32(TOTH) * 2 ** 32 + totl;
  return { framesReceived: bar.read32(TPR), framesSent: bar.read32(TPT), octetsReceived, octetsSent };
}

export interface Snapshot {
  readonly counts: EdgeCounts;
  readonly statistics: NdisStatistics;
  /** Since the last snapshot: they clear on read. */
  readonly registers: TotalRegisters;
  readonly messages: readonly MessageCounters[];
}

/** All counters at rest. */
export async function snapshot(): Promise<Snapshot> {
  const self = current();
  const { adapter } = self.opened;
  return {
    counts: { ...self.counts },
    statistics: await adapter.statistics(),
    registers: readTotals(self.bar),
    messages: copyMessages(self),
  };
}

/** Plain copies: the counters live on. */
function copyMessages(self: Edge): MessageCounters[] {
  const messages = self.opened.adapter.interrupt?.messages ?? [];
  const time = ({ count, total, max }: TimeCounter): TimeCounter => ({ count, total, max });
  return messages.map((message) => ({
    ...message,
    isrUs: time(message.isrUs),
    dpcUs: time(message.dpcUs),
    isrToDpcUs: time(message.isrToDpcUs),
  }));
}

export function setMode(params: { mode: 'echo' | 'sink' }): void {
  current().mode = params.mode;
}

/** Waits until `count` frames have been received since the adapter was opened. */
export async function waitReceived(params: { count: number }): Promise<void> {
  const { counts } = current();
  await until(`${params.count} frames`, () => counts.received >= params.count, 5000, 1);
}

/** Sends frames of its own: `bytes` each, filled with the number of the frame. Resolves when all have completed. */
export async function send(params: { count: number; bytes: number }): Promise<number> {
  const self = current();
  let first: NET_BUFFER_LIST | null = null;
  for (let i = params.count - 1; i >= 0; i--) {
    const nbl = self.pool.take();
    if (nbl === null) throw new Error('out of send slots');
    const offset = self.pool.offsetOf(nbl);
    const frame = self.pool.memory.subarray(offset, offset + params.bytes);
    frame.fill(i);
    frame.fill(0xff, 0, 6);
    frame.set(self.mac, 6);
    frame[12] = 0x88;
    frame[13] = 0xb5;
    self.pool.setLength(nbl, params.bytes);
    nbl.Next = first;
    first = nbl;
  }
  const target = self.counts.completed + params.count;
  self.counts.sent += params.count;
  self.counts.sentBytes += params.count * params.bytes;
  NdisSendNetBufferLists(self.binding, first!, NDIS_DEFAULT_PORT_NUMBER, 0);
  await until('the completion of every send', () => self.counts.completed >= target, 5000, 5);
  return self.counts.completed - target + params.count;
}

// ---- Interrupts ----------------------------------------------------------------------------------------------------

/** Waits until no message has been signalled for `quietMs`: throttle timers and autonegotiation have run out. */
export async function waitQuiet(params: { quietMs?: number } = {}): Promise<void> {
  const self = current();
  const quietMs = params.quietMs ?? 80;
  const sum = (): number =>
    (self.opened.adapter.interrupt?.messages ?? []).reduce(
      (total, message) => total + message.wakes + message.isrCalls + message.dpcRuns,
      0,
    );
  const end = performance.now() + 10_000;
  for (;;) {
    const before = sum();
    await sleep(quietMs);
    if (sum() === before) return;
    if (performance.now() > end) throw new Error(`no ${quietMs} ms without an interrupt within 10 s`);
  }
}

interface Trigger {
  /** Makes the hardware raise the message. */
  fire(): void;
  /** Takes back what was changed for it. */
  end(): void;
}

/** How to raise `message` by a data-sheet cause set by software. */
function triggerOf(self: Edge, message: number): Trigger {
  const { bar } = self;
  const end = (): void => {};
  if (self.kind !== 'msix') return { fire: () => bar.write32(ICS, ICS_LSC), end };
  if (self.opened.pci.ids.deviceId !== DEVICE_82574L) {
    return { fire: () => bar.write32(EICS, (1 << message) >>> 0), end };
  }
  const cause = causes82574(bar, message);
  if (cause !== 0) return { fire: () => bar.write32(ICS, cause), end };
  const [ivar, eiac] = [bar.read32(IVAR), bar.read32(EIAC)];
  const lane = ((message << IVAR_RXQ1_LANE) | IVAR_RXQ1_VALID) >>> 0;
  bar.write32(IVAR, ((ivar & ~0xf0) | lane) >>> 0);
  bar.write32(EIAC, (eiac | RXQ1_82574) >>> 0);
  return {
    fire: () => {
      // EIAC clears the mask bit with the cause, and no DPC sets this one again.
      bar.write32(ICR, RXQ1_82574);
      bar.write32(IMS, RXQ1_82574);
      bar.write32(ICS, RXQ1_82574);
    },
    end: () => {
      bar.write32(IMC, RXQ1_82574);
      bar.write32(ICR, RXQ1_82574);
      bar.write32(EIAC, eiac);
      bar.write32(IVAR, ivar);
    },
  };
}

/** One cause whose IVAR lane names the message: receive, transmit or other, in this order; 0: none does. */
function causes82574(bar: Bar, message: number): number {
  const ivar = bar.read32(IVAR);
  const found = CAUSES_82574.find(
    ({ lane, valid }) => ((ivar >>> valid) & 1) === 1 && ((ivar >>> lane) & 7) === message,
  );
  return found === undefined ? 0 : (1 << found.cause) >>> 0;
}

export interface MaskResult {
  /** Names of the statuses both calls returned. */
  readonly disableStatus: string;
  readonly enableStatus: string;
  readonly diagnosticDisabledWhile: boolean;
  readonly tableMaskedBefore: boolean;
  readonly tableMaskedWhile: boolean;
  readonly tableMaskedAfter: boolean;
  readonly pendingBefore: boolean;
  readonly pendingWhile: boolean;
  readonly pendingAfter: boolean;
  /** ISR calls of this message while masked, and after the unmask until all was quiet. */
  readonly isrWhile: number;
  readonly isrAfter: number;
  readonly dpcWhile: number;
  readonly dpcAfter: number;
  /** ISR calls of all other messages over the whole time. */
  readonly othersIsr: number;
}

/** Masks a message by the diagnostic call, fires its cause `times` times, unmasks. `line`: the pair of the line. */
export async function maskAndFire(params: { message: number; times: number; line?: boolean }): Promise<MaskResult> {
  const self = current();
  const { adapter } = self.opened;
  const { message, times } = params;
  const detail = adapter.interrupt!;
  const counters = detail.messages[message]!;
  const others = (): number =>
    detail.messages.reduce((total, each, index) => total + (index === message ? 0 : each.isrCalls), 0);
  const masked = (): boolean => !params.line && adapter.tableEntryMasked(message);
  const pending = (): boolean => !params.line && adapter.tableEntryPending(message);
  await waitQuiet();
  const isrBefore = counters.isrCalls;
  const dpcBefore = counters.dpcRuns;
  const othersBefore = others();
  const [tableMaskedBefore, pendingBefore] = [masked(), pending()];
  const disableStatus = params.line
    ? NdisDiagnosticDisableInterrupt(detail.handle)
    : NdisDiagnosticDisableMessageInterrupt(detail.handle, message);
  const diagnosticDisabledWhile = counters.diagnosticDisabled;
  const tableMaskedWhile = masked();
  const trigger = triggerOf(self, message);
  for (let i = 0; i < times; i++) {
    trigger.fire();
    // Longer than the throttle interval of 128 us the 82574L's model keeps.
    await sleep(2);
  }
  // A message takes microseconds; a processor of the guest that the host holds back takes longer.
  for (let waitedMs = 0; self.table && tableMaskedWhile && !pending() && waitedMs < 500; waitedMs += 20)
    await sleep(20);
  await sleep(40);
  const isrWhile = counters.isrCalls - isrBefore;
  const dpcWhile = counters.dpcRuns - dpcBefore;
  const pendingWhile = pending();
  const enableStatus = params.line
    ? NdisDiagnosticEnableInterrupt(detail.handle)
    : NdisDiagnosticEnableMessageInterrupt(detail.handle, message);
  await waitQuiet();
  trigger.end();
  return {
    disableStatus: statusName(disableStatus),
    enableStatus: statusName(enableStatus),
    diagnosticDisabledWhile,
    tableMaskedBefore,
    tableMaskedWhile,
    tableMaskedAfter: masked(),
    pendingBefore,
    pendingWhile,
    pendingAfter: pending(),
    isrWhile,
    isrAfter: counters.isrCalls - isrBefore - isrWhile,
    dpcWhile,
    dpcAfter: counters.dpcRuns - dpcBefore - dpcWhile,
    othersIsr: others() - othersBefore,
  };
}

/** Masks or unmasks a message by the diagnostic call, for frames in between. */
export function setDiagnosticMask(params: { message: number; masked: boolean }): string {
  const { handle } = current().opened.adapter.interrupt!;
  const change = params.masked ? NdisDiagnosticDisableMessageInterrupt : NdisDiagnosticEnableMessageInterrupt;
  return statusName(change(handle, params.message));
}

// ---- Flood ---------------------------------------------------------------------------------------------------------

/** Event-loop delay in milliseconds, sampled every 10 ms; the sampling interval itself is included. */
export interface LoopDelay {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export interface FloodResult {
  readonly seconds: number;
  /** Of the idle loop right before the flood: what the machine's other load costs. */
  readonly idleDelayMs: LoopDelay;
  readonly delayMs: LoopDelay;
  readonly timerTicks: number;
  readonly signalsSent: number;
  readonly signalsSeen: number;
  /** DPCs after which a repeat was outstanding, looked at right after the DPC. */
  readonly pendingDpcs: number;
  /** Of these: how often the vector could still have fired. */
  readonly unmaskedWhilePending: number;
  /**
   * Of these: how often an ISR of the message ran before the repeat. A DPC that enables, looks again, finds frames and
   * disables may have let a message out which arrives later: for the record, not a fault.
   */
  readonly isrWhilePending: number;
  readonly receiveMessage: number;
  /** Frames within `seconds`. */
  readonly received: number;
  readonly before: Snapshot;
  /** Once the last frames were in. */
  readonly after: Snapshot;
}

interface Flood {
  readonly result: Promise<Omit<FloodResult, 'after'>>;
}

let flood: Flood | undefined;

/** True when the device may raise the receive message. */
function receiveEnabled(self: Edge, message: number): boolean {
  const { bar } = self;
  if (self.opened.adapter.tableEntryMasked(message)) return false;
  if (self.opened.pci.ids.deviceId === DEVICE_82574L) return (bar.read32(IMS) & causes82574(bar, message)) !== 0;
  return (bar.read32(EIMS) & (1 << message)) !== 0;
}

async function watchLoop(seconds: number): Promise<LoopDelay> {
  const delay = monitorEventLoopDelay({ resolution: 10 });
  delay.enable();
  await sleep(seconds * 1000);
  delay.disable();
  return { p50: delay.percentile(50) / 1e6, p99: delay.percentile(99) / 1e6, max: delay.max / 1e6 };
}

/** Watches the idle loop for two seconds, then starts watching; the host floods from the answer on. */
export async function startFlood(params: { seconds: number; receiveMessage: number }): Promise<void> {
  const self = current();
  self.mode = 'sink';
  const idleDelayMs = await watchLoop(2);
  flood = { result: watchFlood(self, params.seconds, params.receiveMessage, idleDelayMs) };
  flood.result.catch(() => undefined);
  await sleep(0);
}

/** The host has stopped: waits for the last frames and counts. */
export async function endFlood(): Promise<FloodResult> {
  if (flood === undefined) throw new Error('no flood runs');
  const result = await flood.result;
  const { counts } = current();
  for (let seen = -1; seen !== counts.received; ) {
    seen = counts.received;
    await sleep(300);
  }
  return { ...result, after: await snapshot() };
}

async function watchFlood(
  self: Edge,
  seconds: number,
  receiveMessage: number,
  idleDelayMs: LoopDelay,
): Promise<Omit<FloodResult, 'after'>> {
  const before = await snapshot();
  const counters = self.opened.adapter.interrupt!.messages[receiveMessage]!;
  let exhausted = counters.dpcBudgetExhausted;
  let pendingDpcs = 0;
  let unmaskedWhilePending = 0;
  let isrWhilePending = 0;
  let isrAtPending = -1;
  self.afterDpc = () => {
    if (isrAtPending >= 0 && counters.isrCalls !== isrAtPending) isrWhilePending++;
    isrAtPending = -1;
    if (counters.dpcBudgetExhausted === exhausted) return;
    exhausted = counters.dpcBudgetExhausted;
    pendingDpcs++;
    isrAtPending = counters.isrCalls;
    if (receiveEnabled(self, receiveMessage)) unmaskedWhilePending++;
  };

  let signalsSeen = 0;
  const onSignal = (): void => {
    signalsSeen++;
  };
  process.on('SIGUSR2', onSignal);
  // Another process signals ten times a second and says how often it did.
  const script = `n=0; while [ $n -lt ${seconds * 10 - 5} ]; do kill -USR2 ${process.pid} && n=$((n+1)); sleep 0.1; done; echo $n`;
  const child = spawn('/bin/sh', ['-c', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  let sent = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    sent += chunk;
  });
  const signalled = new Promise<void>((resolve) => child.on('close', () => resolve()));

  let timerTicks = 0;
  const timer = setInterval(() => timerTicks++, 10);
  const start = performance.now();
  const delayMs = await watchLoop(seconds);
  const received = self.counts.received - before.counts.received;
  const elapsed = (performance.now() - start) / 1000;
  clearInterval(timer);
  const ticks = timerTicks;
  await signalled;
  await sleep(50);
  process.off('SIGUSR2', onSignal);
  self.afterDpc = undefined;
  return {
    seconds: elapsed,
    idleDelayMs,
    delayMs,
    timerTicks: ticks,
    signalsSent: Number(sent),
    signalsSeen,
    pendingDpcs,
    unmaskedWhilePending,
    isrWhilePending,
    receiveMessage,
    received,
    before,
  };
}
