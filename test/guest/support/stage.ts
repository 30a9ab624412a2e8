/**
 * What stands on the guest's stage between two cases: the link partner, the daemons and the load. Layer: test.
 * Invariant: one module instance per guest (the agent imports it once), and every name below is ended by its own
 * function; `leftovers` looks at the kernel, never at what this file believes.
 */
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { connect } from 'node:net';
import {
  type Background,
  background,
  bindVfio,
  CLI,
  kernelPartner,
  must,
  type Partner,
  ping,
  until,
} from '../../../scripts/guest/tools.ts';
import {
  decodeResponse,
  encodeRequest,
  type MethodName,
  type Methods,
  SOCKET_FOLDER,
  socketPath,
} from '../../../src/control/messages.ts';

export const HERE = '10.77.0.1';
export const THERE = '10.77.0.2';
export const PREFIX_LENGTH = 24;
/** Interface of the daemon under test. */
export const TAP = 'tap0';

let thePartner: Partner | undefined;
const daemons = new Map<string, Background>();
let theLoad: Background | undefined;

/** Binds `own` to vfio-pci and gives `other` to the kernel's driver in a namespace. */
export async function setStage(own: string, other: string): Promise<{ device: string; mac: string }> {
  await thePartner?.stop();
  // Ours first: loading the kernel's driver hands it every function that is not spoken for.
  await bindVfio(own);
  thePartner = await kernelPartner(other, 'partner', `${THERE}/${PREFIX_LENGTH}`);
  return { device: thePartner.device, mac: thePartner.mac };
}

export function partner(): Partner {
  if (thePartner === undefined) throw new Error('setStage comes first');
  return thePartner;
}

/** A daemon that was started and not yet awaited. */
export function daemon(bdf: string): Background {
  const running = daemons.get(bdf);
  if (running === undefined) throw new Error(`no daemon was started for ${bdf}`);
  return running;
}

/** Starts `ndis-vfio up` and waits until it runs; with `linkUp` also for the link and a configured TAP. */
export async function startDaemon(
  bdf: string,
  extra: readonly string[] = [],
  { linkUp = true, mtu = 1500 }: { linkUp?: boolean; mtu?: number } = {},
): Promise<Background> {
  // Left by a test that failed half-way: it must not fail the next one too.
  if (daemons.has(bdf)) await stopDaemon(bdf, 'SIGKILL');
  const mtuArgs = mtu === 1500 ? [] : ['--mtu', String(mtu)];
  const running = background(process.execPath, [CLI, 'up', bdf, '--tap', TAP, ...mtuArgs, ...extra]);
  daemons.set(bdf, running);
  await running.line(/ running: /);
  if (linkUp) {
    await running.line(/ link up/);
    await must('ip', ['addr', 'add', `${HERE}/${PREFIX_LENGTH}`, 'dev', TAP]);
  }
  return running;
}

/** Waits until the partner has its carrier and answers: QEMU drops what arrives before autonegotiation is over. */
export async function firstReply(): Promise<void> {
  await until('the partner having its carrier', async () => {
    const { stdout } = await partner().run('cat', [`/sys/class/net/${partner().device}/carrier`]);
    return stdout.startsWith('1');
  });
  await until('a first reply to ping', async () => (await ping(partner().run, HERE, 1, 56)).received === 1);
}

/** Ends a daemon with a signal and tells how that went. */
export async function stopDaemon(bdf: string, signal: NodeJS.Signals = 'SIGTERM'): Promise<DaemonEnd> {
  const running = daemon(bdf);
  const from = performance.now();
  running.child.kill(signal);
  const { status, signal: by } = await running.exited;
  daemons.delete(bdf);
  return { status, signal: by, elapsedMs: performance.now() - from, output: running.stdout() + running.stderr() };
}

export interface DaemonEnd {
  readonly status: number | null;
  readonly signal: string | null;
  /** From the signal, or from the call that waited, to the end of the process. */
  readonly elapsedMs: number;
  readonly output: string;
}

/** Waits for a daemon that ends by itself. */
export async function awaitDaemon(bdf: string, deadlineMs: number): Promise<DaemonEnd> {
  const running = daemon(bdf);
  const from = performance.now();
  let end: { status: number | null; signal: string | null } | undefined;
  void running.exited.then((result) => {
    end = result;
  });
  const { status, signal } = await until('the end of the daemon', () => end, deadlineMs).catch((error: Error) => {
    throw new Error(`${error.message}; so far it said:\n${running.stdout()}${running.stderr()}`);
  });
  daemons.delete(bdf);
  return { status, signal, elapsedMs: performance.now() - from, output: running.stdout() + running.stderr() };
}

/** Lines of a daemon so far that match. */
export function linesOf(bdf: string, pattern: RegExp): string[] {
  const running = daemon(bdf);
  return `${running.stdout()}\n${running.stderr()}`.split('\n').filter((text) => pattern.test(text));
}

/** One request to the daemon's socket, without the cost of starting the command line. */
export function rpc<Name extends MethodName>(
  bdf: string,
  method: Name,
  params: Methods[Name]['params'],
): Promise<Methods[Name]['result']> {
  return new Promise((resolve, reject) => {
    const socket = connect(socketPath(bdf));
    let text = '';
    socket.setEncoding('utf8');
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('the daemon closed the connection')));
    socket.on('data', (chunk: string) => {
      text += chunk;
      const end = text.indexOf('\n');
      if (end < 0) return;
      socket.end();
      try {
        resolve(decodeResponse(text.slice(0, end)).result as Methods[Name]['result']);
      } catch (error) {
        reject(error);
      }
    });
    socket.write(encodeRequest(1, method, params));
  });
}

/**
 * Load from the partner: a flood ping with 40 requests under way, so that frames go both ways without pause. It goes on
 * while no daemon runs: the neighbour entry is permanent, so the NIC is hit before, during and after every start.
 */
export async function startLoad(mac: string): Promise<void> {
  const { namespace, device } = partner();
  await must('ip', ['-n', namespace, 'neigh', 'replace', HERE, 'lladdr', mac, 'dev', device, 'nud', 'permanent']);
  theLoad = background('ip', ['netns', 'exec', namespace, 'ping', '-f', '-q', '-l', '40', '-s', '1400', HERE]);
}

export async function stopLoad(): Promise<void> {
  await theLoad?.stop('SIGINT');
  theLoad = undefined;
}

export function tapExists(name: string): boolean {
  return existsSync(`/sys/class/net/${name}`);
}

/** Frames the TAP has carried to the kernel. */
export function tapReceived(name: string): number {
  try {
    return Number(readFileSync(`/sys/class/net/${name}/statistics/rx_packets`, 'utf8'));
  } catch {
    return 0;
  }
}

export interface Leftovers {
  /** Interfaces of the root namespace, without lo. */
  readonly interfaces: readonly string[];
  readonly sockets: readonly string[];
  /** Processes that hold something below /dev/vfio or /dev/net/tun open. */
  readonly holders: readonly string[];
}

const HELD = /^\/dev\/(vfio\/|net\/tun)/;

/** What a daemon that ended must not have left. */
export function leftovers(): Leftovers {
  const holders: string[] = [];
  for (const pid of list('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    for (const fd of list(`/proc/${pid}/fd`)) {
      const target = link(`/proc/${pid}/fd/${fd}`);
      if (HELD.test(target)) holders.push(`${pid} ${target}`);
    }
  }
  return {
    interfaces: list('/sys/class/net').filter((name) => name !== 'lo'),
    sockets: list(SOCKET_FOLDER).filter((name) => name.endsWith('.sock')),
    holders,
  };
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
