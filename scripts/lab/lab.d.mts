/**
 * Types of lab.mjs: the lab as a library, for the guest tests and the demonstration. Layer: scripts.
 */
import type { ChildProcess, SpawnOptions } from 'node:child_process';
import type { Writable } from 'node:stream';
import type { Kernel } from './kernel.mjs';

export type NicModel = 'igb' | 'e1000e';
export type WireName = 'hub' | 'null' | 'tap' | `stream:${string}` | `dgram:${string}`;

export interface NicOptions {
  readonly model: NicModel;
  /** Default `hub`. See `npm run lab -- --help`. */
  readonly wire?: WireName;
}

export interface BootOptions {
  /** Default two igb on one hub. */
  readonly nics?: readonly NicOptions[];
  /** Default 6.12. */
  readonly kernel?: '6.1' | '6.12';
  /** Default 2. */
  readonly cpus?: number;
  /** Default 3072. */
  readonly memoryMiB?: number;
  /** Default true. */
  readonly iommu?: boolean;
  /** For COMMAND, once it runs; default 600. The boot has a limit of its own. */
  readonly timeoutSeconds?: number;
  /** Path of a further QMP socket; `Guest.qmp` needs none. */
  readonly qmp?: string;
  /** Capture file of the first NIC; the next ones get `.1`, `.2` ... before the ending. */
  readonly dump?: string;
  /** Program and arguments; default a login shell. */
  readonly command?: readonly string[];
  /** Added to the small, fixed environment of COMMAND. */
  readonly env?: Readonly<Record<string, string>>;
  /** Working folder of COMMAND; default the root of the working tree. */
  readonly cwd?: string;
  /** The node COMMAND finds first in its PATH; default the running one. */
  readonly node?: string;
  /** Paths below the host's /tmp or /run that the guest is to see. */
  readonly visible?: readonly string[];
  /** Gives COMMAND a terminal of this size; then everything it writes counts as stdout. */
  readonly tty?: { readonly rows: number; readonly columns: number };
  /** 9p cache mode, default `mmap`. */
  readonly cache?: 'none' | 'mmap' | 'loose';
  /** Stops the guest. */
  readonly signal?: AbortSignal;
  /** What COMMAND writes, byte for byte, as it comes. */
  readonly onOutput?: (chunk: Buffer, stream: 'stdout' | 'stderr') => void;
  /** The kernel's console. */
  readonly onConsole?: (text: string) => void;
  /** What the lab has to say, such as that it boots a second time. */
  readonly onNotice?: (text: string) => void;
}

export interface NicInfo {
  readonly model: NicModel;
  /** Address in the guest, `0000:01:00.0` for the first. */
  readonly bdf: string;
  readonly mac: string;
  /** QMP id for device_del. */
  readonly device: string;
  /** QMP id for set_link. */
  readonly netdev: string;
  readonly wire: 'hub' | 'null' | 'tap' | 'stream' | 'dgram';
  readonly path?: string;
  /** Of a tap wire: network namespace on the host and device in it. */
  readonly netns?: string;
  readonly tap?: string;
  readonly dump?: string;
}

export interface Exit {
  /** Exit status of COMMAND, 128+n when it died by signal n, 137 when the guest was stopped. */
  readonly status: number;
  /** Signal COMMAND died by, or 0. */
  readonly signal: number;
  /** True when stop() ended the guest before COMMAND had ended. */
  readonly stopped: boolean;
}

export interface Guest {
  /** Process id of QEMU. */
  readonly pid: number | undefined;
  readonly nics: readonly NicInfo[];
  /** Seconds from QEMU's start to COMMAND's. */
  readonly bootSeconds: number;
  /** Boots it took: 1, or 2 after a hang. */
  readonly attempts: number;
  /** Resolves when QEMU has gone; rejects with LabError on time-out or when the guest died. Never unhandled. */
  readonly exited: Promise<Exit>;
  /** COMMAND's standard input. */
  readonly stdin: Writable;
  write(data: string | Uint8Array): boolean;
  /** End of COMMAND's input. */
  end(): void;
  /** Sends a signal to COMMAND and its process group. */
  signal(number: number): void;
  resize(rows: number, columns: number): void;
  /** Executes a QMP command and gives its `return` member. */
  // biome-ignore lint/suspicious/noExplicitAny: the shape depends on the command
  qmp(command: string, args?: Record<string, unknown>): Promise<any>;
  onQmpEvent(listener: (event: { event: string; data?: unknown }) => void): void;
  /** Last lines of the kernel's console. */
  console(): string[];
  /** Ends the guest and waits until everything is cleaned up. */
  stop(): Promise<void>;
}

export class LabError extends Error {
  readonly code: string;
  readonly action: string;
  readonly cause: string;
  readonly cure: string;
  constructor(code: string, parts: { action: string; cause: string; cure: string; detail?: string });
}

/** Exit status of `npm run lab` when the lab failed. */
export const LAB_FAILED: 125;
export const DEFAULTS: {
  readonly cpus: 2;
  readonly memoryMiB: 3072;
  readonly timeoutSeconds: 600;
  readonly kernel: '6.12';
};

export function bootLimitMs(machine?: { load?: number; cpus?: number; env?: NodeJS.ProcessEnv }): number;

/** What tests of the lab put in the place of QEMU and its files. */
export interface BootSeams {
  readonly spawn?: (program: string, args: readonly string[], options: SpawnOptions) => ChildProcess;
  readonly limitMs?: number;
  readonly qemu?: { readonly path: string; readonly version: readonly [number, number] };
  readonly kernel?: Kernel;
  readonly initramfs?: Buffer;
}

/** Boots a guest; resolves once COMMAND runs in it. */
export function bootLab(options: BootOptions, seams?: BootSeams): Promise<Guest>;
