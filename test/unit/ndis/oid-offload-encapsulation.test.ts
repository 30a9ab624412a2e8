/** Rules of `oid-offload-encapsulation`, `oid-tcp-offload-parameters` and the checksum out-of-band data. Layer: test (ndis). */
import { describe, expect, it } from 'vitest';
import {
  applyChecksumParameter,
  CHECKSUM_RX_TCP_FAILED,
  CHECKSUM_RX_TCP_SUCCEEDED,
  encodeOffloadEncapsulation,
  encodeOffloadParameters,
  isReceiveChecksumLegal,
  NDIS_ENCAPSULATION_IEEE_802_3,
  NDIS_ENCAPSULATION_NULL,
  NDIS_OBJECT_TYPE_MINIPORT_ADAPTER_OFFLOAD_ATTRIBUTES,
  NDIS_OBJECT_TYPE_OFFLOAD,
  NDIS_OBJECT_TYPE_STATUS_INDICATION,
  type NDIS_OFFLOAD,
  NDIS_STATUS_FAILURE,
  NDIS_STATUS_INVALID_DATA,
  NDIS_STATUS_INVALID_LENGTH,
  NDIS_STATUS_INVALID_PARAMETER,
  NDIS_STATUS_NOT_SUPPORTED,
  NDIS_STATUS_SUCCESS,
  NDIS_STATUS_TASK_OFFLOAD_CURRENT_CONFIG,
  NdisMIndicateStatusEx,
  NdisMSetMiniportAttributes,
  NdisRequestSetInformation,
  noChecksumOffload,
  OID_OFFLOAD_ENCAPSULATION,
  OID_TCP_OFFLOAD_PARAMETERS,
  packReceiveChecksum,
  packTransmitChecksum,
  readOffloadEncapsulation,
  readOffloadParameters,
  unpackTransmitChecksum,
} from '../../../src/ndis/index.ts';
import { makeOidRequest } from '../../../src/ndis/oid.ts';
import { bench, initialized, type MiniportScript, type TestMiniport } from './fake-miniport.ts';
import { microtasks } from './fake-pci.ts';

const ETHERNET = { Enabled: 1, EncapsulationType: NDIS_ENCAPSULATION_IEEE_802_3, HeaderSize: 14 } as const;
const LEFT = { Enabled: 0, EncapsulationType: 0, HeaderSize: 0 } as const;

const dataOf = (bytes: Uint8Array) => makeOidRequest(NdisRequestSetInformation, 0, bytes).DATA;

function offload(tcp: 0 | 1): NDIS_OFFLOAD {
  const checksum = noChecksumOffload();
  return {
    Header: { Type: NDIS_OBJECT_TYPE_OFFLOAD, Revision: 1, Size: 100 },
    Checksum: {
      IPv4Transmit: { ...checksum, Encapsulation: tcp * NDIS_ENCAPSULATION_IEEE_802_3, TcpChecksum: tcp },
      IPv4Receive: checksum,
      IPv6Transmit: checksum,
      IPv6Receive: checksum,
    },
  };
}

function setOffload(miniport: TestMiniport, current: NDIS_OFFLOAD | null, hardware: NDIS_OFFLOAD | null) {
  return NdisMSetMiniportAttributes(miniport.handle, {
    Header: { Type: NDIS_OBJECT_TYPE_MINIPORT_ADAPTER_OFFLOAD_ATTRIBUTES, Revision: 1, Size: 40 },
    DefaultOffloadConfiguration: current,
    HardwareOffloadCapabilities: hardware,
  });
}

describe('OID_OFFLOAD_ENCAPSULATION', () => {
  const bytes = encodeOffloadEncapsulation(ETHERNET, LEFT);

  it('gives what is to be on for each IP version', () => {
    const data = dataOf(bytes);
    const { status, encapsulation } = readOffloadEncapsulation(data, NDIS_ENCAPSULATION_IEEE_802_3);
    expect([status, data.BytesRead, encapsulation]).toEqual([NDIS_STATUS_SUCCESS, 28, { IPv4: ETHERNET, IPv6: LEFT }]);
  });

  it('is NOT_SUPPORTED by a miniport without any offload', () => {
    expect(readOffloadEncapsulation(dataOf(bytes), 0).status).toBe(NDIS_STATUS_NOT_SUPPORTED);
  });

  it('for an encapsulation the miniport lacks is INVALID_PARAMETER, unless it is switched off', () => {
    const ask = (Enabled: 1 | 2, EncapsulationType: number) =>
      readOffloadEncapsulation(
        dataOf(encodeOffloadEncapsulation(LEFT, { Enabled, EncapsulationType, HeaderSize: 0 })),
        NDIS_ENCAPSULATION_IEEE_802_3,
      ).status;
    expect(ask(1, NDIS_ENCAPSULATION_NULL)).toBe(NDIS_STATUS_INVALID_PARAMETER);
    expect(ask(1, 0)).toBe(NDIS_STATUS_INVALID_PARAMETER);
    expect(ask(2, NDIS_ENCAPSULATION_NULL)).toBe(NDIS_STATUS_SUCCESS);
  });

  it('too short is INVALID_LENGTH with BytesNeeded; another structure or value is INVALID_DATA', () => {
    const short = dataOf(bytes.subarray(0, 27));
    expect(readOffloadEncapsulation(short, 2).status).toBe(NDIS_STATUS_INVALID_LENGTH);
    expect(short.BytesNeeded).toBe(28);
    for (const [at, value] of [
      [0, 0x80],
      [4, 3],
    ] as const) {
      const wrong = bytes.slice();
      wrong[at] = value;
      expect(readOffloadEncapsulation(dataOf(wrong), 2).status).toBe(NDIS_STATUS_INVALID_DATA);
    }
  });

  it('is sent again after a reset that asks for the addresses', async () => {
    const script: MiniportScript = {
      handlers: {
        CheckForHangHandlerEx: () => false,
        ResetHandlerEx: (_context, addressing) => {
          addressing.Value = true;
          return NDIS_STATUS_SUCCESS;
        },
      },
    };
    const { adapter, miniport } = await initialized(script);
    await adapter.reset();
    const without = miniport.oids.length;
    expect(miniport.oids.some((one) => one.oid === OID_OFFLOAD_ENCAPSULATION)).toBe(false);
    await adapter.setOid(OID_OFFLOAD_ENCAPSULATION, bytes);
    await adapter.reset();
    expect(miniport.oids).toHaveLength(2 * without + 2);
    expect(miniport.oids.at(-1)).toMatchObject({ oid: OID_OFFLOAD_ENCAPSULATION, bytes: [...bytes] });
  });
});

describe('OID_TCP_OFFLOAD_PARAMETERS', () => {
  it('gives each member, 0 for those to be left alone', () => {
    const data = dataOf(encodeOffloadParameters({ TCPIPv4Checksum: 4, LsoV2IPv6: 1 }));
    const { status, parameters } = readOffloadParameters(data);
    expect([status, data.BytesRead]).toEqual([NDIS_STATUS_SUCCESS, 20]);
    expect(parameters).toMatchObject({ IPv4Checksum: 0, TCPIPv4Checksum: 4, LsoV2IPv6: 1 });
  });

  it.each([
    ['IPv4Checksum', 5],
    ['UDPIPv6Checksum', 5],
    ['LsoV1', 3],
    ['LsoV2IPv4', 3],
    ['IPsecV1', 5],
    ['TcpConnectionIPv4', 3],
  ] as const)('with %s of %i is INVALID_DATA', (name, value) => {
    expect(readOffloadParameters(dataOf(encodeOffloadParameters({ [name]: value }))).status).toBe(
      NDIS_STATUS_INVALID_DATA,
    );
  });

  it('too short is INVALID_LENGTH with BytesNeeded, of another type INVALID_DATA', () => {
    const short = dataOf(encodeOffloadParameters({}).subarray(0, 19));
    expect(readOffloadParameters(short).status).toBe(NDIS_STATUS_INVALID_LENGTH);
    expect(short.BytesNeeded).toBe(20);
    const wrong = encodeOffloadParameters({});
    wrong[0] = 0xa7;
    expect(readOffloadParameters(dataOf(wrong)).status).toBe(NDIS_STATUS_INVALID_DATA);
  });

  it('leaves a setting with NO_CHANGE and sets both directions otherwise', () => {
    const before = { transmit: true, receive: false };
    const after = [0, 1, 2, 3, 4].map((value) => applyChecksumParameter(before, value));
    expect(after.map(({ transmit, receive }) => [transmit, receive])).toEqual([
      [true, false],
      [false, false],
      [true, false],
      [false, true],
      [true, true],
    ]);
  });

  it('reaches the miniport', async () => {
    const { adapter, miniport } = await initialized();
    await adapter.setOid(OID_TCP_OFFLOAD_PARAMETERS, encodeOffloadParameters({}));
    expect(miniport.oids.at(-1)?.oid).toBe(OID_TCP_OFFLOAD_PARAMETERS);
  });
});

describe('the offload attributes', () => {
  it('come after the general attributes, in MiniportInitializeEx', async () => {
    const { adapter, miniport } = await initialized({
      initialized: (one) => setOffload(one, offload(1), offload(1)),
    });
    expect(adapter.offload?.hardware).toEqual(offload(1));
    expect(setOffload(miniport, null, null)).toBe(NDIS_STATUS_FAILURE);
  });

  it('whose default is more than the hardware can is reported', async () => {
    const made = await bench({ initialized: (one) => setOffload(one, offload(1), offload(0)) });
    await made.adapter.initialize();
    expect(made.log.some((entry) => entry.message.startsWith('OFFLOAD'))).toBe(true);
  });

  it('change with NDIS_STATUS_TASK_OFFLOAD_CURRENT_CONFIG, which carries an NDIS_OFFLOAD or is bug check 0x7C/0x20', async () => {
    const { adapter, miniport, faults } = await initialized({
      initialized: (one) => setOffload(one, offload(0), offload(1)),
    });
    const indicate = (StatusBuffer: unknown): void =>
      NdisMIndicateStatusEx(miniport.handle, {
        Header: { Type: NDIS_OBJECT_TYPE_STATUS_INDICATION, Revision: 1, Size: 112 },
        SourceHandle: miniport.handle,
        PortNumber: 0,
        StatusCode: NDIS_STATUS_TASK_OFFLOAD_CURRENT_CONFIG,
        Flags: 0,
        DestinationHandle: null,
        RequestId: null,
        StatusBuffer,
        StatusBufferSize: 100,
      });
    indicate(offload(1));
    expect(adapter.offload).toEqual({ current: offload(1), hardware: offload(1) });
    indicate({ Header: { Type: 0x80, Revision: 1, Size: 100 } });
    await microtasks();
    expect(faults[0]?.bugCheck).toBe(0x20);
  });
});

describe('the checksum out-of-band data', () => {
  const tcp = {
    IsIPv4: true,
    IsIPv6: false,
    TcpChecksum: true,
    UdpChecksum: false,
    IpHeaderChecksum: true,
    TcpHeaderOffset: 34,
  };

  it('of a send is what the protocol asks for, in the bits of the union', () => {
    expect(packTransmitChecksum(tcp)).toBe(0x0022_0015);
    expect(unpackTransmitChecksum(0x0022_0015)).toEqual(tcp);
    expect(() => packTransmitChecksum({ ...tcp, IsIPv6: true })).toThrow(RangeError);
    expect(() => packTransmitChecksum({ ...tcp, TcpHeaderOffset: 1024 })).toThrow(RangeError);
  });

  it('of a send that is neither IPv4 nor IPv6 asks for nothing', () => {
    const asked = unpackTransmitChecksum(packTransmitChecksum({ ...tcp, IsIPv4: false }));
    expect([asked.TcpChecksum, asked.UdpChecksum, asked.IpHeaderChecksum]).toEqual([false, false, false]);
  });

  it('of a received frame says good, bad or nothing, never good and bad', () => {
    expect(packReceiveChecksum('succeeded', 'failed', 'not checked')).toBe(0x21);
    expect(packReceiveChecksum('not checked', 'not checked', 'not checked')).toBe(0);
    expect(isReceiveChecksumLegal(0x21)).toBe(true);
    expect(isReceiveChecksumLegal(CHECKSUM_RX_TCP_FAILED | CHECKSUM_RX_TCP_SUCCEEDED)).toBe(false);
  });
});
