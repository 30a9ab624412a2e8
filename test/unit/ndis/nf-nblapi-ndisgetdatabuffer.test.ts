/** Rules of the page `nf-nblapi-ndisgetdatabuffer`, a test each, on a fake function and a small miniport. Layer: test (ndis). */
import { describe, expect, it } from 'vitest';
import {
  type MDL,
  type NDIS_HANDLE,
  NDIS_OBJECT_TYPE_DEFAULT,
  NDIS_STATUS_RESOURCES,
  NDIS_STATUS_SUCCESS,
  NdisAdvanceNetBufferDataStart,
  NdisAllocateMdl,
  NdisAllocateNetBufferAndNetBufferList,
  NdisAllocateNetBufferListPool,
  NdisFreeMdl,
  NdisFreeNetBufferList,
  NdisFreeNetBufferListPool,
  NdisGetDataBuffer,
  NdisRetreatNetBufferDataStart,
  type NET_BUFFER,
  type NET_BUFFER_LIST,
} from '../../../src/ndis/index.ts';
import { initialized } from './fake-miniport.ts';

function pool(fAllocateNetBuffer = true, DataSize = 0): NDIS_HANDLE {
  return NdisAllocateNetBufferListPool(null, {
    Header: { Type: NDIS_OBJECT_TYPE_DEFAULT, Revision: 1, Size: 0 },
    ProtocolId: 0,
    fAllocateNetBuffer,
    ContextSize: 0,
    PoolTag: 0,
    DataSize,
  }) as NDIS_HANDLE;
}

/** A frame of bytes 0, 1, 2... in MDLs of the sizes given, its data starting at `offset`. */
async function frame(sizes: readonly number[], offset = 0): Promise<NET_BUFFER> {
  const { miniport } = await initialized();
  let next = 0;
  const mdls = sizes.map((size) => {
    const bytes = Uint8Array.from({ length: size }, () => next++);
    return NdisAllocateMdl(miniport.handle, bytes, size) as MDL;
  });
  mdls.forEach((mdl, index) => {
    mdl.Next = mdls[index + 1] ?? null;
  });
  const nbl = NdisAllocateNetBufferAndNetBufferList(pool(), 0, 0, mdls[0] ?? null, offset, next - offset);
  return nbl?.FirstNetBuffer as NET_BUFFER;
}

describe('NdisGetDataBuffer', () => {
  it('gives a view where the bytes lie in one piece', async () => {
    const buffer = await frame([16, 16], 4);
    const data = NdisGetDataBuffer(buffer, 12, null, 1, 0);
    expect([...(data ?? [])]).toEqual([4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
    expect(data?.buffer).toBe(buffer.MdlChain?.StartVa.buffer);
  });

  it('copies to Storage what lies in several pieces, and gives null without Storage', async () => {
    const buffer = await frame([4, 4, 8]);
    expect(NdisGetDataBuffer(buffer, 10, null, 1, 0)).toBeNull();
    expect(NdisGetDataBuffer(buffer, 10, new Uint8Array(9), 1, 0)).toBeNull();
    const storage = new Uint8Array(10);
    expect(NdisGetDataBuffer(buffer, 10, storage, 1, 0)).toBe(storage);
    expect([...storage]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it('gives null when the frame is shorter', async () => {
    expect(NdisGetDataBuffer(await frame([16]), 17, new Uint8Array(32), 1, 0)).toBeNull();
  });

  it('copies what is not aligned as asked', async () => {
    const buffer = await frame([16], 1);
    const storage = new Uint8Array(4);
    expect(NdisGetDataBuffer(buffer, 4, storage, 4, 0)).toBe(storage);
    expect(NdisGetDataBuffer(buffer, 4, storage, 4, 1)?.buffer).toBe(buffer.MdlChain?.StartVa.buffer);
  });
});

describe('The data start', () => {
  it('moves forward over MDLs and back again', async () => {
    const buffer = await frame([4, 12]);
    NdisAdvanceNetBufferDataStart(buffer, 6, false, null);
    expect([buffer.DataOffset, buffer.DataLength, buffer.CurrentMdlOffset]).toEqual([6, 10, 2]);
    expect(buffer.CurrentMdl).toBe(buffer.MdlChain?.Next);
    expect(NdisRetreatNetBufferDataStart(buffer, 6, 0, null)).toBe(NDIS_STATUS_SUCCESS);
    expect([buffer.DataOffset, buffer.DataLength, buffer.CurrentMdlOffset]).toEqual([0, 16, 0]);
    expect(() => NdisAdvanceNetBufferDataStart(buffer, 17, false, null)).toThrow(RangeError);
  });

  it('moves into a new MDL where there is no room in front, which Advance releases', async () => {
    const buffer = await frame([8], 2);
    const old = buffer.MdlChain;
    expect(NdisRetreatNetBufferDataStart(buffer, 10, 6, null)).toBe(NDIS_STATUS_SUCCESS);
    expect([buffer.DataOffset, buffer.DataLength]).toEqual([6, 16]);
    expect(buffer.MdlChain?.ByteCount).toBe(14);
    expect(NdisGetDataBuffer(buffer, 16, new Uint8Array(16), 1, 0)?.[15]).toBe(7);
    NdisAdvanceNetBufferDataStart(buffer, 10, true, null);
    expect(buffer.MdlChain).toBe(old);
    expect([buffer.DataOffset, buffer.DataLength]).toEqual([2, 6]);
    expect(NdisRetreatNetBufferDataStart(buffer, 10, 0, () => null)).toBe(NDIS_STATUS_RESOURCES);
  });
});

describe('NET_BUFFER_LIST pools', () => {
  it('give an NBL with a NET_BUFFER only with fAllocateNetBuffer and DataSize 0', () => {
    expect(NdisAllocateNetBufferAndNetBufferList(pool(false), 0, 0, null, 0, 0)).toBeNull();
    expect(NdisAllocateNetBufferAndNetBufferList(pool(true, 64), 0, 0, null, 0, 0)).toBeNull();
    const nbl = NdisAllocateNetBufferAndNetBufferList(pool(), 0, 0, null, 0, 0) as NET_BUFFER_LIST;
    expect(nbl.FirstNetBuffer?.Next).toBeNull();
    NdisFreeNetBufferList(nbl);
    expect(() => NdisFreeNetBufferList(nbl)).toThrow(/NdisAllocateNetBufferListPool/);
  });

  it('freed with NBLs out are reported (bug check 0x7C/0x27)', async () => {
    const { miniport, log } = await initialized();
    NdisFreeNetBufferListPool(miniport.pool as NDIS_HANDLE);
    expect(log).toContainEqual(expect.objectContaining({ kind: 'leak', bugCheck: 0x27 }));
  });
});

describe('MDLs', () => {
  it('carry the bus address of shared memory and 0 for other memory', async () => {
    const { miniport } = await initialized();
    const shared = NdisAllocateMdl(miniport.handle, miniport.memory.subarray(32), 10) as MDL;
    expect(shared.PhysicalAddress).toBe(miniport.memoryAddress + 32);
    const heap = NdisAllocateMdl(miniport.handle, new Uint8Array(8), 8) as MDL;
    expect(heap.PhysicalAddress).toBe(0);
    expect(NdisAllocateMdl(miniport.handle, new Uint8Array(8), 9)).toBeNull();
    NdisFreeMdl(heap);
    expect(heap.ByteCount).toBe(0);
  });
});
