/**
 * stub
 */
import type { NDIS_STATUS } from './status.ts';
import type {
  DRIVER_OBJECT,
  NDIS_CONTEXT,
  NDIS_HANDLE,
  NDIS_MINIPORT_ADAPTER_ATTRIBUTES,
  NDIS_MINIPORT_DRIVER_CHARACTERISTICS,
  NDIS_STATUS_INDICATION,
  Out,
} from './types.ts';

export function NdisMRegisterMiniportDriver(
  _DriverObject: DRIVER_OBJECT,
  _RegistryPath: string,
  _MiniportDriverContext: NDIS_CONTEXT,
  _MiniportDriverCharacteristics: NDIS_MINIPORT_DRIVER_CHARACTERISTICS,
  _NdisMiniportDriverHandle: Out<NDIS_HANDLE | null>,
): NDIS_STATUS {
  throw new Error('not yet');
}
export function NdisMDeregisterMiniportDriver(_NdisMiniportDriverHandle: NDIS_HANDLE): void {
  throw new Error('not yet');
}
export function NdisMSetMiniportAttributes(
  _NdisMiniportHandle: NDIS_HANDLE,
  _MiniportAttributes: NDIS_MINIPORT_ADAPTER_ATTRIBUTES,
): NDIS_STATUS {
  throw new Error('not yet');
}
export function NdisMPauseComplete(_MiniportAdapterHandle: NDIS_HANDLE): void {
  throw new Error('not yet');
}
export function NdisMRestartComplete(_MiniportAdapterHandle: NDIS_HANDLE, _Status: NDIS_STATUS): void {
  throw new Error('not yet');
}
export function NdisMResetComplete(
  _MiniportAdapterHandle: NDIS_HANDLE,
  _Status: NDIS_STATUS,
  _AddressingReset: boolean,
): void {
  throw new Error('not yet');
}
export function NdisMResetMiniport(_MiniportAdapterHandle: NDIS_HANDLE): void {
  throw new Error('not yet');
}
export function NdisMRemoveMiniport(_MiniportAdapterHandle: NDIS_HANDLE): NDIS_STATUS {
  throw new Error('not yet');
}
export function NdisMIndicateStatusEx(
  _MiniportAdapterHandle: NDIS_HANDLE,
  _StatusIndication: NDIS_STATUS_INDICATION,
): void {
  throw new Error('not yet');
}
export function NdisWriteErrorLogEntry(
  _MiniportAdapterHandle: NDIS_HANDLE,
  _ErrorCode: number,
  ..._values: number[]
): void {
  throw new Error('not yet');
}
