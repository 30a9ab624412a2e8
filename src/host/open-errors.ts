/**
 * Why a PCI function cannot be opened, checked before VFIO is asked. Layer: host.
 * Invariant: one precise error per cause, in the order in which a user has to cure them; nothing is changed here.
 * Sources: Documentation/driver-api/vfio.rst of the kernel; vfio_iommu_type1.c for the locked-memory rule.
 */
import { existsSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type ErrorCode, NdisVfioError } from '../base/errors.ts';
import { isNativeError } from './native.ts';
import type { SystemRoots } from './roots.ts';
import { blockingMembers, type PciFunctionInfo } from './sysfs.ts';

/** Bit of CAP_IPC_LOCK in the capability masks of /proc/self/status [linux/capability.h]. */
const CAP_IPC_LOCK_BIT = 14n;

/**
 * Checks what sysfs and /dev tell.
 * @throws NdisVfioError E_NO_IOMMU, E_WRONG_DRIVER, E_GROUP_NOT_VIABLE, E_NO_VFIO.
 */
export function checkOpenable(info: PciFunctionInfo, roots: SystemRoots): number {
  const fail = (code: ErrorCode, cause: string, cure: string): never => {
    throw new NdisVfioError(code, { action: `Cannot open ${info.address}`, cause, cure });
  };
  const bind = `scripts/bind-vfio.sh ${info.address}`;
  const group = info.iommuGroup;
  if (group === undefined) {
    return fail(
      'E_NO_IOMMU',
      'it is in no IOMMU group: the IOMMU is missing, switched off in the firmware, or off in the kernel',
      'Switch VT-d or AMD-Vi on in the firmware and boot with intel_iommu=on (Intel); ' +
        'a virtual machine needs a virtual IOMMU. `ls /sys/kernel/iommu_groups` is empty until then',
    );
  }
  if (existsSync(join(roots.dev, 'vfio', `noiommu-${group}`))) {
    fail(
      'E_NO_IOMMU',
      `its group ${group} is a no-IOMMU group, which protects nothing and cannot map DMA`,
      'Switch the IOMMU on in the firmware and the kernel, and boot without enable_unsafe_noiommu_mode',
    );
  }
  if (info.driver !== 'vfio-pci') {
    const bound = info.driver === undefined ? 'it is bound to no driver' : `it is bound to ${info.driver}`;
    const interfaces = info.interfaces.length > 0 ? ` (interface ${info.interfaces.join(', ')})` : '';
    fail('E_WRONG_DRIVER', `${bound}${interfaces} instead of vfio-pci`, `Run: ${bind}`);
  }
  const blocking = blockingMembers(info);
  if (blocking.length > 0) {
    const names = blocking.map((member) => `${member.address} (${member.driver})`).join(', ');
    fail(
      'E_GROUP_NOT_VIABLE',
      `IOMMU group ${group} also holds ${names}, bound to kernel drivers`,
      `Bind every member to vfio-pci: ${blocking.map((member) => `scripts/bind-vfio.sh ${member.address}`).join('; ')}`,
    );
  }
  for (const node of ['vfio', String(group)]) {
    if (existsSync(join(roots.dev, 'vfio', node))) continue;
    const cure =
      node === 'vfio'
        ? 'Load the module: modprobe vfio-pci; in a container, pass /dev/vfio in'
        : `Bind the function again: ${bind}; in a container, pass /dev/vfio/${node} in`;
    fail('E_NO_VFIO', `/dev/vfio/${node} does not exist`, cure);
  }
  return group;
}

/** Turns a failure of the VFIO calls that open a function into the user's error. */
export function explainOpen(info: PciFunctionInfo, group: number, roots: SystemRoots, error: unknown): unknown {
  if (!isNativeError(error)) return error;
  const explained = (code: ErrorCode, cause: string, cure: string) =>
    new NdisVfioError(code, { action: `Cannot open ${info.address}`, cause, cure }, error);
  const node = error.step.startsWith('open /dev/vfio/') ? error.step.slice('open '.length) : `/dev/vfio/${group}`;
  switch (error.code) {
    case 'EACCES':
    case 'EPERM':
      if (error.step === 'VFIO_SET_IOMMU') {
        return explained(
          'E_NO_IOMMU',
          'the platform has no interrupt remapping, so VFIO refuses the group',
          'Switch interrupt remapping on (firmware, intremap), or load vfio_iommu_type1 with allow_unsafe_interrupts=1',
        );
      }
      return explained(
        'E_PERMISSION',
        `the process may not open ${node} (${describeNode(roots, node)})`,
        `Run as root, or: sudo chown $USER ${node}`,
      );
    case 'EBUSY':
    case 'EAGAIN': {
      const holders = describeHolders(roots, group);
      const cure = holders === '' ? 'End that process and try again' : 'End it and try again';
      return explained('E_BUSY', `${holders === '' ? 'another process' : holders} has IOMMU group ${group} open`, cure);
    }
    case 'ENOENT':
    case 'ENXIO':
      if (error.syscall === 'open') {
        return explained('E_NO_VFIO', `${node} does not exist`, 'Load the module: modprobe vfio-pci');
      }
      break;
    case 'ENODEV':
      if (error.syscall === 'open') {
        return explained('E_NO_VFIO', `${node} has no driver behind it`, 'Load the module: modprobe vfio-pci');
      }
      break;
    case 'ERR_VFIO':
      if (error.step === 'VFIO_GROUP_GET_STATUS') {
        return explained(
          'E_GROUP_NOT_VIABLE',
          `IOMMU group ${group}: ${error.message}`,
          'Bind every member to vfio-pci',
        );
      }
      break;
  }
  return explained('E_VFIO', error.message, 'See the last lines of `dmesg`');
}

/**
 * Checks that `neededBytes` of DMA memory fit the locked-memory limit. CAP_IPC_LOCK (root) is free of it.
 * @throws NdisVfioError E_MEMLOCK.
 */
export function checkMemlock(action: string, neededBytes: number, limitBytes: number, roots: SystemRoots): void {
  const status = readStatus(roots);
  if (status.mayLock || limitBytes === Number.POSITIVE_INFINITY) return;
  if (status.lockedBytes + neededBytes <= limitBytes) return;
  throw memlockError(action, neededBytes, limitBytes, status.lockedBytes);
}

/** The error for DMA memory the locked-memory limit does not allow. */
export function memlockError(
  action: string,
  neededBytes: number,
  limitBytes: number,
  lockedBytes: number,
  origin?: unknown,
): NdisVfioError {
  const kib = (bytes: number) => `${Math.ceil(bytes / 1024)} KiB`;
  const wantedKib = Math.ceil((lockedBytes + neededBytes) / 1024);
  const already = lockedBytes > 0 ? ` on top of ${kib(lockedBytes)} in use` : '';
  return new NdisVfioError(
    'E_MEMLOCK',
    {
      action,
      cause: `it needs ${kib(neededBytes)} of locked memory${already}, RLIMIT_MEMLOCK allows ${kib(limitBytes)}`,
      cure: `Raise the limit: \`ulimit -l ${wantedKib}\` as root, or LimitMEMLOCK=${wantedKib}K in the systemd unit`,
    },
    origin,
  );
}

/** Locked memory of this process in bytes, and whether the limit applies to it. */
export function readStatus(roots: SystemRoots): { lockedBytes: number; mayLock: boolean } {
  let text = '';
  try {
    text = readFileSync(join(roots.proc, 'self/status'), 'utf8');
  } catch {
    return { lockedBytes: 0, mayLock: false };
  }
  const locked = /^VmLck:\s+(\d+) kB$/m.exec(text)?.[1] ?? '0';
  const capabilities = /^CapEff:\s+([0-9a-f]+)$/m.exec(text)?.[1] ?? '0';
  return {
    lockedBytes: Number(locked) * 1024,
    mayLock: ((BigInt(`0x${capabilities}`) >> CAP_IPC_LOCK_BIT) & 1n) === 1n,
  };
}

function describeNode(roots: SystemRoots, node: string): string {
  try {
    const { uid, gid, mode } = statSync(join(roots.dev, node.replace(/^\/dev\//, '')));
    return `owner ${uid}, group ${gid}, mode ${(mode & 0o777).toString(8)}`;
  } catch {
    return 'no such node';
  }
}

/** `process 123 (node)` for every process that holds the group's node open, as far as /proc shows it. */
function describeHolders(roots: SystemRoots, group: number): string {
  const holders: string[] = [];
  for (const pid of list(roots.proc)) {
    if (!/^\d+$/.test(pid)) continue;
    const descriptors = join(roots.proc, pid, 'fd');
    if (!list(descriptors).some((fd) => link(join(descriptors, fd)) === `/dev/vfio/${group}`)) continue;
    const name = readFileSync(join(roots.proc, pid, 'comm'), 'utf8').trim();
    holders.push(Number(pid) === process.pid ? 'this process' : `process ${pid} (${name})`);
  }
  return holders.join(', ');
}

function list(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function link(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
