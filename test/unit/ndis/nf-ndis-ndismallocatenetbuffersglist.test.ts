/** Rules of the page `nf-ndis-ndismallocatenetbuffersglist`, a test each, on a fake function and a small miniport. Layer: test (ndis). */
import { describe, expect, it } from 'vitest';
import {
  DISPATCH_LEVEL,
  KeGetCurrentIrql,
  type MDL,
  type NDIS_HANDLE,
  NDIS_STATUS_FAILURE,
  NDIS_STATUS_RESOURCES,
  NDIS_STATUS_SUCCESS,
  NdisAllocateMdl,
  NdisAllocateNetBufferAndNetBufferList,
  NdisMAllocateNetBufferSGList,
  NdisMDeregisterScatterGatherDma,
  NdisMFreeNetBufferSGList,
  type NET_BUFFER,
  type SCATTER_GATHER_LIST,
} from '../../../src/ndis/index.ts';
import { type Bench, initialized } from './fake-miniport.ts';

function heapMdl(made: Bench, bytes: number, fill: number): MDL {
  return NdisAllocateMdl(made.miniport.handle, new Uint8Array(bytes).fill(fill), bytes) as MDL;
}

function netBuffer(made: Bench, mdl: MDL, offset: number, length: number): NET_BUFFER {
  const pool = made.miniport.pool as NDIS_HANDLE;
  return NdisAllocateNetBufferAndNetBufferList(pool, 0, 0, mdl, offset, length)?.FirstNetBuffer as NET_BUFFER;
}

function map(made: Bench, buffer: NET_BUFFER): number {
  return NdisMAllocateNetBufferSGList(made.miniport.dma, buffer, null, 1, null, 0);
}

function elements(list: SCATTER_GATHER_LIST): [number, number][] {
  return list.Elements.slice(0, list.NumberOfElements).map((one) => [one.Address, one.Length]);
}

describe('NdisMAllocateNetBufferSGList', () => {
  it('gives the bus address of shared memory directly, from the start of CurrentMdl (trap 64)', async () => {
    const made = await initialized();
    const mdl = NdisAllocateMdl(made.miniport.handle, made.miniport.memory.subarray(256, 512), 256) as MDL;
    expect(mdl.PhysicalAddress).toBe(made.miniport.memoryAddress + 256);
    const buffer = netBuffer(made, mdl, 10, 100);
    expect(map(made, buffer)).toBe(NDIS_STATUS_SUCCESS);
    expect(buffer.CurrentMdlOffset).toBe(10);
    expect(elements(made.miniport.sgLists[0] as SCATTER_GATHER_LIST)).toEqual([[mdl.PhysicalAddress, 110]]);
  });

  it('calls MiniportProcessSGList before it returns, at DISPATCH_LEVEL, with its context', async () => {
    let seen: unknown[] = [];
    const made = await initialized({
      initialized: () => NDIS_STATUS_SUCCESS,
    });
    const { miniport } = made;
    miniport.sgLists.push = ((list: SCATTER_GATHER_LIST) => {
      seen = [list.NumberOfElements, KeGetCurrentIrql()];
      return 0;
    }) as never;
    map(made, netBuffer(made, heapMdl(made, 64, 1), 0, 64));
    expect(seen).toEqual([1, DISPATCH_LEVEL]);
  });

  it('gives one element per piece, merging pieces that follow each other for the device', async () => {
    const made = await initialized();
    const slice = (from: number, to: number) =>
      NdisAllocateMdl(made.miniport.handle, made.miniport.memory.subarray(from, to), to - from) as MDL;
    const [a, b, c] = [slice(0, 64), slice(64, 128), slice(512, 600)] as [MDL, MDL, MDL];
    a.Next = b;
    b.Next = c;
    const buffer = netBuffer(made, a, 0, 150);
    map(made, buffer);
    const base = made.miniport.memoryAddress;
    expect(elements(made.miniport.sgLists[0] as SCATTER_GATHER_LIST)).toEqual([
      [base, 128],
      [base + 512, 22],
    ]);
  });

  it('copies what is outside DMA memory through a map register, and gives it back on free', async () => {
    const made = await initialized();
    const arena = made.pci.arenas[0];
    const first = heapMdl(made, 20, 0xaa);
    first.Next = heapMdl(made, 50, 0xbb);
    const buffer = netBuffer(made, first, 0, 60);
    expect(map(made, buffer)).toBe(NDIS_STATUS_SUCCESS);
    const list = made.miniport.sgLists[0] as SCATTER_GATHER_LIST;
    const [[address, length]] = elements(list) as [[number, number]];
    expect(length).toBe(60);
    const at = address - (arena?.iova ?? 0);
    expect([...(arena?.bytes.subarray(at, at + 60) ?? [])]).toEqual([...Array(20).fill(0xaa), ...Array(40).fill(0xbb)]);
    NdisMFreeNetBufferSGList(made.miniport.dma, list, buffer);
    expect(buffer.ScatterGatherList).toBeNull();
    expect(map(made, buffer)).toBe(NDIS_STATUS_SUCCESS);
    expect(made.miniport.sgLists[1]).toBe(list);
    expect(elements(list)[0]?.[0]).toBe(address);
  });

  it('answers RESOURCES when the 64 map registers are out, and works again after one is freed', async () => {
    const made = await initialized();
    const buffers = Array.from({ length: 65 }, () => netBuffer(made, heapMdl(made, 64, 1), 0, 64));
    const statuses = buffers.map((buffer) => map(made, buffer));
    expect(statuses.slice(0, 64).every((status) => status === NDIS_STATUS_SUCCESS)).toBe(true);
    expect(statuses[64]).toBe(NDIS_STATUS_RESOURCES);
    const addresses = made.miniport.sgLists.map((list) => list.Elements[0]?.Address);
    expect(new Set(addresses).size).toBe(64);
    NdisMFreeNetBufferSGList(
      made.miniport.dma,
      made.miniport.sgLists[7] as SCATTER_GATHER_LIST,
      buffers[7] as NET_BUFFER,
    );
    expect(map(made, buffers[64] as NET_BUFFER)).toBe(NDIS_STATUS_SUCCESS);
  });

  it('answers RESOURCES for data longer than MaximumPhysicalMapping and leaks no map register', async () => {
    const made = await initialized();
    for (let count = 0; count < 70; count++) {
      expect(map(made, netBuffer(made, heapMdl(made, 2049, 1), 0, 2049))).toBe(NDIS_STATUS_RESOURCES);
    }
    expect(map(made, netBuffer(made, heapMdl(made, 2048, 1), 0, 2048))).toBe(NDIS_STATUS_SUCCESS);
  });

  it('answers FAILURE for a NET_BUFFER mapped already, and for one whose MDLs are shorter than its data', async () => {
    const made = await initialized();
    const buffer = netBuffer(made, heapMdl(made, 64, 1), 0, 64);
    map(made, buffer);
    expect(map(made, buffer)).toBe(NDIS_STATUS_FAILURE);
    expect(map(made, netBuffer(made, heapMdl(made, 64, 1), 0, 65))).toBe(NDIS_STATUS_FAILURE);
  });

  it('is refused after NdisMDeregisterScatterGatherDma', async () => {
    const made = await initialized({ forget: ['dma'] });
    const buffer = netBuffer(made, heapMdl(made, 64, 1), 0, 64);
    NdisMDeregisterScatterGatherDma(made.miniport.dma);
    expect(() => map(made, buffer)).toThrow(/handle/);
    expect(made.log.some((entry) => entry.message.startsWith('NV-04'))).toBe(true);
  });
});
