/**
 * Guest side of traffic.test.ts and kernels.test.ts: frames through the TAP to the kernel's own driver. Layer: test.
 * Returns facts only; the host asserts.
 */
import { release } from 'node:os';
import {
  background,
  CLI,
  type CommandResult,
  command,
  type IperfResult,
  iperf,
  must,
  type PingResult,
  ping,
  until,
} from '../../../scripts/guest/tools.ts';
import type { StatusResult } from '../../../src/control/messages.ts';
import * as stage from '../support/stage.ts';

export interface Pair {
  /** Function driven by ndis-vfio. */
  readonly own: string;
  /** Function driven by the kernel. */
  readonly other: string;
}

export function setStage({ own, other }: Pair): Promise<{ device: string; mac: string }> {
  return stage.setStage(own, other);
}

export function kernelRelease(): string {
  return release();
}

export interface UpParams {
  readonly bdf: string;
  readonly extra?: readonly string[];
  readonly mtu?: number;
}

/** Starts the daemon and waits for a first reply from the partner. */
export async function up({ bdf, extra = [], mtu = 1500 }: UpParams): Promise<StatusResult> {
  const { namespace, device } = stage.partner();
  await must('ip', ['-n', namespace, 'link', 'set', device, 'mtu', String(mtu)]);
  await stage.startDaemon(bdf, extra, { mtu });
  await stage.firstReply();
  return stage.rpc(bdf, 'status', {});
}

export function status({ bdf }: { bdf: string }): Promise<StatusResult> {
  return stage.rpc(bdf, 'status', {});
}

export interface PingParams {
  readonly count: number;
  readonly bytes: number;
  /** `out`: from the TAP's side to the partner; `in`: the other way. */
  readonly direction?: 'out' | 'in';
}

export function pingRun({ count, bytes, direction = 'out' }: PingParams): Promise<PingResult> {
  return direction === 'out'
    ? ping(command, stage.THERE, count, bytes)
    : ping(stage.partner().run, stage.HERE, count, bytes);
}

/** One ping that must not be fragmented: proves the size of a single frame. */
export async function pingWhole({ count, bytes }: PingParams): Promise<PingResult> {
  return ping((file, args) => command(file, ['-M', 'do', ...args]), stage.THERE, count, bytes);
}

export interface IperfBothWays {
  readonly toUs: IperfResult;
  readonly fromUs: IperfResult;
}

export async function iperfBothWays({ seconds }: { seconds: number }): Promise<IperfBothWays> {
  const server = background('iperf3', ['-s', '-B', stage.HERE, '--forceflush']);
  try {
    await server.line(/listening/i);
    const toUs = await iperf(stage.partner().run, stage.HERE, seconds, false);
    const fromUs = await iperf(stage.partner().run, stage.HERE, seconds, true);
    return { toUs, fromUs };
  } finally {
    await server.stop();
  }
}

export interface VectorByCli {
  readonly message: number;
  readonly disable: CommandResult;
  readonly enable: CommandResult;
  readonly before: StatusResult;
  readonly masked: StatusResult;
  readonly after: StatusResult;
  /** Of 3 pings sent while the receive message was disabled. */
  readonly repliesWhileDisabled: number;
  readonly afterwards: PingResult;
}

/** Disables and enables the message that receives, with the command a user has. */
export async function vectorByCli({ bdf }: { bdf: string }): Promise<VectorByCli> {
  const cli = (verb: string, message: number): Promise<CommandResult> =>
    command(process.execPath, [CLI, 'vector', verb, bdf, String(message)]);
  const before = await stage.rpc(bdf, 'status', {});
  const { message } = before.interrupts.messages.reduce((best, row) =>
    row.nblsIndicated > best.nblsIndicated ? row : best,
  );
  const disable = await cli('disable', message);
  const atRest = await stage.rpc(bdf, 'status', {});
  const { stdout } = await command('ping', ['-q', '-c', '3', '-i', '0.2', '-W', '1', stage.THERE]);
  const repliesWhileDisabled = Number(/(\d+) received/.exec(stdout)?.[1]);
  const masked = await stage.rpc(bdf, 'status', {});
  const enable = await cli('enable', message);
  await until(
    'a reply after the vector was enabled',
    async () => (await ping(command, stage.THERE, 1, 56)).received === 1,
    10_000,
  );
  const afterwards = await pingRun({ count: 20, bytes: 56 });
  const after = await stage.rpc(bdf, 'status', {});
  return { message, disable, enable, before: atRest, masked, after, repliesWhileDisabled, afterwards };
}

/** What the command line prints for `status`. */
export function statusByCli({ bdf }: { bdf: string }): Promise<CommandResult> {
  return command(process.execPath, [CLI, 'status', bdf]);
}

export async function down({
  bdf,
  signal = 'SIGTERM',
}: {
  bdf: string;
  signal?: NodeJS.Signals;
}): Promise<stage.DaemonEnd & { left: stage.Leftovers }> {
  const end = await stage.stopDaemon(bdf, signal);
  return { ...end, left: stage.leftovers() };
}
