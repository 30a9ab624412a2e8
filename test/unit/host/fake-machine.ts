/**
 * A machine made of files: sysfs, /dev and /proc in a temporary folder, and an addon that answers as told.
 * Layer: test. Invariant: every path the host layer reads lies inside the folder.
 */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type {
  NativeAddon,
  NativeContainer,
  NativeDevice,
  NativeDmaArena,
  NativeError,
  NativeGroup,
  NativeIrqSet,
} from '../../../src/host/addon.ts';
import type { SystemRoots } from '../../../src/host/roots.ts';

export interface FakeFunction {
  readonly driver?: string;
  readonly group?: number;
  readonly classCode?: number;
  readonly deviceId?: number;
  readonly resource?: string;
  readonly interfaces?: readonly string[];
}

/** BAR0 of 128 KiB, an I/O BAR 2, BAR3 of 16 KiB: what QEMU's igb shows. */
const RESOURCE = [
  '0x00000000fe800000 0x00000000fe81ffff 0x0000000000040200',
  '0x0000000000000000 0x0000000000000000 0x0000000000000000',
  '0x000000000000c000 0x000000000000c01f 0x0000000000040101',
  '0x00000000fe840000 0x00000000fe843fff 0x0000000000040200',
  '0x0000000000000000 0x0000000000000000 0x0000000000000000',
  '0x0000000000000000 0x0000000000000000 0x0000000000000000',
  '0x0000000000000000 0x0000000000000000 0x0000000000000000',
].join('\n');

export class FakeMachine {
  readonly root = mkdtempSync(join(tmpdir(), 'ndis-vfio-host-'));
  readonly roots: SystemRoots = {
    sysfs: join(this.root, 'sys'),
    dev: join(this.root, 'dev'),
    proc: join(this.root, 'proc'),
  };

  constructor() {
    for (const path of ['sys/bus/pci/devices', 'sys/bus/pci/drivers', 'sys/class/net', 'dev/vfio', 'proc/self']) {
      mkdirSync(join(this.root, path), { recursive: true });
    }
    this.status(0, 0n);
  }

  addFunction(address: string, options: FakeFunction = {}): this {
    const directory = join(this.roots.sysfs, 'bus/pci/devices', address);
    mkdirSync(directory, { recursive: true });
    const hex = (value: number) => `0x${value.toString(16)}\n`;
    writeFileSync(join(directory, 'vendor'), hex(0x8086));
    writeFileSync(join(directory, 'device'), hex(options.deviceId ?? 0x10c9));
    writeFileSync(join(directory, 'subsystem_vendor'), hex(0x8086));
    writeFileSync(join(directory, 'subsystem_device'), hex(0xa03c));
    writeFileSync(join(directory, 'revision'), '0x01\n');
    writeFileSync(join(directory, 'class'), hex(options.classCode ?? 0x020000));
    writeFileSync(join(directory, 'resource'), options.resource ?? RESOURCE);
    for (const name of options.interfaces ?? []) mkdirSync(join(directory, 'net', name), { recursive: true });
    if (options.driver !== undefined) {
      const driver = join(this.roots.sysfs, 'bus/pci/drivers', options.driver);
      mkdirSync(driver, { recursive: true });
      symlinkSync(driver, join(directory, 'driver'));
    }
    if (options.group !== undefined) {
      const group = join(this.roots.sysfs, 'kernel/iommu_groups', String(options.group));
      mkdirSync(join(group, 'devices'), { recursive: true });
      symlinkSync(directory, join(group, 'devices', address));
      symlinkSync(group, join(directory, 'iommu_group'));
    }
    return this;
  }

  addNode(name: string): this {
    writeFileSync(join(this.roots.dev, 'vfio', name), '');
    return this;
  }

  addInterface(name: string): this {
    mkdirSync(join(this.roots.sysfs, 'class/net', name));
    return this;
  }

  /** A process that holds a path open. */
  addHolder(pid: number, name: string, path: string): this {
    const directory = join(this.roots.proc, String(pid));
    mkdirSync(join(directory, 'fd'), { recursive: true });
    writeFileSync(join(directory, 'comm'), `${name}\n`);
    symlinkSync(path, join(directory, 'fd', '7'));
    return this;
  }

  status(lockedKib: number, capabilities: bigint): this {
    const text = `Name:\tnode\nVmLck:\t${lockedKib} kB\nCapEff:\t${capabilities.toString(16).padStart(16, '0')}\n`;
    writeFileSync(join(this.roots.proc, 'self/status'), text);
    return this;
  }

  remove(): void {
    rmSync(this.root, { recursive: true });
  }
}

/** An Error shaped as the addon's. */
export function nativeError(code: string, step: string, syscall = 'ioctl'): NativeError {
  return Object.assign(new Error(`${step}: ${code}`), { code, step, syscall });
}

/** Configuration space with an MSI-X capability of `vectors` entries: table at BAR3:0, pending bits at BAR3:0x2000. */
export function configWithMsix(vectors: number): Uint8Array {
  const config = new Uint8Array(256);
  config.set([0x86, 0x80, 0xc9, 0x10], 0);
  config[0x06] = 0x10;
  config[0x34] = 0x40;
  config.set([0x01, 0x70], 0x40); // power management first
  config.set([0x11, 0x00, vectors - 1, 0x00, 0x03, 0x00, 0x00, 0x00, 0x03, 0x20, 0x00, 0x00], 0x70);
  return config;
}

export interface FakeAddonOptions {
  /** Throws what it returns, at the named step. */
  readonly fail?: (
    step: 'openContainer' | 'openGroup' | 'openDevice' | 'allocateDma' | 'mapMsix' | 'openIrqs' | 'reset',
  ) => Error | undefined;
  readonly memlock?: number;
  readonly config?: Uint8Array;
}

/** An addon without a kernel. `log` is what was called on it, in order. */
export function fakeAddon(options: FakeAddonOptions = {}) {
  const log: string[] = [];
  const listeners = new Map<number, (vector: number, wakes: number) => void>();
  const attempt = (step: Parameters<NonNullable<FakeAddonOptions['fail']>>[0]) => {
    const error = options.fail?.(step);
    if (error !== undefined) throw error;
  };
  const config = options.config ?? configWithMsix(10);
  const counts = [1, 1, 10, 1, 1];
  const device = {
    flags: 3,
    regionCount: 9,
    irqCount: 5,
    irqInfo: (index: number) => ({ flags: 1, count: counts[index] ?? 0 }),
    readConfig: (offset: number, into: Uint8Array) => {
      into.set(config.subarray(offset, offset + into.length));
      return into.length;
    },
    writeConfig: (_offset: number, from: Uint8Array) => from.length,
    mapBar: (index: number) => ({
      lengthBytes: 0x20000,
      read32: () => index,
      close: () => log.push(`bar${index} close`),
    }),
    mapMsix: (...location: number[]) => {
      attempt('mapMsix');
      log.push(`msix ${location.join(' ')}`);
      const masked = new Set<number>();
      return {
        count: 10,
        setMasked: (vector: number, on: boolean) => void (on ? masked.add(vector) : masked.delete(vector)),
        isMasked: (vector: number) => masked.has(vector),
        isPending: (vector: number) => masked.has(vector),
        close: () => log.push('msix close'),
      };
    },
    openIrqs: (index: number, count: number, callback: (vector: number, wakes: number) => void): NativeIrqSet => {
      if (index < 3) attempt('openIrqs');
      log.push(`irq${index} open ${count}`);
      listeners.set(index, callback);
      return {
        trigger: (vector) => callback(vector, 1),
        mask: () => log.push(`irq${index} mask`),
        unmask: () => log.push(`irq${index} unmask`),
        close: () => log.push(`irq${index} close`),
      };
    },
    reset: () => {
      attempt('reset');
      return false;
    },
    setBusMaster: (on: boolean) => log.push(`bus master ${on ? 'on' : 'off'}`),
    close: () => log.push('device close'),
  } as unknown as NativeDevice;
  const group: NativeGroup = {
    viable: true,
    openDevice: (address) => {
      attempt('openDevice');
      log.push(`device ${address}`);
      return device;
    },
    close: () => log.push('group close'),
  };
  const container: NativeContainer = {
    mappingCount: 0,
    openGroup: (number) => {
      attempt('openGroup');
      log.push(`group ${number}`);
      return group;
    },
    allocateDma: (lengthBytes): NativeDmaArena => {
      attempt('allocateDma');
      return { buffer: new ArrayBuffer(lengthBytes), iova: 0x100000, lengthBytes, close: () => log.push('dma close') };
    },
    close: () => log.push('container close'),
  };
  const addon = {
    openContainer: () => {
      attempt('openContainer');
      return container;
    },
    memlockLimit: () => options.memlock ?? Number.POSITIVE_INFINITY,
  } as unknown as NativeAddon;
  return { addon, log, fire: (index: number, vector: number, wakes: number) => listeners.get(index)?.(vector, wakes) };
}
