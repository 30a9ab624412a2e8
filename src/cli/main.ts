#!/usr/bin/env node
/**
 * The executable. Layer: cli. Invariant: sets the exit status and ends by itself once nothing is open any more, so that
 * a handle left behind shows as a process that hangs, in tests, instead of being hidden by process.exit().
 */
import { readPackageVersion } from '../daemon/index.ts';
import { runProgram } from './program.ts';

process.exitCode = await runProgram(process.argv.slice(2), readPackageVersion(), {
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
});
