/**
 * A broken rule with everything known about it, and its renderings. Layer: ndis/verifier.
 * Invariant: a violation is plain data and stays true after the adapter has gone; rendering looks at nothing else.
 */
import { NdisVfioError } from '../../base/errors.ts';
import { irqlName } from '../irql.ts';
import type { KIRQL } from '../types.ts';

/** `error`: Windows would stop the machine. `warning`: wrong, yet it goes on. `advice`: slower or riskier than need be. */
export type Severity = 'error' | 'warning' | 'advice';

/** A broken rule. */
export interface Violation {
  /** Id of the rule in the table, e.g. `INT-10`, `0x7C/0x1F`, `NdisStallExecution_Delay`. */
  readonly rule: string;
  /** Ids of rules that are broken by the same act. */
  readonly also: readonly string[];
  readonly severity: Severity;
  /** The rule in one sentence. */
  readonly text: string;
  /** What happened. */
  readonly what: string;
  /** Address of the adapter's function. */
  readonly adapter: string;
  /** State of the adapter, e.g. `Running`. */
  readonly state: string;
  /** The callback that ran, e.g. `MiniportInterruptDPC`; null: none of the miniport's. */
  readonly callback: string | null;
  /** True: the callback had returned already; a timer or promise of the miniport's own was running. */
  readonly afterCallback: boolean;
  readonly irql: KIRQL;
  /** Interrupt message the callback served, or null. */
  readonly message: number | null;
  /** The miniport's own frames, innermost first; for something left behind, of where it was made. */
  readonly stack: readonly string[];
  /** Microseconds of the adapter's clock. */
  readonly timeUs: number;
  /** Page of the WDK documentation, by its file name. */
  readonly page: string;
  /** Address of that page. */
  readonly url: string;
  readonly fix: string;
  /** Bug check code and its four parameters. */
  readonly bugCheck: readonly [code: number, p1: number, p2: number, p3: number, p4: number];
}

/** Thrown into the miniport in mode `throw`. */
export class VerifierError extends NdisVfioError {
  readonly violation: Violation;

  constructor(violation: Violation) {
    super('E_MINIPORT', {
      action: `The verifier stopped ${violation.adapter}`,
      cause: `${violation.rule}: ${violation.what}`,
      cure: violation.fix,
    });
    this.name = 'VerifierError';
    this.violation = violation;
  }
}

/** In which callback, at which IRQL, for which message. */
export function placeOf(violation: Violation): string {
  const { callback, afterCallback, message, irql } = violation;
  const where = callback === null ? 'no callback' : afterCallback ? `left running by ${callback}` : callback;
  return `${where}${message === null ? '' : `, message ${message}`}, at ${irqlName(irql)}`;
}

/** Several lines for people, without a final line feed. */
export function formatViolation(violation: Violation): string {
  const { rule, also, severity, what, text, adapter, state, stack, fix, url } = violation;
  const lines = [
    `${severity}: ${rule}${also.length === 0 ? '' : ` (also ${also.join(', ')})`}`,
    `  what   ${what}`,
    `  rule   ${text}`,
    `  where  ${adapter} (${state}), ${placeOf(violation)}`,
    ...stack.slice(0, 5).map((line, index) => `  ${index === 0 ? 'code ' : '     '}  ${line}`),
    `  fix    ${fix}`,
    `  page   ${url}`,
  ];
  return lines.join('\n');
}

/** The violation as one line of JSON. */
export function violationToJson(violation: Violation): string {
  return JSON.stringify(violation);
}

/** The violation as the blue screen would put it: code, name and four parameters. */
export function formatBugCheck(violation: Violation): string {
  const [code, ...parameters] = violation.bugCheck;
  const name = BUG_CHECK_NAMES[code] ?? 'UNKNOWN';
  const list = parameters.map((value) => `0x${value.toString(16).toUpperCase().padStart(8, '0')}`).join(', ');
  return `*** STOP: 0x${code.toString(16).toUpperCase().padStart(8, '0')} (${list})\n    ${name}: ${violation.what}`;
}

const BUG_CHECK_NAMES: Readonly<Record<number, string>> = {
  0x7c: 'BUGCODE_NDIS_DRIVER',
  0xc4: 'DRIVER_VERIFIER_DETECTED_VIOLATION',
  0x133: 'DPC_WATCHDOG_VIOLATION',
};

const LEARN = 'https://learn.microsoft.com/windows-hardware/drivers';

/** Address of a page of the WDK documentation from its file name. */
export function pageUrl(page: string): string {
  const ddi = /^n[fcse]-([a-z0-9]+)-/.exec(page);
  if (ddi !== null) return `${LEARN}/ddi/${ddi[1]}/${page}`;
  if (page.startsWith('bug-check-')) return `${LEARN}/debugger/${page}`;
  return `${LEARN}/${SDV_PAGE.test(page) ? 'devtest' : 'network'}/${page}`;
}

/** Rule pages of Static Driver Verifier and Driver Verifier: `ndis-irql-oid-function`, `ndis-doublecomplete`. */
const SDV_PAGE = /^(ndis-|sdv-)/;
