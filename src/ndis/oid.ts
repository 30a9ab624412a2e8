/**
 * OID requests: one at a time per adapter, answered by NDIS where it can, else by the miniport. Layer: ndis.
 * Invariants: a request is completed exactly once; what is written never exceeds the buffer; the miniport gets the union
 * of the packet filters and multicast lists of the host and all bindings. (Contract 3.8 to 3.10)
 */
import { Completion } from './completion.ts';
import { type AdapterCore, coreOf, type FilterHolder } from './core.ts';
import { callAtIrql, requireIrqlAtMost } from './irql.ts';
import { attributeAnswerOf, isAnsweredByNdis, setSpeed } from './oid-answers.ts';
import {
  NdisDeviceStateD0,
  NdisRequestQueryStatistics,
  OID_GEN_RECEIVE_HASH,
  OID_GEN_RECEIVE_SCALE_PARAMETERS,
  OID_OFFLOAD_ENCAPSULATION,
  OID_PNP_SET_POWER,
} from './oid-types.ts';
import { isRssEnabled } from './rss.ts';
import { lets } from './state.ts';
import {
  type NDIS_STATUS,
  NDIS_STATUS_BUFFER_TOO_SHORT,
  NDIS_STATUS_FAILURE,
  NDIS_STATUS_INVALID_LENGTH,
  NDIS_STATUS_INVALID_OID,
  NDIS_STATUS_LOW_POWER_STATE,
  NDIS_STATUS_MULTICAST_FULL,
  NDIS_STATUS_NOT_ACCEPTED,
  NDIS_STATUS_NOT_SUPPORTED,
  NDIS_STATUS_PENDING,
  NDIS_STATUS_REQUEST_ABORTED,
  NDIS_STATUS_SUCCESS,
  statusName,
} from './status.ts';
import * as t from './types.ts';
import {
  DISPATCH_LEVEL,
  type NDIS_HANDLE,
  type NDIS_LINK_STATE,
  NDIS_OBJECT_TYPE_OID_REQUEST,
  type NDIS_OID_REQUEST,
  NDIS_SIZEOF_STATISTICS_INFO_REVISION_1,
  NDIS_STATISTICS_FIELDS,
  NdisRequestQueryInformation,
  NdisRequestSetInformation,
  type NdisStatistics,
  PASSIVE_LEVEL,
} from './types.ts';

const BUG_CHECK_BYTES_WRITTEN = 0x1d;
const BUG_CHECK_OID_COMPLETION = 0x26;
const MAC_BYTES = 6;

/** NDIS answers these from OID_GEN_STATISTICS: the sum of the fields named. */
const COUNTER_OIDS: Readonly<Record<number, readonly (keyof NdisStatistics)[]>> = {
  [t.OID_GEN_XMIT_ERROR]: ['ifOutErrors'],
  [t.OID_GEN_RCV_ERROR]: ['ifInErrors'],
  [t.OID_GEN_RCV_NO_BUFFER]: ['ifInDiscards'],
  [t.OID_GEN_RCV_DISCARDS]: ['ifInDiscards'],
  [t.OID_GEN_XMIT_DISCARDS]: ['ifOutDiscards'],
  [t.OID_GEN_BYTES_RCV]: ['ifHCInOctets'],
  [t.OID_GEN_BYTES_XMIT]: ['ifHCOutOctets'],
  [t.OID_GEN_DIRECTED_BYTES_XMIT]: ['ifHCOutUcastOctets'],
  [t.OID_GEN_DIRECTED_FRAMES_XMIT]: ['ifHCOutUcastPkts'],
  [t.OID_GEN_MULTICAST_BYTES_XMIT]: ['ifHCOutMulticastOctets'],
  [t.OID_GEN_MULTICAST_FRAMES_XMIT]: ['ifHCOutMulticastPkts'],
  [t.OID_GEN_BROADCAST_BYTES_XMIT]: ['ifHCOutBroadcastOctets'],
  [t.OID_GEN_BROADCAST_FRAMES_XMIT]: ['ifHCOutBroadcastPkts'],
  [t.OID_GEN_DIRECTED_BYTES_RCV]: ['ifHCInUcastOctets'],
  [t.OID_GEN_DIRECTED_FRAMES_RCV]: ['ifHCInUcastPkts'],
  [t.OID_GEN_MULTICAST_BYTES_RCV]: ['ifHCInMulticastOctets'],
  [t.OID_GEN_MULTICAST_FRAMES_RCV]: ['ifHCInMulticastPkts'],
  [t.OID_GEN_BROADCAST_BYTES_RCV]: ['ifHCInBroadcastOctets'],
  [t.OID_GEN_BROADCAST_FRAMES_RCV]: ['ifHCInBroadcastPkts'],
};

/** A request with its buffer. `requestType`: NdisRequestQueryInformation or NdisRequestSetInformation. */
export function makeOidRequest(requestType: number, oid: number, buffer: Uint8Array): NDIS_OID_REQUEST {
  return {
    Header: { Type: NDIS_OBJECT_TYPE_OID_REQUEST, Revision: 1, Size: 0 },
    RequestType: requestType,
    PortNumber: 0,
    Timeout: 0,
    RequestId: null,
    RequestHandle: null,
    DATA: {
      Oid: oid,
      InformationBuffer: buffer,
      InformationBufferLength: buffer.length,
      BytesWritten: 0,
      BytesRead: 0,
      BytesNeeded: 0,
    },
  };
}

/** NDIS's own: queues a request of `holder` and resolves with its status. */
export function submitOid(core: AdapterCore, holder: FilterHolder, request: NDIS_OID_REQUEST): Promise<NDIS_STATUS> {
  return enqueue(
    core,
    () => (cancelled.delete(request) ? NDIS_STATUS_REQUEST_ABORTED : serve(core, holder, request)),
    request,
  );
}

/** Cancelled while they waited for their turn. */
const cancelled = new WeakSet<NDIS_OID_REQUEST>();

/**
 * NDIS's own: cancels the requests with a RequestId. One that waits never reaches the miniport and is answered
 * REQUEST_ABORTED in its turn; for the one the miniport has, MiniportCancelOidRequest is called at DISPATCH_LEVEL, which
 * completes it or lets it go on. False: no such request, nothing is called. [nc-ndis-miniport_cancel_oid_request]
 */
export function cancelOid(core: AdapterCore, requestId: unknown): boolean {
  let found = false;
  for (const request of core.oidQueue) {
    if (request.RequestId !== requestId) continue;
    found = true;
    if (core.oidServed !== request) cancelled.add(request);
  }
  if (core.oidCurrent?.request.RequestId === requestId) {
    found = true;
    cancelCurrentOid(core);
  }
  return found;
}

/** NDIS's own: calls MiniportCancelOidRequest for the request the miniport has. */
export function cancelCurrentOid(core: AdapterCore): void {
  const current = core.oidCurrent;
  if (current === null) return;
  try {
    callAtIrql(DISPATCH_LEVEL, () =>
      core.driver.characteristics.CancelOidRequestHandler(core.context, current.request.RequestId),
    );
  } catch (error) {
    core.fault('MiniportCancelOidRequest threw', undefined, error);
  }
}

/** NDIS's own: brings the union of filters and multicast lists, and the offload encapsulation, to the miniport again (after a reset, or an unbind). */
export function resendPacketFilter(core: AdapterCore): Promise<NDIS_STATUS> {
  return enqueue(core, async () => {
    const multicast = await callMiniport(core, multicastRequest(unionOfMulticast(core)));
    const filter = await callMiniport(core, filterRequest(unionOfFilters(core)));
    if (core.encapsulation !== null) {
      const set = makeOidRequest(NdisRequestSetInformation, OID_OFFLOAD_ENCAPSULATION, core.encapsulation.slice());
      await callMiniport(core, set);
    }
    return filter !== NDIS_STATUS_SUCCESS ? filter : multicast;
  });
}

function enqueue(
  core: AdapterCore,
  serveIt: () => NDIS_STATUS | Promise<NDIS_STATUS>,
  request: NDIS_OID_REQUEST | null = null,
): Promise<NDIS_STATUS> {
  core.oidsWaiting++;
  if (request !== null) core.oidQueue.add(request);
  const inTurn = (): NDIS_STATUS | Promise<NDIS_STATUS> => {
    core.oidServed = request;
    return serveIt();
  };
  const answer = core.oidTail.then(inTurn).finally(() => {
    core.oidsWaiting--;
    core.oidServed = null;
    if (request !== null) core.oidQueue.delete(request);
  });
  core.oidTail = answer.catch(() => undefined);
  return answer;
}

/**
 * Completes a request for which MiniportOidRequest returned NDIS_STATUS_PENDING. <= DISPATCH_LEVEL, exactly once, never
 * with PENDING; anything else is a fault (bug check parameter 0x26). [nf-ndis-ndismoidrequestcomplete]
 */
export function NdisMOidRequestComplete(
  MiniportAdapterHandle: NDIS_HANDLE,
  OidRequest: NDIS_OID_REQUEST,
  Status: NDIS_STATUS,
): void {
  requireIrqlAtMost(DISPATCH_LEVEL, 'NdisMOidRequestComplete');
  const core = coreOf(MiniportAdapterHandle, 'NdisMOidRequestComplete');
  const current = core.oidCurrent;
  core.verifier?.oidCompleting(OidRequest, Status);
  if (core.faulted) return;
  if (Status === NDIS_STATUS_PENDING) {
    core.fault('An OID request was completed with NDIS_STATUS_PENDING', BUG_CHECK_OID_COMPLETION);
  } else if (current === null || current.request !== OidRequest || !current.completion.complete(Status)) {
    core.fault('An OID request was completed that is not pending', BUG_CHECK_OID_COMPLETION);
  }
}

async function serve(core: AdapterCore, holder: FilterHolder, request: NDIS_OID_REQUEST): Promise<NDIS_STATUS> {
  const data = request.DATA;
  data.BytesWritten = 0;
  data.BytesRead = 0;
  data.BytesNeeded = 0;
  if (data.InformationBufferLength > (data.InformationBuffer?.length ?? 0)) return NDIS_STATUS_INVALID_LENGTH;
  if (request.RequestType === NdisRequestQueryInformation || request.RequestType === NdisRequestQueryStatistics) {
    return query(core, request);
  }
  if (request.RequestType === NdisRequestSetInformation) {
    // What NDIS answers by itself is the miniport's attributes: there is nothing to set, and the miniport is not asked.
    if (isAnsweredByNdis(data.Oid) || COUNTER_OIDS[data.Oid] !== undefined) return NDIS_STATUS_NOT_SUPPORTED;
    const refused = refusedSet(core, data.Oid);
    if (refused !== NDIS_STATUS_SUCCESS) return refused;
    const length = data.InformationBufferLength;
    if (data.Oid === t.OID_GEN_CURRENT_PACKET_FILTER && length === 4) return setFilter(core, holder, request);
    if (data.Oid === t.OID_802_3_MULTICAST_LIST && length % MAC_BYTES === 0) return setMulticast(core, holder, request);
  }
  const status = await callMiniport(core, request);
  if (request.RequestType === NdisRequestSetInformation && status === NDIS_STATUS_SUCCESS) remember(core, request);
  return status;
}

/** RSS needs capabilities, and excludes the hash without RSS. [oid-gen-receive-scale-parameters, oid-gen-receive-hash] */
function refusedSet(core: AdapterCore, oid: number): NDIS_STATUS {
  if (oid === OID_GEN_RECEIVE_SCALE_PARAMETERS) {
    const capable = core.general !== null && core.general.RecvScaleCapabilities !== null;
    return capable && !core.receiveHash ? NDIS_STATUS_SUCCESS : NDIS_STATUS_NOT_SUPPORTED;
  }
  if (oid === OID_GEN_RECEIVE_HASH && core.receiveScale !== null && isRssEnabled(core.receiveScale)) {
    return NDIS_STATUS_NOT_SUPPORTED;
  }
  return NDIS_STATUS_SUCCESS;
}

/** Keeps what NDIS has to answer, or to send again. */
function remember(core: AdapterCore, request: NDIS_OID_REQUEST): void {
  const { Oid, InformationBuffer, InformationBufferLength } = request.DATA;
  const bytes = (InformationBuffer ?? new Uint8Array(0)).slice(0, InformationBufferLength);
  if (Oid === OID_GEN_RECEIVE_SCALE_PARAMETERS) core.receiveScale = bytes;
  if (Oid === OID_OFFLOAD_ENCAPSULATION) core.encapsulation = bytes;
  // Flags, then HashInformation: off when bit 0 of Flags is clear. [ns-ntddndis-_ndis_receive_hash_parameters]
  if (Oid === OID_GEN_RECEIVE_HASH) core.receiveHash = ((bytes[4] ?? 0) & 1) !== 0;
}

async function callMiniport(core: AdapterCore, request: NDIS_OID_REQUEST): Promise<NDIS_STATUS> {
  if (core.removed) return NDIS_STATUS_NOT_ACCEPTED;
  if (core.halting) return NDIS_STATUS_REQUEST_ABORTED;
  if (!lets(core.state, 'oid')) return NDIS_STATUS_NOT_ACCEPTED;
  if (core.faulted) return NDIS_STATUS_FAILURE;
  if (core.power !== NdisDeviceStateD0 && request.DATA.Oid !== OID_PNP_SET_POWER) return NDIS_STATUS_LOW_POWER_STATE;
  const completion = new Completion();
  core.oidCurrent = { request, completion, ticks: 0 };
  let status: NDIS_STATUS;
  try {
    status = await callAtIrql(PASSIVE_LEVEL, () =>
      core.driver.characteristics.OidRequestHandler(core.context, request),
    );
    if (status === NDIS_STATUS_PENDING) status = await completion.promise;
    else if (completion.completed && !core.faulted) {
      core.fault(
        `MiniportOidRequest returned ${statusName(status)} and completed the request as well`,
        BUG_CHECK_OID_COMPLETION,
        undefined,
        'DoubleComplete',
      );
    }
  } catch (error) {
    core.fault('MiniportOidRequest threw', undefined, error);
    status = NDIS_STATUS_FAILURE;
  }
  core.oidCurrent = null;
  const data = request.DATA;
  if (data.BytesWritten > data.InformationBufferLength) {
    core.fault(
      `OID 0x${data.Oid.toString(16)}: BytesWritten is ${data.BytesWritten}, the buffer has ${data.InformationBufferLength}`,
      BUG_CHECK_BYTES_WRITTEN,
    );
    return NDIS_STATUS_FAILURE;
  }
  return status;
}

// ---- Queries ----------------------------------------------------------------------------------------------------------

async function query(core: AdapterCore, request: NDIS_OID_REQUEST): Promise<NDIS_STATUS> {
  const oid = request.DATA.Oid;
  const fields = COUNTER_OIDS[oid];
  if (fields !== undefined) return queryCounter(core, request, fields);
  if (oid === OID_GEN_RECEIVE_SCALE_PARAMETERS) {
    return core.receiveScale === null ? NDIS_STATUS_NOT_SUPPORTED : writeAnswer(request, core.receiveScale);
  }
  const answer = answerOf(core, oid);
  if (answer !== null) return writeAnswer(request, answer);
  if (isAnsweredByNdis(oid)) return NDIS_STATUS_NOT_SUPPORTED;
  const status = await callMiniport(core, request);
  if (status !== NDIS_STATUS_NOT_SUPPORTED && status !== NDIS_STATUS_INVALID_OID) return status;
  const fallback = fallbackOf(core, oid);
  return fallback === null ? status : writeAnswer(request, fallback);
}

/** What NDIS answers from the attributes and the state it keeps; null: the miniport's. */
function answerOf(core: AdapterCore, oid: number): Uint8Array | null {
  const general = core.general;
  if (general === null) return null;
  switch (oid) {
    case t.OID_GEN_SUPPORTED_LIST:
      return ulongs(general.SupportedOidList);
    case t.OID_GEN_MEDIA_SUPPORTED:
    case t.OID_GEN_MEDIA_IN_USE:
      return ulongs([general.MediaType]);
    case t.OID_GEN_PHYSICAL_MEDIUM:
      return ulongs([general.PhysicalMediumType]);
    case t.OID_GEN_MAXIMUM_LOOKAHEAD:
      return ulongs([general.LookaheadSize]);
    case t.OID_GEN_MAXIMUM_FRAME_SIZE:
      return ulongs([general.MtuSize]);
    case t.OID_GEN_MAC_OPTIONS:
      return ulongs([general.MacOptions]);
    case t.OID_GEN_DRIVER_VERSION: {
      const { MajorNdisVersion, MinorNdisVersion } = core.driver.characteristics;
      return Uint8Array.of(MinorNdisVersion & 0xff, MajorNdisVersion & 0xff);
    }
    case t.OID_GEN_LINK_SPEED:
      // Units of 100 bit/s. [oid-gen-link-speed]
      return ulongs([Math.min(core.link.XmitLinkSpeed / 100, 0xffff_ffff)]);
    case t.OID_GEN_MEDIA_CONNECT_STATUS:
      // NdisMediaStateConnected is 0, Disconnected 1. [oid-gen-media-connect-status]
      return ulongs([core.link.MediaConnectState === t.MediaConnectStateConnected ? 0 : 1]);
    case t.OID_GEN_LINK_STATE:
      return encodeLinkState(core.link);
    case t.OID_GEN_CURRENT_PACKET_FILTER:
      return ulongs([unionOfFilters(core)]);
    case t.OID_802_3_MULTICAST_LIST:
      return concat(unionOfMulticast(core));
    default:
      return attributeAnswerOf(core, oid);
  }
}

/** What the miniport is asked first, and NDIS knows when it does not. */
function fallbackOf(core: AdapterCore, oid: number): Uint8Array | null {
  const general = core.general;
  if (general === null) return null;
  switch (oid) {
    case t.OID_802_3_PERMANENT_ADDRESS:
      return general.PermanentMacAddress;
    case t.OID_802_3_CURRENT_ADDRESS:
      return general.CurrentMacAddress;
    case t.OID_802_3_MAXIMUM_LIST_SIZE:
      return ulongs([general.MaxMulticastListSize]);
    default:
      return null;
  }
}

function writeAnswer(request: NDIS_OID_REQUEST, bytes: Uint8Array): NDIS_STATUS {
  const data = request.DATA;
  if (data.InformationBuffer === null || data.InformationBufferLength < bytes.length) {
    data.BytesNeeded = bytes.length;
    return NDIS_STATUS_BUFFER_TOO_SHORT;
  }
  data.InformationBuffer.set(bytes);
  data.BytesWritten = bytes.length;
  return NDIS_STATUS_SUCCESS;
}

/** [querying-64-bit-statistics-oids] 8 bytes where they fit, else the low 4, else INVALID_LENGTH. */
async function queryCounter(
  core: AdapterCore,
  request: NDIS_OID_REQUEST,
  fields: readonly (keyof NdisStatistics)[],
): Promise<NDIS_STATUS> {
  const inner = makeOidRequest(
    NdisRequestQueryInformation,
    t.OID_GEN_STATISTICS,
    new Uint8Array(NDIS_SIZEOF_STATISTICS_INFO_REVISION_1),
  );
  inner.RequestId = request.RequestId;
  const status = await callMiniport(core, inner);
  if (status !== NDIS_STATUS_SUCCESS) return status;
  if (inner.DATA.BytesWritten < NDIS_SIZEOF_STATISTICS_INFO_REVISION_1) return NDIS_STATUS_FAILURE;
  const statistics = decodeStatistics(inner.DATA.InformationBuffer as Uint8Array);
  let sum = 0;
  for (const field of fields) sum += statistics[field];
  const data = request.DATA;
  const into = data.InformationBuffer;
  if (into === null || data.InformationBufferLength < 4) {
    data.BytesNeeded = 8;
    return NDIS_STATUS_INVALID_LENGTH;
  }
  const view = new DataView(into.buffer, into.byteOffset, into.byteLength);
  view.setUint32(0, sum % 2 ** 32, true);
  if (data.InformationBufferLength < 8) {
    data.BytesWritten = 4;
    data.BytesNeeded = 8;
    return NDIS_STATUS_SUCCESS;
  }
  view.setUint32(4, Math.floor(sum / 2 ** 32), true);
  data.BytesWritten = 8;
  return NDIS_STATUS_SUCCESS;
}

/** NDIS_STATISTICS_INFO as numbers; exact up to 2^53. [oid-gen-statistics] */
export function decodeStatistics(bytes: Uint8Array): NdisStatistics {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const entries = NDIS_STATISTICS_FIELDS.map((field, index) => {
    const at = 8 + index * 8;
    return [field, view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32] as const;
  });
  return Object.fromEntries(entries) as NdisStatistics;
}

/** NDIS_LINK_STATE as bytes. [ns-ntddndis-_ndis_link_state] */
export function encodeLinkState(link: NDIS_LINK_STATE): Uint8Array {
  const bytes = new Uint8Array(t.NDIS_SIZEOF_LINK_STATE_REVISION_1);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, t.NDIS_OBJECT_TYPE_DEFAULT);
  view.setUint8(1, 1);
  view.setUint16(2, bytes.length, true);
  view.setUint32(4, link.MediaConnectState, true);
  view.setUint32(8, link.MediaDuplexState, true);
  setSpeed(view, 16, link.XmitLinkSpeed);
  setSpeed(view, 24, link.RcvLinkSpeed);
  view.setUint32(32, link.PauseFunctions, true);
  view.setUint32(36, link.AutoNegotiationFlags, true);
  return bytes;
}

function ulongs(values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 4);
  const view = new DataView(bytes.buffer);
  values.forEach((value, index) => {
    view.setUint32(index * 4, value, true);
  });
  return bytes;
}

// ---- Packet filter and multicast list -----------------------------------------------------------------------------------

async function setFilter(core: AdapterCore, holder: FilterHolder, request: NDIS_OID_REQUEST): Promise<NDIS_STATUS> {
  const into = request.DATA.InformationBuffer as Uint8Array;
  const value = new DataView(into.buffer, into.byteOffset, into.byteLength).getUint32(0, true);
  const before = holder.packetFilter;
  holder.packetFilter = value;
  // Before the miniport is asked: the first frame it lets through already has a receiver.
  core.refresh();
  const inner = filterRequest(unionOfFilters(core));
  inner.RequestId = request.RequestId;
  const status = await callMiniport(core, inner);
  if (status !== NDIS_STATUS_SUCCESS) {
    holder.packetFilter = before;
    core.refresh();
  }
  return finishSet(request, inner, status);
}

async function setMulticast(core: AdapterCore, holder: FilterHolder, request: NDIS_OID_REQUEST): Promise<NDIS_STATUS> {
  const data = request.DATA;
  const list: Uint8Array[] = [];
  for (let at = 0; at < data.InformationBufferLength; at += MAC_BYTES) {
    list.push((data.InformationBuffer as Uint8Array).slice(at, at + MAC_BYTES));
  }
  const before = holder.multicast;
  holder.multicast = list;
  const union = unionOfMulticast(core);
  if (core.general !== null && union.length > core.general.MaxMulticastListSize) {
    holder.multicast = before;
    return NDIS_STATUS_MULTICAST_FULL;
  }
  const inner = multicastRequest(union);
  inner.RequestId = request.RequestId;
  const status = await callMiniport(core, inner);
  if (status !== NDIS_STATUS_SUCCESS) holder.multicast = before;
  return finishSet(request, inner, status);
}

function finishSet(request: NDIS_OID_REQUEST, inner: NDIS_OID_REQUEST, status: NDIS_STATUS): NDIS_STATUS {
  request.DATA.BytesNeeded = inner.DATA.BytesNeeded;
  if (status === NDIS_STATUS_SUCCESS) request.DATA.BytesRead = request.DATA.InformationBufferLength;
  return status;
}

function filterRequest(filter: number): NDIS_OID_REQUEST {
  return makeOidRequest(NdisRequestSetInformation, t.OID_GEN_CURRENT_PACKET_FILTER, ulongs([filter]));
}

function multicastRequest(list: readonly Uint8Array[]): NDIS_OID_REQUEST {
  return makeOidRequest(NdisRequestSetInformation, t.OID_802_3_MULTICAST_LIST, concat(list));
}

function unionOfFilters(core: AdapterCore): number {
  let filter = core.host.packetFilter;
  for (const binding of core.bindings) if (binding.packetFilter > 0) filter |= binding.packetFilter;
  return filter >>> 0;
}

function unionOfMulticast(core: AdapterCore): readonly Uint8Array[] {
  const union = new Map<string, Uint8Array>();
  for (const holder of [core.host, ...core.bindings]) {
    for (const address of holder.multicast) union.set(address.join(':'), address);
  }
  return [...union.values()];
}

function concat(list: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(list.length * MAC_BYTES);
  list.forEach((address, index) => {
    bytes.set(address, index * MAC_BYTES);
  });
  return bytes;
}
