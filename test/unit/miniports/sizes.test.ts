import { describe, expect, it } from 'vitest';
import * as e1000e from '../../../src/miniports/e1000e/receive.ts';
import { hardwareIdsOf, SUPPORTED_DEVICES } from '../../../src/miniports/ids.ts';
import * as igb from '../../../src/miniports/igb/receive.ts';
import { builtInMiniport } from '../../../src/miniports/index.ts';
import { maxFrameBytes, slotBytesFor } from '../../../src/miniports/intel/configuration.ts';
import { decodeLink, isStationAddress } from '../../../src/miniports/intel/mac.ts';

describe('receive buffers', () => {
  it.each([
    [68, 1522, 2048],
    [1500, 1522, 2048],
    [2026, 2048, 2048],
    [2027, 2049, 3072],
    [9000, 9022, 9216],
  ])('for MTU %i hold %i bytes in slots of %i', (mtu, frame, slot) => {
    expect([maxFrameBytes(mtu), slotBytesFor(mtu)]).toEqual([frame, slot]);
  });

  it('of the 82574L are told by BSIZE up to 2 KiB and by FLXBUF beyond, with LPE for long frames', () => {
    expect(e1000e.sizeBits({ slotBytes: 2048, maxFrameBytes: 1522 })).toBe(0);
    expect(e1000e.sizeBits({ slotBytes: 2048, maxFrameBytes: 1600 })).toBe(0x20);
    expect(e1000e.sizeBits({ slotBytes: 9216, maxFrameBytes: 9022 })).toBe((9 << 27) | 0x20);
  });

  it('of the 82576 are told by SRRCTL, which drops only with several queues', () => {
    const queue = { iova: 0, bytes: 0 };
    const settings = { slotBytes: 9216, maxFrameBytes: 9022, queues: [queue] };
    expect(igb.srrctlOf(settings)).toBe(9 | (1 << 25));
    expect(igb.srrctlOf({ ...settings, queues: [queue, queue] })).toBe((9 | (1 << 25) | (1 << 31)) >>> 0);
  });
});

describe('STATUS', () => {
  it.each([
    [0x80083, true, 1e9, true],
    [0x80043, true, 100e6, true],
    [0x80002, true, 10e6, false],
    [0x80081, false, 0, true],
  ])('0x%s means up %s, %i bit/s, full duplex %s', (status, up, speed, fullDuplex) => {
    expect(decodeLink(status)).toEqual({ up, speed, fullDuplex });
  });
});

describe('a station address', () => {
  it('is neither all zero nor a group', () => {
    expect(isStationAddress(new Uint8Array(6))).toBe(false);
    expect(isStationAddress(Uint8Array.of(1, 0, 0x5e, 0, 0, 1))).toBe(false);
    expect(isStationAddress(Uint8Array.of(0x52, 0x54, 0, 0, 0, 1))).toBe(true);
  });
});

describe('the table of ids', () => {
  it('lists each id once', () => {
    const ids = SUPPORTED_DEVICES.map((row) => row.vendorId * 65536 + row.deviceId);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('finds the emulated chips and nothing else of the vendor', () => {
    expect(builtInMiniport({ vendorId: 0x8086, deviceId: 0x10c9 })?.name).toBe('igb');
    expect(builtInMiniport({ vendorId: 0x8086, deviceId: 0x10d3 })?.name).toBe('e1000e');
    expect(builtInMiniport({ vendorId: 0x8086, deviceId: 0x100e })).toBeUndefined();
  });

  it('writes hardware ids in INF form', () => {
    expect(hardwareIdsOf('e1000e')[0]).toBe('PCI\\VEN_8086&DEV_10D3');
  });
});
