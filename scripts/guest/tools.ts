/**
 * Small tools for programs that run inside the guest: commands, the link partner, the daemon as a child.
 * Layer: scripts (compiled to dist/scripts/guest).
 * Invariant: whatever a helper starts is ended by its own `stop`, by pid.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export interface CommandResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command to its end; a failing status is a result, not an error. */
export function command(file: string, args: readonly string[], timeoutMs = 120_000): Promise<CommandResult> {
  return new Promise((resolve) => {
    execFile(file, args, { timeout: timeoutMs, maxBuffer: 64 << 20 }, (error, stdout, stderr) => {
      const status = error === null ? 0 : typeof error.code === 'number' ? error.code : 1;
      resolve({ status, stdout, stderr: error?.killed ? `${stderr}\n(killed after ${timeoutMs} ms)` : stderr });
    });
  });
}

/** Runs a command that must succeed; returns its stdout. */
export async function must(file: string, args: readonly string[], timeoutMs?: number): Promise<string> {
  const { status, stdout, stderr } = await command(file, args, timeoutMs);
  if (status !== 0) throw new Error(`${file} ${args.join(' ')} ended with status ${status}: ${stderr || stdout}`);
  return stdout;
}

/** A shell line that must succeed. */
export function sh(line: string, timeoutMs?: number): Promise<string> {
  return must('/bin/sh', ['-c', line], timeoutMs);
}

export const sleep = (delayMs: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, delayMs));

/** Waits until `probe` gives a value; throws with `what` after the deadline. */
export async function until<T>(
  what: string,
  probe: () => T | undefined | false | null | Promise<T | undefined | false | null>,
  deadlineMs = 30_000,
  periodMs = 50,
): Promise<T> {
  const end = performance.now() + deadlineMs;
  for (;;) {
    const value = await probe();
    if (value) return value;
    if (performance.now() > end) throw new Error(`${what} did not happen within ${deadlineMs} ms`);
    await sleep(periodMs);
  }
}

/** The repository's root as the guest sees it: two levels above dist/scripts. */
export const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
export const CLI = `${ROOT}dist/src/cli/main.js`;

/** Binds a function to vfio-pci with the script users have. */
export async function bindVfio(bdf: string): Promise<void> {
  await must('bash', [`${ROOT}scripts/bind-vfio.sh`, '--force', bdf]);
}

const PARTNER_DRIVER: Readonly<Record<string, string>> = { '0x10c9': 'igb', '0x10d3': 'e1000e' };

export interface Partner {
  readonly namespace: string;
  readonly device: string;
  readonly mac: string;
  /** Runs a command in the partner's namespace. */
  run: Runner;
  stop(): Promise<void>;
}

/**
 * Gives a function to the kernel's own driver and moves its interface into a namespace: the independent link partner.
 * @param address its IPv4 address with prefix length.
 */
export async function kernelPartner(bdf: string, namespace: string, address: string): Promise<Partner> {
  const sys = `/sys/bus/pci/devices/${bdf}`;
  const driver = PARTNER_DRIVER[readFileSync(`${sys}/device`, 'utf8').trim()];
  if (driver === undefined) throw new Error(`no kernel driver is known for ${bdf}`);
  if (existsSync(`${sys}/driver`) && !readlinkSync(`${sys}/driver`).endsWith(`/${driver}`)) {
    writeFileSync(`${sys}/driver/unbind`, bdf);
  }
  writeFileSync(`${sys}/driver_override`, driver);
  await must('modprobe', [driver]);
  if (!existsSync(`${sys}/driver`)) writeFileSync('/sys/bus/pci/drivers_probe', bdf);
  const device = await until(`an interface of ${bdf}`, () => existsSync(`${sys}/net`) && readdirSync(`${sys}/net`)[0]);
  const mac = readFileSync(`${sys}/net/${device}/address`, 'utf8').trim();
  await must('ip', ['netns', 'add', namespace]);
  await must('ip', ['link', 'set', device, 'netns', namespace]);
  const inside: Runner = (file, args, timeoutMs) =>
    command('ip', ['netns', 'exec', namespace, file, ...args], timeoutMs);
  await inside('sysctl', ['-qw', 'net.ipv6.conf.all.disable_ipv6=1']);
  await must('ip', ['-n', namespace, 'addr', 'add', address, 'dev', device]);
  await must('ip', ['-n', namespace, 'link', 'set', 'lo', 'up']);
  await must('ip', ['-n', namespace, 'link', 'set', device, 'up']);
  return {
    namespace,
    device,
    mac,
    run: inside,
    async stop() {
      await command('ip', ['-n', namespace, 'link', 'set', device, 'netns', '1']);
      await command('ip', ['netns', 'del', namespace]);
    },
  };
}

export interface Background {
  readonly child: ChildProcess;
  readonly stdout: () => string;
  readonly stderr: () => string;
  readonly exited: Promise<{ status: number | null; signal: NodeJS.Signals | null }>;
  /** Waits for a line of stdout or stderr that matches. */
  line(pattern: RegExp, deadlineMs?: number): Promise<string>;
  stop(signal?: NodeJS.Signals): Promise<{ status: number | null; signal: NodeJS.Signals | null }>;
}

/** Starts a command in the background. */
export function background(file: string, args: readonly string[]): Background {
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    stdout += chunk;
  });
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk;
  });
  let over = false;
  const exited = new Promise<{ status: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.on('close', (status, signal) => {
      over = true;
      resolve({ status, signal });
    });
    child.on('error', (error) => {
      over = true;
      stderr += String(error);
      resolve({ status: 127, signal: null });
    });
  });
  const find = (pattern: RegExp): string | undefined =>
    `${stdout}\n${stderr}`.split('\n').find((candidate) => pattern.test(candidate));
  return {
    child,
    stdout: () => stdout,
    stderr: () => stderr,
    exited,
    line: (pattern, deadlineMs = 60_000) =>
      until(
        `a line matching ${pattern}`,
        () => {
          const found = find(pattern);
          if (found === undefined && over) {
            throw new Error(`${file} ended before a line matched ${pattern}:\n${stdout}${stderr}`);
          }
          return found;
        },
        deadlineMs,
      ),
    async stop(signal = 'SIGTERM') {
      if (!over) child.kill(signal);
      return exited;
    },
  };
}

/** `ndis-vfio up` as a child, ready when it says that it runs. */
export async function daemonUp(bdf: string, tap: string, extra: readonly string[] = []): Promise<Background> {
  const daemon = background(process.execPath, [CLI, 'up', bdf, '--tap', tap, ...extra]);
  await daemon.line(/link up/i);
  return daemon;
}

export interface PingResult {
  readonly sent: number;
  readonly received: number;
  readonly duplicates: number;
  readonly text: string;
}

/** How commands are run: here ({@link command}) or in a namespace ({@link Partner.run}). */
export type Runner = (file: string, args: readonly string[], timeoutMs?: number) => Promise<CommandResult>;

/** Runs ping and reads its summary. */
export async function ping(
  run: Runner,
  target: string,
  count: number,
  bytes: number,
  intervalSeconds = 0.005,
): Promise<PingResult> {
  const args = ['-q', '-c', String(count), '-s', String(bytes), '-i', String(intervalSeconds), '-W', '5', target];
  const { stdout, stderr } = await run('ping', args, 600_000);
  const summary = /(\d+) packets transmitted, (\d+) received/.exec(stdout);
  if (summary === null) throw new Error(`ping gave no summary: ${stdout}${stderr}`);
  return {
    sent: Number(summary[1]),
    received: Number(summary[2]),
    duplicates: Number(/\+(\d+) duplicates/.exec(stdout)?.[1] ?? 0),
    text: stdout.trim().split('\n').slice(-2).join('; '),
  };
}

export interface IperfResult {
  /** Received rate in Mbit/s. */
  readonly mbps: number;
  readonly retransmits: number;
  /** Longest run of intervals (0.5 s each) without a byte. */
  readonly longestStallSeconds: number;
  /** How long the client says it ran. */
  readonly seconds: number;
}

/** One iperf3 TCP run against a server at `target`; `reverse` lets the server send. @throws Error when it does not end well. */
export async function iperf(run: Runner, target: string, seconds: number, reverse: boolean): Promise<IperfResult> {
  const args = ['-c', target, '-J', '-t', String(seconds), '-i', '0.5', '--connect-timeout', '5000'];
  const { stdout, stderr } = await run('iperf3', reverse ? [...args, '-R'] : args, (seconds + 30) * 1000);
  const report = JSON.parse(stdout || '{}') as {
    error?: string;
    intervals?: { sum: { bytes: number; seconds: number } }[];
    end?: { sum_received: { bits_per_second: number; seconds: number }; sum_sent: { retransmits?: number } };
  };
  if (report.error !== undefined || report.end === undefined) throw new Error(`iperf3: ${report.error ?? stderr}`);
  let stall = 0;
  let longest = 0;
  for (const { sum } of report.intervals ?? []) {
    stall = sum.bytes === 0 ? stall + sum.seconds : 0;
    longest = Math.max(longest, stall);
  }
  return {
    mbps: report.end.sum_received.bits_per_second / 1e6,
    retransmits: report.end.sum_sent.retransmits ?? 0,
    longestStallSeconds: longest,
    seconds: report.end.sum_received.seconds,
  };
}
