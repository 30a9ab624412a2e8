import { describe, expect, it } from 'vitest';
import * as e1000eRegisters from '../../../src/miniports/e1000e/registers.ts';
import * as igbRegisters from '../../../src/miniports/igb/registers.ts';
import * as mac from '../../../src/miniports/intel/mac-registers.ts';
import { bit, field, register, registerArray } from '../../../src/miniports/intel/register.ts';
import { COMMON, E1000E, IGB, STATS } from '../../../src/sim/index.ts';
import { FakeRegisters } from './fake-registers.ts';

describe('the register definer', () => {
  it('makes a write to a read-only register a compile error', () => {
    const hw = new FakeRegisters().access();
    const status = register(8, 'RO', '');
    const readClear = register(0x4000, 'RC', '');
    const writeOnly = register(0xd8, 'WO', '');
    // @ts-expect-error RO has no write
    hw.write(status, 0);
    // @ts-expect-error a read-clear register is read by readClear()
    hw.read(readClear);
    // @ts-expect-error WO has no read
    hw.read(writeOnly);
    // @ts-expect-error W1S is set, not written
    hw.write(mac.IMS, 0);
    // @ts-expect-error RW is not cleared by writing ones
    hw.clear(mac.CTRL, 1);
    expect(hw.read(status)).toBe(0);
  });

  it('addresses an array by stride', () => {
    const registers = new FakeRegisters();
    registers.access().writeAt(registerArray(0xc000, 0x40, 16, 'RW', ''), 3, 7);
    expect(registers.writes).toEqual([[0xc0c0, 7]]);
  });

  it('keeps bit 31 unsigned', () => {
    expect(bit(31)).toBe(0x8000_0000);
    expect(field(30, 2).of(3)).toBe(0xc000_0000);
    expect(field(30, 2).from(0xc000_0000)).toBe(3);
  });

  it('refuses a value that does not fit its field', () => {
    expect(() => field(4, 3).of(8)).toThrow(RangeError);
    expect(() => field(4, 3).of(-1)).toThrow(RangeError);
    expect(field(4, 3).replace(0xff, 2)).toBe(0xaf);
  });
});

describe('register offsets agree with the simulated devices, which were written from the data sheets apart', () => {
  const compare = (ours: Record<string, unknown>, theirs: Record<string, unknown>): string[] => {
    const same: string[] = [];
    for (const [name, offset] of Object.entries(theirs)) {
      const mine = ours[name] as { offset?: number } | undefined;
      if (typeof offset !== 'number' || mine?.offset === undefined) continue;
      expect(`${name} ${mine.offset.toString(16)}`).toBe(`${name} ${offset.toString(16)}`);
      same.push(name);
    }
    return same;
  };

  it('common registers', () => {
    expect(compare(mac, COMMON)).toEqual(expect.arrayContaining(['CTRL', 'STATUS', 'RCTL', 'TCTL', 'MDIC']));
  });
  it('statistics', () => {
    expect(compare(mac, STATS).length).toBeGreaterThan(10);
  });
  it('82574L', () => {
    expect(compare(e1000eRegisters, E1000E)).toEqual(expect.arrayContaining(['IVAR', 'EIAC']));
  });
  it('82576', () => {
    expect(compare(igbRegisters, IGB)).toEqual(expect.arrayContaining(['EIMS', 'EIMC', 'GPIE']));
  });
});
