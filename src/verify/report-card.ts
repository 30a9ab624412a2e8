/**
 * The report card, and as text. Layer: verify. Invariant: what must be done stands last, where the eye ends up.
 */
import { formatBugCheck, formatViolation, type Violation } from '../ndis/index.ts';

const RULE_WIDTH = 78;

/** One exercise over all loops. */
export interface ExerciseResult {
  readonly name: string;
  readonly summary: string;
  readonly runs: number;
  readonly failures: number;
  /** Why it failed the first time. */
  readonly firstFailure: string | null;
  /** Violations reported during it. */
  readonly violations: number;
}

/** A rule broken at a place, and how often. */
export interface Finding {
  readonly violation: Violation;
  readonly count: number;
  readonly exercises: readonly string[];
}

export interface ReportCard {
  readonly miniport: string;
  readonly target: string;
  readonly loops: number;
  readonly exercises: readonly ExerciseResult[];
  /** Errors and warnings, then advice. */
  readonly findings: readonly Finding[];
  readonly notes: readonly string[];
  readonly rules: { readonly watched: number; readonly broken: number; readonly notApplicable: number };
  readonly elapsedMs: number;
  /** No exercise failed, and no rule was broken (advice does not count). */
  readonly clean: boolean;
}

/** The card for a terminal, without a final line feed. */
export function formatReportCard(card: ReportCard): string {
  const lines = [
    `Report card of ${card.miniport}`,
    `on ${card.target}, ${card.loops} loop${card.loops === 1 ? '' : 's'}, ${(card.elapsedMs / 1000).toFixed(1)} s`,
    '',
    ...card.exercises.flatMap(exerciseLines),
    '',
    `  ${card.rules.watched} rules watched, ${card.rules.broken} broken (${card.rules.notApplicable} do not apply to an Ethernet miniport here)`,
  ];
  for (const note of card.notes) lines.push(`  note: ${note}`);
  for (const [index, finding] of card.findings.entries()) {
    const { violation, count, exercises } = finding;
    lines.push('', `${'-'.repeat(RULE_WIDTH)}`);
    lines.push(`${index + 1}. ${count} time${count === 1 ? '' : 's'}, in ${exercises.join(', ')}`);
    lines.push(formatViolation(violation));
    if (violation.severity === 'error') lines.push(indent(formatBugCheck(violation)));
  }
  lines.push('', verdict(card));
  return lines.join('\n');
}

function exerciseLines(one: ExerciseResult): string[] {
  const passed = one.failures === 0 && one.violations === 0;
  const mark = passed ? 'pass' : 'FAIL';
  const lines = [`  ${mark}  ${one.name.padEnd(9)} ${one.summary} (${one.runs} run${one.runs === 1 ? '' : 's'})`];
  if (one.firstFailure !== null) lines.push(`        ${one.failures} failed; first: ${one.firstFailure}`);
  if (one.violations > 0)
    lines.push(`        ${one.violations} broken rule${one.violations === 1 ? '' : 's'}, see below`);
  return lines;
}

function indent(text: string): string {
  return text
    .split('\n')
    .map((line) => `  ${line}`)
    .join('\n');
}

function verdict(card: ReportCard): string {
  if (card.clean) return 'Clean: no rule broken, no exercise failed.';
  const failed = card.exercises.filter((one) => one.failures > 0).length;
  const parts = [
    ...(card.rules.broken > 0 ? [`${card.rules.broken} rule${card.rules.broken === 1 ? '' : 's'} broken`] : []),
    ...(failed > 0 ? [`${failed} exercise${failed === 1 ? '' : 's'} failed`] : []),
  ];
  return `Not clean: ${parts.join(', ')}.`;
}
