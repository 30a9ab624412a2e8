/**
 * stub
 */
import type { NDIS_STATUS } from './status.ts';
import type { NDIS_HANDLE, Out } from './types.ts';

/** A mapped part of a memory BAR. Opaque to miniports: use the register functions. */
export class IoSpace {
  readonly lengthBytes: number;
  constructor(lengthBytes: number) {
    this.lengthBytes = lengthBytes;
  }
}

export function NdisMMapIoSpace(
  _VirtualAddress: Out<IoSpace | null>,
  _MiniportAdapterHandle: NDIS_HANDLE,
  _PhysicalAddress: number,
  _Length: number,
): NDIS_STATUS {
  throw new Error('not yet');
}
export function NdisMUnmapIoSpace(
  _MiniportAdapterHandle: NDIS_HANDLE,
  _VirtualAddress: IoSpace,
  _Length: number,
): void {
  throw new Error('not yet');
}
export function NdisReadRegisterUlong(_Register: IoSpace, _Offset: number): number {
  throw new Error('not yet');
}
export function NdisReadRegisterUshort(_Register: IoSpace, _Offset: number): number {
  throw new Error('not yet');
}
export function NdisReadRegisterUchar(_Register: IoSpace, _Offset: number): number {
  throw new Error('not yet');
}
export function NdisWriteRegisterUlong(_Register: IoSpace, _Offset: number, _Data: number): void {
  throw new Error('not yet');
}
export function NdisWriteRegisterUshort(_Register: IoSpace, _Offset: number, _Data: number): void {
  throw new Error('not yet');
}
export function NdisWriteRegisterUchar(_Register: IoSpace, _Offset: number, _Data: number): void {
  throw new Error('not yet');
}
export function NdisMGetBusData(
  _MiniportAdapterHandle: NDIS_HANDLE,
  _WhichSpace: number,
  _Offset: number,
  _Buffer: Uint8Array,
  _Length: number,
): number {
  throw new Error('not yet');
}
export function NdisMSetBusData(
  _MiniportAdapterHandle: NDIS_HANDLE,
  _WhichSpace: number,
  _Offset: number,
  _Buffer: Uint8Array,
  _Length: number,
): number {
  throw new Error('not yet');
}
