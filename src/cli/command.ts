/**
 * The shape of a subcommand. Layer: cli. Invariant: a command is data plus one function, so that help, completion and
 * manual pages can be made from the table in commands.ts without running anything.
 */

export interface ArgumentSpec {
  readonly name: string;
  readonly summary: string;
  readonly optional?: boolean;
}

export interface OptionSpec {
  /** In commander's notation: `--tap <NAME>`. */
  readonly flags: string;
  readonly summary: string;
  readonly required?: boolean;
  readonly choices?: readonly string[];
  /** Turns the text into a value. @throws NdisVfioError for a malformed one. */
  readonly parse?: (text: string) => unknown;
}

export interface CommandSpec {
  /** Words after the program's name: `['vector', 'disable']`. */
  readonly path: readonly string[];
  readonly summary: string;
  /** A paragraph for --help. */
  readonly description?: string;
  readonly arguments: readonly ArgumentSpec[];
  readonly options: readonly OptionSpec[];
  /** Command lines without the program's name, each with a remark. */
  readonly examples: readonly (readonly [line: string, remark: string])[];
  /** Runs it; returns the exit status. `options` are keyed by the long flag in camelCase. */
  run(args: readonly (string | undefined)[], options: Readonly<Record<string, unknown>>): Promise<number>;
}
