/**
 * Guest side of bad-input.test.ts: the command line with everything a user can get wrong. Layer: test.
 * Invariant: each run is a process of its own with its own privileges, limits and mounts; nothing is changed for the
 * next one except by the functions that say so.
 */
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { bindVfio, CLI, command, kernelPartner, must, ROOT, until } from '../../../scripts/guest/tools.ts';
import * as stage from '../support/stage.ts';

export interface BadRun {
  readonly args: readonly string[];
  /** Capabilities the process does not get, e.g. `net_admin`. */
  readonly without?: readonly string[];
  /** RLIMIT_MEMLOCK in bytes. */
  readonly memlockBytes?: number;
  /** A folder that is empty for the process, as in a container that was not given it. */
  readonly hide?: string;
}

export interface BadRunResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly elapsedMs: number;
}

function wrapped({ args, without = [], memlockBytes, hide }: BadRun): string[] {
  const words = [process.execPath, CLI, ...args];
  if (without.length > 0) {
    const capabilities = without.map((name) => `-${name}`).join(',');
    words.unshift('setpriv', `--inh-caps=${capabilities}`, `--bounding-set=${capabilities}`);
  }
  if (memlockBytes !== undefined) words.unshift('prlimit', `--memlock=${memlockBytes}:${memlockBytes}`);
  if (hide !== undefined) {
    words.unshift('unshare', '--mount', 'sh', '-c', `mount -t tmpfs none ${hide} && exec "$@"`, 'sh');
  }
  return words;
}

async function runOne(run: BadRun): Promise<BadRunResult> {
  const [file, ...args] = wrapped(run) as [string, ...string[]];
  const from = performance.now();
  const result = await command(file, args, 60_000);
  return { ...result, elapsedMs: performance.now() - from };
}

export interface RunAllParams {
  /** Runs that never open the device: two at a time. */
  readonly early: readonly BadRun[];
  /** Runs that may open it: one at a time. */
  readonly late: readonly BadRun[];
}

export interface RunAllResult {
  readonly early: readonly BadRunResult[];
  readonly late: readonly BadRunResult[];
  readonly left: stage.Leftovers;
}

/** Runs everything, two processes at a time. */
export async function runAll({ early, late }: RunAllParams): Promise<RunAllResult> {
  const earlyResults: BadRunResult[] = [];
  const lateResults: BadRunResult[] = [];
  let next = 0;
  const takeEarly = async (): Promise<void> => {
    while (next < early.length) {
      const index = next++;
      earlyResults[index] = await runOne(early[index]!);
    }
  };
  const takeLate = async (): Promise<void> => {
    for (const run of late) lateResults.push(await runOne(run));
    await takeEarly();
  };
  await Promise.all([takeEarly(), takeLate()]);
  return { early: earlyResults, late: lateResults, left: stage.leftovers() };
}

export async function run(one: BadRun): Promise<BadRunResult & { left: stage.Leftovers }> {
  return { ...(await runOne(one)), left: stage.leftovers() };
}

export interface Scene {
  /** Bound to vfio-pci. */
  readonly own: string;
  /** Given to the kernel's driver. */
  readonly other: string;
  /** Where the modules of a user lie: outside of the package. */
  readonly folder: string;
  /** Name of an interface that exists. */
  readonly takenName: string;
}

/** What a user's own folder and machine look like before the runs. Returns the interface of `other`. */
export async function setScene({ own, other, folder, takenName }: Scene): Promise<string> {
  cpSync(`${ROOT}test/guest/fixtures`, folder, { recursive: true });
  writeFileSync(`${folder}/unreadable.mjs`, 'export {};\n');
  chmodSync(`${folder}/unreadable.mjs`, 0);
  writeFileSync(`${folder}/broken.mjs`, 'export const = 1;\n');
  mkdirSync(`${folder}/a-folder.mjs`);
  await bindVfio(own);
  await kernelPartner(other, 'partner', '10.77.0.2/24');
  await must('ip', ['link', 'add', takenName, 'type', 'dummy']);
  return basename(readlinkSync(`/sys/bus/pci/devices/${other}/driver`));
}

export function group({ bdf }: { bdf: string }): string[] {
  return readdirSync(`/sys/bus/pci/devices/${bdf}/iommu_group/devices`);
}

export interface TwoFunctions {
  readonly own: string;
  readonly other: string;
}

/** Waits for a card with two functions, binds the first to vfio-pci and the second to the kernel's driver. */
export async function splitCard({ own, other }: TwoFunctions): Promise<string[]> {
  await until('both functions being plugged in', () =>
    [own, other].every((bdf) => existsSync(`/sys/bus/pci/devices/${bdf}`)),
  );
  const driver = `/sys/bus/pci/devices/${own}/driver`;
  if (existsSync(driver)) writeFileSync(`${driver}/unbind`, own);
  writeFileSync(`/sys/bus/pci/devices/${own}/driver_override`, 'vfio-pci');
  await must('modprobe', ['vfio-pci']);
  writeFileSync('/sys/bus/pci/drivers_probe', own);
  await kernelPartner(other, 'second', '10.78.0.2/24');
  return group({ bdf: own });
}

/** Gives `bdf` to vfio-pci without the script: a device in no group cannot be bound by it. Returns the driver, if any. */
export async function plainBind({ bdf }: { bdf: string }): Promise<{ driver: string; group: boolean }> {
  await command('modprobe', ['vfio-pci']);
  writeFileSync(`/sys/bus/pci/devices/${bdf}/driver_override`, 'vfio-pci');
  writeFileSync('/sys/bus/pci/drivers_probe', bdf);
  const path = `/sys/bus/pci/devices/${bdf}`;
  return {
    driver: existsSync(`${path}/driver`) ? basename(readlinkSync(`${path}/driver`)) : '',
    group: existsSync(`${path}/iommu_group`),
  };
}

/** Hands the group's node to another user, so that a process without root's powers may not open it. */
export async function chownGroup({ bdf, owner }: { bdf: string; owner: string }): Promise<void> {
  const name = basename(readlinkSync(`/sys/bus/pci/devices/${bdf}/iommu_group`));
  await must('chown', [owner, `/dev/vfio/${name}`]);
}

export interface UserMiniport {
  readonly started: readonly string[];
  readonly miniport: string;
  readonly mac: string;
  readonly tapMac: string;
  readonly end: stage.DaemonEnd;
  readonly left: stage.Leftovers;
}

/** Runs a module of the user's as the NIC's driver. */
export async function userMiniport({ bdf, file }: { bdf: string; file: string }): Promise<UserMiniport> {
  await stage.startDaemon(bdf, ['--miniport', file], { linkUp: false });
  const started = stage.linesOf(bdf, /./);
  const { miniport, mac } = await stage.rpc(bdf, 'status', {});
  const tapMac = (await must('cat', [`/sys/class/net/${stage.TAP}/address`])).trim();
  const end = await stage.stopDaemon(bdf);
  return { started, miniport, mac, tapMac, end, left: stage.leftovers() };
}

export interface PlainUp {
  readonly end: stage.DaemonEnd;
  readonly left: stage.Leftovers;
  /** A second `up` on the same function while the first runs. */
  readonly second: BadRunResult;
  readonly runsAfterSecond: boolean;
}

/** `up` works, a second one is refused and does not disturb the first, SIGTERM ends it. */
export async function upAfterAll({ bdf }: { bdf: string }): Promise<PlainUp> {
  await stage.startDaemon(bdf, [], { linkUp: false });
  const second = await runOne({ args: ['up', bdf, '--tap', 'tap1'] });
  const runsAfterSecond = (await stage.rpc(bdf, 'status', {})).state === 'Running';
  const end = await stage.stopDaemon(bdf);
  return { end, left: stage.leftovers(), second, runsAfterSecond };
}
