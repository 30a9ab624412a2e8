/**
 * stub
 */
import type { NDIS_STATUS } from './status.ts';
import type { MDL, NDIS_HANDLE, NET_BUFFER, NET_BUFFER_LIST, NET_BUFFER_LIST_POOL_PARAMETERS } from './types.ts';

export function NdisAllocateNetBufferListPool(
  _NdisHandle: NDIS_HANDLE | null,
  _Parameters: NET_BUFFER_LIST_POOL_PARAMETERS,
): NDIS_HANDLE | null {
  throw new Error('not yet');
}
export function NdisFreeNetBufferListPool(_PoolHandle: NDIS_HANDLE): void {
  throw new Error('not yet');
}
export function NdisAllocateNetBufferAndNetBufferList(
  _PoolHandle: NDIS_HANDLE,
  _ContextSize: number,
  _ContextBackFill: number,
  _MdlChain: MDL | null,
  _DataOffset: number,
  _DataLength: number,
): NET_BUFFER_LIST | null {
  throw new Error('not yet');
}
export function NdisFreeNetBufferList(_NetBufferList: NET_BUFFER_LIST): void {
  throw new Error('not yet');
}
export function NdisAllocateMdl(_NdisHandle: NDIS_HANDLE, _VirtualAddress: Uint8Array, _Length: number): MDL | null {
  throw new Error('not yet');
}
export function NdisFreeMdl(_Mdl: MDL): void {
  throw new Error('not yet');
}
export function NdisGetDataBuffer(
  _NetBuffer: NET_BUFFER,
  _BytesNeeded: number,
  _Storage: Uint8Array | null,
  _AlignMultiple: number,
  _AlignOffset: number,
): Uint8Array | null {
  throw new Error('not yet');
}
export function NdisAdvanceNetBufferDataStart(
  _NetBuffer: NET_BUFFER,
  _DataOffsetDelta: number,
  _FreeMdl: boolean,
  _FreeMdlHandler: null,
): void {
  throw new Error('not yet');
}
export function NdisRetreatNetBufferDataStart(
  _NetBuffer: NET_BUFFER,
  _DataOffsetDelta: number,
  _DataBackFill: number,
  _AllocateMdlHandler: null,
): NDIS_STATUS {
  throw new Error('not yet');
}
