/**
 * Transmit queues of the 82576: registers only, the ring is intel/transmit-ring.ts. Layer: miniports/igb.
 * Data sheet 4.5.10 (initialisation), 7.2 (transmit), 8.12.
 * Invariant: rings are written while their queue is disabled; tails are written by the ring afterwards.
 */
import { waitUntil } from '../../base/wait.ts';
import type { Sleep, TransmitSettings } from '../intel/device.ts';
import type { HardwareAccess } from '../intel/hardware-access.ts';
import { TCTL, TCTL_COLD, TCTL_CT, TCTL_EN, TCTL_PSP, TCTL_RTLC } from '../intel/mac-registers.ts';
import {
  TDBAH,
  TDBAL,
  TDH,
  TDLEN,
  TDT,
  TDWBAH,
  TDWBAL,
  TXDCTL,
  XDCTL_ENABLE,
  XDCTL_HTHRESH,
  XDCTL_PTHRESH,
  XDCTL_WTHRESH,
} from './registers.ts';

export const head = TDH;
export const tail = TDT;
/** 8.12.1: recommended for full duplex. */
export const TCTL_VALUE = TCTL_PSP | TCTL_CT.of(15) | TCTL_COLD.of(63) | TCTL_RTLC;
const ENABLE_DEADLINE_US = 10_000;

export function configureTransmit(hw: HardwareAccess, settings: TransmitSettings): void {
  hw.write(TCTL, TCTL_VALUE);
  // Queue 0 is enabled by reset (8.12.13).
  for (let queue = 0; queue < TXDCTL.count; queue++) hw.modifyAt(TXDCTL, queue, XDCTL_ENABLE, 0);
  for (const [queue, ring] of settings.queues.entries()) {
    hw.writeAt(TDBAL, queue, ring.iova);
    hw.writeAt(TDBAH, queue, 0);
    hw.writeAt(TDLEN, queue, ring.bytes);
    hw.writeAt(TDWBAL, queue, 0);
    hw.writeAt(TDWBAH, queue, 0);
    hw.writeAt(TDH, queue, 0);
    hw.writeAt(TDT, queue, 0);
  }
}

export async function startTransmit(hw: HardwareAccess, settings: TransmitSettings, sleep: Sleep): Promise<void> {
  hw.write(TCTL, TCTL_VALUE | TCTL_EN);
  for (const queue of settings.queues.keys()) {
    hw.writeAt(TXDCTL, queue, XDCTL_PTHRESH.of(8) | XDCTL_HTHRESH.of(1) | XDCTL_WTHRESH.of(1) | XDCTL_ENABLE);
    // Reads back only once TCTL.EN is set; the tail may move only after that (4.5.10).
    await waitUntil(
      () => (hw.gone ? 'hopeless' : hw.readAt(TXDCTL, queue) & XDCTL_ENABLE ? 'done' : 'wait'),
      sleep,
      1000,
      ENABLE_DEADLINE_US,
    );
  }
}

export function stopTransmit(hw: HardwareAccess, settings: TransmitSettings): void {
  hw.write(TCTL, TCTL_VALUE);
  for (const queue of settings.queues.keys()) hw.modifyAt(TXDCTL, queue, XDCTL_ENABLE, 0);
}
