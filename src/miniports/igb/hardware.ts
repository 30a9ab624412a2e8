/**
 * The MAC of the 82576 where it differs: PHY semaphore, PCIe. Layer: miniports/igb.
 * Invariant: configureMac() holds every such setting once and runs after each reset.
 */
import { waitUntil } from '../../base/wait.ts';
import type { Sleep } from '../intel/device.ts';
import type { HardwareAccess } from '../intel/hardware-access.ts';
import { GCR, RFCTL, STATUS, SWSM, SWSM_SMBI, SWSM_SWESMBI } from '../intel/mac-registers.ts';
import { GCR_CMPL_TMOUT_RESEND, STATUS_LAN_ID, SW_FW_SYNC, SW_FW_SYNC_FW_PHY, SW_FW_SYNC_SW_PHY } from './registers.ts';

/** Firmware may hold the PHY that long; the public drivers' bound. */
const OWNERSHIP_DEADLINE_US = 200_000;
const SEMAPHORE_DEADLINE_US = 20_000;

function portOf(hw: HardwareAccess): 0 | 1 {
  return STATUS_LAN_ID.from(hw.read(STATUS)) === 1 ? 1 : 0;
}

/** 8.7.1: SMBI keeps other software out (reading takes it), SWESMBI firmware (writing takes it, if it sticks). */
async function lockSemaphore(hw: HardwareAccess, sleep: Sleep): Promise<void> {
  // SMBI left set by a driver that died is taken over after the deadline: nobody else may drive the function.
  await waitUntil(
    () => (hw.gone ? 'hopeless' : hw.read(SWSM) & SWSM_SMBI ? 'wait' : 'done'),
    sleep,
    1000,
    SEMAPHORE_DEADLINE_US,
  );
  await waitUntil(
    () => {
      hw.modify(SWSM, 0, SWSM_SWESMBI);
      return hw.gone ? 'hopeless' : hw.read(SWSM) & SWSM_SWESMBI ? 'done' : 'wait';
    },
    sleep,
    1000,
    SEMAPHORE_DEADLINE_US,
  );
}

function unlockSemaphore(hw: HardwareAccess): void {
  hw.modify(SWSM, SWSM_SMBI | SWSM_SWESMBI, 0);
}

/** 8.7.3 and 4.7.2: takes the port's PHY bit under the semaphore. PASSIVE_LEVEL. */
export async function acquirePhy(hw: HardwareAccess, sleep: Sleep): Promise<boolean> {
  const port = portOf(hw);
  const wanted = SW_FW_SYNC_SW_PHY[port];
  for (let waitedUs = 0; waitedUs < OWNERSHIP_DEADLINE_US; waitedUs += 5000) {
    await lockSemaphore(hw, sleep);
    const held = hw.read(SW_FW_SYNC);
    if (hw.gone) return false;
    // Software's own bit may be a dead driver's; firmware's is respected.
    const taken = (held & SW_FW_SYNC_FW_PHY[port]) === 0;
    if (taken) hw.write(SW_FW_SYNC, held | wanted);
    unlockSemaphore(hw);
    if (taken) return true;
    await sleep(5000);
  }
  return false;
}

/** Gives the PHY back. Without the semaphore: the write changes software's bit alone. */
export function releasePhy(hw: HardwareAccess): void {
  hw.modify(SW_FW_SYNC, SW_FW_SYNC_SW_PHY[portOf(hw)], 0);
}

export function configureMac(hw: HardwareAccess): void {
  hw.modify(GCR, GCR_CMPL_TMOUT_RESEND, 0);
  hw.write(RFCTL, 0);
}
