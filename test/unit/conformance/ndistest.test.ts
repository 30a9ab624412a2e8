/**
 * The conformance list on simulated NICs (names and intent: HLK test reference, LAN). Layer: test/unit.
 * Rule: every row that applies to a chip passes on it, and every reason not to apply holds; `npm run ndistest` runs the
 * same list at full length and on QEMU's NICs.
 */
import { afterEach, describe, expect, test } from 'vitest';
import { CONFORMANCE } from '../../conformance/list.ts';
import { runRow } from '../../conformance/run.ts';
import { createSimulatedTarget } from '../../conformance/simulated.ts';
import { CHIPS, type Target } from '../../conformance/target.ts';

/** Enough of each row to see it work; the full length is for `npm run ndistest`. */
const SCALE = 0.15;

let target: Target | undefined;
afterEach(() => {
  target?.close();
  target = undefined;
});

test('the list names each test once, and expects something of both chips', () => {
  const names = CONFORMANCE.map((row) => row.name);
  expect(new Set(names).size).toBe(names.length);
  for (const row of CONFORMANCE) {
    for (const chip of CHIPS) {
      const expectation = row.applies[chip];
      if (expectation === 'pass') expect(row.run, row.name).toBeDefined();
      else expect(expectation.because.length, row.name).toBeGreaterThan(20);
    }
  }
});

describe.each(CHIPS)('%s', (chip) => {
  test.each(CONFORMANCE.map((row) => [row.name, row.checks, row] as const))(
    '%s: %s',
    async (_name, _checks, row) => {
      target = createSimulatedTarget(chip);
      const { verdict, evidence } = await runRow(row, target, { scale: SCALE });
      expect(verdict, evidence.join('\n')).not.toBe('fail');
      const applicable = row.applies[chip] === 'pass' && row.notOn?.simulated === undefined;
      expect(verdict).toBe(applicable ? 'pass' : 'n/a');
      expect(evidence.length).toBeGreaterThan(0);
    },
    30_000,
  );
});
