/**
 * Builds the command line from the table and runs it. Layer: cli.
 * Invariants: returns an exit status and never calls process.exit; every failure is one message of the form
 * "ndis-vfio: CODE: action: cause." with the cure on the next line; a stack only with --debug.
 */
import { Command, CommanderError, Option } from 'commander';
import { type ErrorCode, NdisVfioError } from '../base/errors.ts';
import { EXIT_STATUS } from '../daemon/index.ts';
import type { CommandSpec, OptionSpec } from './command.ts';
import { COMMANDS, EXIT_STATUS_HELP, GROUPS } from './commands.ts';

/** Where the program writes; tests supply their own. */
export interface Output {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

const USAGE_CODES: ReadonlySet<ErrorCode> = new Set(['E_OPTION', 'E_BAD_ADDRESS', 'E_MTU']);

/** Runs a command line (without node and script name). @returns the exit status */
export async function runProgram(
  args: readonly string[],
  version: string,
  output: Output,
  commands: readonly CommandSpec[] = COMMANDS,
): Promise<number> {
  let status: number = EXIT_STATUS.ok;
  const program = buildProgram(version, output, commands, (result) => {
    status = result;
  });
  try {
    await program.parseAsync([...args], { from: 'user' });
    return status;
  } catch (error) {
    if (error instanceof CommanderError) {
      // Help and version come as errors of exit status 0; a missing subcommand prints the help as an error.
      if (error.exitCode === 0) return EXIT_STATUS.ok;
      if (error.code === 'commander.help') return EXIT_STATUS.usage;
      output.err(formatError(usageError(error, args)));
      return EXIT_STATUS.usage;
    }
    output.err(formatError(error, args.includes('--debug')));
    return exitStatusOf(error);
  }
}

function exitStatusOf(error: unknown): number {
  if (!(error instanceof NdisVfioError)) return EXIT_STATUS.failure;
  if (error.code === 'E_DEVICE_GONE') return EXIT_STATUS.gone;
  return USAGE_CODES.has(error.code) ? EXIT_STATUS.usage : EXIT_STATUS.failure;
}

/** An error as the user sees it, with line feed. */
export function formatError(error: unknown, debug = false): string {
  if (!(error instanceof NdisVfioError)) {
    const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    const stack = debug && error instanceof Error ? `${error.stack}\n` : '';
    return `ndis-vfio: E_INTERNAL: ${text}.\n  This is a fault of the program; run again with --debug and report it\n${stack}`;
  }
  const { action, cause, cure } = error.text;
  const stack = debug ? `${error.stack}\n${debugOrigin(error.origin)}` : '';
  return `ndis-vfio: ${error.code}: ${action}: ${cause}.\n  ${cure}\n${stack}`;
}

function debugOrigin(origin: unknown): string {
  if (origin === undefined) return '';
  return `origin: ${origin instanceof Error ? origin.stack : String(origin)}\n`;
}

function buildProgram(
  version: string,
  output: Output,
  commands: readonly CommandSpec[],
  finish: (status: number) => void,
): Command {
  const program = new Command('ndis-vfio');
  configure(program, output);
  program.description('Runs an Intel NIC from TypeScript over vfio-pci and bridges it to a TAP interface.');
  program.version(version, '--version', 'print the version').helpOption('-h, --help', 'show help');
  program.addHelpText(
    'after',
    `\nExit status:\n${EXIT_STATUS_HELP.map(([code, text]) => `  ${code}  ${text}`).join('\n')}`,
  );
  const groups = new Map<string, Command>();
  for (const spec of commands) {
    const [first = '', second] = spec.path;
    let parent = program;
    if (second !== undefined) {
      let group = groups.get(first);
      if (group === undefined) {
        group = program.command(first).description(GROUPS[first] ?? '');
        configure(group, output);
        groups.set(first, group);
      }
      parent = group;
    }
    addCommand(parent.command(second ?? first), spec, output, finish);
  }
  return program;
}

function configure(command: Command, output: Output): void {
  command.exitOverride();
  command.helpCommand(false);
  command.configureOutput({ writeOut: output.out, writeErr: output.err, outputError: () => undefined });
}

function addCommand(command: Command, spec: CommandSpec, output: Output, finish: (status: number) => void): void {
  configure(command, output);
  command.summary(spec.summary).description(sentence(spec));
  command.helpOption('-h, --help', 'show help');
  for (const argument of spec.arguments) {
    command.argument(argument.optional === true ? `[${argument.name}]` : `<${argument.name}>`, argument.summary);
  }
  for (const option of spec.options) command.addOption(buildOption(option));
  command.option('--debug', 'show where an error arose');
  const examples = spec.examples.map(([line, remark]) => `  ndis-vfio ${line}\n      ${remark}`).join('\n');
  command.addHelpText('after', `\nExamples:\n${examples}`);
  command.action(async () => {
    finish(await spec.run(command.args, command.opts()));
  });
}

function sentence(spec: CommandSpec): string {
  const summary = spec.summary.charAt(0).toUpperCase() + spec.summary.slice(1);
  return spec.description === undefined ? `${summary}.` : `${summary}.\n${spec.description}`;
}

function buildOption(spec: OptionSpec): Option {
  const option = new Option(spec.flags, spec.summary);
  if (spec.required === true) option.makeOptionMandatory();
  if (spec.choices !== undefined) option.choices(spec.choices);
  if (spec.parse !== undefined) option.argParser(spec.parse);
  return option;
}

/** commander's message without its prefix; its "(Did you mean ...?)" line stays in the cause. */
function usageError(error: CommanderError, args: readonly string[]): NdisVfioError {
  const cause = error.message
    .replace(/^error: /, '')
    .replace(/\n\(Did you mean (.*)\?\)$/, ' (did you mean $1?)')
    .replace(/\.$/, '');
  const words = args.filter((word) => !word.startsWith('-'));
  const known = COMMANDS.find((spec) => spec.path.every((word, index) => words[index] === word));
  const shown = known === undefined ? '' : `${known.path.join(' ')} `;
  return new NdisVfioError('E_OPTION', {
    action: 'Cannot run this command line',
    cause,
    cure: `See: ndis-vfio ${shown}--help`,
  });
}
