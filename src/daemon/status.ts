/**
 * The daemon's answer to `status`. Layer: daemon. Invariant: a snapshot; touches the device only for the mask and
 * pending bits of the MSI-X table, and asks the miniport for statistics by OID as any protocol does.
 */
import { toNicLink } from '../application/nic.ts';
import { formatIds, formatMac, type OpenedAdapter } from '../application/open-adapter.ts';
import type { Bridge } from '../bridge/bridge.ts';
import type { LinkStatus, MessageStatus, StatusResult, TimeSummary } from '../control/messages.ts';
import {
  type Adapter,
  MediaConnectStateUnknown,
  type MessageCounters,
  NDIS_CONNECT_LINE_BASED,
  type NDIS_LINK_STATE,
  type TimeCounter,
} from '../ndis/index.ts';

/** What a status needs besides the adapter. */
export interface StatusSources {
  readonly opened: OpenedAdapter;
  readonly bridge: Bridge;
  readonly tapName: string;
  readonly version: string;
  readonly startMs: number;
  readonly uptimeMs: number;
  readonly resets: number;
}

/** Collects the status. IRQL = PASSIVE_LEVEL. */
export async function readStatus(sources: StatusSources): Promise<StatusResult> {
  const { opened, bridge } = sources;
  const { adapter, pci } = opened;
  // A statistics OID fails while the adapter is reset; the rest of the answer is worth having then.
  const statistics = await adapter.statistics().catch(() => ({}));
  return {
    address: pci.address,
    pid: process.pid,
    version: sources.version,
    miniport: opened.miniportName,
    ids: formatIds(pci.ids),
    state: adapter.state,
    uptimeMs: sources.uptimeMs,
    startMs: sources.startMs,
    link: toLinkStatus(adapter.linkState),
    mac: formatMac(adapter.macAddress),
    mtu: opened.mtu,
    tap: sources.tapName,
    interrupts: { kind: interruptKind(adapter), messages: readMessages(adapter) },
    statistics,
    bridge: bridge.counters(),
    resets: sources.resets,
  };
}

/** The kind of interrupts in use: `MSI-X`, `MSI`, `INTx`, or `none` before registration. */
export function interruptKind(adapter: Adapter): string {
  const { interrupt } = adapter;
  if (interrupt === null) return 'none';
  if (interrupt.type === NDIS_CONNECT_LINE_BASED) return 'INTx';
  return hasTable(adapter) ? 'MSI-X' : 'MSI';
}

/** The link of NDIS in the words of the socket. */
export function toLinkStatus(state: NDIS_LINK_STATE): LinkStatus {
  const { up, speedMbps, duplex } = toNicLink(state);
  if (state.MediaConnectState === MediaConnectStateUnknown) return { state: 'unknown', speedMbps, duplex };
  return { state: up ? 'up' : 'down', speedMbps, duplex };
}

function readMessages(adapter: Adapter): MessageStatus[] {
  const { interrupt } = adapter;
  if (interrupt === null) return [];
  const table = hasTable(adapter);
  return interrupt.messages.map((counters, message) => toMessage(adapter, message, counters, table));
}

function toMessage(adapter: Adapter, message: number, counters: MessageCounters, table: boolean): MessageStatus {
  return {
    message,
    wakes: counters.wakes,
    coalesced: counters.coalesced,
    isrCalls: counters.isrCalls,
    isrFalse: counters.isrFalse,
    dpcRuns: counters.dpcRuns,
    dpcBudgetExhausted: counters.dpcBudgetExhausted,
    nblsIndicated: counters.nblsIndicated,
    maxNblsInOneDpc: counters.maxNblsInOneDpc,
    isr: toSummary(counters.isrUs),
    dpc: toSummary(counters.dpcUs),
    isrToDpc: toSummary(counters.isrToDpcUs),
    disabled: counters.diagnosticDisabled,
    masked: table ? adapter.tableEntryMasked(message) : null,
    pending: table ? adapter.tableEntryPending(message) : null,
  };
}

function toSummary(time: TimeCounter): TimeSummary {
  return { count: time.count, totalUs: time.total, maxUs: time.max };
}

/** The rule of AdapterOptions: what was asked for, else the best the function offers. */
function hasTable(adapter: Adapter): boolean {
  if (adapter.interrupt?.type === NDIS_CONNECT_LINE_BASED) return false;
  return (adapter.options.interrupts ?? 'msix') === 'msix' && adapter.pci.interruptCounts.msix > 0;
}
