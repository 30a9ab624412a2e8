/**
 * The copper PHY behind MDIC. Layer: miniports/intel.
 * Invariant: registers are IEEE 802.3 clause 22 numbers, the PHY's address is 1 on both chips (82574 10.2.2.7, 82576
 * 8.2.4). Every access waits for MDIC.READY with a deadline and yields undefined when it does not come.
 */
import { waitUntil } from '../../base/wait.ts';
import type { Sleep } from './device.ts';
import type { HardwareAccess } from './hardware-access.ts';
import {
  MDIC,
  MDIC_DATA,
  MDIC_ERROR,
  MDIC_OP_READ,
  MDIC_OP_WRITE,
  MDIC_PHY,
  MDIC_READY,
  MDIC_REG,
} from './mac-registers.ts';
import { bit } from './register.ts';

const PHY_ADDRESS = 1;
/** An MDIO frame takes 64 us at 1 MHz; the data sheets give no bound, so a wide one. */
const MDIC_DEADLINE_US = 10_000;

export const BMCR = 0;
export const BMCR_ISOLATE = bit(10);
export const BMCR_POWER_DOWN = bit(11);
export const BMCR_RESTART_AUTONEG = bit(9);
export const BMCR_AUTONEG_ENABLE = bit(12);
export const ANAR = 4;
/** PAUSE and ASM_DIR: not advertised, since flow control is off. */
export const ANAR_PAUSE = bit(10) | bit(11);

async function mdic(hw: HardwareAccess, command: number, sleep: Sleep): Promise<number | undefined> {
  hw.write(MDIC, command);
  let word = 0;
  const result = await waitUntil(
    () => {
      word = hw.read(MDIC);
      if (hw.gone) return 'hopeless';
      return word & MDIC_READY ? 'done' : 'wait';
    },
    sleep,
    50,
    MDIC_DEADLINE_US,
  );
  return result === 'done' && (word & MDIC_ERROR) === 0 ? MDIC_DATA.from(word) : undefined;
}

/** Reads a PHY register; undefined when the PHY does not answer. PASSIVE_LEVEL. */
export function readPhy(hw: HardwareAccess, phyRegister: number, sleep: Sleep): Promise<number | undefined> {
  return mdic(hw, MDIC_OP_READ | MDIC_PHY.of(PHY_ADDRESS) | MDIC_REG.of(phyRegister), sleep);
}

/** Writes a PHY register; false when the PHY does not answer. PASSIVE_LEVEL. */
export async function writePhy(hw: HardwareAccess, phyRegister: number, value: number, sleep: Sleep): Promise<boolean> {
  const command = MDIC_OP_WRITE | MDIC_PHY.of(PHY_ADDRESS) | MDIC_REG.of(phyRegister) | MDIC_DATA.of(value);
  return (await mdic(hw, command, sleep)) !== undefined;
}

/**
 * Starts autonegotiation anew. QEMU raises STATUS.LU only by the timer this starts (500 ms) and receives nothing
 * before; on hardware it is what CTRL.RST leaves out, since that does not touch the PHY.
 */
export async function restartAutonegotiation(hw: HardwareAccess, sleep: Sleep): Promise<boolean> {
  const advertised = await readPhy(hw, ANAR, sleep);
  if (advertised !== undefined) await writePhy(hw, ANAR, advertised & ~ANAR_PAUSE & 0xffff, sleep);
  const control = await readPhy(hw, BMCR, sleep);
  if (control === undefined) return false;
  const value = (control & ~(BMCR_ISOLATE | BMCR_POWER_DOWN)) | BMCR_AUTONEG_ENABLE | BMCR_RESTART_AUTONEG;
  return writePhy(hw, BMCR, value & 0xffff, sleep);
}
