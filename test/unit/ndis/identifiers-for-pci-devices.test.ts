/** Rules of the page `identifiers-for-pci-devices`, a test each, on a fake function and a small miniport. Layer: test (ndis). */
import { describe, expect, it } from 'vitest';
import { hardwareIdMatches } from '../../../src/ndis/index.ts';
import { bench } from './fake-miniport.ts';

const ids = { vendorId: 0x8086, deviceId: 0x10c9, subsystemVendorId: 0x1af4, subsystemId: 0xa03c, revisionId: 0x0b };

describe('A hardware id in INF form', () => {
  it.each([
    ['PCI\\VEN_8086&DEV_10C9', true],
    ['pci\\ven_8086&dev_10c9', true],
    ['PCI\\VEN_8086&DEV_10C9&SUBSYS_A03C1AF4', true],
    ['PCI\\VEN_8086&DEV_10C9&SUBSYS_A03C1AF4&REV_0B', true],
    ['PCI\\VEN_8086&DEV_10C9&REV_0B', true],
    ['PCI\\VEN_8086&DEV_10C9&REV_01', false],
    ['PCI\\VEN_8086&DEV_10C9&SUBSYS_1AF4A03C', false],
    ['PCI\\VEN_8086&DEV_10D3', false],
    ['PCI\\VEN_1AF4&DEV_10C9', false],
    ['VEN_8086&DEV_10C9', false],
    ['PCI\\VEN_8086&DEV_10C9&REV_1', false],
  ])('%s matches: %s', (id, expected) => {
    expect(hardwareIdMatches(id, ids)).toBe(expected);
  });

  it('matches a driver by any of its ids', async () => {
    const { driver } = await bench();
    expect(driver.matches(ids)).toBe(true);
    expect(driver.matches({ ...ids, deviceId: 0x10d3 })).toBe(false);
  });
});
