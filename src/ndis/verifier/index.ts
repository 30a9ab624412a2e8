/**
 * Public face of the verifier. Layer: ndis/verifier.
 */
export type { VerifierEvents } from './events.ts';
export { findRule, RULES, type Rule, type RuleFamily } from './rules.ts';
export type { VerifierMode, VerifierOptions } from './verifier.ts';
export {
  formatBugCheck,
  formatViolation,
  pageUrl,
  placeOf,
  type Severity,
  VerifierError,
  type Violation,
  violationToJson,
} from './violation.ts';
