import { describe, expect, it } from 'vitest';
import { applyFilter, multicastHash } from '../../../src/miniports/intel/filter.ts';
import { MTA, RAH, RAL, RCTL } from '../../../src/miniports/intel/mac-registers.ts';
import { FakeRegisters } from './fake-registers.ts';

const STATION = Uint8Array.of(0x52, 0x54, 0, 0x12, 0x34, 0x56);

function groups(count: number): Uint8Array {
  const list = new Uint8Array(count * 6);
  for (let n = 0; n < count; n++) list.set([1, 0, 0x5e, 0, n >>> 4, (n * 16 + 5) & 0xff], n * 6);
  return list;
}

function valid(registers: FakeRegisters): number[] {
  return Array.from({ length: 16 }, (_, n) => n).filter((n) => registers.values.get(RAH.offset + 8 * n)! >>> 31 === 1);
}

describe('receive address registers', () => {
  it('hold the station in entry 0 only with DIRECTED', () => {
    const registers = new FakeRegisters();
    const hw = registers.access();
    applyFilter(hw, STATION, 1, new Uint8Array(0));
    expect(valid(registers)).toEqual([0]);
    expect(registers.values.get(RAL.offset)).toBe(0x1200_5452);
    expect(registers.values.get(RAH.offset)).toBe(0x8000_5634);
    applyFilter(hw, STATION, 8, new Uint8Array(0));
    expect(valid(registers)).toEqual([]);
  });

  it('take 15 groups exactly and hash only the rest', () => {
    const registers = new FakeRegisters();
    applyFilter(registers.access(), STATION, 1 | 2, groups(17));
    expect(valid(registers)).toHaveLength(16);
    let bits = 0;
    for (let n = 0; n < MTA.count; n++) {
      for (let word = registers.values.get(MTA.offset + 4 * n)! >>> 0; word > 0; word = (word & (word - 1)) >>> 0)
        bits++;
    }
    expect(bits).toBe(2);
  });

  it('forget the groups without MULTICAST', () => {
    const registers = new FakeRegisters();
    applyFilter(registers.access(), STATION, 1, groups(3));
    expect(valid(registers)).toEqual([0]);
  });
});

describe('the multicast hash with MO = 0', () => {
  it('is bits 47:36 of the address', () => {
    expect(multicastHash(Uint8Array.of(1, 0, 0x5e, 0, 0xa0, 0xbc), 0)).toBe(0xbca);
  });
});

describe('RCTL', () => {
  it.each([
    [0x20, 0x8018],
    [0x4, 0x10],
    [0x8, 0x8000],
    [0x1, 0],
    [0, 0],
  ])('for packet filter 0x%s has bits 0x%s', (filter, bits) => {
    const registers = new FakeRegisters();
    registers.values.set(RCTL.offset, 0x0400_8018);
    applyFilter(registers.access(), STATION, filter, new Uint8Array(0));
    expect(registers.values.get(RCTL.offset)! & 0x8018).toBe(bits);
    expect(registers.values.get(RCTL.offset)! & 0x0400_0000).toBe(0x0400_0000);
  });
});
