/**
 * The DMA memory of an adapter and the rings over it, built once at initialize. Layer: miniports/intel.
 * Invariants: two blocks of shared memory (descriptors and padding; receive buffers), freed in reverse; descriptor rings
 * start at multiples of 128 bytes (82574 3.2.6, 82576 7.1.4); every structure a frame needs exists from here on.
 */
import {
  type NDIS_HANDLE,
  NDIS_OBJECT_TYPE_DEFAULT,
  NDIS_OBJECT_TYPE_SG_DMA_DESCRIPTION,
  NDIS_SG_DMA_64_BIT_ADDRESS,
  type NDIS_SG_DMA_DESCRIPTION,
  NDIS_SG_DMA_DESCRIPTION_REVISION_1,
  NDIS_STATUS_SUCCESS,
  NdisAllocateMdl,
  NdisAllocateNetBufferAndNetBufferList,
  NdisAllocateNetBufferListPool,
  NdisFreeMdl,
  NdisFreeNetBufferList,
  NdisFreeNetBufferListPool,
  NdisMAllocateSharedMemory,
  NdisMDeregisterScatterGatherDma,
  NdisMFreeSharedMemory,
  NdisMRegisterScatterGatherDma,
  NET_BUFFER_LIST_POOL_PARAMETERS_REVISION_1,
  out,
} from '../../ndis/index.ts';
import { type Configuration, CRC_BYTES, maxFrameBytes, slotBytesFor } from './configuration.ts';
import { DESCRIPTOR_BYTES, DESCRIPTOR_WORDS } from './descriptor.ts';
import type { IntelDevice, ReceiveSettings, RingLocation, TransmitSettings } from './device.ts';
import type { HardwareAccess } from './hardware-access.ts';
import { ReceiveRing, type ReceiveSlot } from './receive-ring.ts';
import type { Statistics } from './statistics.ts';
import { MIN_FRAME_BYTES, TransmitRing } from './transmit-ring.ts';

const NDIS_PROTOCOL_ID_DEFAULT = 0;
/** Our tag for pools, "IntV". */
const POOL_TAG = 0x56746e49;
const PAD_BYTES = 128;
/** Room for headers a protocol stack keeps free in front of a frame: a list starts where the MDL does. */
const BACKFILL_BYTES = 256;

/** Registers how to undo one step; undone in reverse order. */
export type Undo = (step: () => void) => void;

export interface Rings {
  readonly receive: readonly ReceiveRing[];
  readonly transmit: readonly TransmitRing[];
  readonly receiveSettings: ReceiveSettings;
  readonly transmitSettings: TransmitSettings;
}

interface Block {
  readonly bytes: Uint8Array;
  readonly iova: number;
}

function allocateBlock(handle: NDIS_HANDLE, lengthBytes: number, undo: Undo): Block | undefined {
  const bytes = out<Uint8Array | null>(null);
  const iova = out(0);
  NdisMAllocateSharedMemory(handle, lengthBytes, true, bytes, iova);
  const memory = bytes.Value;
  if (memory === null) return undefined;
  undo(() => NdisMFreeSharedMemory(handle, lengthBytes, true, memory, iova.Value));
  return { bytes: memory, iova: iova.Value };
}

function wordsOf(block: Block, offset: number, count: number): Uint32Array {
  return new Uint32Array(block.bytes.buffer, block.bytes.byteOffset + offset, count * DESCRIPTOR_WORDS);
}

/**
 * Registers DMA, allocates everything and builds the rings; undefined when memory is short. What was done so far is in
 * `undo` then, too. PASSIVE_LEVEL, in MiniportInitializeEx.
 */
export function buildRings(
  handle: NDIS_HANDLE,
  device: IntelDevice,
  hw: HardwareAccess,
  configuration: Configuration,
  statistics: Statistics,
  undo: Undo,
): Rings | undefined {
  const longest = maxFrameBytes(configuration.mtu);
  const slotBytes = slotBytesFor(configuration.mtu);
  const description: NDIS_SG_DMA_DESCRIPTION = {
    Header: { Type: NDIS_OBJECT_TYPE_SG_DMA_DESCRIPTION, Revision: NDIS_SG_DMA_DESCRIPTION_REVISION_1, Size: 40 },
    Flags: NDIS_SG_DMA_64_BIT_ADDRESS,
    MaximumPhysicalMapping: longest + BACKFILL_BYTES,
    ProcessSGListHandler: (_pDO, _Reserved, pSGL, Context) => (Context as TransmitRing).acceptList(pSGL),
    SharedMemAllocateCompleteHandler: null,
    ScatterGatherListSize: 0,
  };
  const dma = out<NDIS_HANDLE | null>(null);
  if (NdisMRegisterScatterGatherDma(handle, description, dma) !== NDIS_STATUS_SUCCESS) return undefined;
  const dmaHandle = dma.Value!;
  undo(() => NdisMDeregisterScatterGatherDma(dmaHandle));

  const queues = configuration.queues;
  const receiveRingBytes = configuration.receiveBuffers * DESCRIPTOR_BYTES;
  const transmitRingBytes = configuration.transmitBuffers * DESCRIPTOR_BYTES;
  const control = allocateBlock(handle, queues * (receiveRingBytes + transmitRingBytes) + PAD_BYTES, undo);
  if (control === undefined) return undefined;
  const buffers = allocateBlock(handle, queues * configuration.receiveBuffers * slotBytes, undo);
  if (buffers === undefined) return undefined;
  const pool = NdisAllocateNetBufferListPool(handle, {
    Header: { Type: NDIS_OBJECT_TYPE_DEFAULT, Revision: NET_BUFFER_LIST_POOL_PARAMETERS_REVISION_1, Size: 20 },
    ProtocolId: NDIS_PROTOCOL_ID_DEFAULT,
    fAllocateNetBuffer: true,
    ContextSize: 0,
    PoolTag: POOL_TAG,
    DataSize: 0,
  });
  if (pool === null) return undefined;
  undo(() => NdisFreeNetBufferListPool(pool));

  const receive: ReceiveRing[] = [];
  const transmit: TransmitRing[] = [];
  const receiveLocations: RingLocation[] = [];
  const transmitLocations: RingLocation[] = [];
  let offset = 0;
  for (let queue = 0; queue < queues; queue++) {
    const slots: ReceiveSlot[] = [];
    for (let index = 0; index < configuration.receiveBuffers; index++) {
      const at = (queue * configuration.receiveBuffers + index) * slotBytes;
      const bytes = buffers.bytes.subarray(at, at + slotBytes);
      const mdl = NdisAllocateMdl(handle, bytes, slotBytes);
      const netBufferList = mdl && NdisAllocateNetBufferAndNetBufferList(pool, 0, 0, mdl, 0, 0);
      if (mdl === null || netBufferList === null) return undefined;
      undo(() => {
        NdisFreeNetBufferList(netBufferList);
        NdisFreeMdl(mdl);
      });
      netBufferList.SourceHandle = handle;
      slots.push({
        iova: buffers.iova + at,
        bytes,
        mdl,
        netBufferList,
        netBuffer: netBufferList.FirstNetBuffer!,
      });
    }
    receiveLocations.push({ iova: control.iova + offset, bytes: receiveRingBytes });
    receive.push(
      new ReceiveRing({
        hw,
        handle,
        queue,
        tailRegister: device.receiveTail,
        errorMask: device.format.receiveErrors,
        words: wordsOf(control, offset, configuration.receiveBuffers),
        slots,
        counters: statistics.receive,
      }),
    );
    offset += receiveRingBytes;
    transmitLocations.push({ iova: control.iova + offset, bytes: transmitRingBytes });
    transmit.push(
      new TransmitRing({
        hw,
        handle,
        dma: dmaHandle,
        queue,
        tailRegister: device.transmitTail,
        format: device.format,
        words: wordsOf(control, offset, configuration.transmitBuffers),
        padIova: control.iova + queues * (receiveRingBytes + transmitRingBytes),
        maxFrameBytes: Math.max(MIN_FRAME_BYTES, longest - CRC_BYTES),
        counters: statistics.transmit,
      }),
    );
    offset += transmitRingBytes;
  }
  return {
    receive,
    transmit,
    receiveSettings: { slotBytes, maxFrameBytes: longest, queues: receiveLocations },
    transmitSettings: { queues: transmitLocations },
  };
}
