/**
 * What the native suites share. Layer: test.
 * Invariant: anything that may end a process (exceptions, signals, worker threads, network namespaces) runs in a child
 * that prints one JSON line, so that a crash is a failed assertion and not a lost test run.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { NativeAddon } from '../../src/host/addon.ts';

export const BINARY = fileURLToPath(new URL('../../build/Release/ndis_vfio.node', import.meta.url));

export const addon = createRequire(import.meta.url)(BINARY) as NativeAddon;

export interface ChildResult<Result> {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
  /** The last line of stdout, parsed; undefined when the child printed nothing. */
  readonly result: Result | undefined;
}

export interface ChildOptions {
  readonly nodeOptions?: readonly string[];
  /** Runs in a network namespace of its own. */
  readonly isolated?: boolean;
}

/** Runs `fixtures/<fixture>.mjs SCENARIO` in a child process. */
export function runFixture<Result>(fixture: string, scenario: string, options: ChildOptions = {}): ChildResult<Result> {
  const file = fileURLToPath(new URL(`./fixtures/${fixture}.mjs`, import.meta.url));
  const command = [
    ...(options.isolated === true ? ['unshare', '--net', '--'] : []),
    process.execPath,
    ...(options.nodeOptions ?? []),
    file,
    BINARY,
    scenario,
  ];
  const run = spawnSync(command[0]!, command.slice(1), { encoding: 'utf8', timeout: 50_000 });
  const line = run.stdout.trim().split('\n').at(-1) ?? '';
  return {
    status: run.status,
    signal: run.signal,
    stderr: run.stderr,
    result: line === '' ? undefined : (JSON.parse(line) as Result),
  };
}

export function openFds(): number {
  return readdirSync('/proc/self/fd').length;
}

/** [code, syscall, step, class] of what the call throws. */
export function failureOf(body: () => unknown): [string, string, string, string] {
  try {
    body();
  } catch (error) {
    const { code, syscall, step, name } = error as { code: string; syscall: string; step: string; name: string };
    return [code, syscall, step, name];
  }
  throw new Error('nothing was thrown');
}

export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
