/**
 * Interrupts of the 82574L: ICR, IMS, IMC, IVAR, EIAC (data sheet 7.4, 10.2.4). Layer: miniports/e1000e.
 * Facts it rests on: EIAC clears the cause, and without IAME its IMS bit, when the message goes out, so IMS is written
 * after every interrupt. Reading ICR takes causes of other messages along; with MSI-X causes are therefore cleared by
 * writing ones, never by reading. CTRL_EXT.PBA_CLR stays 0. Wake-ups without a cause are normal (throttle timer).
 */
import type { InterruptPlan } from '../intel/device.ts';
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
  EITR,
  ICR_ACK,
  ICR_MDAC,
  ICR_MNG,
  ICR_OTHER,
  ICR_RXQ,
  ICR_SRPD,
  ICR_TXQ,
  ITR,
  ITR_INTERVAL,
  IVAR,
  IVAR_OTHER,
  IVAR_OTHER_VALID,
  IVAR_RXQ,
  IVAR_RXQ_VALID,
  IVAR_TXQ,
  IVAR_TXQ_VALID,
  RADV,
  RAID,
  RDTR,
  RSRPD,
  TADV,
  TIDV,
} from './registers.ts';

const ALL = 0xffff_ffff;
/** One interrupt for everything: MSI and line. */
const SHARED_CAUSES = ICR_TXDW | ICR_LSC | ICR_RXDMT0 | ICR_RXO | ICR_RXT0;
/** Everything that raises OTHER, whether enabled or not: what stays set would raise it again with the next cause. */
const OTHER_CAUSES = ICR_LSC | ICR_RXO | ICR_MDAC | ICR_SRPD | ICR_ACK | ICR_MNG | ICR_OTHER;
/** EITR and ITR count 256 ns. */
const UNITS_PER_US = 1000 / 256;

export function disableInterrupts(hw: HardwareAccess): void {
  hw.write(IMC, ALL);
}

/** IVAR as a plan wants it (10.2.4.10). */
export function ivarOf(plan: InterruptPlan): number {
  let ivar = IVAR_OTHER.of(plan.otherMessage) | IVAR_OTHER_VALID;
  for (const [queue, message] of plan.receiveMessage.entries()) {
    ivar |= IVAR_RXQ[queue]!.of(message) | IVAR_RXQ_VALID[queue]!;
  }
  for (const [queue, message] of plan.transmitMessage.entries()) {
    ivar |= IVAR_TXQ[queue]!.of(message) | IVAR_TXQ_VALID[queue]!;
  }
  return ivar >>> 0;
}

export function configureInterrupts(hw: HardwareAccess, plan: InterruptPlan): void {
  hw.write(IMC, ALL);
  // No delay timers: moderation is EITR's and ITR's alone.
  for (const timer of [RDTR, RADV, RSRPD, RAID, TIDV, TADV]) hw.write(timer, 0);
  if (plan.mode === 'msix') {
    hw.write(IVAR, ivarOf(plan));
    let causes = ICR_OTHER;
    for (const queue of plan.receiveMessage.keys()) causes |= ICR_RXQ[queue]!;
    for (const queue of plan.transmitMessage.keys()) causes |= ICR_TXQ[queue]!;
    hw.write(EIAC, causes);
  } else {
    hw.write(IVAR, 0);
    hw.write(EIAC, 0);
  }
  hw.clear(ICR, ALL);
}

export function setModeration(hw: HardwareAccess, plan: InterruptPlan, intervalUs: number): void {
  const units = ITR_INTERVAL.of(Math.min(0xffff, Math.round(intervalUs * UNITS_PER_US)));
  if (plan.mode !== 'msix') {
    hw.write(ITR, units);
    return;
  }
  // The link's vector needs none.
  for (let message = 0; message < EITR.count; message++) {
    hw.writeAt(EITR, message, message === plan.otherMessage && plan.messageCount > 1 ? 0 : units);
  }
}

export function maskOf(plan: InterruptPlan, messageId: number): number {
  if (plan.mode !== 'msix') return SHARED_CAUSES;
  let mask = 0;
  for (const [queue, message] of plan.receiveMessage.entries()) if (message === messageId) mask |= ICR_RXQ[queue]!;
  for (const [queue, message] of plan.transmitMessage.entries()) if (message === messageId) mask |= ICR_TXQ[queue]!;
  if (plan.otherMessage === messageId) mask |= ICR_OTHER | ICR_LSC;
  return mask;
}

export function arm(hw: HardwareAccess, _plan: InterruptPlan, mask: number): void {
  hw.set(IMS, mask);
}

export function disarm(hw: HardwareAccess, _plan: InterruptPlan, mask: number): void {
  hw.write(IMC, mask);
}

export function acknowledge(hw: HardwareAccess, plan: InterruptPlan, mask: number, _roles: number): void {
  // MSI and line: the ISR's read of ICR has done it.
  if (plan.mode !== 'msix') return;
  hw.clear(ICR, mask & ICR_OTHER ? mask | OTHER_CAUSES : mask);
}

export function claim(hw: HardwareAccess, plan: InterruptPlan): number {
  const causes = hw.readClear(ICR);
  if (hw.gone) return 0;
  // The bit means the function's line; in MSI mode nobody else can have sent the message.
  if (plan.mode === 'line' && (causes & ICR_INT_ASSERTED) === 0) return 0;
  return causes;
}
