/** Rules of the pages of time, processors and mapped memory; each may be called at any IRQL. Layer: test (ndis). */
import { describe, expect, it } from 'vitest';
import {
  type IoSpace,
  NDIS_ALL_GROUPS,
  type NDIS_HANDLE,
  type NDIS_RSS_PROCESSOR_INFO,
  NDIS_STATUS_BUFFER_TOO_SHORT,
  NDIS_STATUS_INVALID_PARAMETER,
  NDIS_STATUS_SUCCESS,
  NdisActiveGroupCount,
  NdisGetCurrentProcessorCpuUsage,
  NdisGetCurrentSystemTime,
  NdisGetRssProcessorInformation,
  NdisGetSystemUpTimeEx,
  NdisGroupActiveProcessorCount,
  NdisGroupActiveProcessorMask,
  NdisGroupMaxProcessorCount,
  NdisMaxGroupCount,
  NdisMMapIoSpace,
  NdisSystemProcessorCount,
  NdisZeroMappedMemory,
  out,
} from '../../../src/ndis/index.ts';
import { callAtIrql } from '../../../src/ndis/irql.ts';
import { DIRQL } from '../../../src/ndis/types.ts';
import { bench, initialized } from './fake-miniport.ts';

describe('time', () => {
  it('NdisGetCurrentSystemTime counts 100 ns since 1601, at any IRQL', () => {
    const now = out(0n);
    const before = Date.now();
    callAtIrql(DIRQL, () => NdisGetCurrentSystemTime(now));
    const after = Date.now();
    const unixMs = Number(now.Value / 10_000n) - 11_644_473_600_000;
    expect(unixMs).toBeGreaterThanOrEqual(before);
    expect(unixMs).toBeLessThanOrEqual(after);
  });

  it('NdisGetSystemUpTimeEx counts milliseconds and never goes back, at any IRQL', () => {
    const [one, two] = [out(0), out(0)];
    callAtIrql(DIRQL, () => NdisGetSystemUpTimeEx(one));
    NdisGetSystemUpTimeEx(two);
    expect(Number.isInteger(one.Value)).toBe(true);
    expect(one.Value).toBeGreaterThanOrEqual(Math.floor(process.uptime() * 1000) - 1);
    expect(two.Value).toBeGreaterThanOrEqual(one.Value);
  });
});

describe('processors', () => {
  it('are those DPCs can be queued on, in one group', async () => {
    await bench({}, {}, { processors: 4 });
    expect(NdisGroupActiveProcessorCount(0)).toBeGreaterThanOrEqual(4);
    const count = NdisGroupActiveProcessorCount(NDIS_ALL_GROUPS);
    expect(NdisGroupMaxProcessorCount(0)).toBe(count);
    expect(NdisSystemProcessorCount()).toBe(count);
    expect(NdisGroupActiveProcessorMask(0)).toBe(2 ** count - 1);
    expect([NdisActiveGroupCount(), NdisMaxGroupCount()]).toEqual([1, 1]);
    expect([NdisGroupActiveProcessorCount(1), NdisGroupActiveProcessorMask(1)]).toEqual([0, 0]);
  });

  it('NdisGetCurrentProcessorCpuUsage is a percentage, at any IRQL', () => {
    const usage = out(-1);
    callAtIrql(DIRQL, () => NdisGetCurrentProcessorCpuUsage(usage));
    expect(usage.Value).toBeGreaterThanOrEqual(0);
    expect(usage.Value).toBeLessThanOrEqual(100);
  });

  it('NdisGetRssProcessorInformation says how many there are without a buffer, and lists them with one', async () => {
    const { miniport } = await initialized({}, {}, { processors: 3 });
    const size = out(0);
    expect(NdisGetRssProcessorInformation(miniport.handle, null, size)).toBe(NDIS_STATUS_BUFFER_TOO_SHORT);
    expect(size.Value).toBe(3);
    const info = out<NDIS_RSS_PROCESSOR_INFO>(null as unknown as NDIS_RSS_PROCESSOR_INFO);
    expect(NdisGetRssProcessorInformation(miniport.handle, info, size)).toBe(NDIS_STATUS_SUCCESS);
    expect(info.Value.RssProcessors.map((one) => one.ProcNum.Number)).toEqual([0, 1, 2]);
    expect(NdisGetRssProcessorInformation({} as NDIS_HANDLE, null, size)).toBe(NDIS_STATUS_INVALID_PARAMETER);
  });
});

describe('NdisZeroMappedMemory', () => {
  it('writes words and then single bytes, at any IRQL', async () => {
    const { pci } = await initialized({
      initialized: (miniport) => {
        const memory = miniport.parameters?.AllocatedResources.PartialDescriptors[0]?.u.Memory;
        const space = out<IoSpace | null>(null);
        NdisMMapIoSpace(space, miniport.handle, memory?.Start ?? 0, 64);
        const writes: string[] = [];
        const mapped = space.Value as IoSpace;
        const { bar } = mapped;
        mapped.bar = {
          ...bar,
          write32: (offset: number, value: number) => void writes.push(`32 ${offset} ${value}`),
          write8: (offset: number, value: number) => void writes.push(`8 ${offset} ${value}`),
          unmap: () => {},
        };
        callAtIrql(DIRQL, () => NdisZeroMappedMemory(mapped, 10));
        expect(writes).toEqual(['32 0 0', '32 4 0', '8 8 0', '8 9 0']);
        return NDIS_STATUS_SUCCESS;
      },
    });
    expect(pci).toBeDefined();
  });
});
