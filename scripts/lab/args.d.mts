/** Types of args.mjs for the tests. Layer: scripts. */
import type { BootOptions } from './lab.mjs';

export const USAGE: string;
/** @throws LabError LAB_OPTION */
export function parseLabArgs(argv: readonly string[]): {
  help: boolean;
  shell: boolean;
  console: boolean;
  boot: BootOptions;
};
