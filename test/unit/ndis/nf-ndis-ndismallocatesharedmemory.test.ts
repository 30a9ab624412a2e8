/** Rules of the page `nf-ndis-ndismallocatesharedmemory`, a test each, on a fake function and a small miniport. Layer: test (ndis). */
import { describe, expect, it } from 'vitest';
import {
  type NDIS_HANDLE,
  NDIS_STATUS_PENDING,
  NDIS_STATUS_SUCCESS,
  NdisMAllocateSharedMemory,
  NdisMAllocateSharedMemoryAsyncEx,
  NdisMFreeSharedMemory,
  out,
} from '../../../src/ndis/index.ts';
import { bench, initialized } from './fake-miniport.ts';
import { microtasks, turn } from './fake-pci.ts';

function allocate(handle: NDIS_HANDLE, length: number) {
  const va = out<Uint8Array | null>(new Uint8Array(1));
  const pa = out(7);
  NdisMAllocateSharedMemory(handle, length, true, va, pa);
  return { va: va.Value, pa: pa.Value };
}

describe('NdisMAllocateSharedMemory', () => {
  it('gives exactly the bytes asked for and their bus address', async () => {
    let got: ReturnType<typeof allocate> | null = null;
    const made = await initialized({
      forget: ['memory', 'dma'],
      initialized: (miniport) => {
        got = allocate(miniport.handle, 100);
        return NDIS_STATUS_SUCCESS;
      },
    });
    const { va, pa } = got as unknown as { va: Uint8Array; pa: number };
    expect(va.length).toBe(100);
    expect(pa).toBe(made.pci.arenas.at(-1)?.iova);
    NdisMFreeSharedMemory(made.miniport.handle, 100, true, va, pa);
    expect(made.pci.arenas.at(-1)?.freed).toBe(true);
  });

  it('reports failure by a null address only, as there is no status (trap 65)', async () => {
    let got: unknown = null;
    const made = await bench(
      {
        initialized: (miniport) => {
          got = allocate(miniport.handle, 2e6);
          return NDIS_STATUS_SUCCESS;
        },
      },
      { dmaLimit: 1e6 },
    );
    await made.adapter.initialize();
    expect(got).toEqual({ va: null, pa: 0 });
    expect(made.log.some((entry) => entry.message.includes('RLIMIT_MEMLOCK'))).toBe(true);
  });

  it('is for MiniportInitializeEx only (trap 65)', async () => {
    const { miniport, log } = await initialized();
    expect(allocate(miniport.handle, 64).va).toBeNull();
    expect(log.some((entry) => entry.message.startsWith('NV-09'))).toBe(true);
  });

  it('above PASSIVE_LEVEL is bug check 0x7C/0x01', async () => {
    const made = await initialized({ dpc: () => allocate(made.miniport.handle, 64) && undefined });
    made.pci.armed.fire(0);
    await microtasks();
    expect(made.faults[0]).toMatchObject({ bugCheck: 0x01 });
  });
});

describe('NdisMAllocateSharedMemoryAsyncEx', () => {
  it('answers in a later turn with memory that is freed like any other', async () => {
    const { miniport, pci, adapter, log } = await initialized();
    expect(NdisMAllocateSharedMemoryAsyncEx(miniport.dma, 4096, false, 'mine')).toBe(NDIS_STATUS_PENDING);
    expect(miniport.allocations).toEqual([]);
    await turn();
    const [got] = miniport.allocations;
    expect(got).toMatchObject({ address: pci.arenas.at(-1)?.iova, length: 4096, context: 'mine' });
    NdisMFreeSharedMemory(miniport.handle, 4096, false, got?.memory as Uint8Array, got?.address as number);
    await adapter.halt();
    expect(log).toEqual([]);
  });

  it('answers with null when there is no memory, and allocates nothing after halt', async () => {
    const { miniport, pci, adapter } = await initialized({}, { dmaLimit: 1e6 });
    NdisMAllocateSharedMemoryAsyncEx(miniport.dma, 2e6, false, null);
    await turn();
    expect(miniport.allocations).toEqual([{ memory: null, address: 0, length: 2e6, context: null }]);
    NdisMAllocateSharedMemoryAsyncEx(miniport.dma, 4096, false, null);
    const arenas = pci.arenas.length;
    const halting = adapter.halt();
    await turn();
    await halting;
    expect(pci.arenas.length).toBe(arenas);
  });
});

describe('NdisMFreeSharedMemory', () => {
  it('twice is bug check 0x7C/0x03', async () => {
    const made = await initialized({ forget: ['memory'] });
    const { miniport } = made;
    const free = () =>
      NdisMFreeSharedMemory(miniport.handle, miniport.memory.length, false, miniport.memory, miniport.memoryAddress);
    free();
    expect(made.faults).toEqual([]);
    free();
    await microtasks();
    expect(made.faults[0]).toMatchObject({ bugCheck: 0x03 });
  });

  it('with other arguments than the allocation is a fault and frees nothing', async () => {
    const made = await initialized({ forget: ['memory'] });
    const { miniport } = made;
    NdisMFreeSharedMemory(miniport.handle, 64, false, miniport.memory, miniport.memoryAddress);
    await microtasks();
    expect(made.faults).toHaveLength(1);
    expect(made.pci.arenas[1]?.freed).toBe(false);
  });
});
