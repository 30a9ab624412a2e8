/** Opening, using and closing a function without a kernel. Layer: test. Rule: src/host/pci-function.ts, vfio.rst. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openPciFunction } from '../../../src/host/pci-function.ts';
import { configWithMsix, type FakeAddonOptions, FakeMachine, fakeAddon, nativeError } from './fake-machine.ts';

const BDF = '0000:01:00.0';
const LINKED = (() => {
  const config = configWithMsix(10);
  config[0x41] = 0x70;
  return config;
})();

let machine: FakeMachine;
beforeEach(() => {
  machine = new FakeMachine();
});
afterEach(() => machine.remove());

function ready(): FakeMachine {
  return machine.addFunction(BDF, { driver: 'vfio-pci', group: 14 }).addNode('vfio').addNode('14');
}

function open(options: FakeAddonOptions = {}, dmaBytes?: number) {
  const fake = fakeAddon({ config: LINKED, ...options });
  return { ...fake, nic: openPciFunction(BDF, { roots: machine.roots, addon: fake.addon, dmaBytes }) };
}

/** The error of an attempt, in the form [code, message]. */
function refusal(options: FakeAddonOptions = {}, dmaBytes?: number): [string, string] {
  try {
    open(options, dmaBytes);
  } catch (error) {
    return [(error as { code: string }).code, (error as Error).message];
  }
  throw new Error('it opened');
}

describe('opening is refused with one precise error', () => {
  it('when the address is malformed', () => {
    expect(() => openPciFunction('eth0', { roots: machine.roots })).toThrow(
      expect.objectContaining({ code: 'E_BAD_ADDRESS' }),
    );
  });

  it('when there is no such device', () => {
    expect(refusal()[0]).toBe('E_NO_DEVICE');
  });

  it('when there is no IOMMU, even if a kernel driver is bound as well', () => {
    machine.addFunction(BDF, { driver: 'igb' });
    const [code, message] = refusal();
    expect(code).toBe('E_NO_IOMMU');
    expect(message).toContain('intel_iommu=on');
  });

  it('when the group is a no-IOMMU group', () => {
    ready().addNode('noiommu-14');
    expect(refusal()[0]).toBe('E_NO_IOMMU');
  });

  it('when another driver has it, naming driver, interface and command', () => {
    machine.addFunction(BDF, { driver: 'igb', group: 14, interfaces: ['eth1'] });
    expect(refusal()).toEqual([
      'E_WRONG_DRIVER',
      'Cannot open 0000:01:00.0: it is bound to igb (interface eth1) instead of vfio-pci. Run: scripts/bind-vfio.sh 0000:01:00.0',
    ]);
  });

  it('when no driver has it', () => {
    machine.addFunction(BDF, { group: 14 });
    expect(refusal()[1]).toContain('bound to no driver');
  });

  it('when the group is not viable, naming the member in the way', () => {
    ready().addFunction('0000:01:00.1', { driver: 'igb', group: 14 });
    const [code, message] = refusal();
    expect(code).toBe('E_GROUP_NOT_VIABLE');
    expect(message).toContain('0000:01:00.1 (igb)');
    expect(message).toContain('scripts/bind-vfio.sh 0000:01:00.1');
  });

  it('when /dev/vfio/vfio is missing', () => {
    machine.addFunction(BDF, { driver: 'vfio-pci', group: 14 });
    expect(refusal()).toEqual(['E_NO_VFIO', expect.stringContaining('/dev/vfio/vfio does not exist')]);
  });

  it('when the node of the group is missing', () => {
    machine.addFunction(BDF, { driver: 'vfio-pci', group: 14 }).addNode('vfio');
    expect(refusal()).toEqual(['E_NO_VFIO', expect.stringContaining('/dev/vfio/14 does not exist')]);
  });

  it('when the process may not open the node, naming its owner and mode', () => {
    ready();
    const [code, message] = refusal({
      fail: (s) => (s === 'openGroup' ? nativeError('EACCES', 'open /dev/vfio/14', 'open') : undefined),
    });
    expect(code).toBe('E_PERMISSION');
    expect(message).toMatch(/open \/dev\/vfio\/14 \(owner \d+, group \d+, mode \d+\)/);
  });

  it('when interrupt remapping is missing', () => {
    ready();
    const fail = (s: string) => (s === 'openGroup' ? nativeError('EPERM', 'VFIO_SET_IOMMU') : undefined);
    expect(refusal({ fail })).toEqual(['E_NO_IOMMU', expect.stringContaining('interrupt remapping')]);
  });

  it('when another process has it open, naming the process', () => {
    ready().addHolder(4711, 'dpdk-testpmd', '/dev/vfio/14');
    const fail = (s: string) => (s === 'openGroup' ? nativeError('EBUSY', 'open /dev/vfio/14', 'open') : undefined);
    expect(refusal({ fail })).toEqual(['E_BUSY', expect.stringContaining('process 4711 (dpdk-testpmd)')]);
  });

  it('when the DMA memory does not fit the locked-memory limit, with the number to set', () => {
    ready().status(1024, 0n);
    const [code, message] = refusal({ memlock: 8 * 1024 * 1024 }, 8 * 1024 * 1024);
    expect(code).toBe('E_MEMLOCK');
    expect(message).toContain('needs 8192 KiB of locked memory on top of 1024 KiB in use');
    expect(message).toContain('ulimit -l 9216');
  });

  it('when VFIO fails for another reason, with its step', () => {
    ready();
    const fail = (s: string) => (s === 'openDevice' ? nativeError('EINVAL', 'VFIO_DEVICE_GET_INFO') : undefined);
    expect(refusal({ fail })).toEqual(['E_VFIO', expect.stringContaining('VFIO_DEVICE_GET_INFO')]);
  });

  it('and whatever was opened before it failed is closed again', () => {
    ready();
    const fake = fakeAddon({ fail: (s) => (s === 'openDevice' ? nativeError('EINVAL', 'x') : undefined) });
    expect(() => openPciFunction(BDF, { roots: machine.roots, addon: fake.addon })).toThrow();
    expect(fake.log.at(-1)).toBe('container close');
  });
});

it('CAP_IPC_LOCK makes the locked-memory limit irrelevant', () => {
  ready().status(0, 1n << 14n);
  expect(open({ memlock: 65536 }, 1 << 30).nic.address).toBe(BDF);
});

describe('an open function', () => {
  it('has ids, BARs and interrupt counts, and bus mastering off', () => {
    ready();
    const { nic, log } = open();
    expect(nic.ids.deviceId).toBe(0x10c9);
    expect(nic.bars.map((bar) => bar.index)).toEqual([0, 3]);
    expect(nic.interruptCounts).toEqual({ msix: 10, msi: 1, line: 1 });
    expect(log).toContain('bus master off');
    expect(log).not.toContain('bus master on');
  });

  it('passes removal requests and errors on to whoever listens at that moment', () => {
    ready();
    const { nic, fire } = open();
    fire(4, 0, 1);
    nic.onRemovalRequest = vi.fn();
    nic.onDeviceError = vi.fn();
    fire(4, 0, 1);
    expect(nic.onRemovalRequest).toHaveBeenCalledTimes(1);
    expect(nic.onDeviceError).not.toHaveBeenCalled();
    fire(3, 0, 1);
    expect(nic.onDeviceError).toHaveBeenCalledTimes(1);
  });

  it('masks MSI-X vectors in the table that its capability names', () => {
    ready();
    const { nic, log } = open();
    const vectors = nic.enableInterrupts('msix', 3, () => {});
    expect(log).toContain('msix 3 0 3 8192 10');
    expect(vectors.hardwareMask).toBe(true);
    vectors.mask(1);
    expect([vectors.isMasked(0), vectors.isMasked(1), vectors.isPending(1)]).toEqual([false, true, true]);
    vectors.unmask(1);
    expect(vectors.isMasked(1)).toBe(false);
    expect(() => vectors.mask(3)).toThrow(RangeError);
  });

  it('says so when the table cannot be mapped, and keeps the mask as a flag', () => {
    ready();
    const { nic } = open({ fail: (s) => (s === 'mapMsix' ? nativeError('ERR_VFIO', 'map MSI-X table') : undefined) });
    const vectors = nic.enableInterrupts('msix', 2, () => {});
    expect(vectors.hardwareMask).toBe(false);
    vectors.mask(1);
    expect([vectors.isMasked(1), vectors.isPending(1)]).toEqual([true, false]);
  });

  it('takes a delivered line interrupt as masked until it is unmasked', () => {
    ready();
    const { nic, log, fire } = open();
    const seen: number[][] = [];
    const vectors = nic.enableInterrupts('line', 1, (vector, wakes) => seen.push([vector, wakes]));
    fire(0, 0, 1);
    expect(seen).toEqual([[0, 1]]);
    expect(vectors.isMasked(0)).toBe(true);
    vectors.mask(0);
    expect(log).not.toContain('irq0 mask');
    vectors.unmask(0);
    expect(vectors.isMasked(0)).toBe(false);
    vectors.mask(0);
    expect(log.slice(-2)).toEqual(['irq0 unmask', 'irq0 mask']);
  });

  it('refuses a second kind of interrupt until the first is closed', () => {
    ready();
    const { nic } = open();
    const first = nic.enableInterrupts('msix', 1, () => {});
    expect(() => nic.enableInterrupts('msi', 1, () => {})).toThrow(expect.objectContaining({ code: 'E_STATE' }));
    first.close();
    expect(nic.enableInterrupts('msi', 1, () => {}).kind).toBe('msi');
  });

  it.each([0, 11, 1.5])('refuses %d MSI-X vectors of 10', (count) => {
    ready();
    const { nic } = open();
    expect(() => nic.enableInterrupts('msix', count, () => {})).toThrow(expect.objectContaining({ code: 'E_VFIO' }));
  });

  it('unmaps the table again when the vectors cannot be enabled', () => {
    ready();
    const { nic, log } = open({ fail: (s) => (s === 'openIrqs' ? nativeError('ENOSPC', 'SET_IRQS') : undefined) });
    expect(() => nic.enableInterrupts('msix', 1, () => {})).toThrow(expect.objectContaining({ code: 'E_VFIO' }));
    expect(log.at(-1)).toBe('msix close');
  });

  it('tells a full locked-memory limit from other failures of DMA memory', () => {
    ready();
    let error = nativeError('ENOMEM', 'VFIO_IOMMU_MAP_DMA');
    const { nic } = open({ memlock: 65536, fail: (s) => (s === 'allocateDma' ? error : undefined) });
    expect(() => nic.allocateDma(1 << 20)).toThrow(expect.objectContaining({ code: 'E_MEMLOCK' }));
    error = nativeError('ENOMEM', 'allocate DMA memory', 'mmap');
    expect(() => nic.allocateDma(1 << 20)).toThrow(expect.objectContaining({ code: 'E_DMA' }));
  });

  it('reports a function without a reset method, and one that has gone', () => {
    ready();
    let error: Error | undefined;
    const { nic } = open({ fail: (s) => (s === 'reset' ? error : undefined) });
    expect(nic.reset()).toBe('unsupported');
    error = nativeError('EIO', 'VFIO_DEVICE_RESET');
    expect(() => nic.reset()).toThrow(expect.objectContaining({ code: 'E_DEVICE_GONE' }));
  });

  it('closes in the safe order, once, and refuses further use', () => {
    ready();
    const { nic, log } = open();
    nic.enableInterrupts('msix', 2, () => {});
    const from = log.length;
    nic.close();
    nic.close();
    expect(log.slice(from)).toEqual([
      'bus master off',
      'irq2 close',
      'msix close',
      'irq3 close',
      'irq4 close',
      'container close',
    ]);
    for (const use of [() => nic.mapBar(0), () => nic.allocateDma(1), () => nic.enableInterrupts('msi', 1, () => {})]) {
      expect(use).toThrow(expect.objectContaining({ code: 'E_STATE' }));
    }
  });
});
