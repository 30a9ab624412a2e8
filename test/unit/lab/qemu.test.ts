/**
 * The machine of the lab as QEMU sees it (reference: QEMU's invocation and its igb and e1000e models). Layer: test (unit).
 */
import { describe, expect, test } from 'vitest';
import {
  bdfOf,
  dumpFile,
  findQemu,
  kernelLine,
  type Machine,
  macOf,
  parseWire,
  qemuArguments,
} from '../../../scripts/lab/qemu.mjs';

const machine = (more: Partial<Machine> = {}): Machine => ({
  nics: [
    { model: 'igb', wire: { kind: 'hub' } },
    { model: 'e1000e', wire: { kind: 'hub' } },
  ],
  cpus: 2,
  memoryMiB: 3072,
  iommu: true,
  kernel: '/k',
  initrd: '/i',
  agentSocket: '/agent',
  qmpSocket: '/qmp',
  qemuVersion: [10, 0],
  ...more,
});

/** The values given with an option. */
const given = (args: string[], option: string) => args.filter((_, index) => args[index - 1] === option);

describe('the command line of QEMU', () => {
  test('asks for software emulation and never for KVM', () => {
    const args = qemuArguments(machine());
    expect(given(args, '-accel')).toEqual(['tcg,thread=multi']);
    expect(args.join(' ')).not.toContain('kvm');
  });

  test('puts the IOMMU in front of every device that is to be behind it', () => {
    const devices = given(qemuArguments(machine()), '-device');
    expect(devices[0]).toMatch(/^intel-iommu,intremap=on/);
  });

  test('without an IOMMU neither the device nor the kernel option is there', () => {
    const args = qemuArguments(machine({ iommu: false }));
    expect(given(args, '-device').some((device) => device.startsWith('intel-iommu'))).toBe(false);
    expect(given(args, '-append')[0]).toContain('intel_iommu=off');
    expect(kernelLine(true)).toContain('intel_iommu=on iommu=pt');
  });

  test('tells the guest the frequency of the counter its clock runs on', () => {
    expect(given(qemuArguments(machine({ tscKhz: 2_600_000 })), '-append')[0]).toContain('tsc_early_khz=2600000');
    expect(kernelLine(true)).not.toContain('tsc_early_khz');
  });

  test('gives every NIC a root port, a chassis and a slot of its own, in order', () => {
    const devices = given(qemuArguments(machine()), '-device');
    const ports = devices.filter((device) => device.startsWith('pcie-root-port'));
    expect(ports.map((port) => /id=(\w+).*chassis=(\d+),slot=(\d+),addr=(\w+)/.exec(port)?.slice(1))).toEqual([
      ['port0', '1', '1', '4'],
      ['port1', '2', '2', '5'],
    ]);
    expect(devices).toContain('igb,id=nic0,bus=port0,netdev=net0,mac=52:54:00:12:34:56,romfile=');
    expect(devices).toContain('e1000e,id=nic1,bus=port1,netdev=net1,mac=52:54:00:12:34:57,romfile=');
  });

  test('shows the root file system of the host read-only', () => {
    expect(given(qemuArguments(machine()), '-fsdev')[0]).toMatch(/path=\/,.*readonly=on/);
  });

  test('NICs on hub share one hub, each null has one of its own', () => {
    const nics = (['hub', 'null', 'hub', 'null'] as const).map((kind) => ({ model: 'igb' as const, wire: { kind } }));
    const hubs = given(qemuArguments(machine({ nics })), '-netdev').map((net) => /hubid=(\d+)/.exec(net)?.[1]);
    expect(hubs).toEqual(['0', '2', '0', '4']);
  });

  test.each([
    ['tap', [10, 0], 'tap,id=net0,ifname=tap0,script=no,downscript=no,vnet_hdr=off'],
    ['stream:/s', [10, 0], 'stream,id=net0,server=off,addr.type=unix,addr.path=/s,reconnect-ms=1000'],
    ['stream:/s', [8, 2], 'stream,id=net0,server=off,addr.type=unix,addr.path=/s,reconnect=1'],
    ['stream:/a,b', [9, 2], 'stream,id=net0,server=off,addr.type=unix,addr.path=/a,,b,reconnect-ms=1000'],
    ['dgram:/d', [10, 0], 'dgram,id=net0,local.type=unix,local.path=/d,remote.type=unix,remote.path=/d.peer'],
  ] as const)('wire %s on QEMU %j is -netdev %s', (wire, qemuVersion, netdev) => {
    const nics = [{ model: 'igb' as const, wire: parseWire(wire) }];
    expect(given(qemuArguments(machine({ nics, qemuVersion })), '-netdev')).toEqual([netdev]);
  });

  test('a capture has one filter per NIC, and none without --dump', () => {
    expect(given(qemuArguments(machine({ dump: '/d/wire.pcap' })), '-object')).toEqual([
      'filter-dump,id=dump0,netdev=net0,file=/d/wire.pcap',
      'filter-dump,id=dump1,netdev=net1,file=/d/wire.1.pcap',
    ]);
    expect(qemuArguments(machine())).not.toContain('-object');
  });

  test('--qmp adds a socket beside the own one', () => {
    expect(given(qemuArguments(machine({ qmp: '/q' })), '-qmp')).toEqual(['unix:/q,server=on,wait=off']);
    expect(qemuArguments(machine())).not.toContain('-qmp');
  });
});

describe('names', () => {
  test.each([
    ['wire.pcap', 0, 'wire.pcap'],
    ['wire.pcap', 1, 'wire.1.pcap'],
    ['/a.b/wire', 2, '/a.b/wire.2'],
    ['/a/.pcap', 1, '/a/.pcap.1'],
  ])('the capture %s of NIC %i is %s', (file, index, name) => {
    expect(dumpFile(file, index)).toBe(name);
  });

  test('addresses count from bus 1 and MACs from 56', () => {
    expect([bdfOf(0), bdfOf(9)]).toEqual(['0000:01:00.0', '0000:0a:00.0']);
    expect([macOf(0), macOf(15)]).toEqual(['52:54:00:12:34:56', '52:54:00:12:34:65']);
  });
});

test('a QEMU that is not there is named with the command that installs it', () => {
  expect(() => findQemu({ LAB_QEMU: '/nowhere/qemu' })).toThrow(
    expect.objectContaining({ code: 'LAB_QEMU_MISSING', message: expect.stringContaining('scripts/setup.sh') }),
  );
});
