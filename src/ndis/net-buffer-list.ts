/**
 * NET_BUFFER_LIST, NET_BUFFER and MDL: their classes, pools and accessors. Layer: ndis. (Contract 3.3)
 * Invariants: one class each, all fields set in the constructor, so every object has one stable shape; nothing here is
 * called per frame but the accessors. NdisReserved of an NBL says who owns it: 0 its allocator or the miniport it came
 * from, more than 0 the other side of NDIS.
 */
import { type AdapterCore, coreOrNull, wrongHandle } from './core.ts';
import { requireIrqlAtMost } from './irql.ts';
import { type NDIS_STATUS, NDIS_STATUS_FAILURE, NDIS_STATUS_RESOURCES, NDIS_STATUS_SUCCESS } from './status.ts';
import {
  DISPATCH_LEVEL,
  type MDL,
  type NDIS_HANDLE,
  NDIS_OBJECT_TYPE_DEFAULT,
  type NET_BUFFER,
  type NET_BUFFER_LIST,
  type NET_BUFFER_LIST_INFO,
  type NET_BUFFER_LIST_POOL_PARAMETERS,
  type SCATTER_GATHER_ELEMENT,
  type SCATTER_GATHER_LIST,
} from './types.ts';
import { gaveBack } from './verifier/frames.ts';

export class Mdl implements MDL {
  Next: MDL | null = null;
  StartVa: Uint8Array;
  ByteOffset: number;
  ByteCount: number;
  PhysicalAddress: number;

  constructor(startVa: Uint8Array, byteOffset: number, byteCount: number, physicalAddress: number) {
    this.StartVa = startVa;
    this.ByteOffset = byteOffset;
    this.ByteCount = byteCount;
    this.PhysicalAddress = physicalAddress;
  }
}

export class SgElement implements SCATTER_GATHER_ELEMENT {
  Address = 0;
  Length = 0;
}

/** The scatter-gather list a NET_BUFFER keeps and reuses. */
export class SgList implements SCATTER_GATHER_LIST {
  NumberOfElements = 0;
  readonly Elements: SgElement[] = [new SgElement(), new SgElement()];
  inUse = false;
  /** Map register it was copied through, or -1. */
  slot = -1;
}

export class NetBuffer implements NET_BUFFER {
  Next: NET_BUFFER | null = null;
  CurrentMdl: MDL | null;
  CurrentMdlOffset: number;
  DataLength: number;
  MdlChain: MDL | null;
  DataOffset: number;
  NdisPoolHandle: NDIS_HANDLE | null;
  NdisReserved: unknown = 0;
  ProtocolReserved: unknown = null;
  MiniportReserved: unknown = null;
  DataPhysicalAddress = 0;
  ScatterGatherList: SCATTER_GATHER_LIST | null = null;
  /** Outlives a single use of ScatterGatherList. */
  readonly sgList = new SgList();

  constructor(pool: NDIS_HANDLE | null, mdlChain: MDL | null, dataOffset: number, dataLength: number) {
    this.NdisPoolHandle = pool;
    this.MdlChain = mdlChain;
    this.DataOffset = dataOffset;
    this.DataLength = dataLength;
    let mdl = mdlChain;
    let offset = dataOffset;
    while (mdl !== null && mdl.Next !== null && offset >= mdl.ByteCount) {
      offset -= mdl.ByteCount;
      mdl = mdl.Next;
    }
    this.CurrentMdl = mdl;
    this.CurrentMdlOffset = offset;
    if (mdl !== null && mdl.PhysicalAddress !== 0) this.DataPhysicalAddress = mdl.PhysicalAddress + offset;
  }
}

class NetBufferListInfo implements NET_BUFFER_LIST_INFO {
  TcpIpChecksumNetBufferListInfo = 0;
  TcpLargeSendNetBufferListInfo = 0;
  Ieee8021QNetBufferListInfo = 0;
  NetBufferListCancelId: unknown = null;
  NetBufferListHashValue = 0;
  NetBufferListHashInfo = 0;
}

export class NetBufferList implements NET_BUFFER_LIST {
  Next: NET_BUFFER_LIST | null = null;
  FirstNetBuffer: NET_BUFFER | null;
  Context: unknown = null;
  ParentNetBufferList: NET_BUFFER_LIST | null = null;
  NdisPoolHandle: NDIS_HANDLE | null;
  NdisReserved: unknown = 0;
  ProtocolReserved: unknown = null;
  MiniportReserved: unknown = null;
  Scratch: unknown = null;
  SourceHandle: NDIS_HANDLE | null;
  NblFlags = 0;
  ChildRefCount = 0;
  Flags = 0;
  Status: NDIS_STATUS = NDIS_STATUS_SUCCESS;
  NetBufferListInfo: NET_BUFFER_LIST_INFO = new NetBufferListInfo();
  /** Slot in a send pool, or -1. */
  slot = -1;

  constructor(pool: NDIS_HANDLE | null, source: NDIS_HANDLE | null, first: NET_BUFFER | null) {
    this.NdisPoolHandle = pool;
    this.SourceHandle = source;
    this.FirstNetBuffer = first;
  }
}

class NblPool {
  readonly core: AdapterCore | null;
  readonly parameters: NET_BUFFER_LIST_POOL_PARAMETERS;
  outstanding = 0;
  open = true;

  constructor(core: AdapterCore | null, parameters: NET_BUFFER_LIST_POOL_PARAMETERS) {
    this.core = core;
    this.parameters = parameters;
  }
}

function poolOf(handle: NDIS_HANDLE | null, what: string): NblPool {
  const pool = handle as unknown;
  return pool instanceof NblPool ? pool : wrongHandle(what, 'a handle of NdisAllocateNetBufferListPool');
}

/**
 * Makes a pool. <= DISPATCH_LEVEL. null on a malformed header. NdisHandle: a miniport handle, or null for a protocol's
 * pool. [nf-nblapi-ndisallocatenetbufferlistpool]
 */
export function NdisAllocateNetBufferListPool(
  NdisHandle: NDIS_HANDLE | null,
  Parameters: NET_BUFFER_LIST_POOL_PARAMETERS,
): NDIS_HANDLE | null {
  requireIrqlAtMost(DISPATCH_LEVEL, 'NdisAllocateNetBufferListPool');
  const core = coreOrNull(NdisHandle);
  if (Parameters.Header.Type !== NDIS_OBJECT_TYPE_DEFAULT || Parameters.Header.Revision < 1) return null;
  const pool = new NblPool(core, { ...Parameters });
  core?.verifier?.took('NBL pool', pool);
  return pool as unknown as NDIS_HANDLE;
}

/** Frees a pool. <= DISPATCH_LEVEL. NBLs still out are logged (bug check parameter 0x27). [nf-nblapi-ndisfreenetbufferlistpool] */
export function NdisFreeNetBufferListPool(PoolHandle: NDIS_HANDLE): void {
  requireIrqlAtMost(DISPATCH_LEVEL, 'NdisFreeNetBufferListPool');
  const pool = poolOf(PoolHandle, 'NdisFreeNetBufferListPool');
  if (pool.outstanding > 0) {
    pool.core?.log({ kind: 'leak', message: `A pool was freed with ${pool.outstanding} NBLs out`, bugCheck: 0x27 });
    pool.core?.verifier?.violate('0x7C/0x27', `a pool was freed with ${pool.outstanding} NBLs out`);
  }
  pool.core?.verifier?.gave(pool);
  pool.open = false;
}

/**
 * One NBL with one NET_BUFFER over an MDL chain. <= DISPATCH_LEVEL. null unless the pool has fAllocateNetBuffer and a
 * DataSize of 0. Allocates: for initialization, not for the frame path.
 * ContextSize and ContextBackFill are accepted; `Context` is a free field here and starts as null.
 * [nf-nblapi-ndisallocatenetbufferandnetbufferlist]
 */
export function NdisAllocateNetBufferAndNetBufferList(
  PoolHandle: NDIS_HANDLE,
  _ContextSize: number,
  _ContextBackFill: number,
  MdlChain: MDL | null,
  DataOffset: number,
  DataLength: number,
): NET_BUFFER_LIST | null {
  requireIrqlAtMost(DISPATCH_LEVEL, 'NdisAllocateNetBufferAndNetBufferList');
  const pool = poolOf(PoolHandle, 'NdisAllocateNetBufferAndNetBufferList');
  if (!pool.open || !pool.parameters.fAllocateNetBuffer || pool.parameters.DataSize !== 0) return null;
  pool.outstanding++;
  const source = pool.core === null ? null : pool.core.handle;
  const nbl = new NetBufferList(PoolHandle, source, new NetBuffer(PoolHandle, MdlChain, DataOffset, DataLength));
  pool.core?.verifier?.took('NBL', nbl);
  return nbl;
}

/**
 * Gives an NBL of a pool back. <= DISPATCH_LEVEL. [nf-nblapi-ndisfreenetbufferlist]
 * @throws NdisVfioError E_STATE for one that is of no pool, or was freed before.
 */
export function NdisFreeNetBufferList(NetBufferList: NET_BUFFER_LIST): void {
  requireIrqlAtMost(DISPATCH_LEVEL, 'NdisFreeNetBufferList');
  const pool = poolOf(NetBufferList.NdisPoolHandle, 'NdisFreeNetBufferList');
  if ((NetBufferList.NdisReserved as number) > 0) {
    pool.core?.logRule('INT-18', 'an NBL was freed that its owner had not given back yet', 0x27);
  }
  NetBufferList.NdisPoolHandle = null;
  pool.outstanding--;
  pool.core?.verifier?.gave(NetBufferList);
}

/**
 * Describes `Length` bytes from the start of `VirtualAddress`. <= DISPATCH_LEVEL. PhysicalAddress is filled in when the
 * array lies in shared memory of the adapter. null: Length is longer than the array, or no miniport handle.
 * [nf-ndis-ndisallocatemdl]
 */
export function NdisAllocateMdl(NdisHandle: NDIS_HANDLE, VirtualAddress: Uint8Array, Length: number): MDL | null {
  requireIrqlAtMost(DISPATCH_LEVEL, 'NdisAllocateMdl');
  const core = coreOrNull(NdisHandle);
  if (core === null || !(Length >= 0 && Length <= VirtualAddress.length)) return null;
  const block = core.sharedMemory.get(VirtualAddress.buffer);
  const physical = block === undefined ? 0 : block.iova + VirtualAddress.byteOffset - block.byteOffset;
  const mdl = new Mdl(VirtualAddress, 0, Length, physical);
  core.verifier?.took('MDL', mdl);
  return mdl;
}

/** Frees an MDL; nothing refers to its memory afterwards. <= DISPATCH_LEVEL. [nf-ndis-ndisfreemdl] */
export function NdisFreeMdl(Mdl: MDL): void {
  requireIrqlAtMost(DISPATCH_LEVEL, 'NdisFreeMdl');
  gaveBack(Mdl);
  Mdl.Next = null;
  Mdl.StartVa = NOTHING;
  Mdl.ByteOffset = 0;
  Mdl.ByteCount = 0;
  Mdl.PhysicalAddress = 0;
}

const NOTHING = new Uint8Array(0);

/**
 * The next `BytesNeeded` bytes of the frame, contiguous: a view into the MDL where they lie in one piece and aligned,
 * else copied to `Storage`. null when the frame is shorter, or a copy is needed and Storage is null or too small.
 * Any IRQL. A view is allocated per call: per-frame code reads through the MDL's StartVa and offsets instead.
 * [nf-nblapi-ndisgetdatabuffer]
 */
export function NdisGetDataBuffer(
  NetBuffer: NET_BUFFER,
  BytesNeeded: number,
  Storage: Uint8Array | null,
  AlignMultiple: number,
  AlignOffset: number,
): Uint8Array | null {
  let mdl = NetBuffer.CurrentMdl;
  if (mdl === null || BytesNeeded <= 0 || NetBuffer.DataLength < BytesNeeded) return null;
  let offset = NetBuffer.CurrentMdlOffset;
  while (offset >= mdl.ByteCount) {
    offset -= mdl.ByteCount;
    mdl = mdl.Next;
    if (mdl === null) return null;
  }
  const start = mdl.ByteOffset + offset;
  if (mdl.ByteCount - offset >= BytesNeeded) {
    const position = mdl.PhysicalAddress === 0 ? mdl.StartVa.byteOffset + start : mdl.PhysicalAddress + offset;
    if (AlignMultiple <= 1 || position % AlignMultiple === AlignOffset) {
      return mdl.StartVa.subarray(start, start + BytesNeeded);
    }
  }
  if (Storage === null || Storage.length < BytesNeeded) return null;
  let copied = 0;
  let at: MDL | null = mdl;
  while (copied < BytesNeeded) {
    if (at === null) return null;
    const from = at.ByteOffset + offset;
    const bytes = Math.min(BytesNeeded - copied, at.ByteCount - offset);
    Storage.set(at.StartVa.subarray(from, from + bytes), copied);
    copied += bytes;
    offset = 0;
    at = at.Next;
  }
  return Storage.length === BytesNeeded ? Storage : Storage.subarray(0, BytesNeeded);
}

/**
 * Moves the start of the data towards its end. Any IRQL. An MDL that Retreat put in front is released when the start
 * leaves it and FreeMdl is true. [nf-nblapi-ndisadvancenetbufferdatastart]
 * @throws RangeError when the frame is shorter than DataOffsetDelta.
 */
export function NdisAdvanceNetBufferDataStart(
  NetBuffer: NET_BUFFER,
  DataOffsetDelta: number,
  FreeMdl: boolean,
  FreeMdlHandler: ((Mdl: MDL) => void) | null,
): void {
  if (!(DataOffsetDelta >= 0 && DataOffsetDelta <= NetBuffer.DataLength)) {
    throw new RangeError(`cannot advance by ${DataOffsetDelta} of ${NetBuffer.DataLength} bytes`);
  }
  NetBuffer.DataOffset += DataOffsetDelta;
  NetBuffer.DataLength -= DataOffsetDelta;
  if (FreeMdl) {
    while (
      NetBuffer.MdlChain !== null &&
      inFront.has(NetBuffer.MdlChain) &&
      NetBuffer.DataOffset >= NetBuffer.MdlChain.ByteCount
    ) {
      const front: MDL = NetBuffer.MdlChain;
      NetBuffer.MdlChain = front.Next;
      NetBuffer.DataOffset -= front.ByteCount;
      if (FreeMdlHandler !== null) FreeMdlHandler(front);
      else NdisFreeMdl(front);
    }
  }
  locate(NetBuffer);
}

/**
 * Moves the start of the data towards the front, into the unused bytes before it; without enough of them an MDL of
 * DataOffsetDelta + DataBackFill bytes is put in front. <= DISPATCH_LEVEL. RESOURCES: the handler gave no MDL.
 * FAILURE: a negative delta. [nf-nblapi-ndisretreatnetbufferdatastart]
 */
export function NdisRetreatNetBufferDataStart(
  NetBuffer: NET_BUFFER,
  DataOffsetDelta: number,
  DataBackFill: number,
  AllocateMdlHandler: ((BufferSize: number) => MDL | null) | null,
): NDIS_STATUS {
  if (!(DataOffsetDelta >= 0)) return NDIS_STATUS_FAILURE;
  if (NetBuffer.DataOffset >= DataOffsetDelta) {
    NetBuffer.DataOffset -= DataOffsetDelta;
  } else {
    // The unused bytes before the data are used first, as the data must follow them without a gap.
    const missing = DataOffsetDelta - NetBuffer.DataOffset;
    const size = missing + DataBackFill;
    const front = AllocateMdlHandler === null ? new Mdl(new Uint8Array(size), 0, size, 0) : AllocateMdlHandler(size);
    if (front === null) return NDIS_STATUS_RESOURCES;
    inFront.add(front);
    front.Next = NetBuffer.MdlChain;
    NetBuffer.MdlChain = front;
    NetBuffer.DataOffset = front.ByteCount - missing;
  }
  NetBuffer.DataLength += DataOffsetDelta;
  locate(NetBuffer);
  return NDIS_STATUS_SUCCESS;
}

/** MDLs that Retreat put in front of a chain. */
const inFront = new WeakSet<MDL>();

/** Derives CurrentMdl, CurrentMdlOffset and DataPhysicalAddress from MdlChain and DataOffset. */
function locate(netBuffer: NET_BUFFER): void {
  let mdl = netBuffer.MdlChain;
  let offset = netBuffer.DataOffset;
  while (mdl !== null && mdl.Next !== null && offset >= mdl.ByteCount) {
    offset -= mdl.ByteCount;
    mdl = mdl.Next;
  }
  netBuffer.CurrentMdl = mdl;
  netBuffer.CurrentMdlOffset = offset;
  netBuffer.DataPhysicalAddress = mdl === null || mdl.PhysicalAddress === 0 ? 0 : mdl.PhysicalAddress + offset;
}
