/**
 * Runs rows of the list on a target and judges them. Layer: test.
 * Invariants: a row that hangs, throws or breaks a rule fails and the next one starts on closed NICs; a row is `n/a` only
 * for a reason that stands in the list or is the target's, and the reason is part of the result.
 */
import { Bench } from './bench.ts';
import type { Row } from './row.ts';
import type { Target } from './target.ts';

export type Verdict = 'pass' | 'fail' | 'n/a';

export interface Result {
  readonly name: string;
  readonly checks: string;
  readonly chip: Target['chip'];
  readonly target: string;
  readonly verdict: Verdict;
  /** Real time. */
  readonly durationMs: number;
  /** What was seen; of a failure the reason first, of `n/a` why. */
  readonly evidence: readonly string[];
}

const LIMIT_MS = 120_000;

const NO_CABLE = 'nobody has a hand on this cable: run it in the lab, where the hub’s port is switched';

/** Why the row does not apply here, or undefined. */
function reasonAgainst(row: Row, target: Target): string | undefined {
  const expectation = row.applies[target.chip];
  if (expectation !== 'pass') return expectation.because;
  const here = row.notOn?.[target.kind];
  if (here !== undefined) return here;
  return row.needs === 'cable' && target.setCable === undefined ? NO_CABLE : undefined;
}

export interface RunOptions {
  /** Multiplies numbers of frames and repetitions; default 1. */
  readonly scale?: number;
  /** Run every adapter under NDIS's verifier: a violation fails the row. */
  readonly verify?: boolean;
  /** Name of the target in the results; default its kind. */
  readonly label?: string;
}

/** Runs one row; never rejects. */
export async function runRow(row: Row, target: Target, options: RunOptions = {}): Promise<Result> {
  const from = performance.now();
  const because = reasonAgainst(row, target);
  const work = because === undefined ? row.run : row.premise;
  const { scale = 1, verify = false, label = target.kind } = options;
  const bench = new Bench(target, scale, verify);
  const result = (verdict: Verdict, evidence: readonly string[]): Result => ({
    name: row.name,
    checks: row.checks,
    chip: target.chip,
    target: label,
    verdict,
    durationMs: Math.round(performance.now() - from),
    evidence,
  });
  if (work === undefined) {
    if (because !== undefined) return result('n/a', [because]);
    return result('fail', ['the list expects this row to pass and gives no test']);
  }
  try {
    const limitMs = (row.limitMs ?? LIMIT_MS) * Math.max(1, scale);
    await target.drive(
      work(bench).then(() => bench.finish()),
      limitMs,
    );
  } catch (error) {
    await target.drive(bench.abandon(), LIMIT_MS).catch(() => undefined);
    const reason = error instanceof Error ? error.message : String(error);
    const what = because === undefined ? reason : `the reason not to run it ("${because}") does not hold: ${reason}`;
    return result('fail', [what, ...bench.evidence]);
  }
  return because === undefined ? result('pass', bench.evidence) : result('n/a', [because, ...bench.evidence]);
}

/** A line per result and its evidence below, like NDISTest's log. */
export function formatResult(result: Result): string {
  const verdict = { pass: 'PASS', fail: 'FAIL', 'n/a': 'n/a ' }[result.verdict];
  const time = `${(result.durationMs / 1000).toFixed(2)} s`;
  const head = `${verdict}  ${result.name.padEnd(28)} ${result.chip.padEnd(7)} ${result.target.padEnd(10)} ${time.padStart(9)}`;
  return [head, ...result.evidence.map((line) => `        ${line}`)].join('\n');
}

/** The closing table: per target and chip how many rows passed, failed, did not apply. */
export function summarize(results: readonly Result[]): string {
  const groups = new Map<string, Result[]>();
  for (const result of results) {
    const key = `${result.target.padEnd(10)} ${result.chip.padEnd(7)}`;
    groups.set(key, [...(groups.get(key) ?? []), result]);
  }
  const lines = [...groups].map(([key, rows]) => {
    const count = (verdict: Verdict): number => rows.filter((row) => row.verdict === verdict).length;
    const applicable = rows.length - count('n/a');
    return `${key} ${count('pass')} of ${applicable} applicable rows passed, ${count('fail')} failed, ${count('n/a')} n/a`;
  });
  return lines.join('\n');
}
