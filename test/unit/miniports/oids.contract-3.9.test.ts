import { describe, expect, it } from 'vitest';
import { handleOid, type OidTarget } from '../../../src/miniports/intel/oids.ts';
import { Statistics } from '../../../src/miniports/intel/statistics.ts';
import {
  NDIS_OBJECT_TYPE_OID_REQUEST,
  type NDIS_OID_REQUEST,
  NDIS_STATUS_INVALID_DATA,
  NDIS_STATUS_INVALID_LENGTH,
  NDIS_STATUS_INVALID_OID,
  NDIS_STATUS_MULTICAST_FULL,
  NDIS_STATUS_NOT_SUPPORTED,
  NDIS_STATUS_SUCCESS,
  NdisRequestQueryInformation,
  NdisRequestSetInformation,
  OID_802_3_MULTICAST_LIST,
  OID_GEN_CURRENT_PACKET_FILTER,
  OID_GEN_INTERRUPT_MODERATION,
  OID_GEN_LINK_PARAMETERS,
  OID_GEN_MAXIMUM_TOTAL_SIZE,
  OID_GEN_RCV_OK,
  OID_GEN_STATISTICS,
  OID_GEN_VENDOR_DESCRIPTION,
} from '../../../src/ndis/index.ts';

class Target implements OidTarget {
  mtu = 1500;
  slotBytes = 2048;
  receiveBuffers = 512;
  transmitBuffers = 512;
  permanentAddress = Uint8Array.of(0x52, 0x54, 0, 1, 2, 3);
  currentAddress: Uint8Array = this.permanentAddress;
  description = 'Chip';
  moderation = true;
  packetFilter = 0;
  lookahead = 1500;
  list: Uint8Array = new Uint8Array(0);
  setPacketFilter(filter: number): void {
    this.packetFilter = filter;
  }
  setMulticastList(list: Uint8Array): void {
    this.list = list;
  }
  setModeration(on: boolean): void {
    this.moderation = on;
  }
  readStatistics() {
    return { ...new Statistics().getNdisStatistics(), ifInDiscards: 2 ** 40 + 1 };
  }
  getFramesSent(): number {
    return 5;
  }
  getFramesReceived(): number {
    return 2 ** 33 + 7;
  }
}

function request(type: number, oid: number, buffer: Uint8Array | null): NDIS_OID_REQUEST {
  return {
    Header: { Type: NDIS_OBJECT_TYPE_OID_REQUEST, Revision: 1, Size: 0 },
    RequestType: type,
    PortNumber: 0,
    Timeout: 0,
    RequestId: null,
    RequestHandle: null,
    DATA: {
      Oid: oid,
      InformationBuffer: buffer,
      InformationBufferLength: buffer?.length ?? 0,
      BytesWritten: 0,
      BytesRead: 0,
      BytesNeeded: 0,
    },
  };
}

const query = (oid: number, bytes: number) => request(NdisRequestQueryInformation, oid, new Uint8Array(bytes));
const set = (oid: number, ...bytes: number[]) => request(NdisRequestSetInformation, oid, Uint8Array.from(bytes));

describe('queries', () => {
  it('answer the maximum total size as MTU plus header', () => {
    const one = query(OID_GEN_MAXIMUM_TOTAL_SIZE, 4);
    expect(handleOid(new Target(), one)).toBe(NDIS_STATUS_SUCCESS);
    expect(new DataView(one.DATA.InformationBuffer!.buffer).getUint32(0, true)).toBe(1514);
    expect(one.DATA.BytesWritten).toBe(4);
  });

  it('write nothing into a short buffer and say what is needed', () => {
    const one = query(OID_GEN_STATISTICS, 151);
    expect(handleOid(new Target(), one)).toBe(NDIS_STATUS_INVALID_LENGTH);
    expect([one.DATA.BytesWritten, one.DATA.BytesNeeded]).toEqual([0, 152]);
    expect(one.DATA.InformationBuffer!.every((octet) => octet === 0)).toBe(true);
  });

  it('lay NDIS_STATISTICS_INFO out with 64-bit counters from byte 8', () => {
    const one = query(OID_GEN_STATISTICS, 152);
    expect(handleOid(new Target(), one)).toBe(NDIS_STATUS_SUCCESS);
    const view = new DataView(one.DATA.InformationBuffer!.buffer);
    expect([view.getUint8(0), view.getUint8(1), view.getUint16(2, true)]).toEqual([0x80, 1, 152]);
    expect(view.getBigUint64(8, true)).toBe(2n ** 40n + 1n);
  });

  it('give a 64-bit counter whole, halved or not at all by the length of the buffer', () => {
    const whole = query(OID_GEN_RCV_OK, 8);
    expect(handleOid(new Target(), whole)).toBe(NDIS_STATUS_SUCCESS);
    expect(new DataView(whole.DATA.InformationBuffer!.buffer).getBigUint64(0, true)).toBe(2n ** 33n + 7n);
    const half = query(OID_GEN_RCV_OK, 4);
    expect(handleOid(new Target(), half)).toBe(NDIS_STATUS_SUCCESS);
    expect([half.DATA.BytesWritten, half.DATA.BytesNeeded]).toEqual([4, 8]);
    expect(new DataView(half.DATA.InformationBuffer!.buffer).getUint32(0, true)).toBe(7);
    const none = query(OID_GEN_RCV_OK, 3);
    expect(handleOid(new Target(), none)).toBe(NDIS_STATUS_INVALID_LENGTH);
    expect([none.DATA.BytesWritten, none.DATA.BytesNeeded]).toEqual([0, 8]);
  });

  it('end the vendor description with NUL', () => {
    const one = query(OID_GEN_VENDOR_DESCRIPTION, 64);
    handleOid(new Target(), one);
    expect(Buffer.from(one.DATA.InformationBuffer!.subarray(0, one.DATA.BytesWritten)).toString()).toBe('Chip\0');
  });

  it('refuse what is not known', () => {
    expect(handleOid(new Target(), query(0x1234, 4))).toBe(NDIS_STATUS_INVALID_OID);
    expect(handleOid(new Target(), query(OID_GEN_LINK_PARAMETERS, 4))).toBe(NDIS_STATUS_NOT_SUPPORTED);
  });
});

describe('sets', () => {
  it('replace the packet filter and refuse unknown bits without touching it', () => {
    const target = new Target();
    expect(handleOid(target, set(OID_GEN_CURRENT_PACKET_FILTER, 9, 0, 0, 0))).toBe(NDIS_STATUS_SUCCESS);
    expect(handleOid(target, set(OID_GEN_CURRENT_PACKET_FILTER, 0, 0, 0, 0x80))).toBe(NDIS_STATUS_NOT_SUPPORTED);
    expect(handleOid(target, set(OID_GEN_CURRENT_PACKET_FILTER, 1))).toBe(NDIS_STATUS_INVALID_LENGTH);
    expect(target.packetFilter).toBe(9);
  });

  it('take a multicast list of whole addresses, also an empty one', () => {
    const target = new Target();
    expect(handleOid(target, set(OID_802_3_MULTICAST_LIST, 1, 0, 0x5e, 0, 0, 1))).toBe(NDIS_STATUS_SUCCESS);
    expect(target.list).toHaveLength(6);
    expect(handleOid(target, set(OID_802_3_MULTICAST_LIST, 1, 0, 0x5e))).toBe(NDIS_STATUS_INVALID_LENGTH);
    expect(handleOid(target, set(OID_802_3_MULTICAST_LIST))).toBe(NDIS_STATUS_SUCCESS);
    expect(target.list).toHaveLength(0);
    const long = set(OID_802_3_MULTICAST_LIST, ...new Array<number>(129 * 6).fill(1));
    expect(handleOid(target, long)).toBe(NDIS_STATUS_MULTICAST_FULL);
  });

  it('turn interrupt moderation on and off and refuse other values', () => {
    const target = new Target();
    const moderation = (value: number) => set(OID_GEN_INTERRUPT_MODERATION, 0x80, 1, 12, 0, 0, 0, 0, 0, value, 0, 0, 0);
    expect(handleOid(target, moderation(3))).toBe(NDIS_STATUS_SUCCESS);
    expect(target.moderation).toBe(false);
    expect(handleOid(target, moderation(1))).toBe(NDIS_STATUS_INVALID_DATA);
    expect(handleOid(target, moderation(2))).toBe(NDIS_STATUS_SUCCESS);
    expect(target.moderation).toBe(true);
  });
});
