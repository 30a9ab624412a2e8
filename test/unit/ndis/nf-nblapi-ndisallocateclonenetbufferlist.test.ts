/** Rules of the pages `nf-nblapi-ndisallocateclonenetbufferlist` and `nf-nblapi-ndisretreatnetbufferlistdatastart`. Layer: test (ndis). */
import { describe, expect, it } from 'vitest';
import {
  NDIS_CLONE_FLAGS_USE_ORIGINAL_MDLS,
  NDIS_STATUS_FAILURE,
  NDIS_STATUS_RESOURCES,
  NDIS_STATUS_SUCCESS,
  NdisAdvanceNetBufferListDataStart,
  NdisAllocateCloneNetBufferList,
  NdisFreeCloneNetBufferList,
  NdisGetDataBuffer,
  NdisRetreatNetBufferListDataStart,
  type NET_BUFFER,
  type NET_BUFFER_LIST,
} from '../../../src/ndis/index.ts';
import { callAtIrql } from '../../../src/ndis/irql.ts';
import { Mdl, NetBuffer, NetBufferList } from '../../../src/ndis/net-buffer-list.ts';
import { DIRQL } from '../../../src/ndis/types.ts';

/** Two NET_BUFFERs: bytes 2 to 9 over two MDLs, and bytes 20 to 23 of one MDL with 2 bytes in front. */
function original(): NET_BUFFER_LIST {
  const bytes = Uint8Array.from({ length: 32 }, (_, index) => index);
  const first = new Mdl(bytes, 0, 6, 0x1000);
  first.Next = new Mdl(bytes, 6, 6, 0x2000);
  const one = new NetBuffer(null, first, 2, 8);
  one.Next = new NetBuffer(null, new Mdl(bytes, 18, 10, 0x3000), 2, 4);
  return new NetBufferList(null, null, one);
}

function dataOf(nbl: NET_BUFFER_LIST): number[][] {
  const all: number[][] = [];
  for (let buffer: NET_BUFFER | null = nbl.FirstNetBuffer; buffer !== null; buffer = buffer.Next) {
    const view = NdisGetDataBuffer(buffer, buffer.DataLength, new Uint8Array(buffer.DataLength), 1, 0);
    all.push([...(view ?? [])]);
  }
  return all;
}

describe('NdisAllocateCloneNetBufferList', () => {
  it.each([0, NDIS_CLONE_FLAGS_USE_ORIGINAL_MDLS])('with flags %i describes the same bytes, copying none', (flags) => {
    const source = original();
    const clone = NdisAllocateCloneNetBufferList(source, null, null, flags) as NET_BUFFER_LIST;
    expect(dataOf(clone)).toEqual([
      [2, 3, 4, 5, 6, 7, 8, 9],
      [20, 21, 22, 23],
    ]);
    const mine = clone.FirstNetBuffer?.MdlChain;
    expect(mine === source.FirstNetBuffer?.MdlChain).toBe(flags === NDIS_CLONE_FLAGS_USE_ORIGINAL_MDLS);
    expect(mine?.StartVa).toBe(source.FirstNetBuffer?.MdlChain?.StartVa);
    expect(clone.FirstNetBuffer?.DataPhysicalAddress).toBe(0x1002);
  });

  it('has a parent and out-of-band data only as the caller sets them', () => {
    const source = original();
    source.NetBufferListInfo.NetBufferListHashValue = 7;
    const clone = NdisAllocateCloneNetBufferList(source, null, null, 0);
    expect([clone?.ParentNetBufferList, clone?.NetBufferListInfo.NetBufferListHashValue]).toEqual([null, 0]);
  });

  it('gives null for a NET_BUFFER without data, and may not be called at DIRQL', () => {
    const empty = new NetBufferList(null, null, new NetBuffer(null, null, 0, 0));
    expect(NdisAllocateCloneNetBufferList(empty, null, null, 0)).toBeNull();
    expect(() => callAtIrql(DIRQL, () => NdisAllocateCloneNetBufferList(original(), null, null, 0))).toThrow(
      /DISPATCH/,
    );
  });
});

describe('NdisFreeCloneNetBufferList', () => {
  it('frees a clone once, with its flags, and leaves the original whole', () => {
    for (const flags of [0, NDIS_CLONE_FLAGS_USE_ORIGINAL_MDLS]) {
      const source = original();
      const clone = NdisAllocateCloneNetBufferList(source, null, null, flags) as NET_BUFFER_LIST;
      expect(() => NdisFreeCloneNetBufferList(clone, flags ^ 1)).toThrow(/its flags/);
      NdisFreeCloneNetBufferList(clone, flags);
      expect(dataOf(source)).toEqual(dataOf(original()));
      expect(() => NdisFreeCloneNetBufferList(clone, flags)).toThrow(/once/);
    }
    expect(() => NdisFreeCloneNetBufferList(original(), 0)).toThrow(/a clone/);
  });
});

describe('NdisRetreatNetBufferListDataStart', () => {
  it('moves every NET_BUFFER, and NdisAdvanceNetBufferListDataStart moves them back', () => {
    const nbl = original();
    expect(NdisRetreatNetBufferListDataStart(nbl, 2, 0, null, null)).toBe(NDIS_STATUS_SUCCESS);
    expect(dataOf(nbl)).toEqual([
      [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
      [18, 19, 20, 21, 22, 23],
    ]);
    NdisAdvanceNetBufferListDataStart(nbl, 2, true, null);
    expect(dataOf(nbl)).toEqual(dataOf(original()));
    expect(() => NdisAdvanceNetBufferListDataStart(nbl, 6, true, null)).toThrow(RangeError);
  });

  it('that fails for one NET_BUFFER undoes those before it, and is FAILURE without any', () => {
    const nbl = original();
    const freed: number[] = [];
    let left = 1;
    const allocate = (size: number) => (left-- > 0 ? new Mdl(new Uint8Array(size), 0, size, 0) : null);
    const status = NdisRetreatNetBufferListDataStart(nbl, 8, 0, allocate, (mdl) => freed.push(mdl.ByteCount));
    expect(status).toBe(NDIS_STATUS_RESOURCES);
    expect([dataOf(nbl), freed]).toEqual([dataOf(original()), [6]]);
    expect(NdisRetreatNetBufferListDataStart(new NetBufferList(null, null, null), 1, 0, null, null)).toBe(
      NDIS_STATUS_FAILURE,
    );
  });
});
