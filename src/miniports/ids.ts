/**
 * THE table: which PCI function which family drives. Layer: miniports (imports nothing).
 * Invariant: ids stand nowhere else; a variant is listed only when its data sheet's differences are implemented.
 * `tested` says on what this code has run, for `ndis-vfio list` and the README.
 */

export type Family = 'igb' | 'e1000e';

export interface SupportedDevice {
  readonly vendorId: number;
  readonly deviceId: number;
  readonly family: Family;
  readonly chip: string;
  readonly tested: 'emulated: tested' | 'not tested on hardware';
}

const INTEL = 0x8086;

/**
 * Copper variants of the two chips only: fibre and SerDes ones (10E6, 10E7, ...) need the PCS instead of the PHY.
 * The 82576's other copper boards differ from 10C9 in the NVM alone; 10F6 is the 82574LA, which differs in packaging.
 */
export const SUPPORTED_DEVICES: readonly SupportedDevice[] = [
  { vendorId: INTEL, deviceId: 0x10c9, family: 'igb', chip: '82576', tested: 'emulated: tested' },
  { vendorId: INTEL, deviceId: 0x10e8, family: 'igb', chip: '82576 quad port', tested: 'not tested on hardware' },
  { vendorId: INTEL, deviceId: 0x150a, family: 'igb', chip: '82576NS', tested: 'not tested on hardware' },
  { vendorId: INTEL, deviceId: 0x1526, family: 'igb', chip: '82576 quad port ET2', tested: 'not tested on hardware' },
  { vendorId: INTEL, deviceId: 0x10d3, family: 'e1000e', chip: '82574L', tested: 'emulated: tested' },
  { vendorId: INTEL, deviceId: 0x10f6, family: 'e1000e', chip: '82574LA', tested: 'not tested on hardware' },
];

function hex4(value: number): string {
  return value.toString(16).toUpperCase().padStart(4, '0');
}

/** A family's hardware ids in INF form, `PCI\VEN_8086&DEV_10C9`. */
export function hardwareIdsOf(family: Family): readonly string[] {
  return SUPPORTED_DEVICES.filter((row) => row.family === family).map(
    (row) => `PCI\\VEN_${hex4(row.vendorId)}&DEV_${hex4(row.deviceId)}`,
  );
}
