/** Rules of the page `nf-ndis-ndismmapiospace`, a test each, on a fake function and a small miniport. Layer: test (ndis). */
import { describe, expect, it } from 'vitest';
import {
  type IoSpace,
  type NDIS_HANDLE,
  type NDIS_STATUS,
  NDIS_STATUS_FAILURE,
  NDIS_STATUS_RESOURCE_CONFLICT,
  NDIS_STATUS_SUCCESS,
  NdisMGetBusData,
  NdisMMapIoSpace,
  NdisMSetBusData,
  NdisMUnmapIoSpace,
  NdisReadRegisterUlong,
  NdisWriteRegisterUlong,
  out,
} from '../../../src/ndis/index.ts';
import { type Bench, initialized } from './fake-miniport.ts';

function map(handle: NDIS_HANDLE, address: number, length: number): { status: NDIS_STATUS; space: IoSpace } {
  const space = out<IoSpace | null>(null);
  const status = NdisMMapIoSpace(space, handle, address, length);
  return { status, space: space.Value as IoSpace };
}

async function mapping(pieces: readonly [number, number][]): Promise<Bench & { results: ReturnType<typeof map>[] }> {
  const results: ReturnType<typeof map>[] = [];
  const made = await initialized({
    initialized: (miniport) => {
      for (const [address, length] of pieces) results.push(map(miniport.handle, address, length));
      return NDIS_STATUS_SUCCESS;
    },
  });
  return { ...made, results };
}

describe('NdisMMapIoSpace', () => {
  it('maps a BAR or a part of it; offsets count from the part’s start', async () => {
    const { results, pci } = await mapping([
      [0xfe00_0000, 0x20000],
      [0xfe00_4000, 0x100],
    ]);
    const [whole, part] = results.map((one) => one.space) as [IoSpace, IoSpace];
    NdisWriteRegisterUlong(part, 8, 0xdead_beef);
    expect(NdisReadRegisterUlong(whole, 0x4008)).toBe(0xdead_beef);
    expect(pci.mapped).toBe(1);
  });

  it('answers RESOURCE_CONFLICT for what was not assigned', async () => {
    const { results } = await mapping([
      [0xfd00_0000, 0x1000],
      [0xfe01_f000, 0x2000],
    ]);
    expect(results.map((one) => one.status)).toEqual([NDIS_STATUS_RESOURCE_CONFLICT, NDIS_STATUS_RESOURCE_CONFLICT]);
    expect(results[0]?.space).toBeNull();
  });

  it('is for MiniportInitializeEx only', async () => {
    const { miniport } = await initialized();
    expect(map(miniport.handle, 0xfe00_0000, 0x1000).status).toBe(NDIS_STATUS_FAILURE);
  });

  it('is undone piece by piece: the BAR stays until the last one, and access is refused afterwards', async () => {
    const { results, pci, miniport } = await mapping([
      [0xfe00_0000, 0x1000],
      [0xfe00_1000, 0x1000],
    ]);
    const [first, second] = results.map((one) => one.space) as [IoSpace, IoSpace];
    NdisMUnmapIoSpace(miniport.handle, first, 0x1000);
    expect(pci.mapped).toBe(1);
    expect(() => NdisReadRegisterUlong(first, 0)).toThrow(/unmapped/);
    expect(NdisReadRegisterUlong(second, 0)).toBe(0);
    NdisMUnmapIoSpace(miniport.handle, second, 0x1000);
    expect(pci.mapped).toBe(0);
  });
});

describe('NdisMGetBusData', () => {
  it('reads configuration space and nothing else', async () => {
    const { miniport, pci } = await initialized();
    pci.config.set([0x86, 0x80, 0xc9, 0x10]);
    const buffer = new Uint8Array(8);
    expect(NdisMGetBusData(miniport.handle, 0, 0, buffer, 4)).toBe(4);
    expect([...buffer]).toEqual([0x86, 0x80, 0xc9, 0x10, 0, 0, 0, 0]);
    expect(NdisMGetBusData(miniport.handle, 1, 0, buffer, 4)).toBe(0);
    expect(NdisMSetBusData(miniport.handle, 0, 4, Uint8Array.of(7, 0), 1)).toBe(1);
    expect(pci.config[4]).toBe(7);
  });
});
