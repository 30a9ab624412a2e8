/**
 * stub
 */
import type { NDIS_STATUS } from './status.ts';
import type { NDIS_CONTEXT, NDIS_HANDLE, Out } from './types.ts';

export interface NDIS_TIMER_CHARACTERISTICS {
  /** IRQL = DISPATCH_LEVEL. */
  TimerFunction: (
    SystemSpecific1: null,
    FunctionContext: NDIS_CONTEXT,
    SystemSpecific2: null,
    SystemSpecific3: null,
  ) => void;
  FunctionContext: NDIS_CONTEXT;
}

export function NdisMSleep(_MicrosecondsToSleep: number): Promise<void> {
  throw new Error('not yet');
}
export function NdisStallExecution(_MicrosecondsToStall: number): void {
  throw new Error('not yet');
}
export function NdisAllocateTimerObject(
  _NdisHandle: NDIS_HANDLE,
  _TimerCharacteristics: NDIS_TIMER_CHARACTERISTICS,
  _TimerObject: Out<NDIS_HANDLE | null>,
): NDIS_STATUS {
  throw new Error('not yet');
}
export function NdisSetTimerObject(
  _TimerObject: NDIS_HANDLE,
  _DueTimeMs: number,
  _MillisecondsPeriod: number,
  _FunctionContext: NDIS_CONTEXT,
): boolean {
  throw new Error('not yet');
}
export function NdisCancelTimerObject(_TimerObject: NDIS_HANDLE): boolean {
  throw new Error('not yet');
}
export function NdisFreeTimerObject(_TimerObject: NDIS_HANDLE): void {
  throw new Error('not yet');
}
