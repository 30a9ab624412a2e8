/**
 * Rules under test: a miniport file is checked before a device is touched, each fault with its own cause; `ndis-vfio` in
 * the file means the running package.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import ts from 'typescript';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkMiniportModule, loadMiniportFile } from '../../../src/application/load-miniport.ts';
import { isOwnSpecifier, resolve } from '../../../src/application/module-hook.ts';

let folder = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'miniport-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('miniport file', () => {
  it('is refused when it does not exist', async () => {
    await expect(loadMiniportFile(join(folder, 'none.mjs'))).rejects.toMatchObject({
      code: 'E_MINIPORT_FILE',
      text: { cause: 'there is no such file' },
    });
  });

  it('is refused when it is a folder', async () => {
    await expect(loadMiniportFile(folder)).rejects.toMatchObject({
      code: 'E_MINIPORT_FILE',
      text: { cause: 'it is not a regular file' },
    });
  });

  it('is refused without DriverEntry', () => {
    expect(() => checkMiniportModule({ HardwareIds: ['PCI\\VEN_8086'] }, 'Cannot load x')).toThrow(/DriverEntry/);
  });

  it.each([[undefined], [[]], ['PCI\\VEN_8086'], [[1]]])('is refused with HardwareIds %o', (HardwareIds) => {
    expect(() => checkMiniportModule({ DriverEntry: () => 0, HardwareIds }, 'Cannot load x')).toThrow(/HardwareIds/);
  });
});

describe('module hook', () => {
  it('claims the package and its sub-paths only', () => {
    expect(['ndis-vfio', 'ndis-vfio/ndis'].every(isOwnSpecifier)).toBe(true);
    expect(['ndis-vfio-extra', './ndis-vfio', 'node:fs', 'x/ndis-vfio'].some(isOwnSpecifier)).toBe(false);
  });

  it('asks as if the package asked for itself, and passes everything else through', () => {
    const next = (specifier: string, context?: { readonly parentURL?: string | undefined }) =>
      `${specifier} from ${context?.parentURL}`;
    expect(resolve('ndis-vfio/ndis', { parentURL: 'file:///home/a.mjs' }, next)).toMatch(/module-hook/);
    expect(resolve('node:fs', { parentURL: 'file:///home/a.mjs' }, next)).toBe('node:fs from file:///home/a.mjs');
  });

  it('gives a file outside the package the instance that runs it', () => {
    // A package of the same name and layout with the real hook in it, run by a plain Node.
    const root = join(folder, 'package');
    mkdirSync(join(root, 'dist'), { recursive: true });
    mkdirSync(join(folder, 'elsewhere'));
    const source = readFileSync(new URL('../../../src/application/module-hook.ts', import.meta.url), 'utf8');
    const options = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 };
    writeFileSync(
      join(root, 'dist/module-hook.js'),
      ts.transpileModule(source, { compilerOptions: options }).outputText,
    );
    writeFileSync(
      join(root, 'package.json'),
      JSON.stringify({ name: 'ndis-vfio', type: 'module', exports: { './ndis': './dist/ndis.js' } }),
    );
    writeFileSync(join(root, 'dist/ndis.js'), 'export const instance = {};\n');
    writeFileSync(join(folder, 'elsewhere/nic.mjs'), "export { instance } from 'ndis-vfio/ndis';\n");
    writeFileSync(
      join(root, 'dist/main.js'),
      `import { register } from 'node:module';
       import { instance } from './ndis.js';
       register(new URL('./module-hook.js', import.meta.url));
       const loaded = await import(${JSON.stringify(pathToFileURL(join(folder, 'elsewhere/nic.mjs')).href)});
       console.log(loaded.instance === instance);`,
    );
    const run = spawnSync(process.execPath, [join(root, 'dist/main.js')], { encoding: 'utf8' });
    expect(run.stderr).toBe('');
    expect(run.stdout.trim()).toBe('true');
  });
});
