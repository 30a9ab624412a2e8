import { describe, expect, it } from 'vitest';
import {
  type NDIS_HANDLE,
  NDIS_STATUS_SUCCESS,
  NdisMAllocateSharedMemory,
  NdisMFreeSharedMemory,
  out,
} from '../../../src/ndis/index.ts';
import { bench, initialized } from './fake-miniport.ts';
import { microtasks } from './fake-pci.ts';

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
    expect(log.some((entry) => entry.message.startsWith('DMA'))).toBe(true);
  });

  it('above PASSIVE_LEVEL is bug check 0x7C/0x01', async () => {
    const made = await initialized({ dpc: () => allocate(made.miniport.handle, 64) && undefined });
    made.pci.armed.fire(0);
    await microtasks();
    expect(made.faults[0]).toMatchObject({ bugCheck: 0x01 });
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
