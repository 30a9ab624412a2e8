/**
 * Rules under test: the whole table of the verifier, both ways (contract 4.1 to 4.4).
 * Every applicable rule has a defective miniport that breaks it and no other; the correct one breaks none.
 */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { formatViolation, RULES, type VerifierMode, type Violation } from '../../../src/ndis/index.ts';
import { type Bench, bench } from '../ndis/fake-miniport.ts';
import { turn } from '../ndis/fake-pci.ts';
import { type Box, DEFECTS, type Defect } from './defects.ts';

/** The life of an adapter with this defect, to its end. */
async function live(defect: Defect, mode: VerifierMode): Promise<Bench> {
  const box = { driver: null, note: null } as unknown as Box;
  const script = defect.script?.(box) ?? {};
  const made = await bench(
    {
      ...script,
      handlers: {
        SetOptionsHandler: (driver) => {
          box.driver = driver;
          return 0;
        },
        ...script.handlers,
      },
    },
    defect.pci,
    {
      verifier: mode,
      checkForHang: false,
      ...(defect.interrupts === undefined ? {} : { interrupts: defect.interrupts }),
      ...(defect.dpcBudget === undefined ? {} : { dpcBudget: defect.dpcBudget }),
    },
  );
  box.miniport = made.miniport;
  box.bench = made;
  const { adapter } = made;
  const initialized = await adapter.initialize().then(
    () => true,
    (error: unknown) => {
      if (defect.failsToInitialize !== true) throw error;
      return false;
    },
  );
  if (!initialized) {
    await turn();
    return made;
  }
  await adapter.setPacketFilter(1).catch(() => undefined);
  await adapter.restart();
  await defect.act?.(box);
  if (adapter.state === 'Running') await adapter.pause();
  if (adapter.state === 'Paused') {
    const halted = adapter.halt();
    await made.clock.pass(30_000);
    await halted;
  }
  await turn();
  return made;
}

const rulesOf = (violations: readonly Violation[]): string[] => [...new Set(violations.map((one) => one.rule))];
const applicable = RULES.filter((rule) => rule.applicable && rule.sameAs === undefined);

afterEach(() => {
  vi.restoreAllMocks();
});

describe('the table of rules', () => {
  it('has a row for each id once, with text, page and fix', () => {
    expect(new Set(RULES.map((rule) => rule.id)).size).toBe(RULES.length);
    for (const rule of RULES) {
      expect(rule.text, rule.id).toMatch(/^[A-Z0-9].*\.$|^\w+.*\.$/);
      expect(rule.page, rule.id).not.toBe('');
      if (rule.applicable && rule.sameAs === undefined) expect(rule.fix, rule.id).toMatch(/\.$/);
    }
  });

  it('gives each row a check, another row that reports it, or the reason why it does not apply', () => {
    for (const rule of RULES) {
      const ways = [rule.checks !== undefined, rule.sameAs !== undefined, rule.reason !== undefined];
      expect(ways.filter(Boolean), rule.id).toHaveLength(1);
      for (const id of rule.sameAs ?? []) expect(applicable.map((one) => one.id)).toContain(id);
    }
  });

  it('has a defective miniport for every applicable rule, and none for another', () => {
    expect([...new Set(DEFECTS.map((one) => one.rule))].sort()).toEqual(applicable.map((one) => one.id).sort());
  });

  it('covers the four lists of the contract', () => {
    const count = (family: string) => RULES.filter((rule) => rule.family === family).length;
    expect(count('static-driver-verifier')).toBe(51);
    expect(count('driver-verifier')).toBe(24);
    expect(count('bug-check')).toBe(32);
    expect(count('interrupt')).toBe(20);
  });
});

describe('the correct miniport', () => {
  for (const mode of ['report', 'throw'] as const) {
    it(`breaks no rule under ${mode}`, async () => {
      const { adapter, faults } = await live({ rule: 'none' }, mode);
      expect(adapter.violations.map(formatViolation)).toEqual([]);
      expect(faults).toEqual([]);
      expect(adapter.state).toBe('Halted');
    });
  }
});

describe.each(['report', 'throw'] as const)('under %s', (mode) => {
  for (const defect of DEFECTS) {
    const name = defect.name === undefined ? '' : ` (${defect.name})`;
    it(`the miniport that breaks ${defect.rule}${name} is caught, and of nothing else`, async () => {
      const { adapter, faults } = await live(defect, mode);
      expect(rulesOf(adapter.violations), adapter.violations.map(formatViolation).join('\n')).toEqual([defect.rule]);
      const [violation] = adapter.violations;
      expect(violation?.adapter).toBe('0000:01:00.0');
      if (mode === 'throw' && violation?.severity !== 'advice') expect(faults.length).toBeGreaterThan(0);
      expect(['Halted', 'Shutdown']).toContain(adapter.state);
    });
  }
});
