/**
 * stub
 */
import type { Adapter } from './adapter.ts';
import type { NDIS_STATUS } from './status.ts';
import type {
  NDIS_CONTEXT,
  NDIS_HANDLE,
  NDIS_OID_REQUEST,
  NDIS_STATUS_INDICATION,
  NET_BUFFER_LIST,
  Out,
} from './types.ts';

/** The protocol's handlers; the first two run at DISPATCH_LEVEL. */
export interface NDIS_PROTOCOL_BINDING_CHARACTERISTICS {
  ReceiveNetBufferListsHandler: (
    ProtocolBindingContext: NDIS_CONTEXT,
    NetBufferLists: NET_BUFFER_LIST,
    PortNumber: number,
    NumberOfNetBufferLists: number,
    ReceiveFlags: number,
  ) => void;
  SendNetBufferListsCompleteHandler: (
    ProtocolBindingContext: NDIS_CONTEXT,
    NetBufferList: NET_BUFFER_LIST,
    SendCompleteFlags: number,
  ) => void;
  StatusHandlerEx?: ((ProtocolBindingContext: NDIS_CONTEXT, StatusIndication: NDIS_STATUS_INDICATION) => void) | null;
}

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
