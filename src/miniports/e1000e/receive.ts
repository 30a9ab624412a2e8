/**
 * Receive queues of the 82574L: registers only, the ring is intel/receive-ring.ts. Layer: miniports/e1000e.
 * Data sheet 4.6.5 (initialisation), 3.2 (receive), 10.2.5.
 * Invariant: rings and sizes are written while RCTL.EN is 0; tails are written by the ring after startReceive().
 */
import type { ReceiveSettings } from '../intel/device.ts';
import type { HardwareAccess } from '../intel/hardware-access.ts';
import { RCTL, RCTL_BSEX, RCTL_BSIZE, RCTL_EN, RCTL_LPE, RCTL_SBP, RCTL_SECRC } from '../intel/mac-registers.ts';
import { RCTL_FLXBUF, RDBAH, RDBAL, RDH, RDLEN, RDT, RXDCTL, XDCTL_GRAN, XDCTL_WTHRESH } from './registers.ts';

export const tail = RDT;
const STANDARD_FRAME_BYTES = 1522;

/** RCTL's size bits: 2 KiB by BSIZE = 0, anything else in KiB by FLXBUF (10.2.5.1). */
export function sizeBits(settings: Pick<ReceiveSettings, 'slotBytes' | 'maxFrameBytes'>): number {
  const size = settings.slotBytes === 2048 ? 0 : RCTL_FLXBUF.of(settings.slotBytes / 1024);
  return settings.maxFrameBytes > STANDARD_FRAME_BYTES ? size | RCTL_LPE : size;
}

export function configureReceive(hw: HardwareAccess, settings: ReceiveSettings): void {
  hw.modify(
    RCTL,
    RCTL_EN | RCTL_SBP | RCTL_LPE | RCTL_BSIZE.mask | RCTL_BSEX | RCTL_FLXBUF.mask,
    RCTL_SECRC | sizeBits(settings),
  );
  for (const [queue, ring] of settings.queues.entries()) {
    hw.writeAt(RDBAL, queue, ring.iova);
    hw.writeAt(RDBAH, queue, 0);
    hw.writeAt(RDLEN, queue, ring.bytes);
    hw.writeAt(RDH, queue, 0);
    hw.writeAt(RDT, queue, 0);
    hw.writeAt(RXDCTL, queue, XDCTL_GRAN | XDCTL_WTHRESH.of(1));
  }
}

export async function startReceive(hw: HardwareAccess, _settings: ReceiveSettings): Promise<void> {
  hw.modify(RCTL, 0, RCTL_EN);
}

export function stopReceive(hw: HardwareAccess, _settings: ReceiveSettings): void {
  hw.modify(RCTL, RCTL_EN, 0);
}

/** The chip has no such counter per queue; what it drops shows in MPC. */
export function readQueueDrops(_hw: HardwareAccess, _queues: number): number {
  return 0;
}
