/** Errors of the addon: {code, syscall, step, errno}. Layer: test. Rule: src/host/addon.ts, NativeError. */
import { existsSync } from 'node:fs';
import { expect, it } from 'vitest';
import { addon, failureOf } from './support.ts';

it('a failed system call tells errno name and number, call and step, and the message says all of it', () => {
  const name = 'a/b';
  try {
    addon.openTap(name);
    expect.unreachable();
  } catch (error) {
    expect(error).toMatchObject({ name: 'Error', code: 'EINVAL', errno: 22, syscall: 'ioctl', step: 'TUNSETIFF' });
    expect((error as Error).message).toBe('TUNSETIFF: Invalid argument (EINVAL)');
    expect((error as Error).stack).toContain('errors.test.ts');
  }
});

it.skipIf(existsSync('/dev/vfio/vfio'))('a machine without VFIO is told by ENOENT of /dev/vfio/vfio', () => {
  expect(failureOf(() => addon.openContainer())).toEqual(['ENOENT', 'open', 'open /dev/vfio/vfio', 'Error']);
});

it('a name that cannot be one is an argument error before any system call', () => {
  expect(failureOf(() => addon.openTap('abcdefghijklmnop'))[0]).toBe('ERR_ARGUMENT');
  expect(failureOf(() => addon.openTap(7 as unknown as string))[0]).toBe('ERR_ARGUMENT');
});

it('nothing stays open behind a failure', () => {
  expect(Object.values(addon.handleCounts())).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
});
