/**
 * The shape of a row of the conformance list. Layer: test.
 * Invariant: every row says for each chip whether it must pass or why it does not apply, and where that reason can be
 * looked up in the adapter, `premise` does: a reason that no longer holds fails the row.
 */
import type { Bench } from './bench.ts';
import type { Chip, Target } from './target.ts';

/** `pass`, or why the row does not apply. */
export type Expectation = 'pass' | { readonly because: string };

/** What a row may need of its target. */
export type Need = 'cable';

export interface Row {
  /** NDISTest's name. */
  readonly name: string;
  /** What it checks, in our words: the end of "Checks that ...". */
  readonly checks: string;
  readonly applies: Readonly<Record<Chip, Expectation>>;
  /** Why it does not apply on a kind of target, where it does not. */
  readonly notOn?: Partial<Readonly<Record<Target['kind'], string>>>;
  readonly needs?: Need;
  readonly run?: (bench: Bench) => Promise<void>;
  /** Of a row that does not apply: checks that its reason holds. */
  readonly premise?: (bench: Bench) => Promise<void>;
  /** Limit in milliseconds of the target's time; default 120,000. */
  readonly limitMs?: number;
}

/** Pass expected on both chips. */
export const ON_BOTH: Row['applies'] = { igb: 'pass', e1000e: 'pass' };

/** Applies on neither chip. */
export const never = (because: string): Row['applies'] => ({ igb: { because }, e1000e: { because } });
