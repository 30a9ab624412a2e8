/**
 * The standard parts of PCI configuration space the host layer needs. Layer: host.
 * Invariant: works on bytes already read; malformed capability lists end the walk, they never loop or throw.
 * Source: PCI Local Bus Specification 3.0, sections 6.1, 6.7 and 6.8.2.
 */

/** Where an MSI-X function keeps its table and its pending bits (6.8.2). */
export interface MsixCapability {
  readonly count: number;
  readonly tableBar: number;
  readonly tableOffset: number;
  readonly pbaBar: number;
  readonly pbaOffset: number;
}

export const CONFIG_BYTES = 256;
export const CAPABILITY_MSIX = 0x11;

const STATUS = 0x06;
const STATUS_CAPABILITY_LIST = 0x10;
const CAPABILITY_POINTER = 0x34;
const FIRST_CAPABILITY = 0x40;

/** Offset of the first capability with this id in the first 256 bytes, or undefined. */
export function findCapability(config: Uint8Array, id: number): number | undefined {
  if ((read16(config, STATUS) & STATUS_CAPABILITY_LIST) === 0) return undefined;
  let at = (config[CAPABILITY_POINTER] ?? 0) & ~3;
  // 48 capabilities of 4 bytes fill the space: more steps mean a loop.
  for (let step = 0; step < 48 && at >= FIRST_CAPABILITY; step += 1) {
    if (config[at] === id) return at;
    at = (config[at + 1] ?? 0) & ~3;
  }
  return undefined;
}

/** The MSI-X capability, or undefined where the function has none. */
export function readMsixCapability(config: Uint8Array): MsixCapability | undefined {
  const at = findCapability(config, CAPABILITY_MSIX);
  if (at === undefined || at + 12 > config.length) return undefined;
  const table = read32(config, at + 4);
  const pending = read32(config, at + 8);
  return {
    count: (read16(config, at + 2) & 0x7ff) + 1,
    tableBar: table & 7,
    tableOffset: (table & ~7) >>> 0,
    pbaBar: pending & 7,
    pbaOffset: (pending & ~7) >>> 0,
  };
}

function read16(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8);
}

function read32(bytes: Uint8Array, at: number): number {
  return (read16(bytes, at) | (read16(bytes, at + 2) << 16)) >>> 0;
}
