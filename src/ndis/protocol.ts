/**
 * stub
 */
import type { Adapter } from './adapter.ts';
import type { NDIS_PROTOCOL_BINDING_CHARACTERISTICS } from './core.ts';
import type { NDIS_STATUS } from './status.ts';
import type {
  NDIS_CONTEXT,
  NDIS_HANDLE,
  NDIS_OID_REQUEST,
  NDIS_STATUS_INDICATION,
  NET_BUFFER_LIST,
  Out,
} from './types.ts';

export function NdisOpenAdapterEx(
  _adapter: Adapter,
  _characteristics: NDIS_PROTOCOL_BINDING_CHARACTERISTICS,
  _ProtocolBindingContext: NDIS_CONTEXT,
  _NdisBindingHandle: Out<NDIS_HANDLE | null>,
): NDIS_STATUS {
  throw new Error('not yet');
}
export function NdisCloseAdapterEx(_NdisBindingHandle: NDIS_HANDLE): void {
  throw new Error('not yet');
}
export function NdisSendNetBufferLists(
  _NdisBindingHandle: NDIS_HANDLE,
  _NetBufferLists: NET_BUFFER_LIST,
  _PortNumber: number,
  _SendFlags: number,
): void {
  throw new Error('not yet');
}
export function NdisReturnNetBufferLists(
  _NdisBindingHandle: NDIS_HANDLE,
  _NetBufferLists: NET_BUFFER_LIST,
  _ReturnFlags: number,
): void {
  throw new Error('not yet');
}
export function NdisOidRequest(_NdisBindingHandle: NDIS_HANDLE, _OidRequest: NDIS_OID_REQUEST): Promise<NDIS_STATUS> {
  throw new Error('not yet');
}
