/**
 * The README says what is so: its tables are the source's, its miniport runs as printed. Layer: test.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test, vi } from 'vitest';
import { withTables } from '../../../scripts/readme.ts';
import { loadDriver, type MiniportModule } from '../../../src/ndis/index.ts';
import { createSim } from '../../../src/sim/index.ts';

const README = readFileSync('README.md', 'utf8');

test('The tables of the README are those of the source (node dist/scripts/readme.js writes them)', () => {
  expect(README).toBe(withTables(README));
});

test('The miniport printed in the README takes an interrupt from the ISR to the DPC and halts cleanly', async () => {
  const code = /```js\n([\s\S]*?)```/.exec(README)?.[1];
  expect(code).toBeDefined();
  const folder = mkdtempSync(join(tmpdir(), 'ndis-vfio-readme-'));
  const file = join(folder, 'miniport.mjs');
  const ndis = pathToFileURL(join(process.cwd(), 'src/ndis/index.ts')).href;
  writeFileSync(file, (code as string).replace("'ndis-vfio/ndis'", `'${ndis}'`));
  const log = vi.spyOn(console, 'log').mockImplementation(() => {});
  try {
    const sim = createSim({ chip: 'igb' });
    const driver = await loadDriver((await import(/* @vite-ignore */ file)) as MiniportModule);
    const adapter = driver.createAdapter(sim.pci, { clock: sim.clock, checkForHang: false });
    await sim.run(adapter.initialize());
    await sim.run(adapter.restart());
    await sim.settle();
    expect(log.mock.calls).toEqual([['message 0, IRQL 2, run 1']]);
    expect(adapter.interrupt?.messages[0]).toMatchObject({ isrCalls: 1, dpcRuns: 1 });
    await sim.run(adapter.pause());
    await sim.run(adapter.halt());
    expect(adapter.state).toBe('Halted');
  } finally {
    log.mockRestore();
    rmSync(folder, { recursive: true });
  }
});
