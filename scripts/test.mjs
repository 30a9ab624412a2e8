/**
 * `npm test`: every check in order of cost, each timed, the first failure decides the exit status but does not hide the
 * later ones. Arguments name steps (`npm test -- unit guest`); without any, all run. The last line counts the tests.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const node = process.execPath;
const bin = (name) => join('node_modules', '.bin', name);
const reports = mkdtempSync(join(tmpdir(), 'ndis-vfio-test-'));

/** A vitest project; its JSON report is read for the count. */
const vitest = (project) => ({
  name: project,
  command: bin('vitest'),
  args: [
    'run',
    `--project=${project}`,
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${join(reports, `${project}.json`)}`,
  ],
  report: join(reports, `${project}.json`),
});

const STEPS = [
  { name: 'lint', command: bin('biome'), args: ['check', '--error-on-warnings', '.'] },
  { name: 'layers', command: node, args: ['scripts/layers.mjs'] },
  { name: 'types', command: bin('tsc'), args: ['-p', 'tsconfig.json'] },
  vitest('unit'),
  vitest('native'),
  { name: 'heap', command: node, args: ['dist/test/bench/heap.js'] },
  { name: 'bridge', command: node, args: ['dist/test/bench/bridge-heap.js'] },
  vitest('guest'),
];

function run({ command, args }) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit'] });
    child.on('error', (error) => {
      console.error(String(error));
      resolve(127);
    });
    child.on('close', (status, signal) => resolve(status ?? `signal ${signal}`));
  });
}

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !STEPS.some((step) => step.name === name));
if (unknown.length > 0) {
  console.error(`No such step: ${unknown.join(', ')}. Steps: ${STEPS.map((step) => step.name).join(', ')}.`);
  process.exit(2);
}

const rows = [];
let passed = 0;
let failed = 0;
for (const step of STEPS) {
  if (wanted.length > 0 && !wanted.includes(step.name)) continue;
  console.log(`\n=== ${step.name}`);
  const start = performance.now();
  const status = await run(step);
  const seconds = (performance.now() - start) / 1000;
  let detail = '';
  if (step.report) {
    try {
      const report = JSON.parse(readFileSync(step.report, 'utf8'));
      passed += report.numPassedTests;
      failed += report.numFailedTests;
      detail = `${report.numPassedTests} passed, ${report.numFailedTests} failed`;
      if (report.numPendingTests + report.numTodoTests > 0) {
        // A skipped test is a claim nobody checked: it counts as a failure.
        failed += report.numPendingTests + report.numTodoTests;
        detail += `, ${report.numPendingTests + report.numTodoTests} skipped`;
      }
      if (status !== 0 && report.numFailedTests === 0) failed += 1;
    } catch {
      detail = 'no report';
      failed += 1;
    }
  } else if (status === 0) passed += 1;
  else failed += 1;
  rows.push({ name: step.name, status, seconds, detail });
}
rmSync(reports, { recursive: true, force: true });

console.log('\n=== summary');
for (const { name, status, seconds, detail } of rows) {
  console.log(`${status === 0 ? 'ok  ' : 'FAIL'} ${name.padEnd(8)} ${seconds.toFixed(1).padStart(7)} s  ${detail}`);
}
console.log(`tests: ${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
