/**
 * stub
 */
import type { NDIS_STATUS } from './status.ts';
import type {
  NDIS_CONTEXT,
  NDIS_HANDLE,
  NDIS_SG_DMA_DESCRIPTION,
  NET_BUFFER,
  Out,
  SCATTER_GATHER_LIST,
} from './types.ts';

export function NdisMRegisterScatterGatherDma(
  _MiniportAdapterHandle: NDIS_HANDLE,
  _DmaDescription: NDIS_SG_DMA_DESCRIPTION,
  _NdisMiniportDmaHandle: Out<NDIS_HANDLE | null>,
): NDIS_STATUS {
  throw new Error('not yet');
}
export function NdisMDeregisterScatterGatherDma(_NdisMiniportDmaHandle: NDIS_HANDLE): void {
  throw new Error('not yet');
}
export function NdisMAllocateSharedMemory(
  _MiniportAdapterHandle: NDIS_HANDLE,
  _Length: number,
  _Cached: boolean,
  _VirtualAddress: Out<Uint8Array | null>,
  _PhysicalAddress: Out<number>,
): void {
  throw new Error('not yet');
}
export function NdisMFreeSharedMemory(
  _MiniportAdapterHandle: NDIS_HANDLE,
  _Length: number,
  _Cached: boolean,
  _VirtualAddress: Uint8Array,
  _PhysicalAddress: number,
): void {
  throw new Error('not yet');
}
export function NdisMAllocateNetBufferSGList(
  _NdisMiniportDmaHandle: NDIS_HANDLE,
  _NetBuffer: NET_BUFFER,
  _Context: NDIS_CONTEXT,
  _Flags: number,
  _ScatterGatherListBuffer: SCATTER_GATHER_LIST | null,
  _ScatterGatherListBufferSize: number,
): NDIS_STATUS {
  throw new Error('not yet');
}
export function NdisMFreeNetBufferSGList(
  _NdisMiniportDmaHandle: NDIS_HANDLE,
  _pSGL: SCATTER_GATHER_LIST,
  _NetBuffer: NET_BUFFER,
): void {
  throw new Error('not yet');
}
