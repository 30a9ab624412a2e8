import { describe, expect, it } from 'vitest';
import { CTRL, RCTL, STATUS } from '../../../src/miniports/intel/mac-registers.ts';
import { FakeRegisters } from './fake-registers.ts';

describe('device-gone detection', () => {
  it('believes a single register of all ones when STATUS is sane', () => {
    const registers = new FakeRegisters();
    registers.values.set(STATUS.offset, 0x80083);
    registers.values.set(RCTL.offset, 0xffff_ffff);
    const hw = registers.access();
    expect(hw.read(RCTL)).toBe(0xffff_ffff);
    expect(hw.gone).toBe(false);
  });

  it('confirms all ones by a second register and touches nothing afterwards', () => {
    const registers = new FakeRegisters();
    registers.onRead = () => 0xffff_ffff;
    const hw = registers.access();
    hw.read(RCTL);
    expect(hw.gone).toBe(true);
    const reads = registers.reads;
    hw.write(RCTL, 1);
    expect(hw.read(CTRL)).toBe(0xffff_ffff);
    expect(hw.isPresent()).toBe(false);
    expect(registers.reads).toBe(reads);
    expect(registers.writes).toEqual([]);
  });

  it('takes STATUS 0 with CTRL 0 as gone: a slot without power under QEMU', () => {
    const registers = new FakeRegisters();
    expect(registers.access().isPresent()).toBe(false);
  });

  it('takes STATUS 0 with a live CTRL as present', () => {
    const registers = new FakeRegisters();
    registers.values.set(CTRL.offset, 0x40);
    expect(registers.access().isPresent()).toBe(true);
  });
});
