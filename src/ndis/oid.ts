/**
 * stub
 */
import type { NDIS_STATUS } from './status.ts';
import type { NDIS_HANDLE, NDIS_OID_REQUEST } from './types.ts';

export function NdisMOidRequestComplete(
  _MiniportAdapterHandle: NDIS_HANDLE,
  _OidRequest: NDIS_OID_REQUEST,
  _Status: NDIS_STATUS,
): void {
  throw new Error('not yet');
}
