/**
 * What NDIS answers from attributes beyond the plain words of oid.ts: the structures and the _EX forms. Layer: ndis.
 * Invariant: the OIDs listed here never reach the miniport with a query, and never with a set. (Contract 3.9)
 */
import type { AdapterCore } from './core.ts';
import {
  NDIS_SIZEOF_LINK_SPEED,
  OID_GEN_LINK_SPEED_EX,
  OID_GEN_MAX_LINK_SPEED,
  OID_GEN_MEDIA_CONNECT_STATUS_EX,
  OID_GEN_MEDIA_DUPLEX_STATE,
  OID_GEN_PHYSICAL_MEDIUM_EX,
  OID_GEN_RECEIVE_SCALE_CAPABILITIES,
} from './oid-types.ts';
import { encodeReceiveScaleCapabilities } from './rss.ts';
import * as t from './types.ts';

/** Query only: there is nothing to set, and the miniport of an NDIS 6 driver is never asked. */
const ANSWERED_BY_NDIS: ReadonlySet<number> = new Set([
  t.OID_GEN_SUPPORTED_LIST,
  t.OID_GEN_MEDIA_SUPPORTED,
  t.OID_GEN_MEDIA_IN_USE,
  t.OID_GEN_MAXIMUM_LOOKAHEAD,
  t.OID_GEN_MAXIMUM_FRAME_SIZE,
  t.OID_GEN_LINK_SPEED,
  t.OID_GEN_DRIVER_VERSION,
  t.OID_GEN_MAC_OPTIONS,
  t.OID_GEN_MEDIA_CONNECT_STATUS,
  t.OID_GEN_PHYSICAL_MEDIUM,
  t.OID_GEN_LINK_STATE,
  OID_GEN_LINK_SPEED_EX,
  OID_GEN_MAX_LINK_SPEED,
  OID_GEN_MEDIA_CONNECT_STATUS_EX,
  OID_GEN_MEDIA_DUPLEX_STATE,
  OID_GEN_PHYSICAL_MEDIUM_EX,
  OID_GEN_RECEIVE_SCALE_CAPABILITIES,
]);

/** NDIS's own: true when NDIS answers the OID by itself, whatever the miniport lists. */
export function isAnsweredByNdis(oid: number): boolean {
  return ANSWERED_BY_NDIS.has(oid);
}

/** NDIS's own: the answer's bytes, or null when the OID is none of these or no attributes are known. */
export function attributeAnswerOf(core: AdapterCore, oid: number): Uint8Array | null {
  const { general, link } = core;
  if (general === null) return null;
  switch (oid) {
    case OID_GEN_LINK_SPEED_EX:
      return speeds(link.XmitLinkSpeed, link.RcvLinkSpeed);
    case OID_GEN_MAX_LINK_SPEED:
      return speeds(general.MaxXmitLinkSpeed, general.MaxRcvLinkSpeed);
    case OID_GEN_MEDIA_CONNECT_STATUS_EX:
      return ulong(link.MediaConnectState);
    case OID_GEN_MEDIA_DUPLEX_STATE:
      return ulong(link.MediaDuplexState);
    case OID_GEN_PHYSICAL_MEDIUM_EX:
      return ulong(general.PhysicalMediumType);
    case OID_GEN_RECEIVE_SCALE_CAPABILITIES:
      return general.RecvScaleCapabilities === null
        ? null
        : encodeReceiveScaleCapabilities(general.RecvScaleCapabilities);
    default:
      return null;
  }
}

function ulong(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

function speeds(transmit: number, receive: number): Uint8Array {
  const bytes = new Uint8Array(NDIS_SIZEOF_LINK_SPEED);
  const view = new DataView(bytes.buffer);
  setSpeed(view, 0, transmit);
  setSpeed(view, 8, receive);
  return bytes;
}

/** NDIS's own: writes a ULONG64 in bit/s; unknown is all ones. */
export function setSpeed(view: DataView, offset: number, bitsPerSecond: number): void {
  const known = bitsPerSecond < t.NDIS_LINK_SPEED_UNKNOWN;
  view.setUint32(offset, known ? bitsPerSecond % 2 ** 32 : 0xffff_ffff, true);
  view.setUint32(offset + 4, known ? Math.floor(bitsPerSecond / 2 ** 32) : 0xffff_ffff, true);
}
