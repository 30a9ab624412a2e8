/**
 * stub
 */
import type { NDIS_HANDLE, NET_BUFFER_LIST } from './types.ts';

export function NdisMIndicateReceiveNetBufferLists(
  _MiniportAdapterHandle: NDIS_HANDLE,
  _NetBufferList: NET_BUFFER_LIST,
  _PortNumber: number,
  _NumberOfNetBufferLists: number,
  _ReceiveFlags: number,
): void {
  throw new Error('not yet');
}
export function NdisMSendNetBufferListsComplete(
  _MiniportAdapterHandle: NDIS_HANDLE,
  _NetBufferList: NET_BUFFER_LIST,
  _SendCompleteFlags: number,
): void {
  throw new Error('not yet');
}
