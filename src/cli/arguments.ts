/**
 * Checks of what users type, shared by the subcommands. Layer: cli.
 * Invariant: a malformed value ends here, with its own code, before any command starts to act.
 */
import { NdisVfioError } from '../base/errors.ts';
import { mtuError } from '../daemon/index.ts';

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

/** The MTU; its range is checked where it is used. @throws NdisVfioError E_MTU when it is no number. */
export function parseMtu(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw mtuError(text);
  return Number(text);
}
