/** Names, options and errors of TAP interfaces without a kernel. Layer: test. Rule: src/host/tap.ts, dev_valid_name. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { NativeAddon, NativeTap } from '../../../src/host/addon.ts';
import { openTap } from '../../../src/host/tap.ts';
import { FakeMachine, nativeError } from './fake-machine.ts';

let machine: FakeMachine;
beforeEach(() => {
  machine = new FakeMachine();
});
afterEach(() => machine.remove());

function fakeTap(failures: Partial<Record<'open' | keyof NativeTap, Error>> = {}) {
  const log: string[] = [];
  const step = (name: 'open' | keyof NativeTap, text: string) => {
    const failure = failures[name];
    if (failure !== undefined) throw failure;
    log.push(text);
  };
  const addon = {
    openTap(name: string): NativeTap {
      step('open', `open ${name}`);
      return {
        name,
        writeErrors: 3,
        readBatch: (_memory, _pairs, count) => count,
        writeBatch: (_memory, _pairs, _from, count) => count,
        setReadable: (callback) => step('setReadable', callback === null ? 'stop' : 'start'),
        setCarrier: (up) => step('setCarrier', `carrier ${up}`),
        setMtu: (mtu) => step('setMtu', `mtu ${mtu}`),
        getMtu: () => 1500,
        setMac: (mac) => step('setMac', `mac ${Buffer.from(mac).toString('hex')}`),
        getMac: () => Uint8Array.of(2, 0, 0, 0, 0, 1),
        setUp: (up) => step('setUp', `up ${up}`),
        close: () => log.push('close'),
      };
    },
  } as unknown as NativeAddon;
  return { log, system: { addon, roots: machine.roots } };
}

describe('a TAP name', () => {
  it.each(['', 'abcdefghijklmnop', 'a b', 'a/b', 'a:b', 'tap%d', '.', '..', 'naïveinterface!', 'tab\t'])(
    '%j is refused with E_TAP_NAME before the kernel is asked',
    (name) => {
      const { log, system } = fakeTap();
      expect(() => openTap(name, {}, system)).toThrow(expect.objectContaining({ code: 'E_TAP_NAME' }));
      expect(log).toEqual([]);
    },
  );

  it.each(['tap0', 'abcdefghijklmno', 'nic-1.100', 'naïveinterface'])('%j is taken', (name) => {
    expect(openTap(name, {}, fakeTap().system).name).toBe(name);
  });

  it('that an interface has already is refused with E_TAP_NAME', () => {
    machine.addInterface('tap0');
    expect(() => openTap('tap0', {}, fakeTap().system)).toThrow(expect.objectContaining({ code: 'E_TAP_NAME' }));
  });
});

it.each([
  ['EBUSY', 'E_TAP_NAME'],
  ['EINVAL', 'E_TAP_NAME'],
  ['EPERM', 'E_TAP_PERMISSION'],
  ['EACCES', 'E_TAP_PERMISSION'],
  ['ENOENT', 'E_NO_TUN'],
  ['ENODEV', 'E_NO_TUN'],
  ['EMFILE', 'E_TAP'],
])('%s while creating becomes %s', (errno, code) => {
  const { system } = fakeTap({ open: nativeError(errno, 'TUNSETIFF') });
  expect(() => openTap('tap0', {}, system)).toThrow(expect.objectContaining({ code }));
});

it('a new TAP has its carrier off before it is brought up', () => {
  const { log, system } = fakeTap();
  openTap('tap0', { mtu: 9000, mac: Uint8Array.of(2, 1, 2, 3, 4, 5) }, system);
  expect(log).toEqual(['open tap0', 'carrier false', 'mac 020102030405', 'mtu 9000', 'up true']);
});

it('a TAP that cannot be set up is closed again', () => {
  const { log, system } = fakeTap({ setMtu: nativeError('EINVAL', 'SIOCSIFMTU') });
  expect(() => openTap('tap0', { mtu: 1 }, system)).toThrow(expect.objectContaining({ code: 'E_MTU' }));
  expect(log.at(-1)).toBe('close');
});

it('an address that is not unicast is a TAP error with its cure', () => {
  const { system } = fakeTap({ setMac: nativeError('EADDRNOTAVAIL', 'SIOCSIFHWADDR') });
  expect(() => openTap('tap0', { mac: new Uint8Array(6) }, system)).toThrow(/unicast/);
});

it('listening stops with undefined and the MTU is remembered', () => {
  const { log, system } = fakeTap();
  const tap = openTap('tap0', { up: false }, system);
  tap.setReadable(() => {});
  tap.setReadable(undefined);
  tap.setMtu(4000);
  expect(log.slice(2)).toEqual(['start', 'stop', 'mtu 4000']);
  expect([tap.mtu, tap.writeErrors]).toEqual([4000, 3]);
});
