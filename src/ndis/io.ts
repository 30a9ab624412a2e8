/**
 * Registers and configuration space. Layer: ndis. (Contract 3.4, 1.19)
 * Invariant: a miniport reaches only what AllocatedResources gave it, and nothing after NdisMUnmapIoSpace.
 * C's pointer plus offset is (IoSpace, Offset) here, and a read returns its value.
 */
import { NdisVfioError } from '../base/errors.ts';
import type { Bar } from '../platform/index.ts';
import { type AdapterCore, coreOf, coreOrNull, type MappedBar } from './core.ts';
import { requireIrqlAtMost } from './irql.ts';
import {
  type NDIS_STATUS,
  NDIS_STATUS_FAILURE,
  NDIS_STATUS_INVALID_PARAMETER,
  NDIS_STATUS_RESOURCE_CONFLICT,
  NDIS_STATUS_RESOURCES,
  NDIS_STATUS_SUCCESS,
} from './status.ts';
import { type NDIS_HANDLE, type Out, PASSIVE_LEVEL, PCI_WHICHSPACE_CONFIG } from './types.ts';

/** A mapped part of a memory BAR. Opaque to miniports: use the register functions. */
export class IoSpace {
  readonly lengthBytes: number;
  /** @internal */
  readonly base: number;
  /** @internal Replaced by one that refuses when the space is unmapped. */
  bar: Bar;
  readonly #core: AdapterCore;
  readonly #index: number;

  /** @internal */
  constructor(core: AdapterCore, index: number, bar: Bar, base: number, lengthBytes: number) {
    this.#core = core;
    this.#index = index;
    this.bar = bar;
    this.base = base;
    this.lengthBytes = lengthBytes;
  }

  /** @internal Any piece left of the BAR keeps it mapped. */
  release(): void {
    if (!this.#core.ioSpaces.delete(this)) return;
    this.bar = UNMAPPED;
    const mapped = this.#core.bars.get(this.#index);
    if (mapped === undefined || --mapped.pieces > 0) return;
    this.#core.bars.delete(this.#index);
    mapped.bar.unmap();
  }

  /** @internal */
  belongsTo(core: AdapterCore): boolean {
    return this.#core === core;
  }
}

function unmapped(): never {
  throw new NdisVfioError('E_STATE', {
    action: 'Cannot access a register',
    cause: 'the I/O space was unmapped',
    cure: 'Access registers between NdisMMapIoSpace and NdisMUnmapIoSpace',
  });
}

const UNMAPPED: Bar = {
  lengthBytes: 0,
  read32: unmapped,
  write32: unmapped,
  read16: unmapped,
  write16: unmapped,
  read8: unmapped,
  write8: unmapped,
  unmap: () => {},
};

/**
 * Maps part of a memory BAR. PASSIVE_LEVEL; only in MiniportInitializeEx, after the registration attributes.
 * RESOURCE_CONFLICT: the range is not in an assigned BAR. RESOURCES: the mapping failed. FAILURE: outside Initialize.
 * VirtualAddress is null on failure. [nf-ndis-ndismmapiospace]
 */
export function NdisMMapIoSpace(
  VirtualAddress: Out<IoSpace | null>,
  MiniportAdapterHandle: NDIS_HANDLE,
  PhysicalAddress: number,
  Length: number,
): NDIS_STATUS {
  requireIrqlAtMost(PASSIVE_LEVEL, 'NdisMMapIoSpace');
  VirtualAddress.Value = null;
  const core = coreOrNull(MiniportAdapterHandle);
  if (core === null) return NDIS_STATUS_INVALID_PARAMETER;
  if (core.state !== 'Initializing' || core.registration === null) {
    core.logRule(
      'NdisMMapIoSpace',
      'NdisMMapIoSpace belongs into MiniportInitializeEx, after the registration attributes',
    );
    return NDIS_STATUS_FAILURE;
  }
  const info = core.pci.bars.find(
    (bar) =>
      PhysicalAddress >= bar.busAddress && Length > 0 && PhysicalAddress + Length <= bar.busAddress + bar.lengthBytes,
  );
  if (info === undefined) return NDIS_STATUS_RESOURCE_CONFLICT;
  let mapped: MappedBar | undefined = core.bars.get(info.index);
  if (mapped === undefined) {
    try {
      const bar = core.pci.mapBar(info.index);
      mapped = { bar: core.verifier?.watchBar(bar) ?? bar, pieces: 0 };
    } catch (error) {
      core.log({ kind: 'info', message: `BAR ${info.index} cannot be mapped: ${String(error)}` });
      return NDIS_STATUS_RESOURCES;
    }
    core.bars.set(info.index, mapped);
  }
  mapped.pieces++;
  const space = new IoSpace(core, info.index, mapped.bar, PhysicalAddress - info.busAddress, Length);
  core.ioSpaces.add(space);
  core.verifier?.took('I/O space', space);
  VirtualAddress.Value = space;
  return NDIS_STATUS_SUCCESS;
}

/**
 * PASSIVE_LEVEL; in MiniportHaltEx or a failing MiniportInitializeEx, with the length it was mapped with.
 * [nf-ndis-ndismunmapiospace]
 */
export function NdisMUnmapIoSpace(MiniportAdapterHandle: NDIS_HANDLE, VirtualAddress: IoSpace, Length: number): void {
  requireIrqlAtMost(PASSIVE_LEVEL, 'NdisMUnmapIoSpace');
  const core = coreOf(MiniportAdapterHandle, 'NdisMUnmapIoSpace');
  if (!VirtualAddress.belongsTo(core) || !core.ioSpaces.has(VirtualAddress)) {
    core.logRule('NV-05', 'NdisMUnmapIoSpace was called for a space that is not mapped');
    return;
  }
  if (VirtualAddress.lengthBytes !== Length) core.logRule('NV-05', 'NdisMUnmapIoSpace was called with another length');
  VirtualAddress.release();
}

/** Reads 32 bits, unsigned. Any IRQL. All ones: the device is gone. @throws RangeError. [nf-ndis-ndisreadregisterulong] */
export function NdisReadRegisterUlong(Register: IoSpace, Offset: number): number {
  return Register.bar.read32(Register.base + Offset);
}

/** Writes 32 bits. Any IRQL. @throws RangeError. [nf-ndis-ndiswriteregisterulong] */
export function NdisWriteRegisterUlong(Register: IoSpace, Offset: number, Data: number): void {
  Register.bar.write32(Register.base + Offset, Data);
}

/** Reads 16 bits. Any IRQL. */
export function NdisReadRegisterUshort(Register: IoSpace, Offset: number): number {
  return Register.bar.read16(Register.base + Offset);
}

/** Writes 16 bits. Any IRQL. */
export function NdisWriteRegisterUshort(Register: IoSpace, Offset: number, Data: number): void {
  Register.bar.write16(Register.base + Offset, Data);
}

/** Reads 8 bits. Any IRQL. */
export function NdisReadRegisterUchar(Register: IoSpace, Offset: number): number {
  return Register.bar.read8(Register.base + Offset);
}

/** Writes 8 bits. Any IRQL. */
export function NdisWriteRegisterUchar(Register: IoSpace, Offset: number, Data: number): void {
  Register.bar.write8(Register.base + Offset, Data);
}

/**
 * Reads configuration space (WhichSpace = PCI_WHICHSPACE_CONFIG). Any IRQL. Returns the bytes read; fewer than Length:
 * failed. [nf-ndis-ndismgetbusdata]
 */
export function NdisMGetBusData(
  NdisMiniportHandle: NDIS_HANDLE,
  WhichSpace: number,
  Offset: number,
  Buffer: Uint8Array,
  Length: number,
): number {
  const core = coreOf(NdisMiniportHandle, 'NdisMGetBusData');
  if (WhichSpace !== PCI_WHICHSPACE_CONFIG) return 0;
  return core.pci.readConfig(Offset, Buffer.subarray(0, Length));
}

/** Writes configuration space; only fields the device owns. Any IRQL. Returns the bytes written. [nf-ndis-ndismsetbusdata] */
export function NdisMSetBusData(
  NdisMiniportHandle: NDIS_HANDLE,
  WhichSpace: number,
  Offset: number,
  Buffer: Uint8Array,
  Length: number,
): number {
  const core = coreOf(NdisMiniportHandle, 'NdisMSetBusData');
  if (WhichSpace !== PCI_WHICHSPACE_CONFIG) return 0;
  return core.pci.writeConfig(Offset, Buffer.subarray(0, Length));
}
