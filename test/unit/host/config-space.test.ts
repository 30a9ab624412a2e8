/** Capability lists. Layer: test. Rule: PCI Local Bus Specification 3.0, 6.7 and 6.8.2. */
import { expect, it } from 'vitest';
import { CAPABILITY_MSIX, findCapability, readMsixCapability } from '../../../src/host/config-space.ts';
import { configWithMsix } from './fake-machine.ts';

/** Links the capability at 0x40 to the one at 0x70. */
function linked(vectors: number): Uint8Array {
  const config = configWithMsix(vectors);
  config[0x41] = 0x70;
  return config;
}

it('the MSI-X capability gives the number of entries and where table and pending bits lie', () => {
  expect(readMsixCapability(linked(10))).toEqual({
    count: 10,
    tableBar: 3,
    tableOffset: 0,
    pbaBar: 3,
    pbaOffset: 0x2000,
  });
});

it('a function without a capability list has no MSI-X', () => {
  const config = linked(10);
  config[0x06] = 0;
  expect(readMsixCapability(config)).toBeUndefined();
});

it('a list that loops ends', () => {
  const config = linked(10);
  config[0x70] = 0x05;
  config[0x71] = 0x40;
  expect(findCapability(config, CAPABILITY_MSIX)).toBeUndefined();
});

it('a list of all ones, as a removed device shows it, ends', () => {
  expect(readMsixCapability(new Uint8Array(256).fill(0xff))).toBeUndefined();
});

it('an entry count of 2048 is read with all its bits', () => {
  const config = linked(1);
  config.set([0xff, 0x87], 0x72);
  expect(readMsixCapability(config)?.count).toBe(2048);
});
