/**
 * stub
 */
import type { GROUP_AFFINITY, NDIS_CONTEXT, NDIS_HANDLE } from './types.ts';

export function NdisMQueueDpc(
  _NdisInterruptHandle: NDIS_HANDLE,
  _MessageId: number,
  _TargetProcessors: number,
  _MiniportDpcContext: NDIS_CONTEXT,
): number {
  throw new Error('not yet');
}
export function NdisMQueueDpcEx(
  _NdisInterruptHandle: NDIS_HANDLE,
  _MessageId: number,
  _TargetProcessors: GROUP_AFFINITY,
  _MiniportDpcContext: NDIS_CONTEXT,
): number {
  throw new Error('not yet');
}
