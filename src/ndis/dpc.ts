/**
 * NdisMQueueDpc and NdisMQueueDpcEx. Layer: ndis. (Contract 1.10)
 * Invariant: the returned mask names the processors a DPC was queued on by this call; a requested bit that comes back
 * clear was queued already and keeps its context.
 */
import { wrongHandle } from './core.ts';
import { InterruptObject } from './interrupt-object.ts';
import type { GROUP_AFFINITY, NDIS_CONTEXT, NDIS_HANDLE } from './types.ts';

/**
 * Queues the interrupt's DPC on processors 0 to 31. Any IRQL; may be called in the ISR.
 * MessageId is 0 for a line. A wrong MessageId is logged (INT-10) and queues nothing. [nf-ndis-ndismqueuedpc]
 * @returns mask of the processors it was newly queued on.
 * @throws NdisVfioError E_STATE after NdisMDeregisterInterruptEx.
 */
export function NdisMQueueDpc(
  NdisInterruptHandle: NDIS_HANDLE,
  MessageId: number,
  TargetProcessors: number,
  MiniportDpcContext: NDIS_CONTEXT,
): number {
  const interrupt = NdisInterruptHandle as unknown;
  if (!(interrupt instanceof InterruptObject) || interrupt.phase === 'Unregistered') {
    if (interrupt instanceof InterruptObject) {
      interrupt.core.verifier?.saw('staleInterrupt', { what: 'NdisMQueueDpc' });
    }
    return wrongHandle('NdisMQueueDpc', 'the handle of a registered interrupt (INT-05)');
  }
  if (!(MessageId >= 0 && MessageId < interrupt.messageCount)) {
    interrupt.core.logRule('INT-10', `a DPC was queued for message ${MessageId} of ${interrupt.messageCount}`);
    return 0;
  }
  return interrupt.queueDpc(MessageId, TargetProcessors, MiniportDpcContext);
}

/**
 * {@link NdisMQueueDpc} with a processor group, of which only group 0 exists here. Any IRQL. [nf-ndis-ndismqueuedpcex]
 * @returns mask of the processors it was newly queued on.
 */
export function NdisMQueueDpcEx(
  NdisInterruptHandle: NDIS_HANDLE,
  MessageId: number,
  TargetProcessors: GROUP_AFFINITY,
  MiniportDpcContext: NDIS_CONTEXT,
): number {
  const mask = TargetProcessors.Group === 0 ? TargetProcessors.Mask : 0;
  return NdisMQueueDpc(NdisInterruptHandle, MessageId, mask, MiniportDpcContext);
}
