/** Every test the table of contract rows names exists, and docs/contract.md is made of the table as it is. Layer: test (ndis). */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { renderContract } from '../../../scripts/contract.ts';
import { CONTRACT } from './contract-rows.ts';

const HERE = dirname(fileURLToPath(import.meta.url));

const rows = CONTRACT.flatMap((section) => section.rows);

describe('the contract rows', () => {
  it('have an id of their own, a rule, and a test each', () => {
    expect(new Set(rows.map((row) => row.id)).size).toBe(rows.length);
    for (const row of rows) {
      expect(row.rule, row.id).not.toBe('');
      expect(row.tests.length, row.id).toBeGreaterThan(0);
    }
  });

  it.each(rows.map((row) => [row.id, row] as const))('%s names tests that exist', (_id, row) => {
    for (const [file, test] of row.tests) {
      const text = readFileSync(join(HERE, `${file}.test.ts`), 'utf8');
      expect(text.includes(`'${test}'`) || text.includes(`\`${test}\``), `${file}: ${test}`).toBe(true);
    }
  });

  it('are what docs/contract.md shows; `npm run contract` writes it', () => {
    const page = readFileSync(join(HERE, '../../../docs/contract.md'), 'utf8');
    expect(page === renderContract(CONTRACT), 'docs/contract.md is out of date').toBe(true);
  });
});
