/**
 * Guest side of robustness.test.ts: what must survive cables, slots, signals and repetition. Layer: test.
 * Returns facts only; the host asserts.
 */
import {
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { basename, dirname } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { bindVfio, sleep, until } from '../../../scripts/guest/tools.ts';
import { linuxMachine } from '../../../src/application/linux-machine.ts';
import { openAdapter, startAdapter } from '../../../src/application/open-adapter.ts';
import { watchEnd } from '../../../src/application/watch-end.ts';
import { loadAddon } from '../../../src/host/index.ts';
import * as stage from '../support/stage.ts';

/** Send slots of an adapter opened here, in bytes: 64 of 2 KiB. */
const SEND_BYTES = 64 * 2048;

export interface ProcessFacts {
  readonly fds: number;
  /** Mappings of VFIO regions in the address space. */
  readonly deviceMappings: number;
  /** Kilobytes pinned for DMA, as the kernel counts them. */
  readonly lockedKiB: number;
  readonly rssMiB: number;
  /** Open native handles of every kind together. */
  readonly handles: number;
  readonly threads: number;
}

function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}

function facts(): ProcessFacts {
  const status = readFileSync('/proc/self/status', 'utf8');
  const number = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1]);
  const maps = readFileSync('/proc/self/maps', 'utf8').split('\n');
  return {
    // Listing the folder opens one descriptor more, every time.
    fds: readdirSync('/proc/self/fd').length,
    deviceMappings: maps.filter((text) => /vfio/.test(text) && !/\.node$/.test(text)).length,
    lockedKiB: number('VmLck'),
    rssMiB: number('VmRSS') / 1024,
    handles: Object.values(loadAddon().handleCounts()).reduce((sum, count) => sum + count, 0),
    threads: number('Threads'),
  };
}

export interface OpenCloseResult {
  readonly first: ProcessFacts;
  readonly last: ProcessFacts;
  /** While the adapter of the last round was open: proves that the counters count. */
  readonly open: ProcessFacts;
  readonly rounds: number;
  readonly secondsPerRound: number;
  readonly macs: readonly string[];
}

/** Opens, starts and closes one function `rounds` times in this process; `first` is taken after `warmUp` of them. */
export async function openClose({
  bdf,
  rounds,
  warmUp = 5,
}: {
  bdf: string;
  rounds: number;
  warmUp?: number;
}): Promise<OpenCloseResult> {
  let first: ProcessFacts | undefined;
  let open: ProcessFacts | undefined;
  const macs = new Set<string>();
  const from = performance.now();
  for (let round = 1; round <= rounds; round++) {
    const opened = await openAdapter(linuxMachine, bdf, {}, SEND_BYTES);
    try {
      await opened.adapter.initialize();
      await startAdapter(opened, false);
      macs.add(Buffer.from(opened.adapter.macAddress).toString('hex'));
      if (round === rounds) open = facts();
    } finally {
      await opened.close();
    }
    if (round === warmUp) {
      collectGarbage();
      first = facts();
    }
  }
  const secondsPerRound = (performance.now() - from) / 1000 / rounds;
  collectGarbage();
  await sleep(50);
  return { first: first!, last: facts(), open: open!, rounds, secondsPerRound, macs: [...macs] };
}

export interface KillRound {
  /** From the start of the process to a link that is up. */
  readonly upMs: number;
  /** Frames the TAP had received when the daemon was killed. */
  readonly frames: number;
  readonly signal: string | null;
}

/** SIGKILL under load, then the next start at once, `rounds` times; the last daemon keeps running. */
export async function killUnderLoad({ bdf, rounds }: { bdf: string; rounds: number }): Promise<KillRound[]> {
  const done: KillRound[] = [];
  for (let round = 0; round <= rounds; round++) {
    const from = performance.now();
    await stage.startDaemon(bdf);
    const upMs = performance.now() - from;
    if (round === 0) await stage.startLoad((await stage.rpc(bdf, 'status', {})).mac);
    const frames = await until('load on the TAP', () => {
      const count = stage.tapReceived(stage.TAP);
      return count > 200 && count;
    });
    if (round === rounds) break;
    const { signal } = await stage.stopDaemon(bdf, 'SIGKILL');
    done.push({ upMs, frames, signal });
  }
  await stage.stopLoad();
  await stage.firstReply();
  return done;
}

export interface LinkFacts {
  /** Text of the link events so far, oldest first. */
  readonly events: readonly string[];
  readonly carrier: string;
  readonly running: boolean;
}

/** Waits until the daemon has said `count` things about its link, then a little for one too many. */
export async function linkEvents({ bdf, count }: { bdf: string; count: number }): Promise<LinkFacts> {
  const events = (): string[] => stage.linesOf(bdf, / link /).map((text) => text.replace(/^.* link /, ''));
  await until(`link event ${count}`, () => events().length >= count, 15_000);
  await sleep(300);
  const flags = Number.parseInt(readFileSync(`/sys/class/net/${stage.TAP}/flags`, 'utf8'), 16);
  return {
    events: events(),
    carrier: readFileSync(`/sys/class/net/${stage.TAP}/carrier`, 'utf8').trim(),
    running: (flags & 1) !== 0,
  };
}

export async function startLoad({ bdf }: { bdf: string }): Promise<void> {
  await stage.startLoad((await stage.rpc(bdf, 'status', {})).mac);
  await until('load on the TAP', () => stage.tapReceived(stage.TAP) > 200);
}

export function stopLoad(): Promise<void> {
  return stage.stopLoad();
}

export interface RemovalFacts {
  readonly end: stage.DaemonEnd;
  readonly left: stage.Leftovers;
}

/** Waits for a daemon that ends because its device is taken away. */
export async function awaitEnd({ bdf, deadlineMs }: { bdf: string; deadlineMs: number }): Promise<RemovalFacts> {
  const end = await stage.awaitDaemon(bdf, deadlineMs);
  return { end, left: stage.leftovers() };
}

export function present({ bdf }: { bdf: string }): boolean {
  return readdirSync('/sys/bus/pci/devices').includes(bdf);
}

/** Waits for a function that was plugged in and binds it. */
export async function awaitAndBind({ bdf }: { bdf: string }): Promise<string> {
  await until(`${bdf} being plugged in`, () => present({ bdf }), 20_000);
  await bindVfio(bdf);
  return basename(readlinkSync(`/sys/bus/pci/devices/${bdf}/driver`));
}

/** Slot Control of the PCI Express capability and the two fields that cut the power [PCIe 7.5.3.10]. */
const PCI_CAPABILITIES_POINTER = 0x34;
const PCI_CAP_ID_EXPRESS = 0x10;
const PCIE_SLOT_CONTROL = 0x18;
const SLOT_CONTROL_POWER_INDICATOR_OFF = 0x0300;
const SLOT_CONTROL_POWER_OFF = 0x0400;

/** Cuts the power of the slot of `bdf`, as a hand that pulls the card: the driver is not asked. */
export function powerOffSlot({ bdf }: { bdf: string }): string {
  const port = dirname(realpathSync(`/sys/bus/pci/devices/${bdf}`));
  const config = readFileSync(`${port}/config`);
  let at = config[PCI_CAPABILITIES_POINTER]!;
  while (at !== 0 && config[at] !== PCI_CAP_ID_EXPRESS) at = config[at + 1]!;
  if (at === 0) throw new Error(`${port} has no PCI Express capability`);
  const offset = at + PCIE_SLOT_CONTROL;
  const value = config.readUInt16LE(offset) | SLOT_CONTROL_POWER_INDICATOR_OFF | SLOT_CONTROL_POWER_OFF;
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  writeAt(`${port}/config`, bytes, offset);
  return basename(port);
}

/**
 * Takes a function's reset methods away. After a power cut the kernel polls a function that cannot answer for a minute
 * when it is closed (pci_dev_wait); that wait is the kernel's, and a test need not sit through it.
 */
export function withoutReset({ bdf }: { bdf: string }): string {
  writeFileSync(`/sys/bus/pci/devices/${bdf}/reset_method`, '\n');
  return readFileSync(`/sys/bus/pci/devices/${bdf}/reset_method`, 'utf8').trim();
}

const PCI_COMMAND = 4;
const PCI_COMMAND_MEMORY = 2;

export interface GoneFacts {
  readonly kind: string;
  readonly code: string;
  readonly message: string;
  readonly afterMs: number;
  /** Open native handles after close. */
  readonly handles: number;
  readonly lockedKiB: number;
}

/**
 * Switches off memory decoding of a running function in configuration space: from then on every access to a mapped BAR
 * is a bus error. Waits for the adapter to notice, closes it.
 */
export async function memoryDecodeOff({ bdf }: { bdf: string }): Promise<GoneFacts> {
  const opened = await openAdapter(linuxMachine, bdf, {}, SEND_BYTES);
  try {
    await opened.adapter.initialize();
    await startAdapter(opened, false);
    const ended = new Promise<Parameters<Parameters<typeof watchEnd>[1]>[0]>((resolve) => watchEnd(opened, resolve));
    const command = new Uint8Array(2);
    opened.pci.readConfig(PCI_COMMAND, command);
    command[0] = command[0]! & ~PCI_COMMAND_MEMORY;
    const from = performance.now();
    opened.pci.writeConfig(PCI_COMMAND, command);
    const reason = await Promise.race([ended, sleep(15_000).then(() => undefined)]);
    const afterMs = performance.now() - from;
    await opened.close(true);
    const { handles, lockedKiB } = facts();
    if (reason === undefined) throw new Error('the adapter did not notice within 15 s');
    const error = reason.kind === 'removal' ? undefined : reason.error;
    return { kind: reason.kind, code: error?.code ?? '', message: error?.message ?? '', afterMs, handles, lockedKiB };
  } finally {
    opened.abandon();
  }
}

function writeAt(path: string, bytes: Uint8Array, offset: number): void {
  const fd = openSync(path, 'r+');
  try {
    writeSync(fd, bytes, 0, bytes.length, offset);
  } finally {
    closeSync(fd);
  }
}
