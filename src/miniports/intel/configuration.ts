/**
 * The registry keywords of both families. Layer: miniports/intel.
 * Invariant: a value out of range or absent gives the default; ring sizes are powers of two. Standardized keywords
 * start with an asterisk and mean what the WDK says; the others are ours.
 */
import {
  type NDIS_CONFIGURATION_PARAMETER,
  type NDIS_HANDLE,
  NDIS_OBJECT_TYPE_DEFAULT,
  NDIS_STATUS_SUCCESS,
  NdisCloseConfiguration,
  NdisOpenConfigurationEx,
  NdisParameterInteger,
  NdisParameterString,
  NdisReadConfiguration,
  out,
} from '../../ndis/index.ts';

/** Ethernet header; `*JumboPacket` counts it, the MTU does not. */
export const ETHERNET_HEADER_BYTES = 14;
export const VLAN_TAG_BYTES = 4;
export const CRC_BYTES = 4;
export const MAX_MTU = 9000;

export interface Configuration {
  /** Payload bytes of the largest frame. `*JumboPacket` minus the header. */
  readonly mtu: number;
  /** Receive buffers and descriptors. `*ReceiveBuffers`. */
  readonly receiveBuffers: number;
  /** Transmit descriptors. `*TransmitBuffers`. */
  readonly transmitBuffers: number;
  /** `*InterruptModeration`. */
  readonly moderation: boolean;
  /** Minimum time between two messages in microseconds while moderated. `ITR`. */
  readonly moderationUs: number;
  /** Queues of each kind. `*NumRssQueues` is not it: without RSS only queue 0 gets frames. */
  readonly queues: number;
  /** `NetworkAddress` as it was given, '' when it is not set; see {@link parseNetworkAddress}. */
  readonly networkAddress: string;
}

export const DEFAULTS: Configuration = {
  mtu: 1500,
  receiveBuffers: 512,
  transmitBuffers: 512,
  moderation: true,
  moderationUs: 20,
  queues: 1,
  networkAddress: '',
};

/** Smallest and largest ring: 82574 3.2.6 and 82576 7.1.4 want multiples of 128 bytes; 4096 is what public drivers take. */
const RING_RANGE = [64, 4096] as const;

function powerOfTwo(value: number): number {
  return 2 ** Math.ceil(Math.log2(value));
}

/** Reads one number; `fallback` when absent, not a number or outside the range. */
function readNumber(configuration: NDIS_HANDLE, keyword: string, range: readonly [number, number], fallback: number) {
  const status = out(NDIS_STATUS_SUCCESS as number);
  const parameter = out<NDIS_CONFIGURATION_PARAMETER | null>(null);
  NdisReadConfiguration(status, parameter, configuration, keyword, NdisParameterInteger);
  if (status.Value !== NDIS_STATUS_SUCCESS || parameter.Value === null) return fallback;
  const value = Number(parameter.Value.ParameterData);
  return Number.isInteger(value) && value >= range[0] && value <= range[1] ? value : fallback;
}

function readText(configuration: NDIS_HANDLE, keyword: string): string {
  const status = out(NDIS_STATUS_SUCCESS as number);
  const parameter = out<NDIS_CONFIGURATION_PARAMETER | null>(null);
  NdisReadConfiguration(status, parameter, configuration, keyword, NdisParameterString);
  return status.Value === NDIS_STATUS_SUCCESS ? String(parameter.Value?.ParameterData ?? '').trim() : '';
}

/**
 * The station address in a `NetworkAddress` keyword: twelve hexadecimal digits, octets apart by nothing, `-` or `:`.
 * Undefined for anything else, for a group address and for all zeros: no station may have those (IEEE 802.3, 3.2.3).
 */
export function parseNetworkAddress(text: string): Uint8Array | undefined {
  const separator = text[2] === '-' || text[2] === ':' ? text[2] : '';
  const octets = separator === '' ? (text.match(/../g) ?? []) : text.split(separator);
  if (octets.length !== 6 || octets.join(separator) !== text) return undefined;
  if (!octets.every((octet) => /^[0-9a-f]{2}$/i.test(octet))) return undefined;
  const address = Uint8Array.from(octets, (octet) => Number.parseInt(octet, 16));
  const usable = (address[0]! & 1) === 0 && address.some((octet) => octet !== 0);
  return usable ? address : undefined;
}

/** Reads the adapter's keywords. PASSIVE_LEVEL. */
export function readConfiguration(handle: NDIS_HANDLE): Configuration {
  const opened = out<NDIS_HANDLE | null>(null);
  const status = NdisOpenConfigurationEx(
    { Header: { Type: NDIS_OBJECT_TYPE_DEFAULT, Revision: 1, Size: 24 }, NdisHandle: handle, Flags: 0 },
    opened,
  );
  if (status !== NDIS_STATUS_SUCCESS || opened.Value === null) return DEFAULTS;
  const configuration = opened.Value;
  const packet = readNumber(
    configuration,
    '*JumboPacket',
    [68 + ETHERNET_HEADER_BYTES, MAX_MTU + ETHERNET_HEADER_BYTES],
    DEFAULTS.mtu + ETHERNET_HEADER_BYTES,
  );
  const result: Configuration = {
    mtu: packet - ETHERNET_HEADER_BYTES,
    receiveBuffers: powerOfTwo(readNumber(configuration, '*ReceiveBuffers', RING_RANGE, DEFAULTS.receiveBuffers)),
    transmitBuffers: powerOfTwo(readNumber(configuration, '*TransmitBuffers', RING_RANGE, DEFAULTS.transmitBuffers)),
    moderation: readNumber(configuration, '*InterruptModeration', [0, 1], DEFAULTS.moderation ? 1 : 0) === 1,
    moderationUs: readNumber(configuration, 'ITR', [0, 8000], DEFAULTS.moderationUs),
    queues: DEFAULTS.queues,
    networkAddress: readText(configuration, 'NetworkAddress'),
  };
  NdisCloseConfiguration(configuration);
  return result;
}

/** Longest frame on the wire, with one VLAN tag and CRC; never below the standard's. */
export function maxFrameBytes(mtu: number): number {
  return Math.max(DEFAULTS.mtu, mtu) + ETHERNET_HEADER_BYTES + VLAN_TAG_BYTES + CRC_BYTES;
}

/** A receive buffer's size: the longest frame in whole KiB, which both chips can be told. */
export function slotBytesFor(mtu: number): number {
  return Math.max(2048, Math.ceil(maxFrameBytes(mtu) / 1024) * 1024);
}
