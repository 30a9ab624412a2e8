import { describe, expect, it } from 'vitest';
import { GORCH, GORCL, GPRC, MPC, MPRC, STATUS } from '../../../src/miniports/intel/mac-registers.ts';
import { Statistics } from '../../../src/miniports/intel/statistics.ts';
import { FakeRegisters } from './fake-registers.ts';

/** A file whose registers clear when read, and whose octet pair clears with the high word. */
function counting(): FakeRegisters {
  const registers = new FakeRegisters();
  registers.values.set(STATUS.offset, 0x80083);
  registers.onRead = (offset) => {
    const value = registers.values.get(offset) ?? 0;
    if (offset >= 0x4000 && offset < 0x4100 && offset !== GORCL.offset) registers.values.set(offset, 0);
    if (offset === GORCH.offset) registers.values.set(GORCL.offset, 0);
    return value;
  };
  return registers;
}

describe('hardware counters', () => {
  it('accumulate over clear-on-read registers', () => {
    const registers = counting();
    const hw = registers.access();
    const statistics = new Statistics();
    for (let n = 0; n < 3; n++) {
      registers.values.set(GPRC.offset, 10);
      registers.values.set(MPRC.offset, 2);
      registers.values.set(MPC.offset, 1);
      statistics.sample(hw, 0);
      statistics.sample(hw, 0);
    }
    const ndis = statistics.getNdisStatistics();
    expect(ndis.ifHCInUcastPkts).toBe(24);
    expect(ndis.ifHCInMulticastPkts).toBe(6);
    expect(ndis.ifInDiscards).toBe(3);
  });

  it('read octet pairs low word first and count without CRC', () => {
    const registers = counting();
    const hw = registers.access();
    registers.values.set(GORCL.offset, 0xffff_0000);
    registers.values.set(GORCH.offset, 2);
    registers.values.set(GPRC.offset, 1000);
    const statistics = new Statistics();
    statistics.sample(hw, 0);
    expect(statistics.getNdisStatistics().ifHCInOctets).toBe(2 * 2 ** 32 + 0xffff_0000 - 4000);
  });

  it('are left alone when the device is gone', () => {
    const registers = new FakeRegisters();
    registers.onRead = () => 0xffff_ffff;
    const statistics = new Statistics();
    statistics.sample(registers.access(), 0);
    expect(statistics.getNdisStatistics().ifHCInUcastPkts).toBe(0);
  });
});
