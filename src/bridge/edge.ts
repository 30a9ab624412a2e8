/**
 * The upper edge of an adapter as one object: send slots, send, return. Layer: bridge (imports ndis).
 * Invariants: everything here forwards to the NDIS functions of the same meaning and adds no policy; the binding is
 * opened once and closed once; handlers run at DISPATCH_LEVEL and may be entered from inside send().
 * It exists so that the bridge and the public API share one binding, and so that tests can stand in for the adapter.
 */
import { NdisVfioError } from '../base/errors.ts';
import type { Adapter } from '../ndis/adapter.ts';
import {
  NDIS_STATUS_LINK_STATE,
  NDIS_STATUS_SUCCESS,
  NdisCloseAdapterEx,
  NdisOpenAdapterEx,
  NdisReturnNetBufferLists,
  NdisSendNetBufferLists,
  type SendPool,
  statusName,
} from '../ndis/index.ts';
import {
  NDIS_DEFAULT_PORT_NUMBER,
  type NDIS_HANDLE,
  type NDIS_LINK_STATE,
  type NET_BUFFER_LIST,
  out,
} from '../ndis/types.ts';

/** What the bridge uses of a {@link SendPool}; tests supply their own. */
export type SendSlots = Pick<SendPool, 'memory' | 'slotBytes' | 'take' | 'release' | 'offsetOf' | 'setLength'>;

/** What an adapter calls on the protocol above it. IRQL = DISPATCH_LEVEL for all. */
export interface EdgeHandlers {
  /** `flags`: NDIS_RECEIVE_FLAGS_*. With RESOURCES the NBLs are the miniport's again on return. */
  received(first: NET_BUFFER_LIST, flags: number): void;
  sendCompleted(first: NET_BUFFER_LIST): void;
  linkChanged(state: NDIS_LINK_STATE): void;
}

export interface AdapterEdge {
  readonly slots: SendSlots;
  /** Sends a chain of slots; each comes back through `sendCompleted`, possibly before this returns. */
  send(first: NET_BUFFER_LIST): void;
  /** Returns a chain that `received` handed over without RESOURCES. `flags`: NDIS_RETURN_FLAGS_*. */
  returnReceived(first: NET_BUFFER_LIST, flags: number): void;
  /** Unbinds. Every send must have completed and every received NBL must have been returned. */
  close(): void;
}

/** Opens the binding. IRQL = PASSIVE_LEVEL. @throws NdisVfioError E_STATE when the adapter refuses the binding. */
export function openEdge(adapter: Adapter, slotCount: number, slotBytes: number, handlers: EdgeHandlers): AdapterEdge {
  const slots = adapter.allocateSendPool({ frames: slotCount, frameBytes: slotBytes });
  const box = out<NDIS_HANDLE | null>(null);
  const status = NdisOpenAdapterEx(
    adapter,
    {
      ReceiveNetBufferListsHandler: (_context, first, _port, _count, flags) => handlers.received(first, flags),
      SendNetBufferListsCompleteHandler: (_context, first) => handlers.sendCompleted(first),
      StatusHandlerEx: (_context, indication) => {
        if (indication.StatusCode !== NDIS_STATUS_LINK_STATE) return;
        handlers.linkChanged(indication.StatusBuffer as NDIS_LINK_STATE);
      },
    },
    null,
    box,
  );
  const binding = box.Value;
  if (status !== NDIS_STATUS_SUCCESS || binding === null) {
    slots.free();
    throw new NdisVfioError('E_STATE', {
      action: 'Cannot bind to the adapter',
      cause: `it answered ${statusName(status)}`,
      cure: 'Initialize the adapter first',
    });
  }
  let open = true;
  return {
    slots,
    send: (first) => NdisSendNetBufferLists(binding, first, NDIS_DEFAULT_PORT_NUMBER, 0),
    returnReceived: (first, flags) => NdisReturnNetBufferLists(binding, first, flags),
    close: () => {
      if (!open) return;
      open = false;
      NdisCloseAdapterEx(binding);
      // A slot still out belongs to a miniport that never completed it; its memory goes when the function is closed.
      if (slots.available === slots.frames) slots.free();
    },
  };
}

/** Ethernet header, one VLAN tag: what a frame has besides its MTU (IEEE 802.3 3.1.1; the FCS never reaches memory). */
export const FRAME_OVERHEAD_BYTES = 18;

/** Size of a send slot for an MTU, rounded so that slots start on cache lines and small MTUs share one size. */
export function slotBytesFor(mtuBytes: number): number {
  return Math.ceil((mtuBytes + FRAME_OVERHEAD_BYTES) / 1024) * 1024;
}
