/**
 * Receive side scaling: structures, validation of the parameters, the Toeplitz hash, hash out-of-band data. Layer: ndis.
 * (Contract 3.6)
 * Invariants: a request is checked as a whole before anything of it is used; classifying a frame allocates nothing; a
 * frame is never given a hash type that was not computed for it.
 */
import {
  type NDIS_STATUS,
  NDIS_STATUS_INVALID_DATA,
  NDIS_STATUS_INVALID_LENGTH,
  NDIS_STATUS_SUCCESS,
} from './status.ts';
import type {
  NDIS_OID_REQUEST_DATA,
  NDIS_RECEIVE_SCALE_CAPABILITIES,
  NET_BUFFER_LIST,
  PROCESSOR_NUMBER,
} from './types.ts';

export const NDIS_OBJECT_TYPE_RSS_CAPABILITIES = 0x88;
export const NDIS_OBJECT_TYPE_RSS_PARAMETERS = 0x89;
export const NDIS_RECEIVE_SCALE_CAPABILITIES_REVISION_2 = 2;
export const NDIS_SIZEOF_RECEIVE_SCALE_CAPABILITIES_REVISION_2 = 18;
export const NDIS_SIZEOF_RECEIVE_SCALE_PARAMETERS_REVISION_1 = 28;
export const NDIS_SIZEOF_RECEIVE_SCALE_PARAMETERS_REVISION_2 = 40;
export const NDIS_SIZEOF_RECEIVE_SCALE_PARAMETERS_REVISION_3 = 44;
export const NDIS_RSS_HASH_SECRET_KEY_SIZE_REVISION_1 = 40;
/** Entries of an indirection table, at most. */
export const NDIS_RSS_INDIRECTION_TABLE_ENTRIES_MAX = 128;

export const NDIS_RSS_CAPS_MESSAGE_SIGNALED_INTERRUPTS = 0x0100_0000;
export const NDIS_RSS_CAPS_CLASSIFICATION_AT_ISR = 0x0200_0000;
export const NDIS_RSS_CAPS_CLASSIFICATION_AT_DPC = 0x0400_0000;
export const NDIS_RSS_CAPS_USING_MSI_X = 0x0800_0000;
export const NDIS_RSS_CAPS_SUPPORTS_MSI_X = 0x2000_0000;
export const NDIS_RSS_CAPS_HASH_TYPE_TCP_IPV4 = 0x100;
export const NDIS_RSS_CAPS_HASH_TYPE_TCP_IPV6 = 0x200;
export const NDIS_RSS_CAPS_HASH_TYPE_TCP_IPV6_EX = 0x400;

export const NDIS_RSS_PARAM_FLAG_BASE_CPU_UNCHANGED = 0x01;
export const NDIS_RSS_PARAM_FLAG_HASH_INFO_UNCHANGED = 0x02;
export const NDIS_RSS_PARAM_FLAG_ITABLE_UNCHANGED = 0x04;
export const NDIS_RSS_PARAM_FLAG_HASH_KEY_UNCHANGED = 0x08;
export const NDIS_RSS_PARAM_FLAG_DISABLE_RSS = 0x10;
export const NDIS_RSS_PARAM_FLAG_DEFAULT_PROCESSOR_UNCHANGED = 0x20;

export const NdisHashFunctionToeplitz = 1;
export const NDIS_HASH_FUNCTION_MASK = 0xff;
export const NDIS_HASH_TYPE_MASK = 0x00ff_ff00;
export const NDIS_HASH_IPV4 = 0x100;
export const NDIS_HASH_TCP_IPV4 = 0x200;
export const NDIS_HASH_IPV6 = 0x400;
export const NDIS_HASH_IPV6_EX = 0x800;
export const NDIS_HASH_TCP_IPV6 = 0x1000;
export const NDIS_HASH_TCP_IPV6_EX = 0x2000;
export const NDIS_HASH_UDP_IPV4 = 0x4000;
export const NDIS_HASH_UDP_IPV6 = 0x8000;
export const NDIS_HASH_UDP_IPV6_EX = 0x1_0000;

/** NDIS_RECEIVE_SCALE_PARAMETERS, read: arrays in the place of sizes and offsets. [ns-ntddndis-_ndis_receive_scale_parameters] */
export interface ReceiveScaleParameters {
  /** RSS goes off: every other member is to be ignored. */
  readonly disabled: boolean;
  /** NDIS_RSS_PARAM_FLAG_...; the "unchanged" ones are hints. */
  readonly Flags: number;
  readonly BaseCpuNumber: number;
  /** Function in the low byte, types above. */
  readonly HashInformation: number;
  /** One entry per value of the masked hash; null: as before. */
  readonly IndirectionTable: readonly PROCESSOR_NUMBER[] | null;
  /** 40 bytes; null: as before. */
  readonly HashSecretKey: Uint8Array | null;
  /** Of revision 3; null before. */
  readonly DefaultProcessorNumber: PROCESSOR_NUMBER | null;
}

/** What a miniport can do, for {@link readReceiveScaleParameters}. */
export interface ReceiveScaleLimits {
  /** NDIS_HASH_... types it can compute. */
  readonly hashTypes: number;
  /** Processors it may be given; numbers 0 to this - 1 of group 0. */
  readonly processors: number;
  /** Entries its table has; default 128. */
  readonly tableEntries?: number;
}

const SIZES: Readonly<Record<number, number>> = {
  1: NDIS_SIZEOF_RECEIVE_SCALE_PARAMETERS_REVISION_1,
  2: NDIS_SIZEOF_RECEIVE_SCALE_PARAMETERS_REVISION_2,
  3: NDIS_SIZEOF_RECEIVE_SCALE_PARAMETERS_REVISION_3,
};

const DISABLED: ReceiveScaleParameters = Object.freeze({
  disabled: true,
  Flags: NDIS_RSS_PARAM_FLAG_DISABLE_RSS,
  BaseCpuNumber: 0,
  HashInformation: 0,
  IndirectionTable: null,
  HashSecretKey: null,
  DefaultProcessorNumber: null,
});

/**
 * Reads and checks a set of OID_GEN_RECEIVE_SCALE_PARAMETERS, for miniports (ours). Any IRQL. On SUCCESS
 * `parameters` is set and data.BytesRead is the length. INVALID_LENGTH: shorter than the structure or than a table it
 * names, data.BytesNeeded says how long it has to be. INVALID_DATA: another type or revision, an unknown hash function,
 * a hash type the miniport lacks or none at all, a table that is no power of two or too long, a processor there is not,
 * a key that is not 40 bytes. Disabling (the flag, or hash function 0) is checked no further. [oid-gen-receive-scale-parameters]
 */
export function readReceiveScaleParameters(
  data: NDIS_OID_REQUEST_DATA,
  limits: ReceiveScaleLimits,
): { readonly status: NDIS_STATUS; readonly parameters: ReceiveScaleParameters | null } {
  data.BytesRead = 0;
  const length = data.InformationBufferLength;
  const bytes = data.InformationBuffer ?? new Uint8Array(0);
  const short = (needed: number) => {
    data.BytesNeeded = needed;
    return { status: NDIS_STATUS_INVALID_LENGTH, parameters: null };
  };
  const invalid = { status: NDIS_STATUS_INVALID_DATA, parameters: null } as const;
  if (length < NDIS_SIZEOF_RECEIVE_SCALE_PARAMETERS_REVISION_1 || bytes.length < length) {
    return short(NDIS_SIZEOF_RECEIVE_SCALE_PARAMETERS_REVISION_1);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, length);
  const revision = view.getUint8(1);
  const size = SIZES[revision];
  if (view.getUint8(0) !== NDIS_OBJECT_TYPE_RSS_PARAMETERS || size === undefined) return invalid;
  if (length < size) return short(size);
  const Flags = view.getUint16(4, true);
  const HashInformation = view.getUint32(8, true);
  const hashFunction = HashInformation & NDIS_HASH_FUNCTION_MASK;
  if ((Flags & NDIS_RSS_PARAM_FLAG_DISABLE_RSS) !== 0 || hashFunction === 0) {
    data.BytesRead = length;
    return { status: NDIS_STATUS_SUCCESS, parameters: DISABLED };
  }
  const types = HashInformation & ~NDIS_HASH_FUNCTION_MASK;
  if (hashFunction !== NdisHashFunctionToeplitz || types === 0 || (types & ~limits.hashTypes) !== 0) return invalid;

  const processor = (at: number): PROCESSOR_NUMBER =>
    revision === 1
      ? { Group: 0, Number: view.getUint8(at) }
      : { Group: view.getUint16(at, true), Number: view.getUint8(at + 2) };
  const isThere = ({ Group, Number: number }: PROCESSOR_NUMBER): boolean => Group === 0 && number < limits.processors;

  const tableBytes = view.getUint16(12, true);
  const tableAt = view.getUint32(16, true);
  let IndirectionTable: PROCESSOR_NUMBER[] | null = null;
  if (tableBytes > 0 || (Flags & NDIS_RSS_PARAM_FLAG_ITABLE_UNCHANGED) === 0) {
    if (tableAt < size) return invalid;
    if (tableAt + tableBytes > length) return short(tableAt + tableBytes);
    const entryBytes = revision === 1 ? 1 : 4;
    const entries = tableBytes / entryBytes;
    const most = limits.tableEntries ?? NDIS_RSS_INDIRECTION_TABLE_ENTRIES_MAX;
    if (!Number.isInteger(Math.log2(entries)) || entries > most) return invalid;
    IndirectionTable = Array.from({ length: entries }, (_, index) => processor(tableAt + index * entryBytes));
    if (!IndirectionTable.every(isThere)) return invalid;
  }
  const keyBytes = view.getUint16(20, true);
  const keyAt = view.getUint32(24, true);
  let HashSecretKey: Uint8Array | null = null;
  if (keyBytes > 0 || (Flags & NDIS_RSS_PARAM_FLAG_HASH_KEY_UNCHANGED) === 0) {
    if (keyBytes !== NDIS_RSS_HASH_SECRET_KEY_SIZE_REVISION_1 || keyAt < size) return invalid;
    if (keyAt + keyBytes > length) return short(keyAt + keyBytes);
    HashSecretKey = bytes.slice(keyAt, keyAt + keyBytes);
  }
  const DefaultProcessorNumber = revision === 3 ? processor(40) : null;
  if (DefaultProcessorNumber !== null && !isThere(DefaultProcessorNumber)) return invalid;
  data.BytesRead = length;
  return {
    status: NDIS_STATUS_SUCCESS,
    parameters: {
      disabled: false,
      Flags,
      BaseCpuNumber: view.getUint16(6, true),
      HashInformation,
      IndirectionTable,
      HashSecretKey,
      DefaultProcessorNumber,
    },
  };
}

/**
 * NDIS_RECEIVE_SCALE_PARAMETERS of revision 2 as bytes, for a host that sets them (ours). Any IRQL.
 * @param processors entry i is the processor of hash i.
 * @param key 40 bytes.
 */
export function encodeReceiveScaleParameters(
  hashInformation: number,
  processors: readonly number[],
  key: Uint8Array,
  flags = 0,
): Uint8Array {
  const tableAt = NDIS_SIZEOF_RECEIVE_SCALE_PARAMETERS_REVISION_2;
  const keyAt = tableAt + processors.length * 4;
  const bytes = new Uint8Array(keyAt + key.length);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, NDIS_OBJECT_TYPE_RSS_PARAMETERS);
  view.setUint8(1, 2);
  view.setUint16(2, tableAt, true);
  view.setUint16(4, flags, true);
  view.setUint32(8, hashInformation, true);
  view.setUint16(12, processors.length * 4, true);
  view.setUint32(16, tableAt, true);
  view.setUint16(20, key.length, true);
  view.setUint32(24, keyAt, true);
  for (const [index, processor] of processors.entries()) view.setUint8(tableAt + index * 4 + 2, processor);
  bytes.set(key, keyAt);
  return bytes;
}

/** NDIS's own: true when a set of OID_GEN_RECEIVE_SCALE_PARAMETERS switches RSS on. */
export function isRssEnabled(bytes: Uint8Array): boolean {
  const flags = bytes[4] ?? 0;
  return (flags & NDIS_RSS_PARAM_FLAG_DISABLE_RSS) === 0 && (bytes[8] ?? 0) !== 0;
}

/** NDIS's own: NDIS_RECEIVE_SCALE_CAPABILITIES as bytes. */
export function encodeReceiveScaleCapabilities(given: NDIS_RECEIVE_SCALE_CAPABILITIES): Uint8Array {
  const bytes = new Uint8Array(NDIS_SIZEOF_RECEIVE_SCALE_CAPABILITIES_REVISION_2);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, NDIS_OBJECT_TYPE_RSS_CAPABILITIES);
  view.setUint8(1, NDIS_RECEIVE_SCALE_CAPABILITIES_REVISION_2);
  view.setUint16(2, bytes.length, true);
  view.setUint32(4, given.CapabilitiesFlags, true);
  view.setUint32(8, given.NumberOfInterruptMessages, true);
  view.setUint32(12, given.NumberOfReceiveQueues, true);
  view.setUint16(16, given.NumberOfIndirectionTableEntries, true);
  return bytes;
}

/**
 * The Toeplitz hash of `length` bytes of `input`. Any IRQL, allocates nothing. [rss-hashing-functions]
 * @param key at least length + 4 bytes.
 * @returns 32 bits, unsigned.
 */
export function toeplitzHash(key: Uint8Array, input: Uint8Array, length: number): number {
  let hash = 0;
  let window = ((key[0] as number) << 24) | ((key[1] as number) << 16) | ((key[2] as number) << 8) | (key[3] as number);
  for (let index = 0; index < length; index++) {
    const next = key[index + 4] as number;
    const byte = input[index] as number;
    for (let bit = 7; bit >= 0; bit--) {
      if ((byte >>> bit) & 1) hash ^= window;
      window = (window << 1) | ((next >>> bit) & 1);
    }
  }
  return hash >>> 0;
}

/** Entry of an indirection table for a hash: its least significant bits. Any IRQL. [rss-configuration] @param entries a power of two. */
export function indirectionIndex(hash: number, entries: number): number {
  return hash & (entries - 1);
}

/**
 * Hashes frames in software as a NIC would, for miniports without hashing hardware (ours). Any IRQL; allocates nothing
 * per frame. IPv4 and IPv6 behind Ethernet, with one VLAN tag or none; a fragment, or another protocol, gets the hash of
 * its addresses if an IP type is enabled, else none. [rss-hashing-types]
 */
export class RssClassifier {
  /** Of the last frame that classify() returned true for. */
  hashValue = 0;
  /** NDIS_HASH_... of it: the most specific type that was computed. */
  hashType = 0;
  readonly #types: number;
  readonly #key: Uint8Array;
  readonly #input = new Uint8Array(36);

  /** @param hashTypes enabled NDIS_HASH_... types. @param key 40 bytes. */
  constructor(hashTypes: number, key: Uint8Array) {
    this.#types = hashTypes;
    this.#key = key.slice();
  }

  /** False: no enabled type applies, so the NBL gets no hash. The frame is bytes[offset .. offset + length - 1]. */
  classify(bytes: Uint8Array, offset: number, length: number): boolean {
    let at = offset + 12;
    const end = offset + length;
    let etherType = u16(bytes, at);
    if (etherType === 0x8100) {
      at += 4;
      etherType = u16(bytes, at);
    }
    at += 2;
    if (etherType === 0x0800) return this.#ipv4(bytes, at, end);
    if (etherType === 0x86dd) return this.#ipv6(bytes, at, end);
    return false;
  }

  #ipv4(bytes: Uint8Array, at: number, end: number): boolean {
    const headerBytes = ((bytes[at] as number) & 0xf) * 4;
    if (at + 20 > end || headerBytes < 20) return false;
    // More fragments, or an offset: ports are not there, or not of the whole datagram.
    const fragment = (u16(bytes, at + 6) & 0x3fff) !== 0;
    for (let index = 0; index < 8; index++) this.#input[index] = bytes[at + 12 + index] as number;
    const ports = fragment ? 0 : this.#typeFor(bytes[at + 9] as number, NDIS_HASH_TCP_IPV4, NDIS_HASH_UDP_IPV4);
    return this.#finish(bytes, at + headerBytes, end, 8, ports, NDIS_HASH_IPV4);
  }

  #ipv6(bytes: Uint8Array, at: number, end: number): boolean {
    if (at + 40 > end) return false;
    for (let index = 0; index < 32; index++) this.#input[index] = bytes[at + 8 + index] as number;
    const ports = this.#typeFor(bytes[at + 6] as number, NDIS_HASH_TCP_IPV6, NDIS_HASH_UDP_IPV6);
    return this.#finish(bytes, at + 40, end, 32, ports, NDIS_HASH_IPV6);
  }

  #typeFor(protocol: number, tcp: number, udp: number): number {
    const type = protocol === 6 ? tcp : protocol === 17 ? udp : 0;
    return this.#types & type;
  }

  #finish(bytes: Uint8Array, at: number, end: number, addressBytes: number, ports: number, plain: number): boolean {
    let length = addressBytes;
    let type = ports;
    if (ports !== 0 && at + 4 <= end) {
      for (let index = 0; index < 4; index++) this.#input[length++] = bytes[at + index] as number;
    } else {
      type = this.#types & plain;
    }
    if (type === 0) return false;
    this.hashType = type;
    this.hashValue = toeplitzHash(this.#key, this.#input, length);
    return true;
  }
}

function u16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
}

/** The hash a miniport computed. Any IRQL. [net_buffer_list_get_hash_value] */
export function NET_BUFFER_LIST_GET_HASH_VALUE(NBL: NET_BUFFER_LIST): number {
  return NBL.NetBufferListInfo.NetBufferListHashValue;
}

/** Any IRQL. [net_buffer_list_set_hash_value] @param HashValue 32 bits. */
export function NET_BUFFER_LIST_SET_HASH_VALUE(NBL: NET_BUFFER_LIST, HashValue: number): void {
  NBL.NetBufferListInfo.NetBufferListHashValue = HashValue >>> 0;
}

/** NDIS_HASH_..., 0: no hash. Any IRQL. [net_buffer_list_get_hash_type] */
export function NET_BUFFER_LIST_GET_HASH_TYPE(NBL: NET_BUFFER_LIST): number {
  return NBL.NetBufferListInfo.NetBufferListHashInfo & ~NDIS_HASH_FUNCTION_MASK;
}

/** Leaves the function as it is. Any IRQL. [net_buffer_list_set_hash_type] @param HashType one NDIS_HASH_... type. */
export function NET_BUFFER_LIST_SET_HASH_TYPE(NBL: NET_BUFFER_LIST, HashType: number): void {
  const info = NBL.NetBufferListInfo;
  info.NetBufferListHashInfo =
    (info.NetBufferListHashInfo & NDIS_HASH_FUNCTION_MASK) | (HashType & ~NDIS_HASH_FUNCTION_MASK);
}

/** NdisHashFunction..., 0: no hash. Any IRQL. [net_buffer_list_get_hash_function] */
export function NET_BUFFER_LIST_GET_HASH_FUNCTION(NBL: NET_BUFFER_LIST): number {
  return NBL.NetBufferListInfo.NetBufferListHashInfo & NDIS_HASH_FUNCTION_MASK;
}

/** Leaves the type as it is. Any IRQL. [net_buffer_list_set_hash_function] @param HashFunction NdisHashFunctionToeplitz. */
export function NET_BUFFER_LIST_SET_HASH_FUNCTION(NBL: NET_BUFFER_LIST, HashFunction: number): void {
  const info = NBL.NetBufferListInfo;
  info.NetBufferListHashInfo =
    (info.NetBufferListHashInfo & ~NDIS_HASH_FUNCTION_MASK) | (HashFunction & NDIS_HASH_FUNCTION_MASK);
}
