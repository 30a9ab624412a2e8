/**
 * Checks of what users type, shared by the subcommands. Layer: cli.
 * Invariant: a malformed value ends here, with its own code, before any command starts to act.
 */
import { NdisVfioError } from '../base/errors.ts';

/** A parser for whole numbers of an option. @throws NdisVfioError E_OPTION. */
export function wholeNumber(what: string, example: string): (text: string) => number {
  return (text) => {
    if (!/^\d{1,9}$/.test(text)) {
      throw new NdisVfioError('E_OPTION', {
        action: `Cannot use ${JSON.stringify(text)} as ${what}`,
        cause: 'it is not a whole number',
        cure: `Write it like ${example}`,
      });
    }
    return Number(text);
  };
}

/** A parser for the MTU: text that is no number is as much out of range as a number that is. */
export function parseMtu(text: string): number {
  return /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
}
