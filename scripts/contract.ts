// Writes docs/contract.md: the rows of the NDIS contract, each with the tests that hold it.
// Usage: npm run build:ts && npm run contract (node dist/scripts/contract.js)
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { CONTRACT, type ContractSection } from '../test/unit/ndis/contract-rows.ts';

/** The page as Markdown. */
export function renderContract(sections: readonly ContractSection[]): string {
  const count = sections.reduce((sum, section) => sum + section.rows.length, 0);
  const lines = [
    '# The NDIS contract, row by row',
    '',
    `${count} rules in our own words, each with the tests that hold it. This page is generated from`,
    '`test/unit/ndis/contract-rows.ts` by `npm run contract`; a test fails when a named test is missing or the page is old.',
    'Test files are named after the WDK page a rule comes from.',
  ];
  for (const { section, title, rows } of sections) {
    lines.push('', `## ${section} ${title}`, '', '| Row | Rule | Tests |', '|---|---|---|');
    for (const row of rows) {
      const tests = row.tests.map(([file, test]) => `\`${join('test/unit/ndis', file)}.test.ts\`: ${cell(test)}`);
      lines.push(`| ${row.id} | ${cell(row.rule)} | ${tests.join('<br>')} |`);
    }
  }
  return `${lines.join('\n')}\n`;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;');
}

/** From dist/scripts, the project's folder. */
function main(): void {
  const path = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'docs', 'contract.md');
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, renderContract(CONTRACT));
  process.stdout.write(`${path}\n`);
}

const started = process.argv[1];
if (started !== undefined && import.meta.url === pathToFileURL(started).href) main();
