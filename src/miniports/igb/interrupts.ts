/**
 * Interrupts of the 82576: EICR, EIMS, EIMC, IVAR, GPIE (data sheet 7.3, 8.8). Layer: miniports/igb.
 * Facts it rests on: EIAC clears a cause when its message goes out; EIAM is not used (QEMU has it inverted), messages are
 * masked by explicit EIMC and armed by EIMS; arming a vector whose cause is up fires at once. GPIE's MSI-X mode comes
 * before EIAC and stays 0 for MSI and line, where ICR, IMS and IMC rule.
 */
import { type InterruptPlan, ROLE_OTHER } from '../intel/device.ts';
import type { HardwareAccess } from '../intel/hardware-access.ts';
import {
  ICR,
  ICR_INT_ASSERTED,
  ICR_LSC,
  ICR_RXDMT0,
  ICR_RXO,
  ICR_RXT0,
  ICR_TXDW,
  IMC,
  IMS,
} from '../intel/mac-registers.ts';
import {
  EIAC,
  EICR,
  EIMC,
  EIMS,
  EITR,
  EITR_INTERVAL,
  GPIE,
  GPIE_EIAME,
  GPIE_MULTIPLE_MSIX,
  GPIE_NSICR,
  GPIE_PBA_SUPPORT,
  IVAR,
  IVAR_MISC,
  IVAR_MISC_OTHER,
  IVAR_RX_HIGH,
  IVAR_RX_LOW,
  IVAR_TX_HIGH,
  IVAR_TX_LOW,
  IVAR_VALID,
} from './registers.ts';

const ALL = 0xffff_ffff;
/** One interrupt for everything: MSI and line. */
const SHARED_CAUSES = ICR_TXDW | ICR_LSC | ICR_RXDMT0 | ICR_RXO | ICR_RXT0;

export function disableInterrupts(hw: HardwareAccess): void {
  hw.write(EIMC, ALL);
  hw.write(IMC, ALL);
}

/** IVAR[index] as a plan wants it (8.8.13): queues index and index + 8. */
export function ivarOf(plan: InterruptPlan, index: number): number {
  let ivar = 0;
  const receive = plan.receiveMessage;
  const transmit = plan.transmitMessage;
  if (receive[index] !== undefined) ivar |= IVAR_RX_LOW.of(receive[index] | IVAR_VALID);
  if (transmit[index] !== undefined) ivar |= IVAR_TX_LOW.of(transmit[index] | IVAR_VALID);
  if (receive[index + 8] !== undefined) ivar |= IVAR_RX_HIGH.of(receive[index + 8]! | IVAR_VALID);
  if (transmit[index + 8] !== undefined) ivar |= IVAR_TX_HIGH.of(transmit[index + 8]! | IVAR_VALID);
  return ivar >>> 0;
}

export function configureInterrupts(hw: HardwareAccess, plan: InterruptPlan): void {
  disableInterrupts(hw);
  const multiple = plan.mode === 'msix';
  hw.write(GPIE, multiple ? (GPIE_MULTIPLE_MSIX | GPIE_EIAME | GPIE_PBA_SUPPORT | GPIE_NSICR) >>> 0 : 0);
  // Also without MSI-X: QEMU reports queue causes in ICR only for queues with a valid assignment.
  for (let index = 0; index < IVAR.count; index++) hw.writeAt(IVAR, index, ivarOf(plan, index));
  hw.write(IVAR_MISC, multiple ? IVAR_MISC_OTHER.of(plan.otherMessage | IVAR_VALID) : 0);
  hw.write(EIAC, multiple ? 2 ** plan.messageCount - 1 : 0);
  hw.clear(EICR, ALL);
  hw.readClear(ICR);
  // The link cause passes two masks: this one stays open, the vector's in EIMS is the one that is worked.
  if (multiple) hw.set(IMS, ICR_LSC);
}

export function setModeration(hw: HardwareAccess, plan: InterruptPlan, intervalUs: number): void {
  const interval = EITR_INTERVAL.of(Math.min(0x1fff, Math.round(intervalUs)));
  for (let message = 0; message < plan.messageCount; message++) {
    // The link's vector needs none.
    hw.writeAt(EITR, message, message === plan.otherMessage && plan.messageCount > 1 ? 0 : interval);
  }
}

export function maskOf(plan: InterruptPlan, messageId: number): number {
  return plan.mode === 'msix' ? (1 << messageId) >>> 0 : SHARED_CAUSES;
}

export function arm(hw: HardwareAccess, plan: InterruptPlan, mask: number): void {
  hw.set(plan.mode === 'msix' ? EIMS : IMS, mask);
}

export function disarm(hw: HardwareAccess, plan: InterruptPlan, mask: number): void {
  hw.write(plan.mode === 'msix' ? EIMC : IMC, mask);
}

export function acknowledge(hw: HardwareAccess, plan: InterruptPlan, _mask: number, roles: number): void {
  // Queue causes were cleared by EIAC. LSC stays up in ICR until read, and only a newly set bit raises the vector;
  // the read takes no queue's cause along, those are in EICR.
  if (plan.mode === 'msix' && (roles & ROLE_OTHER) !== 0) hw.readClear(ICR);
}

export function claim(hw: HardwareAccess, plan: InterruptPlan): number {
  const causes = hw.readClear(ICR);
  if (hw.gone) return 0;
  // The bit means the function's line; in MSI mode nobody else can have sent the message.
  if (plan.mode === 'line' && (causes & ICR_INT_ASSERTED) === 0) return 0;
  return causes;
}
