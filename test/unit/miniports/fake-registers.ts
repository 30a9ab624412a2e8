/**
 * A register file without behaviour for tests of single functions. Layer: test/unit/miniports.
 * Invariant: remembers the order of writes; reading gives the last write unless a hook says otherwise.
 */
import { HardwareAccess } from '../../../src/miniports/intel/hardware-access.ts';
import { IoSpace } from '../../../src/ndis/index.ts';
import type { Bar } from '../../../src/platform/index.ts';

export class FakeRegisters implements Bar {
  readonly lengthBytes = 0x20000;
  readonly values = new Map<number, number>();
  readonly writes: (readonly [offset: number, value: number])[] = [];
  reads = 0;
  onRead: ((offset: number) => number | undefined) | undefined;

  read32(offset: number): number {
    this.reads++;
    return this.onRead?.(offset) ?? this.values.get(offset) ?? 0;
  }
  write32(offset: number, value: number): void {
    this.writes.push([offset, value]);
    this.values.set(offset, value);
  }
  read16(): number {
    throw new Error('16-bit access');
  }
  write16(): void {
    throw new Error('16-bit access');
  }
  read8(): number {
    throw new Error('8-bit access');
  }
  write8(): void {
    throw new Error('8-bit access');
  }
  unmap(): void {}

  access(): HardwareAccess {
    return new HardwareAccess(new IoSpace(null as never, 0, this, 0, this.lengthBytes));
  }
}
