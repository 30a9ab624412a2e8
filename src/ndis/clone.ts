/**
 * Clones of NBLs, and MDLs from pools of data. Layer: ndis. (Contract 3.3)
 * Invariants: a clone describes its parent's bytes and copies none; a parent counts its clones in ChildRefCount, which
 * is the driver's to change elsewhere and 0 again when all are freed.
 */
import { wrongHandle } from './core.ts';
import { requireIrqlAtMost } from './irql.ts';
import {
  Mdl,
  NdisAdvanceNetBufferDataStart,
  NdisFreeMdl,
  NdisRetreatNetBufferDataStart,
  NetBuffer,
  NetBufferList,
} from './net-buffer-list.ts';
import type { NDIS_STATUS } from './status.ts';
import { NDIS_STATUS_FAILURE } from './status.ts';
import { DISPATCH_LEVEL, type MDL, type NDIS_HANDLE, type NET_BUFFER, type NET_BUFFER_LIST } from './types.ts';

/** The clone's NET_BUFFERs refer to the MDLs of the original. */
export const NDIS_CLONE_FLAGS_USE_ORIGINAL_MDLS = 1;

/** An NBL made here, with what it was made over. */
class CloneList extends NetBufferList {
  readonly flags: number;
  freed = false;

  constructor(pool: NDIS_HANDLE | null, original: NET_BUFFER_LIST, first: NET_BUFFER | null, flags: number) {
    super(pool, original.SourceHandle, first);
    this.flags = flags;
  }
}

function cloneMdls(original: NET_BUFFER): MDL | null {
  let left = original.CurrentMdlOffset + original.DataLength;
  let first: Mdl | null = null;
  let last: Mdl | null = null;
  for (let mdl = original.CurrentMdl; mdl !== null && left > 0; mdl = mdl.Next) {
    const bytes = Math.min(mdl.ByteCount, left);
    const copy = new Mdl(mdl.StartVa, mdl.ByteOffset, bytes, mdl.PhysicalAddress);
    left -= bytes;
    if (last === null) first = copy;
    else last.Next = copy;
    last = copy;
  }
  return first;
}

/**
 * An NBL whose NET_BUFFERs describe the data of another, none of it copied: a NET_BUFFER for each of the original's.
 * <= DISPATCH_LEVEL. Out-of-band data is not copied; ParentNetBufferList is left null, for the caller to set. The
 * original must not be freed or completed before its clones: count them in ChildRefCount. null: a NET_BUFFER of the
 * original has no MDL. [nf-nblapi-ndisallocateclonenetbufferlist]
 * @param _NetBufferListPoolHandle null here: clones have no pool; freed by NdisFreeCloneNetBufferList.
 * @param _NetBufferPoolHandle null, as above.
 * @param AllocateCloneFlags NDIS_CLONE_FLAGS_USE_ORIGINAL_MDLS, or 0: with MDLs of its own over the same bytes.
 */
export function NdisAllocateCloneNetBufferList(
  OriginalNetBufferList: NET_BUFFER_LIST,
  _NetBufferListPoolHandle: NDIS_HANDLE | null,
  _NetBufferPoolHandle: NDIS_HANDLE | null,
  AllocateCloneFlags: number,
): NET_BUFFER_LIST | null {
  requireIrqlAtMost(DISPATCH_LEVEL, 'NdisAllocateCloneNetBufferList');
  const shares = (AllocateCloneFlags & NDIS_CLONE_FLAGS_USE_ORIGINAL_MDLS) !== 0;
  let first: NetBuffer | null = null;
  let last: NetBuffer | null = null;
  for (let original = OriginalNetBufferList.FirstNetBuffer; original !== null; original = original.Next) {
    if (original.CurrentMdl === null) return null;
    const copy: NetBuffer = shares
      ? new NetBuffer(null, original.MdlChain, original.DataOffset, original.DataLength)
      : new NetBuffer(null, cloneMdls(original), original.CurrentMdlOffset, original.DataLength);
    if (last === null) first = copy;
    else last.Next = copy;
    last = copy;
  }
  return new CloneList(null, OriginalNetBufferList, first, AllocateCloneFlags);
}

/**
 * Frees a clone, and the MDLs that are its own. <= DISPATCH_LEVEL. [nf-nblapi-ndisfreeclonenetbufferlist]
 * @param FreeCloneFlags as it was allocated with.
 * @throws NdisVfioError E_STATE for what is no clone, was freed, or has other flags.
 */
export function NdisFreeCloneNetBufferList(CloneNetBufferList: NET_BUFFER_LIST, FreeCloneFlags: number): void {
  requireIrqlAtMost(DISPATCH_LEVEL, 'NdisFreeCloneNetBufferList');
  const clone = CloneNetBufferList;
  if (!(clone instanceof CloneList) || clone.freed || clone.flags !== FreeCloneFlags) {
    wrongHandle('NdisFreeCloneNetBufferList', 'a clone of NdisAllocateCloneNetBufferList, with its flags, once');
  }
  clone.freed = true;
  if ((FreeCloneFlags & NDIS_CLONE_FLAGS_USE_ORIGINAL_MDLS) === 0) {
    for (let buffer = clone.FirstNetBuffer; buffer !== null; buffer = buffer.Next) {
      for (let mdl = buffer.MdlChain; mdl !== null; ) {
        const next: MDL | null = mdl.Next;
        NdisFreeMdl(mdl);
        mdl = next;
      }
    }
  }
  clone.FirstNetBuffer = null;
}

/**
 * Retreats the data of every NET_BUFFER of an NBL; when one of them cannot, those before it are as they were.
 * <= DISPATCH_LEVEL. Status as NdisRetreatNetBufferDataStart; FAILURE: no NET_BUFFER. [nf-nblapi-ndisretreatnetbufferlistdatastart]
 * @param DataOffsetDelta bytes. @param DataBackFill bytes in front of them where an MDL has to be added.
 */
export function NdisRetreatNetBufferListDataStart(
  NetBufferList: NET_BUFFER_LIST,
  DataOffsetDelta: number,
  DataBackFill: number,
  AllocateMdlHandler: ((BufferSize: number) => MDL | null) | null,
  FreeMdlHandler: ((Mdl: MDL) => void) | null,
): NDIS_STATUS {
  let status: NDIS_STATUS = NDIS_STATUS_FAILURE;
  for (let buffer = NetBufferList.FirstNetBuffer; buffer !== null; buffer = buffer.Next) {
    status = NdisRetreatNetBufferDataStart(buffer, DataOffsetDelta, DataBackFill, AllocateMdlHandler);
    if (status === 0) continue;
    for (let done = NetBufferList.FirstNetBuffer; done !== null && done !== buffer; done = done.Next) {
      NdisAdvanceNetBufferDataStart(done, DataOffsetDelta, true, FreeMdlHandler);
    }
    break;
  }
  return status;
}

/** Advances the data of every NET_BUFFER of an NBL. Any IRQL. [nf-nblapi-ndisadvancenetbufferlistdatastart] @throws RangeError when one is shorter. */
export function NdisAdvanceNetBufferListDataStart(
  NetBufferList: NET_BUFFER_LIST,
  DataOffsetDelta: number,
  FreeMdl: boolean,
  FreeMdlHandler: ((Mdl: MDL) => void) | null,
): void {
  for (let buffer = NetBufferList.FirstNetBuffer; buffer !== null; buffer = buffer.Next) {
    NdisAdvanceNetBufferDataStart(buffer, DataOffsetDelta, FreeMdl, FreeMdlHandler);
  }
}
