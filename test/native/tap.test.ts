/**
 * TAP with real frames: the kernel's own UDP stack in a network namespace is the peer. Layer: test.
 * Rule: src/host/addon.ts, NativeTap; Documentation/networking/tuntap.rst of the kernel.
 */
import { expect, it } from 'vitest';
import { type ChildResult, runFixture } from './support.ts';

function run<Result>(scenario: string): Result {
  const child: ChildResult<Result> = runFixture<Result>('tap', scenario, { isolated: true });
  expect([child.status, child.signal, child.stderr]).toEqual([0, null, '']);
  return child.result as Result;
}

it('reads 300 frames the kernel sent, whole and in order, straight into the given slots', () => {
  expect(run('read')).toEqual({ frames: 300, wrong: [], emptyAfterwards: 0, untouched: true, shortBatches: 0 });
});

it('writes 300 frames from a window of pairs, and the kernel delivers every one of them in order', () => {
  expect(run('write')).toEqual({ taken: 300, received: 300, wrong: [], writeErrors: 0 });
});

it('counts frames as taken and failed while the interface is down, and works again after', () => {
  expect(run('down')).toEqual({ takenDown: 8, errorsDown: 8, takenUp: 8, errorsUp: 8 });
});

it('counts what is no Ethernet frame as taken and failed, and goes on with the next', () => {
  expect(run('short-frames')).toEqual({ taken: 3, writeErrors: 1, received: 2 });
});

it('calls the reader while frames wait, not after null, and again when a reader is back', () => {
  expect(run('readable')).toEqual({ drainedBy: 'first', whileStopped: 0, afterwards: 'second', afterClose: 0 });
});

it('enters the reader through a callback scope: its microtask runs before the next handle', () => {
  expect(run<{ log: string[] }>('scope').log).toEqual(['read', 'microtask', 'immediate']);
});

it('sets and gets MTU, MAC, carrier and up state', () => {
  expect(run('settings')).toEqual({
    name: 'settings0',
    mtu: [1500, 9000],
    mac: '02:11:22:33:44:55',
    flagsUp: ['UP', 'LOWER_UP'],
    flagsNoCarrier: ['UP', 'NO-CARRIER'],
    flagsDown: [],
  });
});

it('refuses bad settings with the errno of the kernel', () => {
  expect(run('bad-settings')).toEqual({
    mtuTooSmall: 'EINVAL SIOCSIFMTU',
    mtuTooLarge: 'EINVAL SIOCSIFMTU',
    mtuFraction: 'ERR_RANGE setMtu(mtuBytes)',
    multicastMac: 'EADDRNOTAVAIL SIOCSIFHWADDR',
    shortMac: 'ERR_RANGE setMac(mac)',
    carrierNumber: 'ERR_ARGUMENT setCarrier(up)',
  });
});

it('refuses names that are taken, too long or malformed', () => {
  expect(run('names')).toEqual({
    taken: 'EBUSY TUNSETIFF',
    takenByOther: 'EBUSY TUNSETIFF',
    tooLong: 'ERR_ARGUMENT openTap(name)',
    malformed: 'EINVAL TUNSETIFF',
    fifteen: 'abcdefghijklmno',
    again: 'again0',
  });
});

it('checks every pair against the memory before a byte moves', () => {
  expect(run('bounds')).toEqual({
    readOutside: 'ERR_RANGE readBatch',
    writeOutside: 'ERR_RANGE writeBatch',
    tooManyPairs: 'ERR_RANGE readBatch',
    fromBehindEnd: 'ERR_RANGE writeBatch',
    wraps: 'ERR_RANGE writeBatch',
    notBytes: 'ERR_ARGUMENT readBatch',
    notWords: 'ERR_ARGUMENT readBatch',
    detached: 'ERR_RANGE readBatch',
    written: 0,
  });
});

it('tells by EBADFD that the interface was deleted, and wakes the reader once for it', () => {
  expect(run('deleted')).toEqual({ wakes: 1, read: 'EBADFD read', write: 'EBADFD write' });
});

it('disappears with its handle and leaves no descriptor, 100 times', () => {
  expect(run('leaks')).toEqual({ fdsGrown: 0, handles: 0, gone: true, useAfterClose: 'ERR_CLOSED' });
});
