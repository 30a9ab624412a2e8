/**
 * The simulated NIC does what the data sheets say, seen from the registers. Layer: test/unit/sim.
 * 82574 ch. 7 and 10, 82576 ch. 7 and 8. A wrong model would make every test built on it worthless.
 */
import { describe, expect, test } from 'vitest';
import { type Chip, createSim, OCTETS, type Profile, COMMON as R, STATS } from '../../../src/sim/index.ts';
import { BROADCAST, bringUp, frame, RING } from './device-harness.ts';

const CASES: Array<[Chip, Profile]> = [
  ['e1000e', 'datasheet'],
  ['e1000e', 'qemu'],
  ['igb', 'datasheet'],
  ['igb', 'qemu'],
];

describe.each(CASES)('%s by %s', (chip, profile) => {
  test('the NVM holds the address and its words sum up to 0xBABA', () => {
    const sim = createSim({ chip, profile });
    const bar = sim.pci.mapBar(0);
    const words: number[] = [];
    for (let word = 0; word < 0x40; word += 1) {
      bar.write32(R.EERD, (word << 2) | 1);
      while ((bar.read32(R.EERD) & 2) === 0) sim.clock.stall(5);
      words.push(bar.read32(R.EERD) >>> 16);
    }
    expect(words[0]).toBe(0x5452);
    expect(words.reduce((sum, word) => sum + word, 0) & 0xffff).toBe(0xbaba);
    expect(sim.broken).toEqual([]);
  });

  test('the link comes up half a second after autonegotiation is restarted and goes with the cable', async () => {
    const { sim, bar } = await bringUp({ chip, profile });
    expect(bar.read32(R.STATUS) & 2).toBe(2);
    sim.wire.setCarrier(false);
    expect(bar.read32(R.STATUS) & 2).toBe(0);
    sim.wire.setCarrier(true);
    await sim.advance(400);
    expect(bar.read32(R.STATUS) & 2).toBe(0);
    await sim.advance(200);
    expect(bar.read32(R.STATUS) & 2).toBe(2);
  });

  test('a frame for the station lands in the first descriptor with DD, EOP and its length', async () => {
    const bare = await bringUp({ chip, profile });
    const sent = frame(bare.sim.mac, 100);
    bare.sim.peer.send(sent);
    expect(bare.receiveWords[2]! & 3).toBe(3);
    expect(bare.receiveWords[3]! & 0xffff).toBe(100);
    expect(bare.receiveBytes(0).subarray(0, 100)).toEqual(sent);
    expect(bare.bar.read32(bare.offset('RDH'))).toBe(1);
    expect(bare.sim.broken).toEqual([]);
  });

  test('the filter takes the station address, groups in the hash table and broadcast, nothing else', async () => {
    const bare = await bringUp({ chip, profile });
    const group = Uint8Array.of(0x01, 0, 0x5e, 0x7f, 0xab, 0xcd);
    const other = Uint8Array.of(0x01, 0, 0x5e, 0x7f, 0x11, 0x22);
    const stranger = Uint8Array.of(0x02, 1, 2, 3, 4, 5);
    // MO = 0: bits 47:36 of the address, that is the last octet and the upper half of the one before
    const hash = (0xcd << 4) | 0xa;
    bare.bar.write32(R.MTA + 4 * (hash >>> 5), 1 << (hash & 31));
    for (const to of [stranger, group, other, BROADCAST, bare.sim.mac]) bare.sim.peer.send(frame(to, 60));
    expect(bare.sim.nic.framesReceived).toBe(3);
    expect(bare.sim.nic.framesFiltered).toBe(2);
  });

  test('a frame of three pieces leaves as one and only its last descriptor reports', async () => {
    const bare = await bringUp({ chip, profile });
    const whole = frame(BROADCAST, 90);
    bare.transmit(whole.subarray(0, 14), whole.subarray(14, 60), whole.subarray(60));
    expect(bare.sim.peer.take()).toEqual([whole]);
    expect([0, 1, 2].map((i) => bare.transmitWords[4 * i + 3]! & 1)).toEqual([0, 0, 1]);
    expect(bare.bar.read32(bare.offset('TDH'))).toBe(3);
    expect(bare.sim.broken).toEqual([]);
  });

  test('statistics count frames and octets with FCS, and reading clears them', async () => {
    const bare = await bringUp({ chip, profile });
    bare.transmit(frame(BROADCAST, 60));
    bare.sim.peer.send(frame(bare.sim.mac, 200));
    bare.sim.peer.send(frame(bare.sim.mac, 80), 'crc');
    const { bar } = bare;
    expect(bar.read32(STATS.GPTC)).toBe(1);
    expect(bar.read32(STATS.GPTC)).toBe(0);
    expect(bar.read32(STATS.BPTC)).toBe(1);
    expect(bar.read32(STATS.GPRC)).toBe(1);
    expect(bar.read32(STATS.CRCERRS)).toBe(1);
    expect(bar.read32(OCTETS.GORC)).toBe(204);
    expect(bar.read32(OCTETS.GORC)).toBe(204);
    expect(bar.read32(OCTETS.GORC + 4)).toBe(0);
    expect(bar.read32(OCTETS.GORC)).toBe(0);
    expect(bar.read32(OCTETS.GOTC)).toBe(64);
  });

  test('frames without a descriptor wait in the device and flow when the tail moves', async () => {
    const bare = await bringUp({ chip, profile });
    for (let i = 0; i < RING + 4; i += 1) bare.sim.peer.send(frame(bare.sim.mac, 64, i));
    expect(bare.sim.nic.framesReceived).toBe(RING - 1);
    expect(bare.sim.nic.framesWaiting).toBe(5);
    for (let i = 0; i < 5; i += 1) {
      bare.receiveWords[4 * i] = bare.receiveIova(i);
      bare.receiveWords[4 * i + 1] = 0;
      bare.receiveWords[4 * i + 2] = 0;
      bare.receiveWords[4 * i + 3] = 0;
    }
    bare.receiveWords[4 * (RING - 1)] = bare.receiveIova(RING - 1);
    bare.bar.write32(bare.offset('RDT'), 4);
    expect(bare.sim.nic.framesReceived).toBe(RING + 4);
    expect(bare.sim.broken).toEqual([]);
  });

  test('an access outside of the DMA memory is a recorded fault and stops the engines', async () => {
    const bare = await bringUp({ chip, profile });
    bare.transmitWords[0] = 0xdead_0000;
    bare.transmitWords[2] = 60 | ((chip === 'igb' ? 3 : 1) << 20) | (1 << 29) | (1 << 25) | (1 << 24) | (1 << 27);
    bare.transmitWords[3] = chip === 'igb' ? 60 << 14 : 0;
    bare.bar.write32(bare.offset('TDT'), 1);
    expect(bare.sim.memory.faults.map((fault) => fault.kind)).toEqual(['unmapped']);
    expect(bare.bar.read32(bare.offset('TDH'))).toBe(0);
  });

  test('an unknown offset, a narrow access and a descriptor posted twice are violations', async () => {
    const bare = await bringUp({ chip, profile });
    bare.bar.read32(0x1_fff0);
    bare.bar.read16(R.CTRL);
    bare.receiveWords[4 * (RING - 1)] = bare.receiveIova(0);
    bare.bar.write32(bare.offset('RDT'), 0);
    expect(bare.sim.nic.registers.violations.map((v) => v.rule)).toEqual([
      'unknown register',
      'access narrower than 32 bits',
      'one receive buffer in two descriptors',
    ]);
  });

  test('CTRL.RST clears rings and masks, keeps the address, and takes the link', async () => {
    const bare = await bringUp({ chip, profile });
    bare.bar.write32(R.CTRL, 1 << 26);
    bare.sim.clock.stall(2000);
    expect(bare.bar.read32(R.RCTL)).toBe(0);
    expect(bare.bar.read32(R.RAL)).toBe(0x1200_5452);
    expect(bare.bar.read32(R.STATUS) & 2).toBe(0);
    expect(bare.sim.nic.quiet).toBe(true);
  });

  test.each(['ones', 'zero'] as const)(
    'after a surprise removal every read gives %s and nothing is sent',
    async (reads) => {
      const bare = await bringUp({ chip, profile });
      bare.sim.nic.remove(reads);
      bare.transmit(frame(BROADCAST, 60));
      bare.sim.peer.send(frame(bare.sim.mac, 60));
      expect(bare.bar.read32(R.STATUS)).toBe(reads === 'ones' ? 0xffff_ffff : 0);
      expect(bare.sim.peer.take()).toEqual([]);
      expect(bare.receiveWords[2]).toBe(0);
    },
  );

  test('late write-backs keep ring order and the interrupt never comes before its DD', async () => {
    const bare = await bringUp({ chip, profile, seed: 7 });
    bare.sim.nic.receiveWriteback.mode = 'hold';
    for (let i = 0; i < 3; i += 1) bare.sim.peer.send(frame(bare.sim.mac, 64 + i));
    expect([0, 1, 2].map((i) => bare.receiveWords[4 * i + 2]! & 1)).toEqual([0, 0, 0]);
    bare.sim.nic.receiveWriteback.run(2);
    expect([0, 1, 2].map((i) => bare.receiveWords[4 * i + 2]! & 1)).toEqual([1, 0, 0]);
    bare.sim.nic.receiveWriteback.run(3);
    expect([0, 1, 2].map((i) => bare.receiveWords[4 * i + 2]! & 1)).toEqual([1, 1, 0]);
    expect(bare.receiveWords[4 * 2 + 3]! & 0xffff).toBe(66);
  });
});
