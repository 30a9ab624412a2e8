/**
 * The built-in miniports by PCI id. Layer: miniports.
 * Invariant: the ids are ids.ts's; this file adds the modules. A further family is its folder, its rows in ids.ts and
 * one line in MODULES.
 */
import type { MiniportModule } from '../ndis/index.ts';
import * as e1000e from './e1000e/miniport.ts';
import { type Family, SUPPORTED_DEVICES, type SupportedDevice } from './ids.ts';
import * as igb from './igb/miniport.ts';

export { type Family, hardwareIdsOf, SUPPORTED_DEVICES, type SupportedDevice } from './ids.ts';

const MODULES: Readonly<Record<Family, MiniportModule>> = { igb, e1000e };

export interface BuiltInMiniport {
  /** The family's name. */
  readonly name: Family;
  readonly module: MiniportModule;
  readonly device: SupportedDevice;
}

/** The built-in miniport for a PCI function, or undefined when none drives it. */
export function builtInMiniport(ids: {
  readonly vendorId: number;
  readonly deviceId: number;
}): BuiltInMiniport | undefined {
  const device = SUPPORTED_DEVICES.find((row) => row.vendorId === ids.vendorId && row.deviceId === ids.deviceId);
  return device && { name: device.family, module: MODULES[device.family], device };
}
