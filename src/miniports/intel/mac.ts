/**
 * The MAC as a whole: reset, silence, station address, link register. Layer: miniports/intel.
 * Invariant: after resetMac() the device sends no interrupt and does no DMA, whatever ran it before: it is the first
 * thing done to a device, ahead of bus mastering and of any DMA memory (QEMU's e1000e keeps its rings over a kill).
 */
import { waitUntil } from '../../base/wait.ts';
import type { IntelDevice, Sleep } from './device.ts';
import type { HardwareAccess } from './hardware-access.ts';
import {
  CTRL,
  CTRL_EXT,
  CTRL_EXT_DRV_LOAD,
  CTRL_FRCDPX,
  CTRL_FRCSPD,
  CTRL_GIO_MASTER_DISABLE,
  CTRL_RFCE,
  CTRL_RST,
  CTRL_SLU,
  CTRL_TFCE,
  CTRL_VME,
  EECD,
  EECD_AUTO_RD,
  EERD,
  EERD_ADDR,
  EERD_DATA,
  EERD_DONE,
  EERD_START,
  FCAH,
  FCAL,
  FCRTH,
  FCRTL,
  FCT,
  FCTTV,
  ICR,
  MRQC,
  RAH,
  RAH_AV,
  RAL,
  RCTL,
  RXCSUM,
  STATUS,
  STATUS_FD,
  STATUS_GIO_MASTER_ENABLE,
  STATUS_LU,
  STATUS_SPEED,
  TCTL,
  TCTL_PSP,
  VFTA,
  WUC,
} from './mac-registers.ts';

/** 82574 5.3.1, 82576 5.2.3.3: master disable may take as long as outstanding requests do. */
const MASTER_DISABLE_DEADLINE_US = 80_000;
/** Measured 0.1 to 2.4 ms under QEMU; the data sheets name no bound. */
const RESET_DEADLINE_US = 100_000;
/** 82574 5.4, 82576 5.4: loading the NVM ends within 10 ms. */
const AUTO_READ_DEADLINE_US = 20_000;

/** Stops receiving, sending, interrupts and bus mastering of the device. Leaves its settings alone. Any IRQL. */
export function silence(hw: HardwareAccess, device: IntelDevice): void {
  device.disableInterrupts(hw);
  hw.write(RCTL, 0);
  hw.write(TCTL, TCTL_PSP);
  hw.modify(CTRL, 0, CTRL_GIO_MASTER_DISABLE);
  hw.flush();
}

/**
 * Resets the device by CTRL.RST, after silencing it in the data sheets' order (82574 4.6.3.2, 82576 4.5.3: master
 * disable, wait, reset, mask again). Returns 'done' or why not. PASSIVE_LEVEL.
 */
export async function resetMac(
  hw: HardwareAccess,
  device: IntelDevice,
  sleep: Sleep,
): Promise<'done' | 'gone' | 'stuck'> {
  if (!hw.isPresent()) return 'gone';
  silence(hw, device);
  await waitUntil(
    () => (hw.gone ? 'hopeless' : hw.read(STATUS) & STATUS_GIO_MASTER_ENABLE ? 'wait' : 'done'),
    sleep,
    1000,
    MASTER_DISABLE_DEADLINE_US,
  );
  hw.write(CTRL, (hw.read(CTRL) | CTRL_RST) >>> 0);
  // No access for at least 1 ms: the self-test of the kernel's igb driver waits as long, the data sheets ask for 1 us.
  await sleep(1000);
  const cleared = await waitUntil(
    () => (hw.gone ? 'hopeless' : hw.read(CTRL) & CTRL_RST ? 'wait' : 'done'),
    sleep,
    1000,
    RESET_DEADLINE_US,
  );
  if (cleared !== 'done') return hw.gone ? 'gone' : 'stuck';
  device.disableInterrupts(hw);
  hw.readClear(ICR);
  // QEMU's igb never shows AUTO_RD: a valid address in RAR[0] says the same.
  await waitUntil(
    () => {
      if (hw.gone) return 'hopeless';
      return hw.read(EECD) & EECD_AUTO_RD || hw.readAt(RAH, 0) & RAH_AV ? 'done' : 'wait';
    },
    sleep,
    1000,
    AUTO_READ_DEADLINE_US,
  );
  return hw.gone ? 'gone' : 'done';
}

async function readNvmWord(hw: HardwareAccess, word: number, sleep: Sleep): Promise<number | undefined> {
  hw.write(EERD, EERD_ADDR.of(word) | EERD_START);
  let value = 0;
  const result = await waitUntil(
    () => {
      value = hw.read(EERD);
      return hw.gone ? 'hopeless' : value & EERD_DONE ? 'done' : 'wait';
    },
    sleep,
    50,
    10_000,
  );
  return result === 'done' ? EERD_DATA.from(value) : undefined;
}

/** A station address: not all zero, not a group address. */
export function isStationAddress(address: Uint8Array): boolean {
  return (address[0]! & 1) === 0 && address.some((octet) => octet !== 0);
}

/**
 * The permanent address: what the reset loaded into RAR[0], or words 0 to 2 of the NVM when that is not valid.
 * Returns undefined when neither holds a station address.
 */
export async function readPermanentAddress(hw: HardwareAccess, sleep: Sleep): Promise<Uint8Array | undefined> {
  const address = new Uint8Array(6);
  const high = hw.readAt(RAH, 0);
  if (high & RAH_AV) {
    const low = hw.readAt(RAL, 0);
    address.set([low & 0xff, (low >>> 8) & 0xff, (low >>> 16) & 0xff, low >>> 24, high & 0xff, (high >>> 8) & 0xff]);
    if (isStationAddress(address)) return address;
  }
  for (let word = 0; word < 3; word++) {
    const value = await readNvmWord(hw, word, sleep);
    if (value === undefined) return undefined;
    address[2 * word] = value & 0xff;
    address[2 * word + 1] = value >>> 8;
  }
  return isStationAddress(address) ? address : undefined;
}

/** General settings after a reset: no flow control, no VLAN stripping, no checksum or RSS, link follows the PHY. */
export function configureMac(hw: HardwareAccess, device: IntelDevice): void {
  hw.write(WUC, 0);
  hw.write(FCAL, 0);
  hw.write(FCAH, 0);
  hw.write(FCT, 0);
  hw.write(FCTTV, 0);
  hw.write(FCRTL, 0);
  hw.write(FCRTH, 0);
  hw.write(RXCSUM, 0);
  hw.write(MRQC, 0);
  for (let index = 0; index < VFTA.count; index++) hw.writeAt(VFTA, index, 0);
  hw.modify(CTRL_EXT, 0, CTRL_EXT_DRV_LOAD);
  device.configureMac(hw);
  hw.modify(CTRL, CTRL_FRCSPD | CTRL_FRCDPX | CTRL_RFCE | CTRL_TFCE | CTRL_VME | CTRL_GIO_MASTER_DISABLE, CTRL_SLU);
}

/** What STATUS says about the link. */
export interface LinkReading {
  readonly up: boolean;
  /** Bits per second; 0 while down. */
  readonly speed: number;
  readonly fullDuplex: boolean;
}

const SPEEDS = [10e6, 100e6, 1000e6, 1000e6] as const;

/** Decodes STATUS.LU, SPEED and FD (82574 10.2.2.2, 82576 8.2.2). */
export function decodeLink(status: number): LinkReading {
  const up = (status & STATUS_LU) !== 0;
  return { up, speed: up ? SPEEDS[STATUS_SPEED.from(status)]! : 0, fullDuplex: (status & STATUS_FD) !== 0 };
}
