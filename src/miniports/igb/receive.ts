/**
 * Receive queues of the 82576: registers only, the ring is intel/receive-ring.ts. Layer: miniports/igb.
 * Data sheet 4.5.9 (initialisation), 7.1 (receive), 8.10.
 * Invariant: rings and sizes are written while RCTL.EN is 0; tails are written by the ring after startReceive().
 */
import { waitUntil } from '../../base/wait.ts';
import type { ReceiveSettings, Sleep } from '../intel/device.ts';
import type { HardwareAccess } from '../intel/hardware-access.ts';
import { RCTL, RCTL_BSEX, RCTL_BSIZE, RCTL_EN, RCTL_LPE, RCTL_SBP, RCTL_SECRC } from '../intel/mac-registers.ts';
import {
  DESCTYPE_ADVANCED_ONE_BUFFER,
  RDBAH,
  RDBAL,
  RDH,
  RDLEN,
  RDT,
  RLPML,
  RQDPC,
  RXDCTL,
  SRRCTL,
  SRRCTL_BSIZEPACKET,
  SRRCTL_DESCTYPE,
  SRRCTL_DROP_EN,
  XDCTL_ENABLE,
  XDCTL_HTHRESH,
  XDCTL_PTHRESH,
  XDCTL_WTHRESH,
} from './registers.ts';

export const tail = RDT;
const STANDARD_FRAME_BYTES = 1522;
const ENABLE_DEADLINE_US = 10_000;

/** SRRCTL of every queue. With several queues a full one drops its own frames instead of holding up the others. */
export function srrctlOf(settings: ReceiveSettings): number {
  const size = SRRCTL_BSIZEPACKET.of(settings.slotBytes / 1024);
  const drop = settings.queues.length > 1 ? SRRCTL_DROP_EN : 0;
  return (size | SRRCTL_DESCTYPE.of(DESCTYPE_ADVANCED_ONE_BUFFER) | drop) >>> 0;
}

export function configureReceive(hw: HardwareAccess, settings: ReceiveSettings): void {
  const long = settings.maxFrameBytes > STANDARD_FRAME_BYTES;
  hw.modify(RCTL, RCTL_EN | RCTL_SBP | RCTL_LPE | RCTL_BSIZE.mask | RCTL_BSEX, RCTL_SECRC | (long ? RCTL_LPE : 0));
  hw.write(RLPML, settings.maxFrameBytes);
  // Queue 0 is enabled by reset (8.10.10).
  for (let queue = 0; queue < RXDCTL.count; queue++) hw.modifyAt(RXDCTL, queue, XDCTL_ENABLE, 0);
  for (const [queue, ring] of settings.queues.entries()) {
    hw.writeAt(RDBAL, queue, ring.iova);
    hw.writeAt(RDBAH, queue, 0);
    hw.writeAt(RDLEN, queue, ring.bytes);
    hw.writeAt(SRRCTL, queue, srrctlOf(settings));
    hw.writeAt(RDH, queue, 0);
    hw.writeAt(RDT, queue, 0);
  }
}

export async function startReceive(hw: HardwareAccess, settings: ReceiveSettings, sleep: Sleep): Promise<void> {
  // RXDCTL.ENABLE reads back only once RCTL.EN is set; the tail may move only after that (4.5.9).
  hw.modify(RCTL, 0, RCTL_EN);
  for (const queue of settings.queues.keys()) {
    hw.writeAt(RXDCTL, queue, XDCTL_PTHRESH.of(8) | XDCTL_HTHRESH.of(8) | XDCTL_WTHRESH.of(1) | XDCTL_ENABLE);
    await waitUntil(
      () => (hw.gone ? 'hopeless' : hw.readAt(RXDCTL, queue) & XDCTL_ENABLE ? 'done' : 'wait'),
      sleep,
      1000,
      ENABLE_DEADLINE_US,
    );
  }
}

export function stopReceive(hw: HardwareAccess, settings: ReceiveSettings): void {
  hw.modify(RCTL, RCTL_EN, 0);
  for (const queue of settings.queues.keys()) hw.modifyAt(RXDCTL, queue, XDCTL_ENABLE, 0);
}

/** Frames that queues dropped for want of descriptors since the last call; only with SRRCTL.DROP_EN (8.10.11). */
export function readQueueDrops(hw: HardwareAccess, queues: number): number {
  let drops = 0;
  if (queues > 1) for (let queue = 0; queue < queues; queue++) drops += hw.readAt(RQDPC, queue) & 0xfff;
  return hw.gone ? 0 : drops;
}
