/**
 * Rule under test: imports point down only, and there are no cycles (architecture, "Layers").
 * Each test builds a small tree in a temporary folder and runs the real script on it as the build does.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const SCRIPT = fileURLToPath(new URL('../../../scripts/layers.mjs', import.meta.url));
let root = '';

function check(files: Record<string, string>): { status: number | null; out: string } {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), text);
  }
  const run = spawnSync(process.execPath, [SCRIPT, root], { encoding: 'utf8' });
  return { status: run.status, out: run.stdout + run.stderr };
}

describe('scripts/layers.mjs', () => {
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'layers-'));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  it('accepts a tree whose imports point down', () => {
    const { status, out } = check({
      'src/base/a.ts': 'export const a = 1;\n',
      'src/platform/index.ts': "import type { a } from '../base/a.ts';\nexport type A = typeof a;\n",
      'src/ndis/n.ts': "export { a } from '../base/a.ts';\n",
      'src/daemon/index.ts': "export { a } from '../ndis/n.ts';\n",
      'src/cli/main.ts':
        "import { Command } from 'commander';\nimport { a } from '../daemon/index.ts';\nvoid [Command, a];\n",
    });
    expect(out).toContain('no cycles');
    expect(status).toBe(0);
  });

  it('rejects an import that points up and names file and line', () => {
    const { status, out } = check({
      'src/base/a.ts': "// first line\nimport { n } from '../ndis/n.ts';\nexport const a = n;\n",
      'src/ndis/n.ts': 'export const n = 1;\n',
    });
    expect(status).toBe(1);
    expect(out).toContain('src/base/a.ts:2: base may not import ndis');
  });

  it('counts a type import as an import', () => {
    const { status, out } = check({
      'src/ndis/n.ts': "import type { H } from '../host/h.ts';\nexport type N = H;\n",
      'src/host/h.ts': 'export type H = number;\n',
    });
    expect(status).toBe(1);
    expect(out).toContain('src/ndis/n.ts:1: ndis may not import host');
  });

  it('rejects a cycle inside one layer, also one made of types only', () => {
    const { status, out } = check({
      'src/ndis/a.ts': "import type { B } from './b.ts';\nexport type A = B | 1;\n",
      'src/ndis/b.ts': "import type { A } from './a.ts';\nexport type B = A | 2;\n",
    });
    expect(status).toBe(1);
    expect(out).toContain('src/ndis/b.ts:1: import cycle src/ndis/a.ts -> src/ndis/b.ts -> src/ndis/a.ts');
  });

  it('lets the command line into the daemon only by its entry', () => {
    const { status, out } = check({
      'src/daemon/server.ts': 'export const s = 1;\n',
      'src/cli/main.ts': "import { s } from '../daemon/server.ts';\nvoid s;\n",
    });
    expect(status).toBe(1);
    expect(out).toContain('src/cli/main.ts:1: cli may enter daemon only by daemon/index.ts');
  });

  it('keeps file descriptors out of the layers that must not know them', () => {
    const { status, out } = check({
      'src/miniports/m.ts': "import { readFileSync } from 'node:fs';\nvoid readFileSync;\n",
    });
    expect(status).toBe(1);
    expect(out).toContain('src/miniports/m.ts:1: miniports may not import node:fs');
  });

  it('rejects a folder and a package that no table names', () => {
    const { status, out } = check({
      'src/utils/u.ts': 'export const u = 1;\n',
      'src/host/h.ts': "import x from 'left-pad';\nvoid x;\n",
    });
    expect(status).toBe(1);
    expect(out).toContain('src/utils/u.ts:1: folder "utils" is no layer');
    expect(out).toContain('src/host/h.ts:1: package "left-pad" is not in the table');
  });
});
