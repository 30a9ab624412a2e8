/**
 * Rows about what the adapter declares, counts and is told: statistics, moderation, keywords, requirements. Layer: test.
 */

import * as ndis from '../../src/ndis/index.ts';
import {
  NDIS_MINIPORT_ATTRIBUTES_BUS_MASTER,
  NDIS_MINIPORT_ATTRIBUTES_HARDWARE_DEVICE,
  NDIS_MINIPORT_ATTRIBUTES_SURPRISE_REMOVE_OK,
  NDIS_PACKET_TYPE_MULTICAST,
  NDIS_STATUS_INVALID_DATA,
  NDIS_STATUS_INVALID_LENGTH,
  NDIS_STATUS_NOT_SUPPORTED,
  NDIS_STATUS_SUCCESS,
  NdisDiagnosticDisableMessageInterrupt,
  NdisDiagnosticEnableMessageInterrupt,
  NdisPauseFunctionsUnsupported,
  NdisRequestQueryInformation,
  NdisRequestSetInformation,
  type NdisStatistics,
  OID_802_3_CURRENT_ADDRESS,
  OID_802_3_PERMANENT_ADDRESS,
  OID_GEN_DRIVER_VERSION,
  OID_GEN_INTERRUPT_MODERATION,
  OID_GEN_MAXIMUM_FRAME_SIZE,
  OID_GEN_MAXIMUM_TOTAL_SIZE,
  OID_GEN_VENDOR_DESCRIPTION,
} from '../../src/ndis/index.ts';
import { type Bench, USUAL_FILTER } from './bench.ts';
import { BROADCAST, group, hex, numbered, numberOf } from './frames.ts';
import { supportedList } from './rows-one-card.ts';
import type { Station } from './station.ts';

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

function delta(after: NdisStatistics, before: NdisStatistics): NdisStatistics {
  return Object.fromEntries(
    ndis.NDIS_STATISTICS_FIELDS.map((field) => [field, after[field] - before[field]]),
  ) as NdisStatistics;
}

/** Stats. */
export async function stats(bench: Bench): Promise<void> {
  const small = { configuration: { '*ReceiveBuffers': 64 } };
  const { dut, support } = await bench.pair(small, USUAL_FILTER | NDIS_PACKET_TYPE_MULTICAST);
  for (const station of [dut, support]) await station.adapter.setMulticastList([group(1)]);
  await support.adapter.setPacketFilter(USUAL_FILTER | NDIS_PACKET_TYPE_MULTICAST);
  const before = await dut.adapter.statistics();
  const kinds = [
    ['Ucast', 40, 611],
    ['Multicast', 25, 150],
    ['Broadcast', 10, 1514],
  ] as const;
  for (const [from, to] of [
    [dut, support],
    [support, dut],
  ] as const) {
    for (const [kind, count, length] of kinds) {
      const where = kind === 'Ucast' ? to.mac : kind === 'Multicast' ? group(1) : BROADCAST;
      await bench.deliver(
        from,
        to,
        bench.frames(from, where, count, () => length),
      );
    }
  }
  await bench.quiet();
  const counted = delta(await dut.adapter.statistics(), before);
  let octets = 0;
  for (const [kind, count, length] of kinds) {
    octets += count * length;
    for (const way of ['In', 'Out'] as const) {
      bench.equal(counted[`ifHC${way}${kind}Pkts`], count, `ifHC${way}${kind}Pkts`);
      bench.equal(counted[`ifHC${way}${kind}Octets`], count * length, `ifHC${way}${kind}Octets`);
    }
  }
  bench.equal(counted.ifHCInOctets, octets, 'ifHCInOctets');
  bench.equal(counted.ifHCOutOctets, octets, 'ifHCOutOctets');
  for (const field of ['ifInDiscards', 'ifInErrors', 'ifOutErrors', 'ifOutDiscards'] as const) {
    bench.equal(counted[field], 0, field);
  }
  bench.note('all 18 counters exact after 75 frames each way of three kinds');
  await lackOfBuffers(bench, dut, support);
}

/** Nobody serves the receive interrupt while a burst comes: what does not fit is dropped, and counted. */
async function lackOfBuffers(bench: Bench, dut: Station, support: Station): Promise<void> {
  const interrupt = dut.adapter.interrupt!;
  const before = await dut.adapter.statistics();
  dut.takeReceived();
  const messages = interrupt.messages.map((_, message) => message);
  for (const message of messages) NdisDiagnosticDisableMessageInterrupt(interrupt.handle, message);
  const burst = 300;
  support.send(bench.frames(support, dut.mac, burst, () => 1024));
  await bench.settled(support);
  await bench.quiet();
  for (const message of messages) NdisDiagnosticEnableMessageInterrupt(interrupt.handle, message);
  await bench.quiet();
  await bench.sleep(2500);
  const { ifInDiscards, ifInErrors, ifHCInUcastPkts } = delta(await dut.adapter.statistics(), before);
  const received = dut.received.length;
  if (bench.target.countsDrops) {
    bench.equal(received + ifInDiscards, burst, `${received} received and ${ifInDiscards} discarded of the burst`);
  } else {
    bench.check(received + ifInDiscards <= burst, `${received} received and ${ifInDiscards} discarded of ${burst}`);
    bench.note('QEMU drops without counting: that discards are exact is left to the simulated and to real NICs');
  }
  bench.equal(ifHCInUcastPkts, received, 'ifHCInUcastPkts of the burst');
  bench.equal(ifInErrors, 0, 'ifInErrors of the burst');
  if (bench.target.kind === 'simulated') bench.check(ifInDiscards > 0, 'the burst fitted: nothing was shown');
  bench.check(
    dut.received.every((frame, i) => i === 0 || numberOf(frame) > numberOf(dut.received[i - 1]!)),
    'frames of the burst out of order or twice',
  );
  bench.note(`a burst of ${burst} at 64 buffers nobody serves: ${received} received + ${ifInDiscards} in ifInDiscards`);
}

const MODERATION_BYTES = 12;
const ENABLED = 2;
const DISABLED = 3;

async function setModeration(bench: Bench, dut: Station, value: number): Promise<number> {
  const bytes = new Uint8Array(MODERATION_BYTES);
  bytes.set([ndis.NDIS_OBJECT_TYPE_DEFAULT, 1, MODERATION_BYTES, 0]);
  viewOf(bytes).setUint32(8, value, true);
  return (await bench.oid(dut, NdisRequestSetInformation, OID_GEN_INTERRUPT_MODERATION, bytes)).status;
}

async function moderation(bench: Bench, dut: Station): Promise<number> {
  const { status, buffer } = await bench.oid(
    dut,
    NdisRequestQueryInformation,
    OID_GEN_INTERRUPT_MODERATION,
    new Uint8Array(MODERATION_BYTES),
  );
  bench.status(status, NDIS_STATUS_SUCCESS, 'query of OID_GEN_INTERRUPT_MODERATION');
  return viewOf(buffer).getUint32(8, true);
}

/** InterruptModeration. */
export async function interruptModeration(bench: Bench): Promise<void> {
  const { dut, support } = await bench.pair({ configuration: { ITR: 8000 } });
  const count = bench.count(120, 40);
  const interrupts = async (): Promise<number> => {
    await bench.quiet();
    dut.takeReceived();
    const from = dut.isrCalls;
    for (let n = 0; n < count; n += 1) {
      support.send([numbered(dut.mac, support.mac, n, 100)]);
      await bench.sleep(0.5);
    }
    await bench.arrived(dut, count);
    return dut.isrCalls - from;
  };
  bench.equal(await moderation(bench, dut), ENABLED, 'moderation by default');
  const moderated = await interrupts();
  bench.status(await setModeration(bench, dut, DISABLED), NDIS_STATUS_SUCCESS, 'turning it off');
  bench.equal(await moderation(bench, dut), DISABLED, 'moderation once turned off');
  const free = await interrupts();
  for (const value of [0, 1, 4, 99]) {
    bench.status(await setModeration(bench, dut, value), NDIS_STATUS_INVALID_DATA, `moderation ${value}`);
  }
  const short = await bench.oid(dut, NdisRequestSetInformation, OID_GEN_INTERRUPT_MODERATION, new Uint8Array(4));
  bench.status(short.status, NDIS_STATUS_INVALID_LENGTH, 'moderation of 4 bytes');
  bench.equal(await moderation(bench, dut), DISABLED, 'moderation after refused sets');
  bench.status(await setModeration(bench, dut, ENABLED), NDIS_STATUS_SUCCESS, 'turning it on');
  await dut.adapter.reset();
  await bench.linked(dut, support);
  const again = await interrupts();
  bench.check(moderated < 0.7 * free, `${moderated} interrupts moderated, ${free} not`);
  bench.check(again < 0.7 * free, `${again} interrupts moderated after a reset, ${free} not`);
  bench.note(
    `${count} frames: ${free} interrupts without, ${moderated} with moderation at 8 ms, ${again} after a reset`,
  );
}

/** AddressChange. */
export async function addressChange(bench: Bench): Promise<void> {
  const first = await bench.open('dut');
  const permanent = first.mac;
  await bench.end(first);
  const support = await bench.open('support');
  for (const text of ['02AB0C000009', '02-ab-0c-00-00-0a']) {
    const wanted = text.replaceAll('-', '').toLowerCase();
    const dut = await bench.open('dut', { configuration: { NetworkAddress: text } });
    await bench.linked(dut, support);
    bench.equal(hex(await dut.adapter.queryOid(OID_802_3_CURRENT_ADDRESS, 6)), wanted, 'current address');
    bench.equal(hex(await dut.adapter.queryOid(OID_802_3_PERMANENT_ADDRESS, 6)), hex(permanent), 'permanent address');
    await bench.deliver(
      support,
      dut,
      bench.frames(support, dut.mac, 5, () => 100),
    );
    await bench.deliver(
      dut,
      support,
      bench.frames(dut, support.mac, 5, () => 100),
    );
    support.send(bench.frames(support, permanent, 5, () => 100));
    await bench.settled(support);
    await bench.quiet();
    bench.equal(dut.received.length, 0, 'frames to the permanent address while another is set');
    await bench.end(dut);
  }
  const invalid = [
    '',
    '12',
    '02AB0C0000',
    '02AB0C00000900',
    '02AB0C00000X',
    '03AB0C000009',
    'FFFFFFFFFFFF',
    '000000000000',
  ];
  for (const text of invalid) {
    const dut = await bench.create('dut', { configuration: { NetworkAddress: text } });
    await dut.initialize();
    bench.equal(hex(dut.mac), hex(permanent), `address with NetworkAddress "${text}"`);
    await bench.end(dut);
  }
  const back = await bench.open('dut');
  await bench.linked(back, support);
  bench.equal(hex(back.mac), hex(permanent), 'address without the keyword');
  await bench.deliver(
    support,
    back,
    bench.frames(support, permanent, 5, () => 100),
  );
  bench.note(
    `2 valid addresses in use, ${invalid.length} invalid values ignored, the permanent one back without the keyword`,
  );
}

/** GlitchFreeDevice. */
export async function glitchFree(bench: Bench): Promise<void> {
  const support = await bench.open('support');
  for (const budget of [10, 100, 1000]) {
    const dut = await bench.open('dut', { dpcBudget: budget });
    await bench.linked(dut, support);
    const total = bench.count(600, 200);
    for (let sent = 0; sent < total; sent += 100) {
      support.send(bench.frames(support, dut.mac, 100, () => 64));
      await bench.settled(support);
      await bench.arrived(dut, sent + 100);
    }
    const messages = dut.adapter.interrupt!.messages;
    const most = Math.max(...messages.map((one) => one.maxNblsInOneDpc));
    const longest = Math.max(...messages.map((one) => one.dpcUs.max));
    const repeats = messages.reduce((sum, one) => sum + one.dpcBudgetExhausted, 0);
    bench.check(most > 0 && most <= budget, `${most} frames in one DPC, at most ${budget} are allowed`);
    bench.note(
      `at most ${budget}: ${most} frames in one DPC, ${repeats} repeats` +
        (bench.target.kind === 'machine' ? `, longest DPC ${longest.toFixed(0)} us` : ''),
    );
    await bench.end(dut);
  }
}

interface KeywordCase {
  readonly set: Readonly<Record<string, string | number>>;
  readonly mtu?: number;
  readonly moderation?: number;
}

const KEYWORDS: readonly KeywordCase[] = [
  { set: { '*JumboPacket': 1514 }, mtu: 1500 },
  { set: { '*JumboPacket': '4088' }, mtu: 4074 },
  { set: { '*jumbopacket': 9014 }, mtu: 9000 },
  { set: { '*JumboPacket': 99_999 }, mtu: 1500 },
  { set: { '*JumboPacket': 'large' }, mtu: 1500 },
  { set: { '*ReceiveBuffers': 64, '*TransmitBuffers': 64 } },
  { set: { '*ReceiveBuffers': 1024, '*TransmitBuffers': '2048' } },
  { set: { '*ReceiveBuffers': 0, '*TransmitBuffers': -5 } },
  { set: { '*ReceiveBuffers': 1_000_000, '*TransmitBuffers': 'many' } },
  { set: { '*InterruptModeration': 0 }, moderation: DISABLED },
  { set: { '*InterruptModeration': '1' }, moderation: ENABLED },
  { set: { '*InterruptModeration': 7 }, moderation: ENABLED },
  { set: { '*NoSuchKeyword': 1, NoSuchKeyword: 'text' } },
];

/** StandardizedKeywords. */
export async function standardizedKeywords(bench: Bench): Promise<void> {
  const support = await bench.open('support', { configuration: { '*JumboPacket': 9014 } });
  for (const { set, mtu, moderation: wanted } of KEYWORDS) {
    const what = JSON.stringify(set);
    const dut = await bench.open('dut', { configuration: set });
    await bench.linked(dut, support);
    bench.equal(dut.adapter.mtu, mtu ?? 1500, `MTU with ${what}`);
    if (wanted !== undefined) bench.equal(await moderation(bench, dut), wanted, `moderation with ${what}`);
    const longest = dut.adapter.mtu + 14;
    await bench.deliver(
      dut,
      support,
      bench.frames(dut, support.mac, 6, (n) => (n % 2 === 0 ? longest : 60)),
    );
    await bench.deliver(
      support,
      dut,
      bench.frames(support, dut.mac, 6, (n) => (n % 2 === 0 ? longest : 60)),
    );
    await bench.end(dut);
  }
  bench.note(
    `${KEYWORDS.length} settings, valid, at their borders, out of range and of the wrong type; full frames each time`,
  );
}

/** ConfigCheck. */
export async function configCheck(bench: Bench): Promise<void> {
  const dut = await bench.create('dut');
  bench.equal(dut.pci.busMaster, false, 'bus mastering before the driver loads');
  const before = new Uint8Array(64);
  dut.pci.readConfig(0, before);
  await dut.initialize();
  bench.equal(dut.pci.busMaster, true, 'bus mastering while the driver is loaded');
  await dut.start(USUAL_FILTER);
  const general = dut.adapter.generalAttributes!;
  const frame = viewOf(await dut.adapter.queryOid(OID_GEN_MAXIMUM_FRAME_SIZE, 4)).getUint32(0, true);
  const total = viewOf(await dut.adapter.queryOid(OID_GEN_MAXIMUM_TOTAL_SIZE, 4)).getUint32(0, true);
  bench.equal(frame, general.MtuSize, 'OID_GEN_MAXIMUM_FRAME_SIZE');
  bench.equal(total, general.MtuSize + 14, 'OID_GEN_MAXIMUM_TOTAL_SIZE');
  bench.equal(hex(await dut.adapter.queryOid(OID_802_3_CURRENT_ADDRESS, 6)), hex(general.CurrentMacAddress), 'address');
  const interrupt = dut.adapter.interrupt!;
  bench.check(interrupt.messageCount >= 1, 'no interrupt message');
  await dut.adapter.pause();
  dut.unbind();
  await dut.adapter.halt();
  bench.equal(dut.pci.busMaster, false, 'bus mastering after the driver was unloaded');
  const after = new Uint8Array(64);
  dut.pci.readConfig(0, after);
  bench.equal(hex(after), hex(before), 'configuration header after the driver was unloaded');
  bench.note(
    `${interrupt.messageCount} messages; attributes and OIDs agree; bus mastering only while loaded; header unchanged`,
  );
}

/** OIDs a miniport answers itself and so must list. (Contract 3.9) */
const MUST_BE_LISTED: Readonly<Record<string, number>> = {
  OID_GEN_CURRENT_PACKET_FILTER: ndis.OID_GEN_CURRENT_PACKET_FILTER,
  OID_GEN_CURRENT_LOOKAHEAD: ndis.OID_GEN_CURRENT_LOOKAHEAD,
  OID_GEN_INTERRUPT_MODERATION: ndis.OID_GEN_INTERRUPT_MODERATION,
  OID_GEN_STATISTICS: ndis.OID_GEN_STATISTICS,
  OID_GEN_XMIT_OK: ndis.OID_GEN_XMIT_OK,
  OID_GEN_RCV_OK: ndis.OID_GEN_RCV_OK,
  OID_GEN_VENDOR_ID: ndis.OID_GEN_VENDOR_ID,
  OID_GEN_VENDOR_DESCRIPTION: ndis.OID_GEN_VENDOR_DESCRIPTION,
  OID_GEN_VENDOR_DRIVER_VERSION: ndis.OID_GEN_VENDOR_DRIVER_VERSION,
  OID_802_3_PERMANENT_ADDRESS: ndis.OID_802_3_PERMANENT_ADDRESS,
  OID_802_3_CURRENT_ADDRESS: ndis.OID_802_3_CURRENT_ADDRESS,
  OID_802_3_MULTICAST_LIST: ndis.OID_802_3_MULTICAST_LIST,
  OID_802_3_MAXIMUM_LIST_SIZE: ndis.OID_802_3_MAXIMUM_LIST_SIZE,
};

/** GenericMiniportRequirements. */
export async function genericRequirements(bench: Bench): Promise<void> {
  const { dut, support } = await bench.pair();
  const general = dut.adapter.generalAttributes!;
  const version = await dut.adapter.queryOid(OID_GEN_DRIVER_VERSION, 2);
  bench.check(version[1]! >= 6, `NDIS ${version[1]}.${version[0]} is not 6 or later`);
  const flags = dut.adapter.core.registration?.AttributeFlags ?? 0;
  for (const [name, bit] of [
    ['HARDWARE_DEVICE', NDIS_MINIPORT_ATTRIBUTES_HARDWARE_DEVICE],
    ['BUS_MASTER', NDIS_MINIPORT_ATTRIBUTES_BUS_MASTER],
    ['SURPRISE_REMOVE_OK', NDIS_MINIPORT_ATTRIBUTES_SURPRISE_REMOVE_OK],
  ] as const) {
    bench.check((flags & bit) !== 0, `NDIS_MINIPORT_ATTRIBUTES_${name} is not declared`);
  }
  bench.equal(general.MacAddressLength, 6, 'MacAddressLength');
  bench.check((general.PermanentMacAddress[0]! & 1) === 0, 'the permanent address is a group address');
  bench.check(
    general.PermanentMacAddress.some((octet) => octet !== 0),
    'the permanent address is zero',
  );
  bench.check(general.MaxMulticastListSize >= 32, `only ${general.MaxMulticastListSize} multicast addresses`);
  for (const [name, bit] of [
    ['DIRECTED', ndis.NDIS_PACKET_TYPE_DIRECTED],
    ['MULTICAST', ndis.NDIS_PACKET_TYPE_MULTICAST],
    ['ALL_MULTICAST', ndis.NDIS_PACKET_TYPE_ALL_MULTICAST],
    ['BROADCAST', ndis.NDIS_PACKET_TYPE_BROADCAST],
    ['PROMISCUOUS', ndis.NDIS_PACKET_TYPE_PROMISCUOUS],
  ] as const) {
    bench.check((general.SupportedPacketFilters & bit) !== 0, `NDIS_PACKET_TYPE_${name} is not supported`);
  }
  const listed = await supportedList(bench, dut);
  for (const [name, oid] of Object.entries(MUST_BE_LISTED)) {
    bench.check(listed.includes(oid), `${name} is not in the list of supported OIDs`);
  }
  bench.equal(new Set(listed).size, listed.length, 'OIDs listed once each');
  const { bytesNeeded } = await bench.oid(dut, NdisRequestQueryInformation, OID_GEN_VENDOR_DESCRIPTION, null);
  const description = await dut.adapter.queryOid(OID_GEN_VENDOR_DESCRIPTION, bytesNeeded);
  bench.equal(description.at(-1), 0, 'last octet of OID_GEN_VENDOR_DESCRIPTION');
  bench.check(general.MtuSize >= 1500, `an MTU of ${general.MtuSize}`);
  bench.equal(dut.adapter.linkState.XmitLinkSpeed, 1e9, 'link speed');
  bench.equal(dut.adapter.linkState.MediaDuplexState, ndis.MediaDuplexStateFull, 'duplex');
  // A pause and a restart in between lose nothing.
  await dut.adapter.pause();
  await dut.adapter.restart();
  await bench.deliver(
    support,
    dut,
    bench.frames(support, dut.mac, 10, () => 100),
  );
  bench.note(
    `NDIS ${version[1]}.${version[0]}, "${Buffer.from(description).toString('latin1').replace('\0', '')}", ` +
      `${listed.length} OIDs, ${general.MaxMulticastListSize} groups`,
  );
}

// ---- Reasons of rows that do not apply -----------------------------------------------------------------------------------

async function refuses(bench: Bench, ...oids: readonly number[]): Promise<void> {
  const dut = await bench.open('dut');
  for (const oid of oids) {
    const { status } = await bench.oid(dut, NdisRequestSetInformation, oid, new Uint8Array(64));
    bench.status(status, [NDIS_STATUS_NOT_SUPPORTED, ndis.NDIS_STATUS_INVALID_OID], `OID 0x${oid.toString(16)}`);
  }
}

/** No receive side scaling is declared. */
export async function noRss(bench: Bench): Promise<void> {
  const dut = await bench.open('dut');
  bench.equal(dut.adapter.generalAttributes!.RecvScaleCapabilities, null, 'RecvScaleCapabilities');
  bench.note('the miniport declares no NDIS_RECEIVE_SCALE_CAPABILITIES');
}

/** No task offload can be set. */
export async function noOffload(bench: Bench): Promise<void> {
  await refuses(bench, ndis.OID_TCP_OFFLOAD_PARAMETERS, ndis.OID_OFFLOAD_ENCAPSULATION);
  bench.note('the task offload OIDs are refused');
}

/** No PAUSE frames are declared. */
export async function noFlowControl(bench: Bench): Promise<void> {
  const dut = await bench.open('dut');
  const { SupportedPauseFunctions } = dut.adapter.generalAttributes!;
  bench.equal(SupportedPauseFunctions, NdisPauseFunctionsUnsupported, 'SupportedPauseFunctions');
  bench.note('the miniport declares NdisPauseFunctionsUnsupported');
}

/** No wake-up or power state is answered. */
export async function noPower(bench: Bench): Promise<void> {
  await refuses(bench, ndis.OID_PM_PARAMETERS, ndis.OID_PM_ADD_WOL_PATTERN);
  bench.note('the power management OIDs are refused');
}

const NDIS_MAC_OPTION_8021P_PRIORITY = 0x40;

/** No 802.1p priority is declared. */
export async function noPriority(bench: Bench): Promise<void> {
  const dut = await bench.open('dut');
  bench.equal(dut.adapter.generalAttributes!.MacOptions & NDIS_MAC_OPTION_8021P_PRIORITY, 0, '802.1p in MacOptions');
  bench.note('MacOptions declares no NDIS_MAC_OPTION_8021P_PRIORITY');
}
