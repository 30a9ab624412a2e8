/**
 * The simulated interrupts keep the platform contract and the PCI rules. Layer: test/unit/sim.
 * MSI-X pending bits (PCI 3.0 6.8.2), INTx auto-mask (VFIO), EIAC (82574 10.2.4.9, 82576 8.8.5), macrotask delivery.
 */
import { describe, expect, test } from 'vitest';
import { type Chip, E1000E, IGB, type Profile, COMMON as R } from '../../../src/sim/index.ts';
import { type Bare, bringUp, clearOther, fireReceive, frame, rearm, routeMsix } from './device-harness.ts';

const CASES: Array<[Chip, Profile]> = [
  ['e1000e', 'datasheet'],
  ['e1000e', 'qemu'],
  ['igb', 'datasheet'],
  ['igb', 'qemu'],
];

describe.each(CASES)('%s by %s', (chip, profile) => {
  async function msix(hardwareMask = true) {
    const bare = await bringUp({ chip, profile, hardwareMask });
    const calls: Array<[number, number]> = [];
    const vectors = bare.sim.pci.enableInterrupts('msix', 3, (vector, wakes) => {
      calls.push([vector, wakes]);
      if (vector === 2) clearOther(bare);
      rearm(bare);
    });
    routeMsix(bare);
    await bare.sim.settle();
    calls.length = 0;
    return { bare, calls, vectors };
  }

  test('receive, transmit and link each send their own message', async () => {
    const { bare, calls } = await msix();
    bare.sim.peer.send(frame(bare.sim.mac, 60));
    await bare.sim.settle();
    bare.transmit(frame(bare.sim.mac, 60));
    await bare.sim.settle();
    bare.sim.wire.setCarrier(false);
    await bare.sim.settle();
    expect(calls.map(([vector]) => vector)).toEqual([0, 1, 2]);
    expect(bare.sim.broken).toEqual([]);
  });

  test('five messages to a masked entry set its pending bit and become one when it is unmasked', async () => {
    const { bare, calls, vectors } = await msix();
    vectors.mask(0);
    for (let i = 0; i < 5; i += 1) {
      fireReceive(bare);
      rearm(bare);
    }
    await bare.sim.settle();
    expect(calls).toEqual([]);
    expect(vectors.isPending(0)).toBe(true);
    vectors.unmask(0);
    await bare.sim.settle();
    expect(calls).toEqual([[0, 1]]);
    expect(vectors.isPending(0)).toBe(false);
  });

  test('messages sent before their turn are folded into one call that tells how many', async () => {
    const { bare, calls } = await msix();
    for (let i = 0; i < 3; i += 1) {
      fireReceive(bare);
      rearm(bare);
    }
    await bare.sim.settle();
    expect(calls).toEqual([[0, 3]]);
  });

  test('microtasks of one listener call run before the next call', async () => {
    const order: string[] = [];
    const bare = await bringUp({ chip, profile });
    const vectors = bare.sim.pci.enableInterrupts('msix', 3, (vector) => {
      order.push(`isr ${vector}`);
      queueMicrotask(() => order.push(`dpc ${vector}`));
    });
    vectors.trigger(2);
    vectors.trigger(0);
    await bare.sim.settle();
    expect(order).toEqual(['isr 2', 'dpc 2', 'isr 0', 'dpc 0']);
  });

  test('no listener call follows close, not even for a wake-up already signalled', async () => {
    const { bare, calls, vectors } = await msix();
    fireReceive(bare);
    vectors.close();
    await bare.sim.settle();
    expect(calls).toEqual([]);
  });

  test('a table that cannot be mapped ignores the mask and shows no pending bit', async () => {
    const { bare, calls, vectors } = await msix(false);
    expect(vectors.hardwareMask).toBe(false);
    vectors.mask(0);
    fireReceive(bare);
    await bare.sim.settle();
    expect(calls.length).toBe(1);
    expect(vectors.isPending(0)).toBe(false);
  });

  test('the line is masked at each delivery and comes again on unmask while a cause is up', async () => {
    const bare = await bringUp({ chip, profile });
    let calls = 0;
    const vectors = bare.sim.pci.enableInterrupts('line', 1, () => {
      calls += 1;
    });
    const ims = chip === 'igb' ? IGB.IMS : E1000E.IMS;
    const icr = chip === 'igb' ? IGB.ICR : E1000E.ICR;
    bare.bar.write32(ims, 4);
    bare.bar.read32(icr);
    vectors.unmask(0);
    await bare.sim.settle();
    calls = 0;
    bare.sim.wire.setCarrier(false);
    await bare.sim.settle();
    expect(calls).toBe(1);
    expect(vectors.isMasked(0)).toBe(true);
    vectors.unmask(0);
    await bare.sim.settle();
    expect(calls).toBe(2);
    expect(bare.bar.read32(icr) & 4).toBe(4);
    vectors.unmask(0);
    await bare.sim.settle();
    expect(calls).toBe(2);
    expect(bare.sim.nic.interrupts.line).toBe(false);
  });

  test('a lost message leaves its work behind and a ghost brings a call without work', async () => {
    const { bare, calls } = await msix();
    bare.sim.nic.interrupts.lose(0, 1);
    bare.sim.peer.send(frame(bare.sim.mac, 60));
    await bare.sim.settle();
    expect(calls).toEqual([]);
    expect(bare.receiveWords[2]! & 1).toBe(1);
    bare.sim.nic.interrupts.ghost(1);
    await bare.sim.settle();
    expect(calls).toEqual([[1, 1]]);
  });
});

describe('what only one chip does', () => {
  const counting = async (bare: Bare) => {
    let calls = 0;
    bare.sim.pci.enableInterrupts('msix', 3, () => {
      calls += 1;
    });
    routeMsix(bare);
    await bare.sim.settle();
    calls = 0;
    return () => calls;
  };

  test('82576: without EIAC the second trigger of a cause is lost because its EICR bit is still up', async () => {
    const bare = await bringUp({ chip: 'igb', profile: 'qemu' });
    const calls = await counting(bare);
    bare.sim.nic.registers.set(IGB.EIAC, 0);
    fireReceive(bare);
    await bare.sim.settle();
    fireReceive(bare);
    await bare.sim.settle();
    expect(calls()).toBe(1);
  });

  test('82574: with CTRL_EXT.PBA_CLR an IMS write takes the pending bit of a masked entry', async () => {
    const bare = await bringUp({ chip: 'e1000e', profile: 'qemu' });
    await counting(bare);
    bare.bar.write32(R.CTRL_EXT, 0x8000_0000);
    const vectors = bare.sim.nic.interrupts.open!;
    vectors.mask(0);
    fireReceive(bare);
    expect(vectors.isPending(0)).toBe(true);
    rearm(bare);
    expect(vectors.isPending(0)).toBe(false);
  });

  test('82574: throttled messages are joined and the end of the interval may bring a ghost', async () => {
    const bare = await bringUp({ chip: 'e1000e', quirks: { throttleUs: 128, ghostInterrupts: true } });
    const calls = await counting(bare);
    await bare.sim.advance(1);
    const before = calls();
    fireReceive(bare);
    rearm(bare);
    fireReceive(bare);
    await bare.sim.settle();
    expect(calls() - before).toBe(1);
    await bare.sim.advance(1);
    expect(calls() - before).toBe(2);
  });
});
