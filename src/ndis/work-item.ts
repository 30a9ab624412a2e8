/**
 * Work items: from DISPATCH_LEVEL back to PASSIVE_LEVEL. Layer: ndis.
 * Invariants: the routine runs in a later turn of the event loop, so a routine that queues itself starves nobody; an item
 * is queued once at a time; what was not freed is taken back at halt, and then its routine does not run any more.
 */
import { type AdapterCore, coreOrNull, wrongHandle } from './core.ts';
import { callAtIrql, requireIrqlAtMost } from './irql.ts';
import { DISPATCH_LEVEL, type MaybePromise, type NDIS_CONTEXT, type NDIS_HANDLE, PASSIVE_LEVEL } from './types.ts';
import { wrapWaiting } from './verifier/wrap.ts';

/**
 * The routine of a work item. PASSIVE_LEVEL; may return a Promise, as it may wait in C. It may queue or free its own
 * item. [nc-ndis-ndis_io_workitem]
 */
export type NDIS_IO_WORKITEM = (WorkItemContext: NDIS_CONTEXT, NdisIoWorkItemHandle: NDIS_HANDLE) => MaybePromise<void>;

class WorkItem {
  readonly core: AdapterCore;
  open = true;
  queued: NodeJS.Immediate | null = null;

  constructor(core: AdapterCore) {
    this.core = core;
    core.claims.add(this);
    core.verifier?.took('work item', this);
  }

  describe(): string {
    return this.queued === null ? 'a work item' : 'a work item that is queued';
  }

  release(): void {
    this.core.claims.delete(this);
    this.core.verifier?.gave(this);
    this.open = false;
    if (this.queued !== null) clearImmediate(this.queued);
    this.queued = null;
  }

  async run(routine: NDIS_IO_WORKITEM, context: NDIS_CONTEXT): Promise<void> {
    this.queued = null;
    if (this.core.faulted) return;
    try {
      await callAtIrql(PASSIVE_LEVEL, () => routine(context, this as unknown as NDIS_HANDLE));
    } catch (error) {
      this.core.fault('A work item threw', undefined, error);
    }
  }
}

function itemOf(handle: NDIS_HANDLE, what: string): WorkItem {
  const item = handle as unknown;
  return item instanceof WorkItem && item.open ? item : wrongHandle(what, 'a handle of NdisAllocateIoWorkItem');
}

/**
 * Makes a work item. <= DISPATCH_LEVEL. null: no miniport handle. [nf-ndis-ndisallocateioworkitem]
 * @param NdisObjectHandle the handle MiniportInitializeEx was called with.
 */
export function NdisAllocateIoWorkItem(NdisObjectHandle: NDIS_HANDLE): NDIS_HANDLE | null {
  requireIrqlAtMost(DISPATCH_LEVEL, 'NdisAllocateIoWorkItem');
  const core = coreOrNull(NdisObjectHandle);
  return core === null ? null : (new WorkItem(core) as unknown as NDIS_HANDLE);
}

/**
 * Queues a work item: Routine runs at PASSIVE_LEVEL in a later turn of the event loop. <= DISPATCH_LEVEL. Queuing an
 * item that is queued is a fault, as it corrupts the queue in Windows. [nf-ndis-ndisqueueioworkitem]
 * @throws NdisVfioError E_STATE at DIRQL, or for a handle that was freed.
 */
export function NdisQueueIoWorkItem(
  NdisIoWorkItemHandle: NDIS_HANDLE,
  Routine: NDIS_IO_WORKITEM,
  WorkItemContext: NDIS_CONTEXT,
): void {
  requireIrqlAtMost(DISPATCH_LEVEL, 'NdisQueueIoWorkItem');
  const item = itemOf(NdisIoWorkItemHandle, 'NdisQueueIoWorkItem');
  if (item.queued !== null) {
    item.core.fault('A work item was queued that is queued already');
    return;
  }
  const { verifier } = item.core;
  const routine = verifier === null ? Routine : wrapWaiting(verifier, 'NDIS_IO_WORKITEM', Routine);
  item.queued = setImmediate(() => void item.run(routine, WorkItemContext));
}

/**
 * Frees a work item. <= DISPATCH_LEVEL. Freeing one that is queued is a fault; its routine does not run then.
 * [nf-ndis-ndisfreeioworkitem]
 * @throws NdisVfioError E_STATE at DIRQL, or for a handle that was freed.
 */
export function NdisFreeIoWorkItem(NdisIoWorkItemHandle: NDIS_HANDLE): void {
  requireIrqlAtMost(DISPATCH_LEVEL, 'NdisFreeIoWorkItem');
  const item = itemOf(NdisIoWorkItemHandle, 'NdisFreeIoWorkItem');
  if (item.queued !== null) item.core.fault('A work item was freed that is queued');
  item.release();
}
