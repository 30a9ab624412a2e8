/**
 * Frames between miniport and protocols. Layer: ndis. Frame path 4; next: the protocol (src/bridge).
 * Invariants: an NBL has one owner, kept in NdisReserved, and is counted before it is handed on, as it may come back
 * inside the call; nothing is allocated per frame (with several receivers: clones, made once and reused).
 * Contract 3.1, 3.2, 2.4, 2.5.
 */
import { AdapterCore, Binding, wrongHandle } from './core.ts';
import { KeGetCurrentIrql, requireIrqlAtMost, restoreIrql, setIrql } from './irql.ts';
import { NetBuffer, NetBufferList } from './net-buffer-list.ts';
import { NdisDeviceStateD0 } from './oid-types.ts';
import {
  type NDIS_STATUS,
  NDIS_STATUS_FAILURE,
  NDIS_STATUS_LOW_POWER_STATE,
  NDIS_STATUS_NOT_ACCEPTED,
  NDIS_STATUS_PAUSED,
  NDIS_STATUS_PENDING,
  NDIS_STATUS_SUCCESS,
} from './status.ts';
import {
  DISPATCH_LEVEL,
  type NDIS_HANDLE,
  NDIS_RECEIVE_FLAGS_RESOURCES,
  NDIS_RETURN_FLAGS_DISPATCH_LEVEL,
  NDIS_SEND_COMPLETE_FLAGS_DISPATCH_LEVEL,
  NDIS_SEND_FLAGS_DISPATCH_LEVEL,
  type NET_BUFFER,
  type NET_BUFFER_LIST,
} from './types.ts';

/** NdisReserved of an NBL that is its owner's own. */
const HOME = 0;
/** NdisReserved of an NBL on the other side of NDIS; a number above 1 counts the receivers that still hold a clone. */
const AWAY = 1;
const BUG_CHECK_INDICATED_WHILE_OUT = 0x05;
const CLONE_POOL = Object.freeze({}) as unknown as NDIS_HANDLE;

// ---- Receive ----------------------------------------------------------------------------------------------------------

/**
 * Hands received frames to the protocols. <= DISPATCH_LEVEL, from MiniportRestart's call until MiniportPause's call.
 * Without NDIS_RECEIVE_FLAGS_RESOURCES every NBL comes back through MiniportReturnNetBufferLists, perhaps before this
 * returns; with it the NBLs are the miniport's again when this returns and Return is never called for them.
 * Without a receiver (no binding, packet filter 0, or paused) the NBLs are returned at once.
 * A NumberOfNetBufferLists that is not the chain's length, and an NBL that is out already, are faults.
 * [nf-ndis-ndismindicatereceivenetbufferlists]
 * @throws NdisVfioError E_STATE: wrong handle, or called at DIRQL.
 */
export function NdisMIndicateReceiveNetBufferLists(
  MiniportAdapterHandle: NDIS_HANDLE,
  NetBufferLists: NET_BUFFER_LIST,
  PortNumber: number,
  NumberOfNetBufferLists: number,
  ReceiveFlags: number,
): void {
  const core = MiniportAdapterHandle as unknown;
  if (!(core instanceof AdapterCore)) wrongHandle('NdisMIndicateReceiveNetBufferLists', 'the miniport handle');
  if (KeGetCurrentIrql() > DISPATCH_LEVEL) requireIrqlAtMost(DISPATCH_LEVEL, 'NdisMIndicateReceiveNetBufferLists');
  const resources = (ReceiveFlags & NDIS_RECEIVE_FLAGS_RESOURCES) !== 0;
  const receivers = core.receivers;
  const allowed = core.indicationsAllowed;
  // Who is told: nobody, one (the fast path), or several through clones.
  const owners = resources || !allowed ? HOME : receivers.length;
  let count = 0;
  let at: NET_BUFFER_LIST | null = NetBufferLists;
  while (at !== null && count <= NumberOfNetBufferLists) {
    if ((at.NdisReserved as number) > HOME) {
      faultIndicatedWhileOut(core, NetBufferLists, at);
      return;
    }
    at.NdisReserved = owners;
    count++;
    at = at.Next;
  }
  if (count !== NumberOfNetBufferLists || at !== null) {
    faultCount(core, NetBufferLists, count, NumberOfNetBufferLists);
    return;
  }
  core.dpcIndicated += count;
  if (!allowed) {
    core.nblsIndicationRefused += count;
    core.logRule('INT-17', `NBLs were indicated while the adapter is ${core.state}`);
    if (!resources) callReturn(core, NetBufferLists, 0);
    return;
  }
  core.nblsIndicated += count;
  if (receivers.length === 0) {
    if (!resources) callReturn(core, NetBufferLists, 0);
    return;
  }
  if (resources) {
    for (let index = 0; index < receivers.length; index++) {
      callReceive(receivers[index] as Binding, NetBufferLists, PortNumber, count, ReceiveFlags);
    }
    return;
  }
  core.receivesOutstanding += count;
  if (receivers.length === 1) {
    callReceive(receivers[0] as Binding, NetBufferLists, PortNumber, count, ReceiveFlags);
    return;
  }
  for (let index = 0; index < receivers.length; index++) {
    const clones = cloneChain(core, NetBufferLists);
    callReceive(receivers[index] as Binding, clones, PortNumber, count, ReceiveFlags);
  }
}

function callReceive(binding: Binding, chain: NET_BUFFER_LIST, port: number, count: number, flags: number): void {
  if (!binding.open) {
    if ((flags & NDIS_RECEIVE_FLAGS_RESOURCES) === 0) giveBack(binding.core, chain, 0);
    return;
  }
  const before = setIrql(DISPATCH_LEVEL);
  try {
    binding.receive(binding.context, chain, port, count, flags);
  } catch (error) {
    binding.core.fault('The receive handler of a protocol threw', undefined, error);
  } finally {
    restoreIrql(before);
  }
}

/**
 * A clone per NBL, each with a NET_BUFFER of its own over the same data. Several protocols cannot share one NBL, as each
 * may link it into its own lists and move its data start.
 */
function cloneChain(core: AdapterCore, chain: NET_BUFFER_LIST): NET_BUFFER_LIST {
  let head: NET_BUFFER_LIST | null = null;
  let tail: NET_BUFFER_LIST | null = null;
  for (let nbl: NET_BUFFER_LIST | null = chain; nbl !== null; nbl = nbl.Next) {
    const clone = takeClone(core);
    clone.ParentNetBufferList = nbl;
    clone.NdisReserved = AWAY;
    clone.SourceHandle = nbl.SourceHandle;
    clone.NblFlags = nbl.NblFlags;
    clone.Status = nbl.Status;
    clone.NetBufferListInfo = nbl.NetBufferListInfo;
    copyNetBuffer(nbl.FirstNetBuffer, clone.FirstNetBuffer);
    if (tail === null) head = clone;
    else tail.Next = clone;
    tail = clone;
  }
  return head as NET_BUFFER_LIST;
}

function takeClone(core: AdapterCore): NET_BUFFER_LIST {
  const clone = core.freeClone;
  if (clone === null) return new NetBufferList(CLONE_POOL, null, new NetBuffer(CLONE_POOL, null, 0, 0));
  core.freeClone = clone.Next;
  clone.Next = null;
  return clone;
}

function copyNetBuffer(from: NET_BUFFER | null, to: NET_BUFFER | null): void {
  if (from === null || to === null) return;
  to.MdlChain = from.MdlChain;
  to.CurrentMdl = from.CurrentMdl;
  to.CurrentMdlOffset = from.CurrentMdlOffset;
  to.DataOffset = from.DataOffset;
  to.DataLength = from.DataLength;
  to.DataPhysicalAddress = from.DataPhysicalAddress;
}

/** NDIS's own: NBLs come back from a protocol; those nobody holds any more go to the miniport. */
export function giveBack(core: AdapterCore, chain: NET_BUFFER_LIST, flags: number): void {
  let head: NET_BUFFER_LIST | null = null;
  let tail: NET_BUFFER_LIST | null = null;
  let count = 0;
  let at: NET_BUFFER_LIST | null = chain;
  while (at !== null) {
    const next: NET_BUFFER_LIST | null = at.Next;
    let done: NET_BUFFER_LIST | null = at;
    if (at.NdisReserved !== AWAY) {
      core.logRule(
        'PROTOCOL',
        'a protocol returned an NBL it does not hold (kept in spite of RESOURCES, or returned twice)',
      );
      done = null;
    } else if (at.NdisPoolHandle === CLONE_POOL) {
      done = dropClone(core, at);
    } else {
      at.NdisReserved = HOME;
    }
    if (done !== null) {
      if (tail === null) head = done;
      else tail.Next = done;
      tail = done;
      count++;
    }
    at = next;
  }
  if (head === null || tail === null) return;
  tail.Next = null;
  core.receivesOutstanding -= count;
  callReturn(core, head, flags);
}

/** Frees a clone. Its parent, when this was the last one. */
function dropClone(core: AdapterCore, clone: NET_BUFFER_LIST): NET_BUFFER_LIST | null {
  const parent = clone.ParentNetBufferList as NET_BUFFER_LIST;
  clone.NdisReserved = HOME;
  clone.ParentNetBufferList = null;
  clone.Next = core.freeClone;
  core.freeClone = clone;
  const holders = (parent.NdisReserved as number) - 1;
  parent.NdisReserved = holders;
  return holders === HOME ? parent : null;
}

function callReturn(core: AdapterCore, chain: NET_BUFFER_LIST, flags: number): void {
  // After halt nothing of the miniport is called: its NBLs died with it.
  if (!core.callable) return;
  const before = setIrql(DISPATCH_LEVEL);
  try {
    const handler = core.driver.characteristics.ReturnNetBufferListsHandler;
    handler(core.context, chain, flags | NDIS_RETURN_FLAGS_DISPATCH_LEVEL);
  } catch (error) {
    core.fault('MiniportReturnNetBufferLists threw', undefined, error);
  } finally {
    restoreIrql(before);
  }
}

function faultIndicatedWhileOut(core: AdapterCore, chain: NET_BUFFER_LIST, guilty: NET_BUFFER_LIST): void {
  for (let nbl: NET_BUFFER_LIST | null = chain; nbl !== null && nbl !== guilty; nbl = nbl.Next) nbl.NdisReserved = HOME;
  core.fault('An NBL was indicated that a protocol still holds', BUG_CHECK_INDICATED_WHILE_OUT);
}

function faultCount(core: AdapterCore, chain: NET_BUFFER_LIST, count: number, told: number): void {
  let left = count;
  for (let nbl: NET_BUFFER_LIST | null = chain; nbl !== null && left > 0; nbl = nbl.Next) {
    nbl.NdisReserved = HOME;
    left--;
  }
  const what = `NumberOfNetBufferLists is ${told}, the chain has ${count > told ? 'more' : count}`;
  core.fault(what, undefined, undefined, 'NV-02');
}

// ---- Send -------------------------------------------------------------------------------------------------------------

/** NDIS's own: a protocol's chain goes to the miniport, or comes straight back with why not as the Status of each NBL. */
export function sendDown(binding: Binding, chain: NET_BUFFER_LIST, port: number, flags: number): void {
  const core = binding.core;
  const source = binding.handle;
  let count = 0;
  for (let nbl: NET_BUFFER_LIST | null = chain; nbl !== null; nbl = nbl.Next) {
    if ((nbl.NdisReserved as number) > HOME) refuseSentTwice();
    nbl.NdisReserved = AWAY;
    nbl.SourceHandle = source;
    nbl.Status = NDIS_STATUS_PENDING;
    count++;
  }
  core.sendsOutstanding += count;
  binding.sendsOutstanding += count;
  if (!core.sendsAllowed) {
    core.nblsSendRejected += count;
    const status = rejection(core);
    for (let nbl: NET_BUFFER_LIST | null = chain; nbl !== null; nbl = nbl.Next) nbl.Status = status;
    completeUp(core, chain, 0);
    return;
  }
  core.nblsSent += count;
  core.verifier?.sending(chain);
  const before = setIrql(DISPATCH_LEVEL);
  try {
    const handler = core.driver.characteristics.SendNetBufferListsHandler;
    handler(core.context, chain, port, flags | NDIS_SEND_FLAGS_DISPATCH_LEVEL);
  } catch (error) {
    core.fault('MiniportSendNetBufferLists threw', undefined, error);
  } finally {
    restoreIrql(before);
  }
}

/** NDIS's own: asks the miniport to give up what it has queued under an id. No match is no error. */
export function cancelSends(core: AdapterCore, cancelId: unknown): void {
  if (!core.callable || core.faulted) return;
  const before = setIrql(DISPATCH_LEVEL);
  try {
    const handler = core.driver.characteristics.CancelSendHandler;
    handler(core.context, cancelId);
  } catch (error) {
    core.fault('MiniportCancelSend threw', undefined, error);
  } finally {
    restoreIrql(before);
  }
}

/** Contract 2.5, 2.9: PAUSED around a pause, NOT_ACCEPTED once the device is gone, LOW_POWER_STATE while it sleeps. */
function rejection(core: AdapterCore): NDIS_STATUS {
  if (core.removed) return NDIS_STATUS_NOT_ACCEPTED;
  if (core.power !== NdisDeviceStateD0) return NDIS_STATUS_LOW_POWER_STATE;
  return core.faulted || !core.callable ? NDIS_STATUS_FAILURE : NDIS_STATUS_PAUSED;
}

function refuseSentTwice(): never {
  wrongHandle('NdisSendNetBufferLists', 'NBLs that are not being sent already');
}

/**
 * The miniport is done with NBLs; they must not be touched from here on. <= DISPATCH_LEVEL. The chain may mix sends of
 * several calls; the Status of every NBL must be set. May be called inside MiniportSendNetBufferLists.
 * Completing an NBL twice, or one that was never sent, is a fault. [nf-ndis-ndismsendnetbufferlistscomplete]
 * @throws NdisVfioError E_STATE: wrong handle, or called at DIRQL.
 */
export function NdisMSendNetBufferListsComplete(
  MiniportAdapterHandle: NDIS_HANDLE,
  NetBufferLists: NET_BUFFER_LIST,
  SendCompleteFlags: number,
): void {
  const core = MiniportAdapterHandle as unknown;
  if (!(core instanceof AdapterCore)) wrongHandle('NdisMSendNetBufferListsComplete', 'the miniport handle');
  if (KeGetCurrentIrql() > DISPATCH_LEVEL) requireIrqlAtMost(DISPATCH_LEVEL, 'NdisMSendNetBufferListsComplete');
  core.verifier?.sent(NetBufferLists);
  completeUp(core, NetBufferLists, SendCompleteFlags);
}

/** Splits the chain into runs of one binding each; one binding is one run. */
function completeUp(core: AdapterCore, chain: NET_BUFFER_LIST, flags: number): void {
  let first: NET_BUFFER_LIST | null = chain;
  while (first !== null) {
    const source: NDIS_HANDLE | null = first.SourceHandle;
    let last: NET_BUFFER_LIST = first;
    let next: NET_BUFFER_LIST | null = first;
    let count = 0;
    while (next !== null && next.SourceHandle === source) {
      if (next.NdisReserved !== AWAY) {
        faultNotOwned(core);
        return;
      }
      next.NdisReserved = HOME;
      if (next.Status === NDIS_STATUS_PENDING) statusNotSet(core, next);
      last = next;
      next = next.Next;
      count++;
    }
    last.Next = null;
    core.sendsOutstanding -= count;
    if (source instanceof Binding) callSendComplete(source, first, count, flags);
    first = next;
  }
}

function callSendComplete(binding: Binding, chain: NET_BUFFER_LIST, count: number, flags: number): void {
  binding.sendsOutstanding -= count;
  if (!binding.open) return;
  const before = setIrql(DISPATCH_LEVEL);
  try {
    binding.sendComplete(binding.context, chain, flags | NDIS_SEND_COMPLETE_FLAGS_DISPATCH_LEVEL);
  } catch (error) {
    binding.core.fault('The send-complete handler of a protocol threw', undefined, error);
  } finally {
    restoreIrql(before);
  }
}

function faultNotOwned(core: AdapterCore): void {
  const what = 'An NBL was completed that the miniport does not own (completed twice, or never sent)';
  core.fault(what, undefined, undefined, 'INT-17');
}

/** Trap 62: the Status is per NBL. */
function statusNotSet(core: AdapterCore, nbl: NET_BUFFER_LIST): void {
  core.logRule('NV-03', 'an NBL was completed without its Status being set');
  nbl.Status = NDIS_STATUS_SUCCESS;
}
