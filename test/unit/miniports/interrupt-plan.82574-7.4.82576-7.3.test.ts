import { describe, expect, it } from 'vitest';
import * as e1000e from '../../../src/miniports/e1000e/interrupts.ts';
import * as igb from '../../../src/miniports/igb/interrupts.ts';
import {
  planInterrupts,
  ROLE_ALL,
  ROLE_OTHER,
  ROLE_RECEIVE,
  ROLE_TRANSMIT,
} from '../../../src/miniports/intel/device.ts';
import { FakeRegisters } from './fake-registers.ts';

describe('distribution of causes over messages', () => {
  it('gives receive, transmit and other messages 0, 1 and 2 when there are three', () => {
    const plan = planInterrupts('msix', 5, 1, 1);
    expect([plan.receiveMessage, plan.transmitMessage, plan.otherMessage]).toEqual([[0], [1], 2]);
    expect(plan.roles.slice(0, 3)).toEqual([ROLE_RECEIVE, ROLE_TRANSMIT, ROLE_OTHER]);
  });

  it('shares message 0 between the queue pair when there are two', () => {
    const plan = planInterrupts('msix', 2, 1, 1);
    expect(plan.roles).toEqual([ROLE_RECEIVE | ROLE_TRANSMIT, ROLE_OTHER]);
  });

  it.each(['msix', 'msi', 'line'] as const)('puts everything on message 0 when there is one (%s)', (mode) => {
    const plan = planInterrupts(mode, 1, 1, 1);
    expect(plan.roles).toEqual([ROLE_ALL]);
  });

  it('alternates receive and transmit messages of several queues, other last', () => {
    const plan = planInterrupts('msix', 10, 4, 4);
    expect(plan.receiveMessage).toEqual([0, 2, 4, 6]);
    expect(plan.transmitMessage).toEqual([1, 3, 5, 7]);
    expect(plan.otherMessage).toBe(8);
  });

  it('lets queue pairs share when there are fewer messages than queues', () => {
    const plan = planInterrupts('msix', 4, 4, 4);
    expect(plan.receiveMessage).toEqual([0, 1, 2, 0]);
    expect(plan.transmitMessage).toEqual([0, 1, 2, 0]);
    expect(plan.otherMessage).toBe(3);
  });
});

describe('82574L', () => {
  const plan = planInterrupts('msix', 3, 1, 1);

  it('programs IVAR with a valid bit per cause', () => {
    expect(e1000e.ivarOf(plan)).toBe(0x8 | (0x9 << 8) | (0xa << 16));
  });

  it('masks a message by its own causes', () => {
    expect([0, 1, 2].map((message) => e1000e.maskOf(plan, message))).toEqual([1 << 20, 1 << 22, (1 << 24) | 4]);
  });

  it('acknowledges its own causes by writing ones and never reads ICR with MSI-X', () => {
    const registers = new FakeRegisters();
    const hw = registers.access();
    e1000e.acknowledge(hw, plan, 1 << 20, ROLE_RECEIVE);
    expect(registers.writes).toEqual([[0xc0, 1 << 20]]);
    expect(registers.reads).toBe(0);
  });

  it('clears every cause behind OTHER, lest the next queue cause raises it again', () => {
    const registers = new FakeRegisters();
    e1000e.acknowledge(registers.access(), plan, (1 << 24) | 4, ROLE_OTHER);
    expect(registers.writes[0]![1] & ((1 << 6) | (1 << 9) | (1 << 16) | (1 << 17))).not.toBe(0);
    expect(registers.writes[0]![1] & (0xf << 20)).toBe(0);
  });

  it.each([
    [0, 0],
    [20, 78],
    [128, 500],
    [8000, 31250],
    [20000, 0xffff],
  ])('turns %i us into %i units of 256 ns', (us, units) => {
    const registers = new FakeRegisters();
    e1000e.setModeration(registers.access(), planInterrupts('msi', 1, 1, 1), us);
    expect(registers.writes).toEqual([[0xc4, units]]);
  });
});

describe('82576', () => {
  const plan = planInterrupts('msix', 3, 1, 1);

  it('programs the IVAR lanes of queue 0 with valid bits', () => {
    expect(igb.ivarOf(plan, 0)).toBe(0x80 | (0x81 << 8));
    expect(igb.ivarOf(plan, 1)).toBe(0);
  });

  it('puts queues 8 to 15 into the high lanes', () => {
    const many = planInterrupts('msix', 25, 9, 9);
    expect(igb.ivarOf(many, 0)).toBe((0x80 | (0x81 << 8) | (0x90 << 16) | (0x91 << 24)) >>> 0);
  });

  it('sets GPIE before EIAC and leaves EIAM alone', () => {
    const registers = new FakeRegisters();
    igb.configureInterrupts(registers.access(), plan);
    const offsets = registers.writes.map(([offset]) => offset);
    expect(offsets.indexOf(0x1514)).toBeLessThan(offsets.indexOf(0x152c));
    expect(offsets).not.toContain(0x1530);
    expect(registers.values.get(0x152c)).toBe(7);
  });

  it('keeps GPIE 0 for MSI and line', () => {
    const registers = new FakeRegisters();
    igb.configureInterrupts(registers.access(), planInterrupts('line', 1, 1, 1));
    expect(registers.values.get(0x1514)).toBe(0);
  });

  it.each([
    [0, 0],
    [20, 20 << 2],
    [8000, 8000 << 2],
    [9000, 0x1fff << 2],
  ])('puts %i us into EITR bits 14:2', (us, value) => {
    const registers = new FakeRegisters();
    igb.setModeration(registers.access(), plan, us);
    expect(registers.values.get(0x1680)).toBe(value);
    expect(registers.values.get(0x1688)).toBe(0);
  });
});

describe.each([
  ['82574L', e1000e],
  ['82576', igb],
] as const)('the line ISR of the %s', (_name, family) => {
  const plan = planInterrupts('line', 1, 1, 1);

  it('does not claim an interrupt without INT_ASSERTED', () => {
    const registers = new FakeRegisters();
    registers.values.set(0xc0, 0x84);
    expect(family.claim(registers.access(), plan)).toBe(0);
  });

  it('claims one with it', () => {
    const registers = new FakeRegisters();
    registers.values.set(0xc0, 0x8000_0084);
    expect(family.claim(registers.access(), plan)).toBe(0x8000_0084);
  });

  it('does not ask for the bit with MSI', () => {
    const registers = new FakeRegisters();
    registers.values.set(0xc0, 0x84);
    expect(family.claim(registers.access(), planInterrupts('msi', 1, 1, 1))).toBe(0x84);
  });

  it('does not claim for a device that is gone', () => {
    const registers = new FakeRegisters();
    registers.onRead = () => 0xffff_ffff;
    expect(family.claim(registers.access(), plan)).toBe(0);
  });
});
