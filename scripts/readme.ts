/**
 * The tables of the README, made from the tables of the source: node dist/scripts/readme.js rewrites them in place.
 * Layer: scripts. Invariant: between `<!-- name -->` and `<!-- /name -->` stands what `tables` says; a test compares.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ERROR_CODES } from '../src/base/errors.ts';
import { SUPPORTED_DEVICES } from '../src/miniports/ids.ts';

const hex = (value: number): string => value.toString(16).padStart(4, '0');

/** Markdown by name of the marker. */
export function tables(): Record<'errors' | 'hardware', string> {
  const errors = Object.entries(ERROR_CODES).map(([code, meaning]) => `| \`${code}\` | ${meaning} |`);
  const hardware = SUPPORTED_DEVICES.map(
    (row) =>
      `| ${row.chip} | \`${hex(row.vendorId)}:${hex(row.deviceId)}\` | \`${row.family}\` | ${row.tested === 'emulated: tested' ? 'tested in the guest, on QEMU’s model' : 'not tested on hardware'} |`,
  );
  return {
    errors: ['| code | meaning |', '| --- | --- |', ...errors].join('\n'),
    hardware: ['| chip | PCI id | miniport | state |', '| --- | --- | --- | --- |', ...hardware].join('\n'),
  };
}

/** `text` with every table replaced. @throws Error where a marker is missing. */
export function withTables(text: string): string {
  let result = text;
  for (const [name, table] of Object.entries(tables())) {
    const pattern = new RegExp(`(<!-- ${name} -->\n)[\\s\\S]*?(\n<!-- /${name} -->)`);
    if (!pattern.test(result)) throw new Error(`README.md has no marker ${name}`);
    result = result.replace(pattern, (_all, before: string, after: string) => `${before}${table}${after}`);
  }
  return result;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync('README.md', withTables(readFileSync('README.md', 'utf8')));
}
