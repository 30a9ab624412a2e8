/**
 * The programs that check a layer by themselves: addon and host layer on a real vfio-pci, two adapters face to face (linux/vfio.h, PCI Local Bus 3.0 section 6.8). Layer: test.
 */
import { expect, it } from 'vitest';
import type { NativeResult, SmokeResult } from '../cases/native.ts';
import type { WiredGuest } from '../support/wired-guest.ts';

/** Facts the program states today; fewer means that some no longer run. */
const FACTS_MIN = 25;

export function nativeSuite(guest: () => WiredGuest): void {
  it('holds every native fact: regions, interrupts of each kind, masks, DMA, worker threads, nothing left open', async () => {
    const { session } = guest();
    // The other NIC has no driver yet: the error for that is one of the facts.
    const result = await session.call<NativeResult>('native', 'run', { bdf: guest().bdf(1), unbound: guest().bdf(0) });
    for (const { name, detail } of result.facts) console.log(`  ${name}: ${String(detail)}`);
    expect(result.facts.filter(({ ok }) => !ok)).toEqual([]);
    expect(result.facts.length).toBeGreaterThanOrEqual(FACTS_MIN);
    expect(result).toMatchObject({ status: 0, stderr: '' });
  });

  it('carries frames between two adapters of ours with every kind of grant, masks, jumbo frames and resets', async () => {
    const nics = [guest().bdf(1), guest().bdf(2)];
    const result = await guest().session.call<SmokeResult>('native', 'smoke', { nics, frames: 320 });
    for (const line of result.lines) console.log(`  ${line}`);
    expect(result.lines.at(-1)).toBe('SMOKE OK');
    expect(result).toMatchObject({ status: 0, stderr: '' });
  });
}
