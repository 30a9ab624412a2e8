/**
 * Checksum offload: out-of-band data, attributes, and the two OIDs that configure it. Layer: ndis. (Contract 3.7)
 * Invariants: the out-of-band slot is a number with the bits of the C union, so nothing is allocated per frame; a
 * checksum is never both good and bad; what a request leaves alone stays as it was.
 */
import {
  type NDIS_STATUS,
  NDIS_STATUS_INVALID_DATA,
  NDIS_STATUS_INVALID_LENGTH,
  NDIS_STATUS_INVALID_PARAMETER,
  NDIS_STATUS_NOT_SUPPORTED,
  NDIS_STATUS_SUCCESS,
} from './status.ts';
import type { NDIS_OBJECT_HEADER, NDIS_OID_REQUEST_DATA } from './types.ts';

export const NDIS_OBJECT_TYPE_MINIPORT_ADAPTER_OFFLOAD_ATTRIBUTES = 0xa0;
export const NDIS_OBJECT_TYPE_OFFLOAD = 0xa7;
export const NDIS_OBJECT_TYPE_OFFLOAD_ENCAPSULATION = 0xa8;

// ---- Out-of-band data: bits of NDIS_TCP_IP_CHECKSUM_NET_BUFFER_LIST_INFO ------------------------------------------------

/** Bits of the slot on send (ours; C has bit fields). Neither IP version: there is nothing to do. */
export const CHECKSUM_TX_IS_IPV4 = 0x01;
export const CHECKSUM_TX_IS_IPV6 = 0x02;
export const CHECKSUM_TX_TCP = 0x04;
export const CHECKSUM_TX_UDP = 0x08;
export const CHECKSUM_TX_IP_HEADER = 0x10;
/** TcpHeaderOffset: bytes from the start of the frame, 10 bits from here. */
export const CHECKSUM_TX_TCP_HEADER_OFFSET_SHIFT = 16;
const TCP_HEADER_OFFSET_MAX = 0x3ff;

/** Bits of the slot on receive (ours). None of a protocol's two: not checked. */
export const CHECKSUM_RX_TCP_FAILED = 0x01;
export const CHECKSUM_RX_UDP_FAILED = 0x02;
export const CHECKSUM_RX_IP_FAILED = 0x04;
export const CHECKSUM_RX_TCP_SUCCEEDED = 0x08;
export const CHECKSUM_RX_UDP_SUCCEEDED = 0x10;
export const CHECKSUM_RX_IP_SUCCEEDED = 0x20;

/** Transmit of the union. [ns-nblchecksum-ndis_tcp_ip_checksum_net_buffer_list_info] */
export interface TransmitChecksumInfo {
  readonly IsIPv4: boolean;
  readonly IsIPv6: boolean;
  readonly TcpChecksum: boolean;
  readonly UdpChecksum: boolean;
  readonly IpHeaderChecksum: boolean;
  /** Bytes from the start of the frame to the TCP header; with TcpChecksum only. */
  readonly TcpHeaderOffset: number;
}

/** The slot's number of what a protocol asks for. Any IRQL. @throws RangeError for an offset beyond 1023, or two IP versions. */
export function packTransmitChecksum(info: TransmitChecksumInfo): number {
  if (info.IsIPv4 && info.IsIPv6) throw new RangeError('a frame is IPv4 or IPv6');
  if (!(info.TcpHeaderOffset >= 0 && info.TcpHeaderOffset <= TCP_HEADER_OFFSET_MAX)) {
    throw new RangeError(`TcpHeaderOffset is ${info.TcpHeaderOffset}`);
  }
  return (
    (info.IsIPv4 ? CHECKSUM_TX_IS_IPV4 : 0) |
    (info.IsIPv6 ? CHECKSUM_TX_IS_IPV6 : 0) |
    (info.TcpChecksum ? CHECKSUM_TX_TCP : 0) |
    (info.UdpChecksum ? CHECKSUM_TX_UDP : 0) |
    (info.IpHeaderChecksum ? CHECKSUM_TX_IP_HEADER : 0) |
    (info.TcpHeaderOffset << CHECKSUM_TX_TCP_HEADER_OFFSET_SHIFT)
  );
}

/** What a protocol asks for. Any IRQL. Allocates: a frame path tests the bits. Without an IP version nothing is asked for. */
export function unpackTransmitChecksum(slot: number): TransmitChecksumInfo {
  const ip = (slot & (CHECKSUM_TX_IS_IPV4 | CHECKSUM_TX_IS_IPV6)) !== 0;
  return {
    IsIPv4: (slot & CHECKSUM_TX_IS_IPV4) !== 0,
    IsIPv6: (slot & CHECKSUM_TX_IS_IPV6) !== 0,
    TcpChecksum: ip && (slot & CHECKSUM_TX_TCP) !== 0,
    UdpChecksum: ip && (slot & CHECKSUM_TX_UDP) !== 0,
    IpHeaderChecksum: ip && (slot & CHECKSUM_TX_IP_HEADER) !== 0,
    TcpHeaderOffset: (slot >>> CHECKSUM_TX_TCP_HEADER_OFFSET_SHIFT) & TCP_HEADER_OFFSET_MAX,
  };
}

/** Of one checksum on receive. */
export type ChecksumResult = 'succeeded' | 'failed' | 'not checked';

/** The slot's number of what a NIC found. Any IRQL. */
export function packReceiveChecksum(ip: ChecksumResult, tcp: ChecksumResult, udp: ChecksumResult): number {
  const bits = (result: ChecksumResult, succeeded: number, failed: number): number =>
    result === 'succeeded' ? succeeded : result === 'failed' ? failed : 0;
  return (
    bits(ip, CHECKSUM_RX_IP_SUCCEEDED, CHECKSUM_RX_IP_FAILED) |
    bits(tcp, CHECKSUM_RX_TCP_SUCCEEDED, CHECKSUM_RX_TCP_FAILED) |
    bits(udp, CHECKSUM_RX_UDP_SUCCEEDED, CHECKSUM_RX_UDP_FAILED)
  );
}

/** True when no checksum is marked as both good and bad. Any IRQL; allocates nothing. */
export function isReceiveChecksumLegal(slot: number): boolean {
  return ((slot >>> 3) & slot & 0x7) === 0;
}

// ---- Capabilities -----------------------------------------------------------------------------------------------------

export const NDIS_ENCAPSULATION_NOT_SUPPORTED = 0;
export const NDIS_ENCAPSULATION_NULL = 0x1;
export const NDIS_ENCAPSULATION_IEEE_802_3 = 0x2;
export const NDIS_ENCAPSULATION_IEEE_802_3_P_AND_Q = 0x4;
export const NDIS_ENCAPSULATION_IEEE_802_3_P_AND_Q_IN_OOB = 0x8;
export const NDIS_OFFLOAD_NOT_SUPPORTED = 0;
export const NDIS_OFFLOAD_SUPPORTED = 1;

/** One direction of one IP version. */
export interface ChecksumOffload {
  /** NDIS_ENCAPSULATION_... bits; 0: nothing is offloaded. */
  Encapsulation: number;
  /** IpOptionsSupported with IPv4, IpExtensionHeadersSupported with IPv6. */
  IpOptionsSupported: 0 | 1;
  TcpOptionsSupported: 0 | 1;
  TcpChecksum: 0 | 1;
  UdpChecksum: 0 | 1;
  /** IPv4 only. */
  IpChecksum: 0 | 1;
}

/** [ns-ntddndis-_ndis_tcp_ip_checksum_offload] */
export interface NDIS_TCP_IP_CHECKSUM_OFFLOAD {
  IPv4Transmit: ChecksumOffload;
  IPv4Receive: ChecksumOffload;
  IPv6Transmit: ChecksumOffload;
  IPv6Receive: ChecksumOffload;
}

/** [ns-ntddndis-_ndis_offload] The checksum part: no other offload is known here. */
export interface NDIS_OFFLOAD {
  Header: NDIS_OBJECT_HEADER;
  Checksum: NDIS_TCP_IP_CHECKSUM_OFFLOAD;
}

/** Set in MiniportInitializeEx after the general attributes. [ns-ndis-_ndis_miniport_adapter_offload_attributes] */
export interface NDIS_MINIPORT_ADAPTER_OFFLOAD_ATTRIBUTES {
  Header: NDIS_OBJECT_HEADER;
  /** In force from the start. */
  DefaultOffloadConfiguration: NDIS_OFFLOAD | null;
  /** The most the hardware can do. */
  HardwareOffloadCapabilities: NDIS_OFFLOAD | null;
}

/** A direction without any offload. Ours. */
export function noChecksumOffload(): ChecksumOffload {
  return {
    Encapsulation: NDIS_ENCAPSULATION_NOT_SUPPORTED,
    IpOptionsSupported: 0,
    TcpOptionsSupported: 0,
    TcpChecksum: 0,
    UdpChecksum: 0,
    IpChecksum: 0,
  };
}

const DIRECTIONS = ['IPv4Transmit', 'IPv4Receive', 'IPv6Transmit', 'IPv6Receive'] as const;
const CHECKSUMS = ['TcpChecksum', 'UdpChecksum', 'IpChecksum'] as const;

/** NDIS's own: true when `part` asks nothing that `whole` has not. */
export function isWithin(part: NDIS_OFFLOAD, whole: NDIS_OFFLOAD): boolean {
  return DIRECTIONS.every((direction) => {
    const [one, all] = [part.Checksum[direction], whole.Checksum[direction]];
    return (one.Encapsulation & ~all.Encapsulation) === 0 && CHECKSUMS.every((sum) => one[sum] <= all[sum]);
  });
}

// ---- OID_OFFLOAD_ENCAPSULATION --------------------------------------------------------------------------------------------

export const NDIS_OFFLOAD_SET_NO_CHANGE = 0;
export const NDIS_OFFLOAD_SET_ON = 1;
export const NDIS_OFFLOAD_SET_OFF = 2;
export const NDIS_SIZEOF_OFFLOAD_ENCAPSULATION_REVISION_1 = 28;

/** One IP version of a request. */
export interface EncapsulationSetting {
  readonly Enabled: 0 | 1 | 2;
  readonly EncapsulationType: number;
  /** Bytes of the encapsulation header. */
  readonly HeaderSize: number;
}

/**
 * Reads a set of OID_OFFLOAD_ENCAPSULATION, for miniports (ours). Any IRQL. NOT_SUPPORTED: `supported` is 0, the miniport
 * offloads nothing. INVALID_LENGTH with BytesNeeded; INVALID_DATA: another structure, or an unknown Enabled.
 * INVALID_PARAMETER: an encapsulation that is not in `supported` is to be switched on. On SUCCESS BytesRead is set.
 * Receive checksums may be checked from the first SUCCESS on. [oid-offload-encapsulation]
 * @param supported NDIS_ENCAPSULATION_... bits.
 */
export function readOffloadEncapsulation(
  data: NDIS_OID_REQUEST_DATA,
  supported: number,
): {
  readonly status: NDIS_STATUS;
  readonly encapsulation: { readonly IPv4: EncapsulationSetting; readonly IPv6: EncapsulationSetting } | null;
} {
  data.BytesRead = 0;
  const refuse = (status: NDIS_STATUS) => ({ status, encapsulation: null });
  if (supported === 0) return refuse(NDIS_STATUS_NOT_SUPPORTED);
  const view = viewOf(data, NDIS_SIZEOF_OFFLOAD_ENCAPSULATION_REVISION_1);
  if (view === null) return refuse(NDIS_STATUS_INVALID_LENGTH);
  if (view.getUint8(0) !== NDIS_OBJECT_TYPE_OFFLOAD_ENCAPSULATION) return refuse(NDIS_STATUS_INVALID_DATA);
  const settings: EncapsulationSetting[] = [];
  for (const at of [4, 16]) {
    const Enabled = view.getUint32(at, true);
    const EncapsulationType = view.getUint32(at + 4, true);
    if (Enabled > NDIS_OFFLOAD_SET_OFF) return refuse(NDIS_STATUS_INVALID_DATA);
    const lacks = EncapsulationType === 0 || (EncapsulationType & ~supported) !== 0;
    if (Enabled === NDIS_OFFLOAD_SET_ON && lacks) return refuse(NDIS_STATUS_INVALID_PARAMETER);
    settings.push({ Enabled: Enabled as 0 | 1 | 2, EncapsulationType, HeaderSize: view.getUint32(at + 8, true) });
  }
  const [IPv4, IPv6] = settings as [EncapsulationSetting, EncapsulationSetting];
  data.BytesRead = NDIS_SIZEOF_OFFLOAD_ENCAPSULATION_REVISION_1;
  return { status: NDIS_STATUS_SUCCESS, encapsulation: { IPv4, IPv6 } };
}

/** The request as bytes, for a host (ours). */
export function encodeOffloadEncapsulation(IPv4: EncapsulationSetting, IPv6: EncapsulationSetting): Uint8Array {
  const bytes = new Uint8Array(NDIS_SIZEOF_OFFLOAD_ENCAPSULATION_REVISION_1);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, NDIS_OBJECT_TYPE_OFFLOAD_ENCAPSULATION);
  view.setUint8(1, 1);
  view.setUint16(2, bytes.length, true);
  for (const [at, setting] of [
    [4, IPv4],
    [16, IPv6],
  ] as const) {
    view.setUint32(at, setting.Enabled, true);
    view.setUint32(at + 4, setting.EncapsulationType, true);
    view.setUint32(at + 8, setting.HeaderSize, true);
  }
  return bytes;
}

// ---- OID_TCP_OFFLOAD_PARAMETERS -------------------------------------------------------------------------------------------

export const NDIS_OFFLOAD_PARAMETERS_NO_CHANGE = 0;
export const NDIS_OFFLOAD_PARAMETERS_TX_RX_DISABLED = 1;
export const NDIS_OFFLOAD_PARAMETERS_TX_ENABLED_RX_DISABLED = 2;
export const NDIS_OFFLOAD_PARAMETERS_RX_ENABLED_TX_DISABLED = 3;
export const NDIS_OFFLOAD_PARAMETERS_TX_RX_ENABLED = 4;
export const NDIS_SIZEOF_OFFLOAD_PARAMETERS_REVISION_1 = 20;

/** Members of NDIS_OFFLOAD_PARAMETERS in their order in memory, from byte 4 on, and the largest legal value of each. */
const PARAMETERS = [
  ['IPv4Checksum', 4],
  ['TCPIPv4Checksum', 4],
  ['UDPIPv4Checksum', 4],
  ['TCPIPv6Checksum', 4],
  ['UDPIPv6Checksum', 4],
  ['LsoV1', 2],
  ['IPsecV1', 4],
  ['LsoV2IPv4', 2],
  ['LsoV2IPv6', 2],
  ['TcpConnectionIPv4', 2],
  ['TcpConnectionIPv6', 2],
] as const;

/** [ns-ntddndis-_ndis_offload_parameters] Each member is a NDIS_OFFLOAD_PARAMETERS_... value; 0 leaves a setting alone. */
export type NDIS_OFFLOAD_PARAMETERS = Record<(typeof PARAMETERS)[number][0], number>;

/**
 * Reads a set of OID_TCP_OFFLOAD_PARAMETERS, for miniports (ours). Any IRQL. INVALID_LENGTH with BytesNeeded;
 * INVALID_DATA: another structure, or a member with a value there is not. On SUCCESS BytesRead is set.
 * After a change the miniport indicates NDIS_STATUS_TASK_OFFLOAD_CURRENT_CONFIG. [oid-tcp-offload-parameters]
 */
export function readOffloadParameters(data: NDIS_OID_REQUEST_DATA): {
  readonly status: NDIS_STATUS;
  readonly parameters: NDIS_OFFLOAD_PARAMETERS | null;
} {
  data.BytesRead = 0;
  const view = viewOf(data, NDIS_SIZEOF_OFFLOAD_PARAMETERS_REVISION_1);
  if (view === null) return { status: NDIS_STATUS_INVALID_LENGTH, parameters: null };
  const bad = PARAMETERS.some(([, most], index) => view.getUint8(4 + index) > most);
  if (view.getUint8(0) !== 0x80 || view.getUint8(1) < 1 || bad) {
    return { status: NDIS_STATUS_INVALID_DATA, parameters: null };
  }
  const parameters = Object.fromEntries(PARAMETERS.map(([name], index) => [name, view.getUint8(4 + index)]));
  data.BytesRead = NDIS_SIZEOF_OFFLOAD_PARAMETERS_REVISION_1;
  return { status: NDIS_STATUS_SUCCESS, parameters: parameters as NDIS_OFFLOAD_PARAMETERS };
}

/** The request as bytes, for a host (ours); members left out are NO_CHANGE. */
export function encodeOffloadParameters(given: Partial<NDIS_OFFLOAD_PARAMETERS>): Uint8Array {
  const bytes = new Uint8Array(NDIS_SIZEOF_OFFLOAD_PARAMETERS_REVISION_1);
  bytes.set([0x80, 1, bytes.length, 0]);
  for (const [index, [name]] of PARAMETERS.entries()) bytes[4 + index] = given[name] ?? 0;
  return bytes;
}

/** What a checksum member makes of a setting: NO_CHANGE leaves it. Any IRQL. (Ours) */
export function applyChecksumParameter(
  before: { readonly transmit: boolean; readonly receive: boolean },
  value: number,
): { readonly transmit: boolean; readonly receive: boolean } {
  if (value === NDIS_OFFLOAD_PARAMETERS_NO_CHANGE) return before;
  return {
    transmit:
      value === NDIS_OFFLOAD_PARAMETERS_TX_ENABLED_RX_DISABLED || value === NDIS_OFFLOAD_PARAMETERS_TX_RX_ENABLED,
    receive:
      value === NDIS_OFFLOAD_PARAMETERS_RX_ENABLED_TX_DISABLED || value === NDIS_OFFLOAD_PARAMETERS_TX_RX_ENABLED,
  };
}

/** The buffer as a view, or null with BytesNeeded set when it is too short. */
function viewOf(data: NDIS_OID_REQUEST_DATA, needed: number): DataView | null {
  const bytes = data.InformationBuffer;
  if (bytes === null || data.InformationBufferLength < needed || bytes.length < needed) {
    data.BytesNeeded = needed;
    return null;
  }
  return new DataView(bytes.buffer, bytes.byteOffset, data.InformationBufferLength);
}
