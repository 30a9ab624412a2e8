/** Rules of the send pool (ours, no page of the WDK), a test each. Layer: test (ndis). */
import { describe, expect, it } from 'vitest';
import { NdisSendNetBufferLists, type NET_BUFFER_LIST } from '../../../src/ndis/index.ts';
import { bind, initialized, running } from './fake-miniport.ts';

describe('A send pool', () => {
  it('has all slots in one DMA arena, each NBL describing its own', async () => {
    const { adapter, pci } = await initialized();
    const before = pci.arenas.length;
    const pool = adapter.allocateSendPool({ frames: 3, frameBytes: 1514 });
    expect(pci.arenas.length).toBe(before + 1);
    const arena = pci.arenas[before];
    expect(pool.slotBytes).toBe(1536);
    for (let slot = 0; slot < 3; slot++) {
      const nbl = pool.take() as NET_BUFFER_LIST;
      const mdl = nbl.FirstNetBuffer?.CurrentMdl;
      expect(mdl?.StartVa).toBe(pool.memory);
      expect(mdl?.ByteOffset).toBe(pool.offsetOf(nbl));
      expect(mdl?.PhysicalAddress).toBe((arena?.iova ?? 0) + pool.offsetOf(nbl));
      expect(pool.offsetOf(nbl) % pool.slotBytes).toBe(0);
    }
    expect(pool.take()).toBeNull();
    expect(pool.available).toBe(0);
  });

  it('sets the frame’s length within the slot', async () => {
    const { adapter } = await initialized();
    const pool = adapter.allocateSendPool({ frames: 1, frameBytes: 64 });
    const nbl = pool.take() as NET_BUFFER_LIST;
    pool.setLength(nbl, 60);
    expect(nbl.FirstNetBuffer?.DataLength).toBe(60);
    expect(() => pool.setLength(nbl, 65)).toThrow(RangeError);
    expect(() => pool.setLength(nbl, -1)).toThrow(RangeError);
  });

  it('takes each NBL back once, not while it is being sent, and none of another pool', async () => {
    const { adapter } = await running();
    const protocol = bind(adapter);
    const pool = adapter.allocateSendPool({ frames: 2, frameBytes: 64 });
    const other = adapter.allocateSendPool({ frames: 1, frameBytes: 64 });
    const nbl = pool.take() as NET_BUFFER_LIST;
    expect(() => other.release(nbl)).toThrow(/not of this pool/);
    NdisSendNetBufferLists(protocol.handle, nbl, 0, 0);
    expect(() => pool.release(nbl)).toThrow(/being sent/);
    const free = pool.take() as NET_BUFFER_LIST;
    pool.release(free);
    expect(() => pool.release(free)).toThrow(/released before/);
  });

  it('is freed only with all NBLs in it', async () => {
    const { adapter, pci } = await initialized();
    const pool = adapter.allocateSendPool({ frames: 1, frameBytes: 64 });
    const nbl = pool.take() as NET_BUFFER_LIST;
    expect(() => pool.free()).toThrow(/1 of its NBLs/);
    pool.release(nbl);
    pool.free();
    pool.free();
    expect(pci.arenas.at(-1)?.freed).toBe(true);
    expect(() => adapter.allocateSendPool({ frames: 0, frameBytes: 64 })).toThrow(/positive/);
  });
});
