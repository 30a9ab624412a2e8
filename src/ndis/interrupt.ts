/**
 * stub
 */
import type { NDIS_STATUS } from './status.ts';
import type {
  MINIPORT_SYNCHRONIZE_INTERRUPT,
  NDIS_CONTEXT,
  NDIS_HANDLE,
  NDIS_MINIPORT_INTERRUPT_CHARACTERISTICS,
  NDIS_MSIX_CONFIG_PARAMETERS,
  Out,
} from './types.ts';

export function NdisMRegisterInterruptEx(
  _MiniportAdapterHandle: NDIS_HANDLE,
  _MiniportInterruptContext: NDIS_CONTEXT,
  _MiniportInterruptCharacteristics: NDIS_MINIPORT_INTERRUPT_CHARACTERISTICS,
  _NdisInterruptHandle: Out<NDIS_HANDLE | null>,
): NDIS_STATUS {
  throw new Error('not yet');
}
export function NdisMDeregisterInterruptEx(_NdisInterruptHandle: NDIS_HANDLE): void {
  throw new Error('not yet');
}
export function NdisMSynchronizeWithInterruptEx(
  _NdisInterruptHandle: NDIS_HANDLE,
  _MessageId: number,
  _SynchronizeFunction: MINIPORT_SYNCHRONIZE_INTERRUPT,
  _SynchronizeContext: NDIS_CONTEXT,
): boolean {
  throw new Error('not yet');
}
export function NdisMConfigMSIXTableEntry(
  _NdisMiniportHandle: NDIS_HANDLE,
  _MSIXConfigParameters: NDIS_MSIX_CONFIG_PARAMETERS,
): NDIS_STATUS {
  throw new Error('not yet');
}
export function NdisDiagnosticDisableMessageInterrupt(
  _NdisInterruptHandle: NDIS_HANDLE,
  _MessageId: number,
): NDIS_STATUS {
  throw new Error('not yet');
}
export function NdisDiagnosticEnableMessageInterrupt(
  _NdisInterruptHandle: NDIS_HANDLE,
  _MessageId: number,
): NDIS_STATUS {
  throw new Error('not yet');
}
export function NdisDiagnosticDisableInterrupt(_NdisInterruptHandle: NDIS_HANDLE): NDIS_STATUS {
  throw new Error('not yet');
}
export function NdisDiagnosticEnableInterrupt(_NdisInterruptHandle: NDIS_HANDLE): NDIS_STATUS {
  throw new Error('not yet');
}
