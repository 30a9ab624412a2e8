/**
 * `npm run ndistest`: runs the conformance list on simulated NICs, in the lab's guest, or on two real NICs by address, and
 * prints a log like NDISTest's. Layer: test (compiled to dist/test/conformance).
 * Invariant: exit status 0 only when every row that applies has passed, 1 when one failed, 2 for wrong arguments.
 */
import { createInterface, type Interface } from 'node:readline';
import { parseArgs } from 'node:util';
import { createGuestRunner } from './guest.ts';
import { CONFORMANCE } from './list.ts';
import { createMachineTarget } from './machine.ts';
import type { Row } from './row.ts';
import { formatResult, type Result, type RunOptions, runRow, summarize } from './run.ts';
import { createSimulatedTarget } from './simulated.ts';
import { CHIPS, type Chip } from './target.ts';

const USAGE = `usage: npm run ndistest [-- OPTIONS]
  --target simulated|guest   where to run (default: both)
  --chip igb|e1000e          which chip (default: both)
  --nic BDF --support BDF    on two real NICs of one model on one wire, bound to vfio-pci (scripts/bind-vfio.sh);
                             --nic is under test, --support is at the other end
  --only NAME                only rows whose name contains NAME; may be repeated
  --scale N                  multiplies numbers of frames and repetitions (default 1)
  --verify                   runs every adapter under the verifier: a violation fails the row
  --list                     prints the list and runs nothing
  --json                     results as one JSON document on standard output
`;

class UsageError extends Error {}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        target: { type: 'string' },
        chip: { type: 'string' },
        nic: { type: 'string' },
        support: { type: 'string' },
        only: { type: 'string', multiple: true },
        scale: { type: 'string' },
        verify: { type: 'boolean' },
        list: { type: 'boolean' },
        json: { type: 'boolean' },
        help: { type: 'boolean' },
        // Between the two halves of a run in the guest: results and requests for the cable as lines of their own.
        lab: { type: 'boolean' },
      },
    }).values;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function choose<T extends string>(what: string, given: string | undefined, all: readonly T[]): readonly T[] {
  if (given === undefined) return all;
  const found = all.find((one) => one === given);
  if (found === undefined) throw new UsageError(`--${what} is ${all.join(' or ')}, not "${given}"`);
  return [found];
}

function chooseRows(only: readonly string[] | undefined): readonly Row[] {
  if (only === undefined) return CONFORMANCE;
  const wanted = only.map((name) => name.toLowerCase());
  const rows = CONFORMANCE.filter((row) => wanted.some((name) => row.name.toLowerCase().includes(name)));
  if (rows.length === 0) throw new UsageError(`no row is called ${only.join(' or ')}; see --list`);
  return rows;
}

function printList(): void {
  for (const row of CONFORMANCE) {
    const expectation = CHIPS.map((chip) => {
      const applies = row.applies[chip];
      return `${chip}: ${applies === 'pass' ? 'pass' : 'n/a'}`;
    });
    console.log(`${row.name.padEnd(28)} ${expectation.join(', ').padEnd(24)} ${row.checks}`);
    const reasons = CHIPS.map((chip) => row.applies[chip]).flatMap((one) => (one === 'pass' ? [] : [one.because]));
    for (const because of new Set(reasons)) console.log(`${' '.repeat(29)}n/a: ${because}`);
  }
}

type Report = (result: Result) => void;

async function runSimulated(
  chips: readonly Chip[],
  rows: readonly Row[],
  options: RunOptions,
  report: Report,
): Promise<void> {
  for (const chip of chips) {
    for (const row of rows) {
      // A machine of its own for each row: nothing one leaves behind helps or hurts the next.
      const target = createSimulatedTarget(chip);
      try {
        report(await runRow(row, target, options));
      } finally {
        target.close();
      }
    }
  }
}

/** In the guest: the host switches the hub's port and answers with a line. */
function cableByHost(lines: Interface): (up: boolean) => Promise<void> {
  return (up) =>
    new Promise((resolve) => {
      lines.once('line', () => resolve());
      console.log(`@cable ${up ? 'up' : 'down'}`);
    });
}

async function main(): Promise<number> {
  const options = parse(process.argv.slice(2));
  if (options.help === true) {
    process.stdout.write(USAGE);
    return 0;
  }
  if (options.list === true) {
    printList();
    return 0;
  }
  const rows = chooseRows(options.only);
  const scale = Number(options.scale ?? 1);
  if (!(scale > 0)) throw new UsageError(`--scale is a number above 0, not "${options.scale}"`);
  const run = { scale, verify: options.verify === true };
  const quiet = options.json === true;
  const results: Result[] = [];
  const report: Report = (result) => {
    results.push(result);
    if (options.lab === true) console.log(`@result ${JSON.stringify(result)}`);
    else (quiet ? console.error : console.log)(formatResult(result));
  };
  if (options.nic !== undefined || options.support !== undefined) {
    if (options.nic === undefined || options.support === undefined) {
      throw new UsageError('--nic and --support come together: the NIC under test and the one at the other end');
    }
    const lines = options.lab === true ? createInterface({ input: process.stdin }) : undefined;
    const target = createMachineTarget({
      addresses: { dut: options.nic, support: options.support },
      emulated: options.lab === true,
      setCable: lines === undefined ? undefined : cableByHost(lines),
    });
    for (const row of rows) report(await runRow(row, target, run));
  } else {
    const targets = choose('target', options.target, ['simulated', 'guest'] as const);
    const chips = choose('chip', options.chip, CHIPS);
    if (targets.includes('simulated')) await runSimulated(chips, rows, run, report);
    const inGuest = createGuestRunner({ only: options.only ?? [], scale, verify: run.verify });
    if (targets.includes('guest')) for (const chip of chips) await inGuest(chip, rows, report);
  }
  if (quiet) console.log(JSON.stringify(results, null, 2));
  else if (options.lab !== true) console.log(`\n${summarize(results)}`);
  return results.some((result) => result.verdict === 'fail') ? 1 : 0;
}

process.exitCode = await main().catch((error: Error) => {
  console.error(error instanceof UsageError ? `${error.message}\n\n${USAGE}` : error.message);
  return error instanceof UsageError ? 2 : 1;
});
// Nothing may keep the process: what a failed row left open was closed with its NIC.
process.exit();
