/**
 * Shared memory and scatter-gather DMA. Layer: ndis. (Contract 3.4)
 * Invariants: a bus address lies in memory that stays mapped until it is freed; the list of a NET_BUFFER is its own and
 * reused, so mapping a frame allocates nothing; data outside DMA memory is copied through one of a fixed number of map
 * registers, and when none is free the answer is RESOURCES.
 */
import type { DmaArena } from '../platform/index.ts';
import { type AdapterCore, type ClaimedDma, coreOf, coreOrNull, headerFits, wrongHandle } from './core.ts';
import { callAtIrql, requireIrqlAtMost, restoreIrql, setIrql } from './irql.ts';
import { NetBuffer, SgElement, SgList } from './net-buffer-list.ts';
import {
  type NDIS_STATUS,
  NDIS_STATUS_BAD_VERSION,
  NDIS_STATUS_FAILURE,
  NDIS_STATUS_INVALID_PARAMETER,
  NDIS_STATUS_NOT_SUPPORTED,
  NDIS_STATUS_PENDING,
  NDIS_STATUS_RESOURCES,
  NDIS_STATUS_SUCCESS,
} from './status.ts';
import {
  DISPATCH_LEVEL,
  type MDL,
  type MINIPORT_ALLOCATE_SHARED_MEM_COMPLETE,
  type MINIPORT_PROCESS_SG_LIST,
  type NDIS_CONTEXT,
  type NDIS_HANDLE,
  NDIS_MINIPORT_ATTRIBUTES_BUS_MASTER,
  NDIS_OBJECT_TYPE_SG_DMA_DESCRIPTION,
  type NDIS_SG_DMA_DESCRIPTION,
  type NET_BUFFER,
  type Out,
  PASSIVE_LEVEL,
  type SCATTER_GATHER_LIST,
} from './types.ts';
import { wrapProcessSgList, wrapWaiting } from './verifier/wrap.ts';

/** Frames that can be under way through map registers at once. */
const MAP_REGISTERS = 64;
const MAP_REGISTER_ALIGN = 64;
/**
 * What an ordinary frame gets, so that none lies across a page: neighbouring pages of the arena need not be neighbours in
 * memory, and a device model that maps a buffer as one piece (QEMU's net_tx_pkt) silently drops such a frame.
 */
const MAP_REGISTER_BYTES = 2048;
/** What ScatterGatherListSize tells: a header and 16 elements of the 64-bit structure. NDIS uses its own lists. */
const SG_LIST_BYTES = 16 + 16 * 24;
const BUG_CHECK_SHARED_MEMORY_IRQL = 0x01;
const BUG_CHECK_SHARED_MEMORY_FREED_TWICE = 0x03;

class SgDma implements ClaimedDma {
  readonly core: AdapterCore;
  readonly process: MINIPORT_PROCESS_SG_LIST;
  readonly allocated: MINIPORT_ALLOCATE_SHARED_MEM_COMPLETE | null;
  readonly arena: DmaArena;
  readonly bytes: Uint8Array;
  readonly slotBytes: number;
  readonly free = new Int32Array(MAP_REGISTERS);
  freeCount = MAP_REGISTERS;
  open = true;

  constructor(core: AdapterCore, description: NDIS_SG_DMA_DESCRIPTION, arena: DmaArena, slotBytes: number) {
    this.core = core;
    const { verifier } = core;
    const process = description.ProcessSGListHandler;
    this.process = verifier === null ? process : wrapProcessSgList(verifier, process);
    const allocated = description.SharedMemAllocateCompleteHandler;
    this.allocated =
      verifier === null || !allocated
        ? allocated
        : wrapWaiting(verifier, 'MiniportSharedMemoryAllocateComplete', allocated);
    this.arena = arena;
    this.bytes = arena.bytes;
    this.slotBytes = slotBytes;
    for (let slot = 0; slot < MAP_REGISTERS; slot++) this.free[slot] = MAP_REGISTERS - 1 - slot;
  }

  release(): void {
    this.open = false;
    if (this.core.dma === this) this.core.dma = null;
    this.arena.free();
  }
}

/**
 * Registers for DMA and takes the map registers. PASSIVE_LEVEL; in MiniportInitializeEx, after registration attributes
 * with NDIS_MINIPORT_ATTRIBUTES_BUS_MASTER and before any shared memory. Writes the handle and ScatterGatherListSize.
 * NOT_SUPPORTED: no bus master. BAD_VERSION: header. RESOURCES: no DMA memory. FAILURE: outside Initialize, or a second
 * time. [nf-ndis-ndismregisterscattergatherdma]
 */
export function NdisMRegisterScatterGatherDma(
  MiniportAdapterHandle: NDIS_HANDLE,
  DmaDescription: NDIS_SG_DMA_DESCRIPTION,
  NdisMiniportDmaHandle: Out<NDIS_HANDLE | null>,
): NDIS_STATUS {
  requireIrqlAtMost(PASSIVE_LEVEL, 'NdisMRegisterScatterGatherDma');
  const core = coreOrNull(MiniportAdapterHandle);
  if (core === null) return NDIS_STATUS_INVALID_PARAMETER;
  if (!headerFits(DmaDescription.Header, NDIS_OBJECT_TYPE_SG_DMA_DESCRIPTION, 0)) return NDIS_STATUS_BAD_VERSION;
  if (core.registration === null || (core.registration.AttributeFlags & NDIS_MINIPORT_ATTRIBUTES_BUS_MASTER) === 0) {
    return NDIS_STATUS_NOT_SUPPORTED;
  }
  if (core.state !== 'Initializing' || core.dma !== null) return NDIS_STATUS_FAILURE;
  const wanted = Math.max(DmaDescription.MaximumPhysicalMapping, MAP_REGISTER_BYTES);
  const slotBytes = Math.ceil(wanted / MAP_REGISTER_ALIGN) * MAP_REGISTER_ALIGN;
  let arena: DmaArena;
  try {
    arena = core.pci.allocateDma(slotBytes * MAP_REGISTERS);
  } catch (error) {
    core.log({ kind: 'info', message: `No memory for map registers: ${String(error)}` });
    return NDIS_STATUS_RESOURCES;
  }
  const dma = new SgDma(core, DmaDescription, arena, slotBytes);
  core.verifier?.took('scatter-gather DMA', dma);
  core.dma = dma;
  // The miniport has quieted the device by now, so what an earlier owner left running cannot write into new memory.
  core.enableBusMaster();
  DmaDescription.ScatterGatherListSize = SG_LIST_BYTES;
  NdisMiniportDmaHandle.Value = dma as unknown as NDIS_HANDLE;
  return NDIS_STATUS_SUCCESS;
}

/**
 * PASSIVE_LEVEL; in MiniportHaltEx or a failing MiniportInitializeEx, after the shared memory was freed.
 * [nf-ndis-ndismderegisterscattergatherdma]
 * @throws NdisVfioError E_STATE for a handle that is not registered.
 */
export function NdisMDeregisterScatterGatherDma(NdisMiniportDmaHandle: NDIS_HANDLE): void {
  requireIrqlAtMost(PASSIVE_LEVEL, 'NdisMDeregisterScatterGatherDma');
  const dma = dmaOf(NdisMiniportDmaHandle, 'NdisMDeregisterScatterGatherDma');
  if (dma.core.sharedMemory.size > 0) {
    dma.core.logRule('NV-04', 'scatter-gather DMA was deregistered before the shared memory was freed');
  }
  dma.release();
}

function dmaOf(handle: NDIS_HANDLE, what: string): SgDma {
  const dma = handle as unknown;
  return dma instanceof SgDma && dma.open ? dma : wrongHandle(what, 'a handle of NdisMRegisterScatterGatherDma');
}

/**
 * Memory that device and miniport share, zeroed and coherent (`Cached` is ignored). PASSIVE_LEVEL; only in
 * MiniportInitializeEx, after NdisMRegisterScatterGatherDma. There is no status: VirtualAddress is null on failure.
 * [nf-ndis-ndismallocatesharedmemory]
 */
export function NdisMAllocateSharedMemory(
  MiniportAdapterHandle: NDIS_HANDLE,
  Length: number,
  _Cached: boolean,
  VirtualAddress: Out<Uint8Array | null>,
  PhysicalAddress: Out<number>,
): void {
  VirtualAddress.Value = null;
  PhysicalAddress.Value = 0;
  const core = coreOf(MiniportAdapterHandle, 'NdisMAllocateSharedMemory');
  try {
    requireIrqlAtMost(PASSIVE_LEVEL, 'NdisMAllocateSharedMemory');
  } catch (error) {
    core.fault('Shared memory was allocated at raised IRQL', BUG_CHECK_SHARED_MEMORY_IRQL, error);
    return;
  }
  if (core.state !== 'Initializing' || core.dma === null) {
    core.logRule('NV-09', 'NdisMAllocateSharedMemory is for MiniportInitializeEx, after NdisMRegisterScatterGatherDma');
    return;
  }
  core.verifier?.checkSlack(core.sharedMemory.values());
  VirtualAddress.Value = allocate(core, Length, PhysicalAddress);
  if (VirtualAddress.Value === null) core.verifier?.sharedMemoryFailed();
}

/** Takes a block of DMA memory for the miniport and records it; null when there is none. */
function allocate(core: AdapterCore, length: number, physicalAddress: Out<number>): Uint8Array | null {
  if (!(length > 0)) return null;
  let arena: DmaArena;
  try {
    arena = core.pci.allocateDma(length);
  } catch (error) {
    core.log({ kind: 'info', message: `No shared memory of ${length} bytes: ${String(error)}` });
    return null;
  }
  const virtualAddress = arena.bytes.length === length ? arena.bytes : arena.bytes.subarray(0, length);
  core.sharedMemory.set(arena.bytes.buffer, {
    virtualAddress,
    byteOffset: arena.bytes.byteOffset,
    iova: arena.iova,
    lengthBytes: length,
    free: () => arena.free(),
  });
  physicalAddress.Value = arena.iova;
  return virtualAddress;
}

/**
 * Shared memory outside MiniportInitializeEx. <= DISPATCH_LEVEL. PENDING: MiniportSharedMemoryAllocateComplete follows in
 * a later turn of the event loop, at PASSIVE_LEVEL; MiniportHaltEx must have waited for it. FAILURE: no such handler.
 * [nf-ndis-ndismallocatesharedmemoryasyncex]
 */
export function NdisMAllocateSharedMemoryAsyncEx(
  NdisMiniportDmaHandle: NDIS_HANDLE,
  Length: number,
  _Cached: boolean,
  Context: NDIS_CONTEXT,
): NDIS_STATUS {
  requireIrqlAtMost(DISPATCH_LEVEL, 'NdisMAllocateSharedMemoryAsyncEx');
  const dma = dmaOf(NdisMiniportDmaHandle, 'NdisMAllocateSharedMemoryAsyncEx');
  const { core, allocated } = dma;
  if (!allocated || !(Length > 0)) return NDIS_STATUS_FAILURE;
  setImmediate(() => {
    if (!core.callable) return;
    const physicalAddress: Out<number> = { Value: 0 };
    // A registration that ended meanwhile owns no memory any more.
    const virtualAddress = dma.open ? allocate(core, Length, physicalAddress) : null;
    try {
      callAtIrql(PASSIVE_LEVEL, () => allocated(core.context, virtualAddress, physicalAddress.Value, Length, Context));
    } catch (error) {
      core.fault('MiniportSharedMemoryAllocateComplete threw', undefined, error);
    }
  });
  return NDIS_STATUS_PENDING;
}

/** What DMA addresses must be a multiple of, for the bus: 1, as PCI Express has no such rule. [nf-ndis-ndismgetdmaalignment] */
export function NdisMGetDmaAlignment(MiniportAdapterHandle: NDIS_HANDLE): number {
  requireIrqlAtMost(PASSIVE_LEVEL, 'NdisMGetDmaAlignment');
  coreOf(MiniportAdapterHandle, 'NdisMGetDmaAlignment');
  return 1;
}

/**
 * Frees a whole block of shared memory; views of it read `undefined` afterwards. <= DISPATCH_LEVEL; not in
 * MiniportShutdownEx. Length, VirtualAddress and PhysicalAddress are those of the allocation.
 * A second free of a block is a fault (bug check parameter 0x03). [nf-ndis-ndismfreesharedmemory]
 */
export function NdisMFreeSharedMemory(
  MiniportAdapterHandle: NDIS_HANDLE,
  Length: number,
  _Cached: boolean,
  VirtualAddress: Uint8Array,
  PhysicalAddress: number,
): void {
  requireIrqlAtMost(DISPATCH_LEVEL, 'NdisMFreeSharedMemory');
  const core = coreOf(MiniportAdapterHandle, 'NdisMFreeSharedMemory');
  if (core.state === 'Shutdown') {
    core.logRule('NdisMFreeSharedMemory', 'NdisMFreeSharedMemory was called in MiniportShutdownEx');
    return;
  }
  const block = core.sharedMemory.get(VirtualAddress.buffer);
  if (block === undefined) {
    core.fault('Shared memory was freed twice, or was never allocated', BUG_CHECK_SHARED_MEMORY_FREED_TWICE);
    return;
  }
  const start = VirtualAddress.byteOffset === block.virtualAddress.byteOffset;
  if (!start || block.lengthBytes !== Length || block.iova !== PhysicalAddress) {
    core.fault(
      'Shared memory was freed with other arguments than it was allocated with',
      undefined,
      undefined,
      'NV-06',
    );
    return;
  }
  core.verifier?.checkSlack([block]);
  core.sharedMemory.delete(VirtualAddress.buffer);
  block.free();
}

/**
 * Maps a frame for the device and calls MiniportProcessSGList, before it returns. DISPATCH_LEVEL. The list covers
 * CurrentMdl from its start to the end of the data: the miniport skips CurrentMdlOffset bytes. The buffer offered is not
 * used; the list stands on the NET_BUFFER until NdisMFreeNetBufferSGList.
 * RESOURCES: memory outside DMA and no map register free, or the data is longer than MaximumPhysicalMapping.
 * FAILURE: no data, or mapped already. [nf-ndis-ndismallocatenetbuffersglist]
 * @throws whatever the callback throws.
 */
export function NdisMAllocateNetBufferSGList(
  NdisMiniportDmaHandle: NDIS_HANDLE,
  NetBufferToMap: NET_BUFFER,
  Context: NDIS_CONTEXT,
  _Flags: number,
  _ScatterGatherListBuffer: SCATTER_GATHER_LIST | null,
  _ScatterGatherListBufferSize: number,
): NDIS_STATUS {
  const dma = dmaOf(NdisMiniportDmaHandle, 'NdisMAllocateNetBufferSGList');
  const list = NetBufferToMap instanceof NetBuffer ? NetBufferToMap.sgList : listOf(NetBufferToMap);
  if (list.inUse || NetBufferToMap.CurrentMdl === null) return NDIS_STATUS_FAILURE;
  const status = fill(
    dma,
    list,
    NetBufferToMap.CurrentMdl,
    NetBufferToMap.CurrentMdlOffset + NetBufferToMap.DataLength,
  );
  if (status !== NDIS_STATUS_SUCCESS) return status;
  list.inUse = true;
  NetBufferToMap.ScatterGatherList = list;
  const before = setIrql(DISPATCH_LEVEL);
  try {
    dma.process(null, NetBufferToMap, list, Context);
  } finally {
    restoreIrql(before);
  }
  return NDIS_STATUS_SUCCESS;
}

/** A NET_BUFFER that is not of our class gets a list of its own at its first use. */
function listOf(netBuffer: NET_BUFFER): SgList {
  if (!(netBuffer.NdisReserved instanceof SgList)) netBuffer.NdisReserved = new SgList();
  return netBuffer.NdisReserved as SgList;
}

/** Writes the elements for the first `bytes` of an MDL chain, merging what is contiguous for the device. */
function fill(dma: SgDma, list: SgList, first: MDL, bytes: number): NDIS_STATUS {
  let left = bytes;
  let count = 0;
  let slotUsed = 0;
  let nextAddress = -1;
  for (let mdl: MDL | null = first; left > 0; mdl = mdl.Next) {
    if (mdl === null) {
      giveSlotBack(dma, list);
      return NDIS_STATUS_FAILURE;
    }
    const length = Math.min(mdl.ByteCount, left);
    if (length === 0) continue;
    let address = mdl.PhysicalAddress;
    if (address === 0) {
      if (list.slot < 0) {
        if (dma.freeCount === 0) return NDIS_STATUS_RESOURCES;
        list.slot = dma.free[--dma.freeCount] as number;
      }
      if (slotUsed + length > dma.slotBytes) {
        giveSlotBack(dma, list);
        return NDIS_STATUS_RESOURCES;
      }
      const to = list.slot * dma.slotBytes + slotUsed;
      copyBytes(mdl.StartVa, mdl.ByteOffset, dma.bytes, to, length);
      address = dma.arena.iova + to;
      slotUsed += length;
    }
    left -= length;
    if (address === nextAddress) {
      (list.Elements[count - 1] as SgElement).Length += length;
    } else {
      if (count === list.Elements.length) list.Elements.push(new SgElement());
      const element = list.Elements[count] as SgElement;
      element.Address = address;
      element.Length = length;
      count++;
    }
    nextAddress = address + length;
  }
  list.NumberOfElements = count;
  return NDIS_STATUS_SUCCESS;
}

function giveSlotBack(dma: SgDma, list: SgList): void {
  if (list.slot < 0) return;
  dma.free[dma.freeCount++] = list.slot;
  list.slot = -1;
}

/** Copies without making a view: per frame, on the path of data that is not in DMA memory. */
function copyBytes(from: Uint8Array, fromOffset: number, to: Uint8Array, toOffset: number, length: number): void {
  if (fromOffset === 0 && length === from.length) {
    to.set(from, toOffset);
    return;
  }
  for (let index = 0; index < length; index++) to[toOffset + index] = from[fromOffset + index] as number;
}

/**
 * Ends the mapping and frees its map register. DISPATCH_LEVEL; before the send is completed.
 * [nf-ndis-ndismfreenetbuffersglist]
 */
export function NdisMFreeNetBufferSGList(
  NdisMiniportDmaHandle: NDIS_HANDLE,
  pSGL: SCATTER_GATHER_LIST,
  NetBufferMapped: NET_BUFFER,
): void {
  const dma = dmaOf(NdisMiniportDmaHandle, 'NdisMFreeNetBufferSGList');
  if (!(pSGL instanceof SgList) || !pSGL.inUse) {
    dma.core.logRule('NV-07', 'NdisMFreeNetBufferSGList was called for a list that is not in use');
    return;
  }
  pSGL.inUse = false;
  NetBufferMapped.ScatterGatherList = null;
  giveSlotBack(dma, pSGL);
}
