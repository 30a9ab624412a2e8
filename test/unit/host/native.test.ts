/** Loading the addon. Layer: test. Rule: src/host/native.ts. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { isNativeError, loadAddonFrom } from '../../../src/host/native.ts';
import { nativeError } from './fake-machine.ts';

it('a missing binary is E_ADDON with the build command', () => {
  expect(() => loadAddonFrom(['/nowhere/a.node', '/nowhere/b.node'])).toThrow(
    expect.objectContaining({
      code: 'E_ADDON',
      message: expect.stringMatching(/\/nowhere\/a\.node and .* do not exist\. Run: npm run build:native/),
    }),
  );
});

it('a file that is no addon is E_ADDON with the reason', () => {
  const directory = mkdtempSync(join(tmpdir(), 'ndis-vfio-addon-'));
  const path = join(directory, 'broken.node');
  writeFileSync(path, 'not an ELF file');
  try {
    expect(() => loadAddonFrom([path])).toThrow(
      expect.objectContaining({ code: 'E_ADDON', message: expect.stringContaining('does not load in Node') }),
    );
  } finally {
    rmSync(directory, { recursive: true });
  }
});

it('errors of the addon are told from others by their step', () => {
  expect([isNativeError(nativeError('EIO', 'x')), isNativeError(new Error('x')), isNativeError(null)]).toEqual([
    true,
    false,
    false,
  ]);
});
