/**
 * The NetworkAddress keyword (keywords-not-displayed-in-the-user-interface; IEEE 802.3, 3.2.3). Layer: test/unit.
 * Rule: an address a station may have replaces the permanent one, anything else is logged and ignored.
 */
import { expect, test } from 'vitest';
import { parseNetworkAddress } from '../../../src/miniports/intel/configuration.ts';
import { OID_802_3_CURRENT_ADDRESS, OID_802_3_PERMANENT_ADDRESS } from '../../../src/ndis/index.ts';
import { CASES, createRig, numbered, numbersOf } from '../miniports-on-sim/rig.ts';

const ADDRESS = Uint8Array.of(0x02, 0xab, 0x0c, 0, 0, 9);

test.each(['02AB0C000009', '02ab0c000009', '02-ab-0c-00-00-09', '02:AB:0C:00:00:09'])('%s is an address', (text) => {
  expect(parseNetworkAddress(text)).toEqual(ADDRESS);
});

test.each([
  '',
  '0',
  '02AB0C0000',
  '02AB0C00000900',
  '02AB0C00000G',
  '02-AB-0C-00-0009',
  '02-AB-0C:00-00-09',
  '2-AB-0C-00-00-09',
  '000000000000',
  '01AB0C000009',
  'FFFFFFFFFFFF',
])('"%s" is not', (text) => {
  expect(parseNetworkAddress(text)).toBeUndefined();
});

test.each(CASES)('%s by %s receives at the address it was given, and keeps it over a reset', async (chip, profile) => {
  const rig = await createRig(chip, { profile, configuration: { NetworkAddress: '02-AB-0C-00-00-09' } });
  await rig.start();
  expect(rig.adapter.macAddress).toEqual(ADDRESS);
  expect(await rig.run(rig.adapter.queryOid(OID_802_3_CURRENT_ADDRESS, 6))).toEqual(ADDRESS);
  expect(await rig.run(rig.adapter.queryOid(OID_802_3_PERMANENT_ADDRESS, 6))).toEqual(rig.sim.mac);
  for (const round of [0, 10]) {
    rig.sim.peer.send(numbered(ADDRESS, round, 64));
    rig.sim.peer.send(numbered(rig.sim.mac, round + 1, 64));
    await rig.sim.settle();
    expect(numbersOf(rig.take())).toEqual([round]);
    await rig.run(rig.adapter.reset());
    await rig.sim.advance(1500);
  }
  await rig.stop();
  rig.clean();
});

test.each(CASES)('%s by %s says in its log that it ignores a group address', async (chip, profile) => {
  const rig = await createRig(chip, { profile, configuration: { NetworkAddress: '01AB0C000009' } });
  await rig.start();
  expect(rig.adapter.macAddress).toEqual(rig.sim.mac);
  expect(rig.logs.filter((entry) => entry.kind === 'miniport').map((entry) => entry.code)).toEqual([0xa000_0006]);
  await rig.stop();
  rig.clean();
});
