/**
 * Discovery of PCI functions in sysfs. Layer: host.
 * Invariant: reads only, and never touches a device; what it returns is a snapshot.
 * Source: Documentation/ABI/testing/sysfs-bus-pci and PCI/sysfs-pci.rst of the kernel.
 */
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename, join } from 'node:path';
import { NdisVfioError } from '../base/errors.ts';
import type { PciAddress } from '../base/units.ts';
import type { BarInfo, PciIds } from '../platform/index.ts';
import { SYSTEM_ROOTS, type SystemRoots } from './roots.ts';

/** A function of the same IOMMU group. */
export interface GroupMember {
  readonly address: PciAddress;
  /** 24-bit class code, e.g. 0x020000 for Ethernet, 0x060400 for a PCI bridge. */
  readonly classCode: number;
  readonly driver: string | undefined;
}

/** One PCI function as sysfs shows it. */
export interface PciFunctionInfo {
  readonly address: PciAddress;
  readonly ids: PciIds;
  readonly classCode: number;
  /** Name of the kernel driver bound to it, e.g. `igb` or `vfio-pci`. */
  readonly driver: string | undefined;
  /** Number of its IOMMU group; undefined without an IOMMU. */
  readonly iommuGroup: number | undefined;
  /** Every function of the group, this one included, by address. */
  readonly groupMembers: readonly GroupMember[];
  /** Memory BARs that have an address, by index. */
  readonly bars: readonly BarInfo[];
  /** Network interfaces a kernel driver made of it. */
  readonly interfaces: readonly string[];
}

const ADDRESS = /^(?:([0-9a-f]{1,8}):)?([0-9a-f]{1,2}):([01]?[0-9a-f])\.([0-7])$/i;
const CLASS_ETHERNET = 0x0200;
const CLASS_BRIDGE = 0x06;
const IORESOURCE_MEM = 0x200;

/**
 * Normalises a PCI address: `1:0.0`, `01:00.0` and `0000:01:00.0` all become `0000:01:00.0`.
 * @throws NdisVfioError E_BAD_ADDRESS.
 */
export function parsePciAddress(text: string): PciAddress {
  const match = ADDRESS.exec(text.trim());
  if (match === null) {
    throw new NdisVfioError('E_BAD_ADDRESS', {
      action: `Cannot use ${JSON.stringify(text)} as a PCI address`,
      cause: 'it has not the form DOMAIN:BUS:DEVICE.FUNCTION',
      cure: 'Write it like 0000:01:00.0 or 01:00.0; `lspci -D` lists the addresses of this machine',
    });
  }
  const hex = (part: string, digits: number) =>
    part
      .toLowerCase()
      .replace(/^0+(?=.)/, '')
      .padStart(digits, '0');
  const [, domain = '0', bus = '', device = '', pciFunction = ''] = match;
  return `${hex(domain, 4)}:${hex(bus, 2)}:${hex(device, 2)}.${pciFunction}` as PciAddress;
}

/**
 * Reads one function.
 * @throws NdisVfioError E_BAD_ADDRESS, E_NO_DEVICE.
 */
export function readPciFunction(addressText: string, roots: SystemRoots = SYSTEM_ROOTS): PciFunctionInfo {
  const address = parsePciAddress(addressText);
  const directory = join(roots.sysfs, 'bus/pci/devices', address);
  if (!existsSync(directory)) {
    const present = listAddresses(roots).filter((each) => isEthernet(readClass(roots, each)));
    throw new NdisVfioError('E_NO_DEVICE', {
      action: `Cannot open ${address}`,
      cause: 'no PCI function has this address',
      cure:
        present.length === 0
          ? 'This machine has no Ethernet functions; `lspci -D` lists what there is'
          : `Ethernet functions of this machine: ${present.join(', ')}`,
    });
  }
  const iommuGroup = readGroup(directory);
  return {
    address,
    ids: {
      vendorId: readHex(directory, 'vendor'),
      deviceId: readHex(directory, 'device'),
      subsystemVendorId: readHex(directory, 'subsystem_vendor'),
      subsystemId: readHex(directory, 'subsystem_device'),
      revisionId: readHex(directory, 'revision'),
    },
    classCode: readClass(roots, address),
    driver: readDriver(directory),
    iommuGroup,
    groupMembers: iommuGroup === undefined ? [] : readGroupMembers(roots, iommuGroup),
    bars: readBars(directory),
    interfaces: listDirectory(join(directory, 'net')),
  };
}

/** All Ethernet controllers of the machine, by address. */
export function listEthernetFunctions(roots: SystemRoots = SYSTEM_ROOTS): PciFunctionInfo[] {
  return listAddresses(roots)
    .filter((address) => isEthernet(readClass(roots, address)))
    .map((address) => readPciFunction(address, roots));
}

/**
 * The members that keep the group from being handed to user space: bound to a driver that uses DMA of its own. Bridges
 * and functions without a driver do no harm. [vfio.rst; drivers that claim no DMA: vfio-*, pci-stub, pcieport]
 */
export function blockingMembers(info: PciFunctionInfo): GroupMember[] {
  return info.groupMembers.filter((member) => {
    if (member.address === info.address || member.driver === undefined) return false;
    if (member.classCode >>> 16 === CLASS_BRIDGE) return false;
    return !/^(vfio|pci-stub$|pcieport$)/.test(member.driver);
  });
}

function isEthernet(classCode: number): boolean {
  return classCode >>> 8 === CLASS_ETHERNET;
}

function listAddresses(roots: SystemRoots): PciAddress[] {
  return listDirectory(join(roots.sysfs, 'bus/pci/devices')) as PciAddress[];
}

function readClass(roots: SystemRoots, address: PciAddress): number {
  return readHex(join(roots.sysfs, 'bus/pci/devices', address), 'class');
}

function readDriver(directory: string): string | undefined {
  return readLinkName(join(directory, 'driver'));
}

function readGroup(directory: string): number | undefined {
  const name = readLinkName(join(directory, 'iommu_group'));
  return name === undefined ? undefined : Number(name);
}

function readGroupMembers(roots: SystemRoots, group: number): GroupMember[] {
  const names = listDirectory(join(roots.sysfs, 'kernel/iommu_groups', String(group), 'devices'));
  return names.map((name) => ({
    address: name as PciAddress,
    classCode: readClass(roots, name as PciAddress),
    driver: readDriver(join(roots.sysfs, 'bus/pci/devices', name)),
  }));
}

/** `resource` has one line per BAR: first and last bus address and the kernel's resource flags, in hexadecimal. */
function readBars(directory: string): BarInfo[] {
  const bars: BarInfo[] = [];
  const lines = readText(directory, 'resource').split('\n').slice(0, 6);
  for (const [index, line] of lines.entries()) {
    const [first = Number.NaN, last = Number.NaN, flags = 0] = line.split(/\s+/).map(Number);
    if ((flags & IORESOURCE_MEM) === 0 || !(last > first)) continue;
    bars.push({ index, busAddress: first, lengthBytes: last - first + 1 });
  }
  return bars;
}

function listDirectory(path: string): string[] {
  try {
    return readdirSync(path).sort();
  } catch {
    return [];
  }
}

function readText(directory: string, name: string): string {
  try {
    return readFileSync(join(directory, name), 'utf8');
  } catch {
    return '';
  }
}

function readHex(directory: string, name: string): number {
  const value = Number(readText(directory, name).trim());
  return Number.isNaN(value) ? 0 : value;
}

function readLinkName(path: string): string | undefined {
  try {
    return basename(readlinkSync(path));
  } catch {
    return undefined;
  }
}
