/**
 * The upper edge: what a protocol (the bridge, an application) calls. Layer: ndis. Frame path 5; next: src/bridge.
 * Invariants: handlers run at DISPATCH_LEVEL and may be entered inside the protocol's own call; a closed binding is
 * called no more. All functions <= DISPATCH_LEVEL.
 */
import type { Adapter } from './adapter.ts';
import { type AdapterCore, Binding, type NDIS_PROTOCOL_BINDING_CHARACTERISTICS, wrongHandle } from './core.ts';
import { cancelSends, giveBack, sendDown } from './data-path.ts';
import { KeGetCurrentIrql, requireIrqlAtMost } from './irql.ts';
import { resendPacketFilter, submitOid } from './oid.ts';
import {
  type NDIS_STATUS,
  NDIS_STATUS_BAD_CHARACTERISTICS,
  NDIS_STATUS_FAILURE,
  NDIS_STATUS_SUCCESS,
} from './status.ts';
import {
  DISPATCH_LEVEL,
  type NDIS_CONTEXT,
  type NDIS_HANDLE,
  type NDIS_OID_REQUEST,
  type NET_BUFFER_LIST,
  type Out,
} from './types.ts';

/**
 * Binds a protocol. In any state but Shutdown. It receives frames once its own packet filter (set by
 * {@link NdisOidRequest}) or, while it has set none, the adapter's is not 0.
 * BAD_CHARACTERISTICS: a handler is missing. FAILURE: the adapter is shut down. [nf-ndis-ndisopenadapterex]
 */
export function NdisOpenAdapterEx(
  adapter: Adapter,
  characteristics: NDIS_PROTOCOL_BINDING_CHARACTERISTICS,
  ProtocolBindingContext: NDIS_CONTEXT,
  NdisBindingHandle: Out<NDIS_HANDLE | null>,
): NDIS_STATUS {
  requireIrqlAtMost(DISPATCH_LEVEL, 'NdisOpenAdapterEx');
  if (!characteristics.ReceiveNetBufferListsHandler || !characteristics.SendNetBufferListsCompleteHandler) {
    return NDIS_STATUS_BAD_CHARACTERISTICS;
  }
  const core: AdapterCore = adapter.core;
  if (core.state === 'Shutdown') return NDIS_STATUS_FAILURE;
  const binding = new Binding(core, characteristics, ProtocolBindingContext);
  core.bindings = [...core.bindings, binding];
  core.refresh();
  NdisBindingHandle.Value = binding.handle;
  return NDIS_STATUS_SUCCESS;
}

/**
 * Unbinds; no handler is called afterwards. The protocol has its sends complete and its NBLs returned before: later
 * completions are dropped, and NBLs it still holds may still be returned. Idempotent. [nf-ndis-ndiscloseadapterex]
 */
export function NdisCloseAdapterEx(NdisBindingHandle: NDIS_HANDLE): void {
  requireIrqlAtMost(DISPATCH_LEVEL, 'NdisCloseAdapterEx');
  const binding = bindingOf(NdisBindingHandle, 'NdisCloseAdapterEx');
  if (!binding.open) return;
  const core = binding.core;
  binding.open = false;
  core.bindings = core.bindings.filter((one) => one !== binding);
  core.refresh();
  if (binding.sendsOutstanding > 0) {
    core.logRule('BIND', `a binding was closed with ${binding.sendsOutstanding} sends outstanding`);
  }
  if (binding.packetFilter > 0 || binding.multicast.length > 0) resendPacketFilter(core);
}

/**
 * Sends a chain; every NBL comes back through SendNetBufferListsCompleteHandler with its own Status, perhaps before this
 * returns: NDIS_STATUS_PAUSED while the adapter is not Running, NDIS_STATUS_NOT_ACCEPTED once the device is gone.
 * [nf-ndis-ndissendnetbufferlists]
 * @throws NdisVfioError E_STATE: no open binding, an NBL that is being sent already, or called at DIRQL.
 */
export function NdisSendNetBufferLists(
  NdisBindingHandle: NDIS_HANDLE,
  NetBufferLists: NET_BUFFER_LIST,
  PortNumber: number,
  SendFlags: number,
): void {
  const binding = NdisBindingHandle as unknown;
  if (!(binding instanceof Binding) || !binding.open) {
    wrongHandle('NdisSendNetBufferLists', 'the handle of an open binding');
  }
  if (KeGetCurrentIrql() > DISPATCH_LEVEL) requireIrqlAtMost(DISPATCH_LEVEL, 'NdisSendNetBufferLists');
  sendDown(binding, NetBufferLists, PortNumber, SendFlags);
}

/**
 * Cancels queued sends whose NetBufferListCancelId is `CancelId`; they come back with NDIS_STATUS_SEND_ABORTED, the ones
 * the hardware has already complete as usual. [nf-ndis-ndiscancelsendnetbufferlists]
 */
export function NdisCancelSendNetBufferLists(NdisBindingHandle: NDIS_HANDLE, CancelId: unknown): void {
  requireIrqlAtMost(DISPATCH_LEVEL, 'NdisCancelSendNetBufferLists');
  cancelSends(bindingOf(NdisBindingHandle, 'NdisCancelSendNetBufferLists').core, CancelId);
}

/**
 * Returns NBLs received without NDIS_RECEIVE_FLAGS_RESOURCES; any order, mixed from several indications. Also for a
 * closed binding. [nf-ndis-ndisreturnnetbufferlists]
 * @throws NdisVfioError E_STATE: no binding, or called at DIRQL.
 */
export function NdisReturnNetBufferLists(
  NdisBindingHandle: NDIS_HANDLE,
  NetBufferLists: NET_BUFFER_LIST,
  ReturnFlags: number,
): void {
  const binding = NdisBindingHandle as unknown;
  if (!(binding instanceof Binding)) wrongHandle('NdisReturnNetBufferLists', 'a binding handle');
  if (KeGetCurrentIrql() > DISPATCH_LEVEL) requireIrqlAtMost(DISPATCH_LEVEL, 'NdisReturnNetBufferLists');
  giveBack(binding.core, NetBufferLists, ReturnFlags);
}

/**
 * Asks the adapter; requests of all bindings are served one at a time. A packet filter and a multicast list are this
 * binding's own: the miniport gets the union of everybody's. [nf-ndis-ndisoidrequest]
 */
export function NdisOidRequest(NdisBindingHandle: NDIS_HANDLE, OidRequest: NDIS_OID_REQUEST): Promise<NDIS_STATUS> {
  const binding = bindingOf(NdisBindingHandle, 'NdisOidRequest');
  return submitOid(binding.core, binding, OidRequest);
}

function bindingOf(handle: NDIS_HANDLE, what: string): Binding {
  const binding = handle as unknown;
  return binding instanceof Binding ? binding : wrongHandle(what, 'a handle of NdisOpenAdapterEx');
}
