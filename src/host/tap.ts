/**
 * TAP interfaces. Layer: host.
 * Invariants: a name is checked before the kernel sees it; an interface that could not be set up completely is gone
 * again; a new interface has its carrier off, so that it follows the link from the first moment.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { NdisVfioError } from '../base/errors.ts';
import type { FramePairs, Tap } from '../platform/index.ts';
import type { NativeAddon, NativeTap } from './addon.ts';
import { isNativeError, loadAddon } from './native.ts';
import { SYSTEM_ROOTS, type SystemRoots } from './roots.ts';

/** Longest interface name: IFNAMSIZ - 1 [linux/if.h]. */
const NAME_BYTES = 15;

export interface TapOptions {
  /** Largest payload in bytes; the kernel's default (1500) when left out. */
  readonly mtu?: number | undefined;
  /** Six bytes; a random address when left out. */
  readonly mac?: Uint8Array | undefined;
  /** Brings the interface up (`ip link set NAME up`). Default true. */
  readonly up?: boolean | undefined;
}

export interface TapSystem {
  readonly addon?: NativeAddon | undefined;
  readonly roots?: SystemRoots | undefined;
}

/**
 * Creates a TAP interface that lives until it is closed or the process ends.
 * @throws NdisVfioError E_TAP_NAME (too long, not valid, taken), E_TAP_PERMISSION, E_NO_TUN, E_MTU, E_TAP.
 */
export function openTap(name: string, options: TapOptions = {}, system: TapSystem = {}): Tap {
  const roots = system.roots ?? SYSTEM_ROOTS;
  checkName(name, roots);
  const addon = system.addon ?? loadAddon();
  let native: NativeTap;
  try {
    native = addon.openTap(name);
  } catch (error) {
    throw explainOpen(name, error);
  }
  try {
    native.setCarrier(false);
    if (options.mac !== undefined) native.setMac(options.mac);
    if (options.mtu !== undefined) setMtu(native, options.mtu);
    if (options.up !== false) native.setUp(true);
    return new HostTap(native);
  } catch (error) {
    native.close();
    throw explain(name, 'set up', error);
  }
}

class HostTap implements Tap {
  readonly name: string;
  #native: NativeTap;
  #mtu: number;
  #mac: Uint8Array;

  constructor(native: NativeTap) {
    this.#native = native;
    this.name = native.name;
    this.#mtu = native.getMtu();
    this.#mac = native.getMac();
  }

  get mtu(): number {
    return this.#mtu;
  }

  get mac(): Uint8Array {
    return this.#mac;
  }

  get writeErrors(): number {
    return this.#native.writeErrors;
  }

  readBatch(memory: Uint8Array, pairs: FramePairs, count: number): number {
    return this.#native.readBatch(memory, pairs, count);
  }

  writeBatch(memory: Uint8Array, pairs: FramePairs, from: number, count: number): number {
    return this.#native.writeBatch(memory, pairs, from, count);
  }

  setReadable(callback: (() => void) | undefined): void {
    this.#native.setReadable(callback ?? null);
  }

  setCarrier(up: boolean): void {
    this.#native.setCarrier(up);
  }

  setMtu(mtuBytes: number): void {
    try {
      setMtu(this.#native, mtuBytes);
    } catch (error) {
      throw explain(this.name, 'set the MTU of', error);
    }
    this.#mtu = mtuBytes;
  }

  setMac(mac: Uint8Array): void {
    try {
      this.#native.setMac(mac);
    } catch (error) {
      throw explain(this.name, 'set the address of', error);
    }
    this.#mac = this.#native.getMac();
  }

  close(): void {
    this.#native.close();
  }
}

function setMtu(native: NativeTap, mtuBytes: number): void {
  try {
    native.setMtu(mtuBytes);
  } catch (error) {
    throw new NdisVfioError(
      'E_MTU',
      {
        action: `Cannot set the MTU of ${native.name} to ${mtuBytes}`,
        cause: 'the kernel does not take this value for a TAP',
        cure: 'Choose 68 to 9000',
      },
      error,
    );
  }
}

/** The kernel's rule (dev_valid_name), and no `%`, which the kernel would expand to a number. */
function checkName(name: string, roots: SystemRoots): void {
  const refuse = (cause: string, cure: string) => {
    throw new NdisVfioError('E_TAP_NAME', { action: `Cannot create the TAP ${JSON.stringify(name)}`, cause, cure });
  };
  const bytes = Buffer.byteLength(name);
  if (bytes === 0) refuse('the name is empty', 'Give one, such as tap0');
  if (bytes > NAME_BYTES) {
    refuse(`the name has ${bytes} characters, interface names have at most ${NAME_BYTES}`, 'Choose a shorter one');
  }
  if (name === '.' || name === '..' || /[/:%\s\0]/.test(name)) {
    refuse('interface names have no "/", ":", "%" or white space', 'Choose another one, such as tap0');
  }
  if (existsSync(join(roots.sysfs, 'class/net', name))) refuse(...nameTaken(name));
}

function nameTaken(name: string): [string, string] {
  return [
    'an interface of this name exists',
    `Choose another name; \`ip link show ${name}\` shows what it is, \`ip link delete ${name}\` removes a left-over TAP`,
  ];
}

function explainOpen(name: string, error: unknown): unknown {
  if (!isNativeError(error)) return error;
  const action = `Cannot create the TAP ${JSON.stringify(name)}`;
  switch (error.code) {
    case 'EBUSY':
    case 'EEXIST': {
      const [cause, cure] = nameTaken(name);
      return new NdisVfioError('E_TAP_NAME', { action, cause, cure }, error);
    }
    case 'EINVAL': {
      const cause = 'the kernel refuses the name';
      return new NdisVfioError('E_TAP_NAME', { action, cause, cure: 'Choose another one, such as tap0' }, error);
    }
    case 'EPERM':
    case 'EACCES': {
      const cause = `the process may not create network interfaces (${error.step}: ${error.code})`;
      const cure = 'Run as root, or give the process CAP_NET_ADMIN and access to /dev/net/tun';
      return new NdisVfioError('E_TAP_PERMISSION', { action, cause, cure }, error);
    }
    case 'ENOENT':
    case 'ENODEV':
    case 'ENXIO': {
      const cause = '/dev/net/tun is missing';
      return new NdisVfioError('E_NO_TUN', { action, cause, cure: 'Load the module: modprobe tun' }, error);
    }
    default:
      return explain(name, 'create', error);
  }
}

function explain(name: string, verb: string, error: unknown): unknown {
  if (!isNativeError(error)) return error;
  const action = `Cannot ${verb} the TAP ${JSON.stringify(name)}`;
  const permission = error.code === 'EPERM' || error.code === 'EACCES';
  if (permission) {
    const cure = 'Run as root, or give the process CAP_NET_ADMIN';
    return new NdisVfioError('E_TAP_PERMISSION', { action, cause: error.message, cure }, error);
  }
  const cure =
    error.code === 'EADDRNOTAVAIL' ? 'Give a unicast address that is not zero' : `See \`ip link show ${name}\``;
  return new NdisVfioError('E_TAP', { action, cause: error.message, cure }, error);
}
