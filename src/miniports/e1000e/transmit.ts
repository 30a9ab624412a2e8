/**
 * Transmit queues of the 82574L: registers only, the ring is intel/transmit-ring.ts. Layer: miniports/e1000e.
 * Data sheet 4.6.6 (initialisation), 3.3 (transmit), 10.2.6.
 * Invariant: rings are written while TCTL.EN is 0; tails are written by the ring afterwards.
 */
import type { TransmitSettings } from '../intel/device.ts';
import type { HardwareAccess } from '../intel/hardware-access.ts';
import { TCTL, TCTL_COLD, TCTL_CT, TCTL_EN, TCTL_PSP, TCTL_RTLC } from '../intel/mac-registers.ts';
import { TDBAH, TDBAL, TDH, TDLEN, TDT, TXDCTL, TXDCTL_COUNT_DESC, XDCTL_GRAN, XDCTL_WTHRESH } from './registers.ts';

export const head = TDH;
export const tail = TDT;
/** 10.2.6.1: recommended for full duplex. */
export const TCTL_VALUE = TCTL_PSP | TCTL_CT.of(15) | TCTL_COLD.of(63) | TCTL_RTLC;

export function configureTransmit(hw: HardwareAccess, settings: TransmitSettings): void {
  hw.write(TCTL, TCTL_VALUE);
  for (const [queue, ring] of settings.queues.entries()) {
    hw.writeAt(TDBAL, queue, ring.iova);
    hw.writeAt(TDBAH, queue, 0);
    hw.writeAt(TDLEN, queue, ring.bytes);
    hw.writeAt(TDH, queue, 0);
    hw.writeAt(TDT, queue, 0);
  }
  // The data sheet wants bit 22 in both queues' registers, used or not.
  for (let queue = 0; queue < TXDCTL.count; queue++) {
    hw.writeAt(TXDCTL, queue, XDCTL_GRAN | TXDCTL_COUNT_DESC | XDCTL_WTHRESH.of(1));
  }
}

export async function startTransmit(hw: HardwareAccess, _settings: TransmitSettings): Promise<void> {
  hw.write(TCTL, TCTL_VALUE | TCTL_EN);
}

export function stopTransmit(hw: HardwareAccess, _settings: TransmitSettings): void {
  hw.write(TCTL, TCTL_VALUE);
}
