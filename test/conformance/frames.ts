/**
 * Frames of the conformance rows: numbered, of the local experimental EtherType, told apart from anything else that may
 * be on a real wire. Layer: test. Invariant: a frame's payload follows from its number and length alone.
 */

/** IEEE 802 local experimental EtherType 1. */
export const ETHERTYPE = 0x88b5;
/** IEEE 802 local experimental EtherType 2. */
export const ETHERTYPE_2 = 0x88b6;
const VLAN_TPID = 0x8100;
export const HEADER_BYTES = 14;
/** Shortest frame without FCS. */
export const MINIMUM_BYTES = 60;
/** Shortest frame that holds its number. */
export const NUMBERED_BYTES = 18;

export const BROADCAST = new Uint8Array(6).fill(0xff);
/** Groups of the rows: locally administered, told apart by the last octet. */
export const group = (index: number): Uint8Array => Uint8Array.of(0x03, 0, 0x5e, 0x10, index >> 8, index & 0xff);

/** A frame of `length` bytes, at least {@link NUMBERED_BYTES}. */
export function numbered(
  to: Uint8Array,
  from: Uint8Array,
  number: number,
  length: number,
  type = ETHERTYPE,
): Uint8Array {
  const bytes = new Uint8Array(length);
  bytes.set(to);
  bytes.set(from, 6);
  const view = new DataView(bytes.buffer);
  view.setUint16(12, type);
  view.setUint32(14, number);
  for (let i = NUMBERED_BYTES; i < length; i += 1) bytes[i] = (number * 31 + i) & 0xff;
  return bytes;
}

/** The same frame with an 802.1Q tag, four bytes longer. */
export function tagged(frame: Uint8Array, tag: number): Uint8Array {
  const bytes = new Uint8Array(frame.length + 4);
  bytes.set(frame.subarray(0, 12));
  const view = new DataView(bytes.buffer);
  view.setUint16(12, VLAN_TPID);
  view.setUint16(14, tag);
  bytes.set(frame.subarray(12), 16);
  return bytes;
}

/** As it arrives: padded with zeros to the shortest frame of the medium. */
export function padded(frame: Uint8Array): Uint8Array {
  if (frame.length >= MINIMUM_BYTES) return frame;
  const bytes = new Uint8Array(MINIMUM_BYTES);
  bytes.set(frame);
  return bytes;
}

function typeOf(frame: Uint8Array): number {
  const at = frame[12] === 0x81 && frame[13] === 0 ? 16 : 12;
  return (frame[at]! << 8) | frame[at + 1]!;
}

/** True for a frame of a row. */
export function isOurs(frame: Uint8Array): boolean {
  const type = typeOf(frame);
  return frame.length >= HEADER_BYTES && (type === ETHERTYPE || type === ETHERTYPE_2);
}

export const numberOf = (frame: Uint8Array): number =>
  new DataView(frame.buffer, frame.byteOffset).getUint32(frame[12] === 0x81 && frame[13] === 0 ? 18 : 14);

/** Octets as hexadecimal text. */
export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
