/**
 * The command table: one row per subcommand, in the order of the help. Layer: cli.
 * Invariant: help, "did you mean", and later completion and manual pages come from here; nothing else lists commands.
 */
import type { CommandSpec } from './command.ts';
import { listCommand } from './commands/list.ts';
import { statusCommand } from './commands/status.ts';
import { upCommand } from './commands/up.ts';
import { vectorDisableCommand, vectorEnableCommand } from './commands/vector.ts';
import { verifyCommand } from './commands/verify.ts';

export const COMMANDS: readonly CommandSpec[] = [
  upCommand,
  statusCommand,
  vectorDisableCommand,
  vectorEnableCommand,
  listCommand,
  verifyCommand,
];

/** Summaries of the words that only group commands. */
export const GROUPS: Readonly<Record<string, string>> = {
  vector: 'switch interrupt messages of a running NIC off and on',
};

/** Exit statuses as the help shows them; the numbers are those of EXIT_STATUS. */
export const EXIT_STATUS_HELP: readonly (readonly [status: number, meaning: string])[] = [
  [0, 'done, or stopped by SIGTERM or SIGINT'],
  [1, 'failed; standard error has code, cause and cure'],
  [2, 'the command line is wrong'],
  [3, 'the kernel asked for the device back (unbind, hot unplug)'],
  [4, 'the device no longer answers'],
];
