/**
 * OID requests of both families (contract 3.8 to 3.10). Layer: miniports/intel.
 * Invariants: buffers are checked before anything is changed; BytesWritten never exceeds the buffer; everything is
 * answered at once, nothing waits for hardware. OIDs that NDIS answers from attributes give the same values here.
 */
import {
  NDIS_OBJECT_TYPE_DEFAULT,
  type NDIS_OID_REQUEST,
  type NDIS_OID_REQUEST_DATA,
  NDIS_SIZEOF_STATISTICS_INFO_REVISION_1,
  NDIS_STATISTICS_FIELDS,
  NDIS_STATISTICS_INFO_REVISION_1,
  type NDIS_STATUS,
  NDIS_STATUS_INVALID_DATA,
  NDIS_STATUS_INVALID_LENGTH,
  NDIS_STATUS_INVALID_OID,
  NDIS_STATUS_MULTICAST_FULL,
  NDIS_STATUS_NOT_SUPPORTED,
  NDIS_STATUS_SUCCESS,
  NdisRequestQueryInformation,
  NdisRequestSetInformation,
  type NdisStatistics,
  OID_802_3_CURRENT_ADDRESS,
  OID_802_3_MAXIMUM_LIST_SIZE,
  OID_802_3_MULTICAST_LIST,
  OID_802_3_PERMANENT_ADDRESS,
  OID_GEN_CURRENT_LOOKAHEAD,
  OID_GEN_CURRENT_PACKET_FILTER,
  OID_GEN_INTERRUPT_MODERATION,
  OID_GEN_LINK_PARAMETERS,
  OID_GEN_MAXIMUM_FRAME_SIZE,
  OID_GEN_MAXIMUM_TOTAL_SIZE,
  OID_GEN_RCV_OK,
  OID_GEN_RECEIVE_BLOCK_SIZE,
  OID_GEN_RECEIVE_BUFFER_SPACE,
  OID_GEN_RECEIVE_SCALE_PARAMETERS,
  OID_GEN_STATISTICS,
  OID_GEN_TRANSMIT_BLOCK_SIZE,
  OID_GEN_TRANSMIT_BUFFER_SPACE,
  OID_GEN_VENDOR_DESCRIPTION,
  OID_GEN_VENDOR_DRIVER_VERSION,
  OID_GEN_VENDOR_ID,
  OID_GEN_XMIT_OK,
  OID_OFFLOAD_ENCAPSULATION,
  OID_TCP_OFFLOAD_PARAMETERS,
} from '../../ndis/index.ts';
import { ETHERNET_HEADER_BYTES } from './configuration.ts';
import { MAX_MULTICAST_LIST, SUPPORTED_PACKET_FILTERS } from './filter.ts';

/** NDIS_STATISTICS_FLAGS_VALID_ bits of all 18 counters: frames, bytes, errors, discards (contract 3.10). */
export const SUPPORTED_STATISTICS = 0x0000_07ff | 0x0000_8000 | 0x003f_0000;

const NDIS_INTERRUPT_MODERATION_ENABLED = 2;
const NDIS_INTERRUPT_MODERATION_DISABLED = 3;
const INTERRUPT_MODERATION_BYTES = 12;
const DRIVER_VERSION = 0x0001_0000;

/** What the OIDs read and change. */
export interface OidTarget {
  readonly mtu: number;
  readonly slotBytes: number;
  readonly receiveBuffers: number;
  readonly transmitBuffers: number;
  readonly permanentAddress: Uint8Array;
  readonly currentAddress: Uint8Array;
  readonly description: string;
  readonly moderation: boolean;
  packetFilter: number;
  lookahead: number;
  setPacketFilter(filter: number): void;
  setMulticastList(list: Uint8Array): void;
  setModeration(on: boolean): void;
  readStatistics(): NdisStatistics;
  getFramesSent(): number;
  getFramesReceived(): number;
}

/** Every OID handled here; SupportedOidList of the general attributes. */
export const SUPPORTED_OIDS: readonly number[] = [
  OID_GEN_CURRENT_PACKET_FILTER,
  OID_GEN_CURRENT_LOOKAHEAD,
  OID_GEN_INTERRUPT_MODERATION,
  OID_GEN_MAXIMUM_FRAME_SIZE,
  OID_GEN_MAXIMUM_TOTAL_SIZE,
  OID_GEN_TRANSMIT_BUFFER_SPACE,
  OID_GEN_RECEIVE_BUFFER_SPACE,
  OID_GEN_TRANSMIT_BLOCK_SIZE,
  OID_GEN_RECEIVE_BLOCK_SIZE,
  OID_GEN_VENDOR_ID,
  OID_GEN_VENDOR_DESCRIPTION,
  OID_GEN_VENDOR_DRIVER_VERSION,
  OID_GEN_XMIT_OK,
  OID_GEN_RCV_OK,
  OID_GEN_STATISTICS,
  OID_802_3_PERMANENT_ADDRESS,
  OID_802_3_CURRENT_ADDRESS,
  OID_802_3_MULTICAST_LIST,
  OID_802_3_MAXIMUM_LIST_SIZE,
];

/** MiniportOidRequest. PASSIVE_LEVEL. */
export function handleOid(target: OidTarget, request: NDIS_OID_REQUEST): NDIS_STATUS {
  const data = request.DATA;
  if (request.RequestType === NdisRequestQueryInformation) return query(target, data);
  if (request.RequestType === NdisRequestSetInformation) return set(target, data);
  return NDIS_STATUS_NOT_SUPPORTED;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function answerBytes(data: NDIS_OID_REQUEST_DATA, bytes: Uint8Array): NDIS_STATUS {
  const buffer = data.InformationBuffer;
  data.BytesWritten = 0;
  if (buffer === null || data.InformationBufferLength < bytes.length) {
    data.BytesNeeded = bytes.length;
    return NDIS_STATUS_INVALID_LENGTH;
  }
  buffer.set(bytes);
  data.BytesWritten = bytes.length;
  return NDIS_STATUS_SUCCESS;
}

function answerUlong(data: NDIS_OID_REQUEST_DATA, value: number): NDIS_STATUS {
  const bytes = new Uint8Array(4);
  viewOf(bytes).setUint32(0, value, true);
  return answerBytes(data, bytes);
}

/** 64-bit counters by buffer length: 8 or more whole, 4 to 7 the low half and success all the same (contract 3.10). */
function answerCounter(data: NDIS_OID_REQUEST_DATA, value: number): NDIS_STATUS {
  const bytes = new Uint8Array(8);
  viewOf(bytes).setBigUint64(0, BigInt(value), true);
  if (data.InformationBuffer !== null && data.InformationBufferLength >= 4 && data.InformationBufferLength < 8) {
    data.InformationBuffer.set(bytes.subarray(0, 4));
    data.BytesWritten = 4;
    data.BytesNeeded = 8;
    return NDIS_STATUS_SUCCESS;
  }
  return answerBytes(data, bytes);
}

/** NDIS_STATISTICS_INFO in memory. */
export function encodeStatistics(statistics: NdisStatistics): Uint8Array {
  const bytes = new Uint8Array(NDIS_SIZEOF_STATISTICS_INFO_REVISION_1);
  const view = viewOf(bytes);
  bytes[0] = NDIS_OBJECT_TYPE_DEFAULT;
  bytes[1] = NDIS_STATISTICS_INFO_REVISION_1;
  view.setUint16(2, NDIS_SIZEOF_STATISTICS_INFO_REVISION_1, true);
  view.setUint32(4, SUPPORTED_STATISTICS, true);
  for (const [index, name] of NDIS_STATISTICS_FIELDS.entries()) {
    view.setBigUint64(8 + 8 * index, BigInt(statistics[name]), true);
  }
  return bytes;
}

function answerModeration(data: NDIS_OID_REQUEST_DATA, on: boolean): NDIS_STATUS {
  const bytes = new Uint8Array(INTERRUPT_MODERATION_BYTES);
  const view = viewOf(bytes);
  bytes[0] = NDIS_OBJECT_TYPE_DEFAULT;
  bytes[1] = 1;
  view.setUint16(2, INTERRUPT_MODERATION_BYTES, true);
  view.setUint32(8, on ? NDIS_INTERRUPT_MODERATION_ENABLED : NDIS_INTERRUPT_MODERATION_DISABLED, true);
  return answerBytes(data, bytes);
}

function query(target: OidTarget, data: NDIS_OID_REQUEST_DATA): NDIS_STATUS {
  switch (data.Oid) {
    case OID_GEN_CURRENT_PACKET_FILTER:
      return answerUlong(data, target.packetFilter);
    case OID_GEN_CURRENT_LOOKAHEAD:
      return answerUlong(data, target.lookahead);
    case OID_GEN_INTERRUPT_MODERATION:
      return answerModeration(data, target.moderation);
    case OID_GEN_MAXIMUM_FRAME_SIZE:
      return answerUlong(data, target.mtu);
    case OID_GEN_MAXIMUM_TOTAL_SIZE:
      return answerUlong(data, target.mtu + ETHERNET_HEADER_BYTES);
    case OID_GEN_TRANSMIT_BUFFER_SPACE:
      return answerUlong(data, target.transmitBuffers * (target.mtu + ETHERNET_HEADER_BYTES));
    case OID_GEN_RECEIVE_BUFFER_SPACE:
      return answerUlong(data, target.receiveBuffers * target.slotBytes);
    case OID_GEN_TRANSMIT_BLOCK_SIZE:
      return answerUlong(data, target.mtu + ETHERNET_HEADER_BYTES);
    case OID_GEN_RECEIVE_BLOCK_SIZE:
      return answerUlong(data, target.slotBytes);
    case OID_GEN_VENDOR_ID: {
      // The address block's first three octets, then one for the NIC (here 0).
      const a = target.permanentAddress;
      return answerUlong(data, a[0]! | (a[1]! << 8) | (a[2]! << 16));
    }
    case OID_GEN_VENDOR_DESCRIPTION:
      return answerBytes(data, new TextEncoder().encode(`${target.description}\0`));
    case OID_GEN_VENDOR_DRIVER_VERSION:
      return answerUlong(data, DRIVER_VERSION);
    case OID_GEN_XMIT_OK:
      return answerCounter(data, target.getFramesSent());
    case OID_GEN_RCV_OK:
      return answerCounter(data, target.getFramesReceived());
    case OID_GEN_STATISTICS:
      return answerBytes(data, encodeStatistics(target.readStatistics()));
    case OID_802_3_PERMANENT_ADDRESS:
      return answerBytes(data, target.permanentAddress);
    case OID_802_3_CURRENT_ADDRESS:
      return answerBytes(data, target.currentAddress);
    case OID_802_3_MAXIMUM_LIST_SIZE:
      return answerUlong(data, MAX_MULTICAST_LIST);
    case OID_GEN_LINK_PARAMETERS:
    case OID_OFFLOAD_ENCAPSULATION:
    case OID_TCP_OFFLOAD_PARAMETERS:
    case OID_GEN_RECEIVE_SCALE_PARAMETERS:
      return NDIS_STATUS_NOT_SUPPORTED;
    default:
      return NDIS_STATUS_INVALID_OID;
  }
}

/** The set's bytes, or undefined when there are fewer than `bytes`. */
function input(data: NDIS_OID_REQUEST_DATA, bytes: number): Uint8Array | undefined {
  data.BytesRead = 0;
  if (data.InformationBufferLength < bytes || (data.InformationBuffer === null && bytes > 0)) {
    data.BytesNeeded = bytes;
    return undefined;
  }
  return (data.InformationBuffer ?? new Uint8Array(0)).subarray(0, data.InformationBufferLength);
}

function set(target: OidTarget, data: NDIS_OID_REQUEST_DATA): NDIS_STATUS {
  switch (data.Oid) {
    case OID_GEN_CURRENT_PACKET_FILTER: {
      const bytes = input(data, 4);
      if (bytes === undefined) return NDIS_STATUS_INVALID_LENGTH;
      const filter = viewOf(bytes).getUint32(0, true);
      if ((filter & ~SUPPORTED_PACKET_FILTERS) !== 0) return NDIS_STATUS_NOT_SUPPORTED;
      target.setPacketFilter(filter);
      data.BytesRead = 4;
      return NDIS_STATUS_SUCCESS;
    }
    case OID_GEN_CURRENT_LOOKAHEAD: {
      const bytes = input(data, 4);
      if (bytes === undefined) return NDIS_STATUS_INVALID_LENGTH;
      const lookahead = viewOf(bytes).getUint32(0, true);
      if (lookahead > target.mtu) return NDIS_STATUS_INVALID_DATA;
      target.lookahead = lookahead;
      data.BytesRead = 4;
      return NDIS_STATUS_SUCCESS;
    }
    case OID_802_3_MULTICAST_LIST: {
      const bytes = input(data, 0)!;
      if (bytes.length % 6 !== 0) {
        data.BytesNeeded = Math.ceil(bytes.length / 6) * 6;
        return NDIS_STATUS_INVALID_LENGTH;
      }
      if (bytes.length / 6 > MAX_MULTICAST_LIST) {
        data.BytesNeeded = MAX_MULTICAST_LIST * 6;
        return NDIS_STATUS_MULTICAST_FULL;
      }
      target.setMulticastList(bytes.slice());
      data.BytesRead = bytes.length;
      return NDIS_STATUS_SUCCESS;
    }
    case OID_GEN_INTERRUPT_MODERATION: {
      const bytes = input(data, INTERRUPT_MODERATION_BYTES);
      if (bytes === undefined) return NDIS_STATUS_INVALID_LENGTH;
      const wanted = viewOf(bytes).getUint32(8, true);
      if (wanted !== NDIS_INTERRUPT_MODERATION_ENABLED && wanted !== NDIS_INTERRUPT_MODERATION_DISABLED) {
        return NDIS_STATUS_INVALID_DATA;
      }
      target.setModeration(wanted === NDIS_INTERRUPT_MODERATION_ENABLED);
      data.BytesRead = INTERRUPT_MODERATION_BYTES;
      return NDIS_STATUS_SUCCESS;
    }
    case OID_GEN_LINK_PARAMETERS:
    case OID_OFFLOAD_ENCAPSULATION:
    case OID_TCP_OFFLOAD_PARAMETERS:
    case OID_GEN_RECEIVE_SCALE_PARAMETERS:
      return NDIS_STATUS_NOT_SUPPORTED;
    default:
      return NDIS_STATUS_INVALID_OID;
  }
}
