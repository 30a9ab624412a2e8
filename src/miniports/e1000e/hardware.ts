/**
 * The MAC of the 82574L where it differs: MDIO ownership, errata settings, PCIe. Layer: miniports/e1000e.
 * Invariant: configureMac() holds every such setting once and runs after each reset.
 */
import { waitUntil } from '../../base/wait.ts';
import type { Sleep } from '../intel/device.ts';
import type { HardwareAccess } from '../intel/hardware-access.ts';
import { CTRL, CTRL_EXT, GCR, RFCTL } from '../intel/mac-registers.ts';
import { bit } from '../intel/register.ts';
import {
  CTRL_EXT_EIAME,
  CTRL_EXT_IAME,
  CTRL_EXT_PBA_CLR,
  EXTCNF_CTRL,
  EXTCNF_CTRL_MDIO_SW_OWNERSHIP,
  GCR2,
  IAM,
  RFCTL_ACK_DIS,
  RFCTL_EXSTEN,
  RFCTL_NFSR_DIS,
  RFCTL_NFSW_DIS,
  TARC,
  TARC_82574_BIT26,
  TARC_ENABLE,
} from './registers.ts';

/** Firmware may hold the bus that long; the public drivers' bound. */
const OWNERSHIP_DEADLINE_US = 200_000;

/** 10.2.2.14: the bit sticks only when firmware does not hold the bus. PASSIVE_LEVEL. */
export async function acquirePhy(hw: HardwareAccess, sleep: Sleep): Promise<boolean> {
  const result = await waitUntil(
    () => {
      hw.modify(EXTCNF_CTRL, 0, EXTCNF_CTRL_MDIO_SW_OWNERSHIP);
      if (hw.gone) return 'hopeless';
      return hw.read(EXTCNF_CTRL) & EXTCNF_CTRL_MDIO_SW_OWNERSHIP ? 'done' : 'wait';
    },
    sleep,
    2000,
    OWNERSHIP_DEADLINE_US,
  );
  if (result === 'timeout') releasePhy(hw);
  return result === 'done';
}

export function releasePhy(hw: HardwareAccess): void {
  hw.modify(EXTCNF_CTRL, EXTCNF_CTRL_MDIO_SW_OWNERSHIP, 0);
}

/** The chip's "hardware bits": values every public driver writes; the data sheet calls most of them reserved. */
export function configureMac(hw: HardwareAccess): void {
  hw.modify(CTRL, bit(29), 0);
  // Bits 23:22 = 01; no auto-mask by IAM, and PBA_CLR 0: set, it loses messages that the table's mask holds back.
  hw.modify(CTRL_EXT, bit(23) | CTRL_EXT_IAME | CTRL_EXT_EIAME | CTRL_EXT_PBA_CLR, bit(22));
  hw.write(IAM, 0);
  // Bit 22 of GCR and bit 0 of GCR2 work round a PCIe completion that times out.
  hw.modify(GCR, 0, bit(22));
  hw.modify(GCR2, 0, bit(0));
  for (let queue = 0; queue < TARC.count; queue++) hw.modifyAt(TARC, queue, 0, TARC_ENABLE | TARC_82574_BIT26);
  // Extended descriptors; no NFS filter; no interrupt for each TCP ACK.
  hw.write(RFCTL, RFCTL_EXSTEN | RFCTL_ACK_DIS | RFCTL_NFSW_DIS | RFCTL_NFSR_DIS);
}
