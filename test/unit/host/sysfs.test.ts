/** Discovery on a tree of files. Layer: test. Rule: src/host/sysfs.ts; kernel Documentation PCI/sysfs-pci.rst. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { blockingMembers, listEthernetFunctions, parsePciAddress, readPciFunction } from '../../../src/host/sysfs.ts';
import { FakeMachine } from './fake-machine.ts';

let machine: FakeMachine;
beforeEach(() => {
  machine = new FakeMachine();
});
afterEach(() => machine.remove());

describe('a PCI address', () => {
  it.each([
    ['0000:01:00.0', '0000:01:00.0'],
    ['01:00.0', '0000:01:00.0'],
    ['1:0.7', '0000:01:00.7'],
    ['10000:AB:1f.3', '10000:ab:1f.3'],
    ['00000001:02:03.4', '0001:02:03.4'],
    [' 01:00.0\n', '0000:01:00.0'],
  ])('%j is taken as %s', (text, address) => {
    expect(parsePciAddress(text)).toBe(address);
  });

  it.each(['', 'eth0', '01:00', '01:00.8', '01:20.0', '0000:01:00.0.0', '../..', '100:00.0', 'g1:00.0'])(
    '%j is refused with E_BAD_ADDRESS',
    (text) => {
      expect(() => parsePciAddress(text)).toThrow(expect.objectContaining({ code: 'E_BAD_ADDRESS' }));
    },
  );
});

describe('reading a function', () => {
  it('gives ids, class, driver, group and interfaces', () => {
    machine.addFunction('0000:01:00.0', { driver: 'igb', group: 14, interfaces: ['eth1'] });
    expect(readPciFunction('01:00.0', machine.roots)).toMatchObject({
      address: '0000:01:00.0',
      ids: { vendorId: 0x8086, deviceId: 0x10c9, subsystemVendorId: 0x8086, subsystemId: 0xa03c, revisionId: 1 },
      classCode: 0x020000,
      driver: 'igb',
      iommuGroup: 14,
      groupMembers: [{ address: '0000:01:00.0', classCode: 0x020000, driver: 'igb' }],
      interfaces: ['eth1'],
    });
  });

  it('lists memory BARs with their index, and neither I/O BARs nor empty ones', () => {
    machine.addFunction('0000:01:00.0');
    expect(readPciFunction('01:00.0', machine.roots).bars).toEqual([
      { index: 0, busAddress: 0xfe80_0000, lengthBytes: 0x2_0000 },
      { index: 3, busAddress: 0xfe84_0000, lengthBytes: 0x4000 },
    ]);
  });

  it('shows a function without driver and IOMMU as such', () => {
    machine.addFunction('0000:01:00.0');
    const info = readPciFunction('01:00.0', machine.roots);
    expect([info.driver, info.iommuGroup, info.groupMembers]).toEqual([undefined, undefined, []]);
  });

  it('names the Ethernet functions there are when the address has none', () => {
    machine
      .addFunction('0000:01:00.0')
      .addFunction('0000:02:00.0')
      .addFunction('0000:00:1f.0', { classCode: 0x060100 });
    expect(() => readPciFunction('0000:09:00.0', machine.roots)).toThrow(
      expect.objectContaining({
        code: 'E_NO_DEVICE',
        text: expect.objectContaining({ cure: 'Ethernet functions of this machine: 0000:01:00.0, 0000:02:00.0' }),
      }),
    );
  });
});

it('the list of Ethernet functions has every one of class 0200 in order, and nothing else', () => {
  machine.addFunction('0000:02:00.0').addFunction('0000:01:00.0').addFunction('0000:00:02.0', { classCode: 0x030000 });
  expect(listEthernetFunctions(machine.roots).map((each) => each.address)).toEqual(['0000:01:00.0', '0000:02:00.0']);
});

it('a machine without PCI has no Ethernet functions', () => {
  expect(listEthernetFunctions({ ...machine.roots, sysfs: `${machine.root}/nothing` })).toEqual([]);
});

it('a group is blocked by members on kernel drivers, not by bridges, vfio, pci-stub or unbound ones', () => {
  machine
    .addFunction('0000:01:00.0', { driver: 'igb', group: 3 })
    .addFunction('0000:01:00.1', { driver: 'igb', group: 3 })
    .addFunction('0000:01:00.2', { driver: 'vfio-pci', group: 3 })
    .addFunction('0000:01:00.3', { driver: 'pci-stub', group: 3 })
    .addFunction('0000:01:00.4', { group: 3 })
    .addFunction('0000:00:1c.0', { driver: 'pcieport', group: 3, classCode: 0x060400 });
  const blocking = blockingMembers(readPciFunction('0000:01:00.0', machine.roots));
  expect(blocking).toEqual([{ address: '0000:01:00.1', classCode: 0x020000, driver: 'igb' }]);
});
