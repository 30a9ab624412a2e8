/**
 * The machine of the lab as a QEMU command line: one function from options to arguments. Layer: scripts.
 * Invariants: software emulation only; NIC n is alone behind a root port at 0000:(n+1):00.0 with device id nicN, netdev
 * id netN and MAC 52:54:00:12:34:(56+n); no host name, user or secret goes in.
 */
import { spawnSync } from 'node:child_process';
import { LabError } from './errors.mjs';

export const MODELS = /** @type {const} */ (['igb', 'e1000e']);
/** What a wire may be, in the words of --help. */
export const WIRES = /** @type {const} */ (['hub', 'null', 'tap', 'stream:PATH', 'dgram:PATH']);
/** igb came with QEMU 8.0. */
export const QEMU_MAJOR = 8;

/**
 * @typedef {{ kind: 'hub' | 'null' | 'tap', path?: undefined } | { kind: 'stream' | 'dgram', path: string }} Wire
 * @typedef {{ model: 'igb' | 'e1000e', wire: Wire }} Nic
 * @typedef {{
 *   nics: readonly Nic[], cpus: number, memoryMiB: number, iommu: boolean, dump?: string | undefined,
 *   kernel: string, initrd: string, agentSocket: string, qmpSocket: string, qmp?: string | undefined,
 *   qemuVersion: readonly [number, number], tscKhz?: number | undefined,
 * }} Machine
 */

/**
 * @param {string} text one of WIRES
 * @returns {Wire}
 */
export function parseWire(text) {
  if (text === 'hub' || text === 'null' || text === 'tap') return { kind: text };
  const match = /^(stream|dgram):(.+)$/.exec(text);
  if (match) {
    const path = /** @type {string} */ (match[2]);
    // sun_path holds 108 bytes with its final NUL [unix(7)]; QEMU's own text for a longer one names no option of ours.
    if (Buffer.byteLength(path) > (match[1] === 'dgram' ? 102 : 107)) {
      throw new LabError('LAB_OPTION', {
        action: `Cannot use --wire ${text}`,
        cause: 'the path of a Unix socket has room for 107 bytes (102 for dgram, whose peer appends .peer)',
        cure: 'Put the socket under a shorter path.',
      });
    }
    return { kind: /** @type {'stream' | 'dgram'} */ (match[1]), path };
  }
  throw new LabError('LAB_OPTION', {
    action: `Cannot use --wire ${text}`,
    cause: 'there is no such wire',
    cure: `Use one of ${WIRES.join(', ')}.`,
  });
}

/** @param {number} index */
export const macOf = (index) => `52:54:00:12:34:${(0x56 + index).toString(16).padStart(2, '0')}`;
/** @param {number} index */
export const bdfOf = (index) => `0000:${(index + 1).toString(16).padStart(2, '0')}:00.0`;

/**
 * The capture file of a NIC: FILE itself for the first, then a number before the ending (wire.pcap, wire.1.pcap).
 * @param {string} file
 * @param {number} index
 */
export function dumpFile(file, index) {
  if (index === 0) return file;
  const match = /^(.*[^/])(\.[^./]+)$/.exec(file);
  return match ? `${match[1]}.${index}${match[2]}` : `${file}.${index}`;
}

/** QEMU options are comma-separated; a comma inside a value is doubled. @param {string} value */
const escapeComma = (value) => value.replaceAll(',', ',,');

/**
 * The -netdev of one NIC.
 * @param {Wire} wire
 * @param {number} index
 * @param {readonly [number, number]} version
 */
function netdev(wire, index, version) {
  const id = `id=net${index}`;
  switch (wire.kind) {
    case 'hub':
      return `hubport,${id},hubid=0`;
    case 'null':
      return `hubport,${id},hubid=${index + 1}`;
    case 'tap':
      // Without vnet_hdr QEMU puts on the wire what a real NIC would: segmented and with checksums.
      return `tap,${id},ifname=tap${index},script=no,downscript=no,vnet_hdr=off`;
    case 'stream': {
      const reconnect = version[0] > 9 || (version[0] === 9 && version[1] >= 2) ? 'reconnect-ms=1000' : 'reconnect=1';
      return `stream,${id},server=off,addr.type=unix,addr.path=${escapeComma(wire.path)},${reconnect}`;
    }
    case 'dgram': {
      const path = escapeComma(wire.path);
      return `dgram,${id},local.type=unix,local.path=${path},remote.type=unix,remote.path=${path}.peer`;
    }
  }
}

/**
 * The kernel's command line.
 * @param {boolean} iommu
 * @param {number} [tscKhz]
 */
export function kernelLine(iommu, tscKhz) {
  return [
    'console=ttyS0 quiet loglevel=4 panic=-1',
    iommu ? 'intel_iommu=on iommu=pt' : 'intel_iommu=off',
    // On a busy host a timer that comes late looks like one that does not work; and the clock is only right when the
    // counter's frequency is given instead of measured.
    `no_timer_check tsc=reliable${tscKhz ? ` tsc_early_khz=${tscKhz}` : ''}`,
    // Only speed from here on.
    'mitigations=off random.trust_cpu=on rcupdate.rcu_expedited=1 nowatchdog cryptomgr.notests 8250.nr_uarts=1',
  ].join(' ');
}

/**
 * @param {Machine} machine
 * @returns {string[]} arguments for qemu-system-x86_64
 */
export function qemuArguments(machine) {
  const args = [
    ...['-name', 'ndis-vfio-lab', '-machine', 'q35,kernel-irqchip=off', '-accel', 'tcg,thread=multi'],
    ...['-cpu', 'Nehalem,+rdrand', '-smp', String(machine.cpus), '-m', `${machine.memoryMiB}M`],
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
    ...['-kernel', machine.kernel, '-initrd', machine.initrd, '-append', kernelLine(machine.iommu, machine.tscKhz)],
    ...['-chardev', 'stdio,id=console,signal=off', '-serial', 'chardev:console'],
    ...['-chardev', `socket,id=qmp,path=${escapeComma(machine.qmpSocket)}`, '-mon', 'chardev=qmp,mode=control'],
  ];
  if (machine.qmp !== undefined) args.push('-qmp', `unix:${escapeComma(machine.qmp)},server=on,wait=off`);
  // The IOMMU first: QEMU puts only what comes after it behind it.
  if (machine.iommu) args.push('-device', 'intel-iommu,intremap=on,caching-mode=on');
  args.push(
    ...['-fsdev', 'local,id=host,path=/,security_model=none,readonly=on,multidevs=remap'],
    ...['-device', 'virtio-9p-pci,fsdev=host,mount_tag=host,addr=2'],
    ...['-chardev', `socket,id=agent,path=${escapeComma(machine.agentSocket)}`],
    ...['-device', 'virtio-serial-pci,max_ports=2,addr=3', '-device', 'virtserialport,chardev=agent,name=lab'],
  );
  machine.nics.forEach((nic, index) => {
    args.push(
      '-device',
      `pcie-root-port,id=port${index},bus=pcie.0,chassis=${index + 1},slot=${index + 1},addr=${(index + 4).toString(16)}`,
    );
    args.push('-netdev', netdev(nic.wire, index, machine.qemuVersion));
    args.push(
      '-device',
      `${nic.model},id=nic${index},bus=port${index},netdev=net${index},mac=${macOf(index)},romfile=`,
    );
    if (machine.dump !== undefined) {
      args.push(
        '-object',
        `filter-dump,id=dump${index},netdev=net${index},file=${escapeComma(dumpFile(machine.dump, index))}`,
      );
    }
  });
  return args;
}

/** @type {{ path: string, version: readonly [number, number] } | undefined} */
let found;

/**
 * QEMU and its version. LAB_QEMU names another binary.
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {{ path: string, version: readonly [number, number] }}
 */
export function findQemu(env = process.env) {
  const path = env['LAB_QEMU'] ?? 'qemu-system-x86_64';
  if (found?.path === path) return found;
  const { stdout, error } = spawnSync(path, ['--version'], { encoding: 'utf8' });
  const match = /version (\d+)\.(\d+)/.exec(stdout ?? '');
  if (error || !match) {
    throw new LabError('LAB_QEMU_MISSING', {
      action: 'Cannot boot the lab',
      cause: `${path} is not there`,
      cure: 'Run: bash scripts/setup.sh (or: apt-get install qemu-system-x86; on Debian 12 with -t bookworm-backports).',
    });
  }
  const version = /** @type {const} */ ([Number(match[1]), Number(match[2])]);
  if (version[0] < QEMU_MAJOR) {
    throw new LabError('LAB_QEMU_OLD', {
      action: 'Cannot boot the lab',
      cause: `QEMU ${version.join('.')} has no igb, which came with 8.0`,
      cure: 'Run: bash scripts/setup.sh (on Debian 12: apt-get install -t bookworm-backports qemu-system-x86).',
    });
  }
  found = { path, version };
  return found;
}
