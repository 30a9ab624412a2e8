/** Every OID an Ethernet miniport must answer, asked of the Intel miniports: lengths and values. Layer: test (miniports). */
import { describe, expect, it } from 'vitest';
import { handleOid, type OidTarget, SUPPORTED_OIDS } from '../../../src/miniports/intel/oids.ts';
import { Statistics } from '../../../src/miniports/intel/statistics.ts';
import * as ndis from '../../../src/ndis/index.ts';
import {
  NDIS_STATUS_INVALID_DATA,
  NDIS_STATUS_INVALID_LENGTH,
  NDIS_STATUS_INVALID_OID,
  NDIS_STATUS_NOT_SUPPORTED,
  NDIS_STATUS_SUCCESS,
  NdisRequestMethod,
  NdisRequestQueryInformation,
  NdisRequestSetInformation,
} from '../../../src/ndis/index.ts';
import { makeOidRequest } from '../../../src/ndis/oid.ts';

const NAMED = { ...ndis };

function target(): OidTarget {
  return {
    mtu: 1500,
    slotBytes: 2048,
    receiveBuffers: 512,
    transmitBuffers: 512,
    permanentAddress: Uint8Array.of(0x52, 0x54, 0, 1, 2, 3),
    currentAddress: Uint8Array.of(0x52, 0x54, 0, 1, 2, 3),
    description: 'Chip',
    moderation: true,
    packetFilter: 0,
    lookahead: 1500,
    setPacketFilter(filter) {
      this.packetFilter = filter;
    },
    setMulticastList() {},
    setModeration(on) {
      (this as { moderation: boolean }).moderation = on;
    },
    readStatistics: () => new Statistics().getNdisStatistics(),
    getFramesSent: () => 2 ** 32 + 5,
    getFramesReceived: () => 2 ** 33 + 7,
  };
}

/** OID and the bytes of its answer. */
const QUERIES: readonly (readonly [keyof typeof NAMED, number])[] = [
  ['OID_GEN_CURRENT_LOOKAHEAD', 4],
  ['OID_GEN_INTERRUPT_MODERATION', 12],
  ['OID_GEN_MAXIMUM_TOTAL_SIZE', 4],
  ['OID_GEN_TRANSMIT_BUFFER_SPACE', 4],
  ['OID_GEN_RECEIVE_BUFFER_SPACE', 4],
  ['OID_GEN_TRANSMIT_BLOCK_SIZE', 4],
  ['OID_GEN_RECEIVE_BLOCK_SIZE', 4],
  ['OID_GEN_VENDOR_ID', 4],
  ['OID_GEN_VENDOR_DESCRIPTION', 5],
  ['OID_GEN_VENDOR_DRIVER_VERSION', 4],
  ['OID_GEN_XMIT_OK', 8],
  ['OID_GEN_RCV_OK', 8],
  ['OID_GEN_STATISTICS', 152],
];

/** OID and the bytes a set of it needs. */
const SETS: readonly (readonly [keyof typeof NAMED, number])[] = [
  ['OID_GEN_CURRENT_PACKET_FILTER', 4],
  ['OID_GEN_CURRENT_LOOKAHEAD', 4],
  ['OID_GEN_INTERRUPT_MODERATION', 12],
];

const ask = (type: number, oid: number, buffer: Uint8Array, of = target()) => {
  const request = makeOidRequest(type, oid, buffer);
  return { status: handleOid(of, request), data: request.DATA, of };
};

describe('a mandatory query', () => {
  it.each(QUERIES)('%s is listed, answered, and says how many bytes it wrote', (name, bytes) => {
    const oid = NAMED[name] as number;
    expect(SUPPORTED_OIDS).toContain(oid);
    const { status, data } = ask(NdisRequestQueryInformation, oid, new Uint8Array(bytes + 4));
    expect([status, data.BytesWritten]).toEqual([NDIS_STATUS_SUCCESS, bytes]);
  });

  it.each(QUERIES)('%s with no room is INVALID_LENGTH and says how much it needs', (name, bytes) => {
    const { status, data } = ask(NdisRequestQueryInformation, NAMED[name] as number, new Uint8Array(0));
    expect([status, data.BytesWritten, data.BytesNeeded]).toEqual([NDIS_STATUS_INVALID_LENGTH, 0, bytes]);
  });

  it('of frames counted by the miniport itself gives the low half to 4 bytes, and asks for 8', () => {
    const { status, data } = ask(NdisRequestQueryInformation, ndis.OID_GEN_XMIT_OK, new Uint8Array(4));
    expect([status, data.BytesWritten, data.BytesNeeded]).toEqual([NDIS_STATUS_SUCCESS, 4, 8]);
    expect([...(data.InformationBuffer as Uint8Array)]).toEqual([5, 0, 0, 0]);
  });

  it('of an OID nobody knows is INVALID_OID, of link parameters NOT_SUPPORTED, a method NOT_SUPPORTED', () => {
    expect(ask(NdisRequestQueryInformation, 0x0101_0999, new Uint8Array(8)).status).toBe(NDIS_STATUS_INVALID_OID);
    const link = ndis.OID_GEN_LINK_PARAMETERS;
    expect(ask(NdisRequestQueryInformation, link, new Uint8Array(64)).status).toBe(NDIS_STATUS_NOT_SUPPORTED);
    expect(ask(NdisRequestMethod, ndis.OID_GEN_STATISTICS, new Uint8Array(152)).status).toBe(NDIS_STATUS_NOT_SUPPORTED);
  });
});

describe('a mandatory set', () => {
  it.each(SETS)(
    '%s is listed, and one byte short is INVALID_LENGTH with BytesNeeded and nothing read',
    (name, bytes) => {
      const oid = NAMED[name] as number;
      expect(SUPPORTED_OIDS).toContain(oid);
      const { status, data } = ask(NdisRequestSetInformation, oid, new Uint8Array(bytes - 1));
      expect([status, data.BytesRead, data.BytesNeeded]).toEqual([NDIS_STATUS_INVALID_LENGTH, 0, bytes]);
    },
  );

  it('of an unknown packet filter bit is NOT_SUPPORTED and leaves the filter, a known one replaces it', () => {
    const oid = ndis.OID_GEN_CURRENT_PACKET_FILTER;
    const { of } = ask(NdisRequestSetInformation, oid, Uint8Array.of(5, 0, 0, 0));
    expect(ask(NdisRequestSetInformation, oid, Uint8Array.of(5, 0x80, 0, 0), of).status).toBe(
      NDIS_STATUS_NOT_SUPPORTED,
    );
    expect(of.packetFilter).toBe(5);
    ask(NdisRequestSetInformation, oid, Uint8Array.of(8, 0, 0, 0), of);
    expect(of.packetFilter).toBe(8);
  });

  it('of a lookahead beyond the payload is INVALID_DATA', () => {
    const { status, of } = ask(NdisRequestSetInformation, ndis.OID_GEN_CURRENT_LOOKAHEAD, Uint8Array.of(0xdd, 5, 0, 0));
    expect([status, of.lookahead]).toEqual([NDIS_STATUS_INVALID_DATA, 1500]);
  });
});
