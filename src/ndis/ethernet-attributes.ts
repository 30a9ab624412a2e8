/**
 * General attributes of a plain Ethernet adapter, so that a small miniport need not spell out every member. Ours, not
 * NDIS's. Layer: ndis. Invariant: every member has the value NDIS documents for 802.3 or its "unknown".
 */
import {
  MediaConnectStateUnknown,
  MediaDuplexStateUnknown,
  NDIS_LINK_SPEED_UNKNOWN,
  type NDIS_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES,
  NDIS_OBJECT_TYPE_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES,
  NDIS_PACKET_TYPE_ALL_MULTICAST,
  NDIS_PACKET_TYPE_BROADCAST,
  NDIS_PACKET_TYPE_DIRECTED,
  NdisPauseFunctionsUnknown,
} from './types.ts';

/** NdisPhysicalMedium802_3, NET_IF_ACCESS_BROADCAST, NET_IF_CONNECTION_DEDICATED, IF_TYPE_ETHERNET_CSMACD. */
const PHYSICAL_MEDIUM_802_3 = 14;
const ACCESS_BROADCAST = 2;
const CONNECTION_DEDICATED = 1;
const IF_TYPE_ETHERNET = 6;

/**
 * Attributes for NdisMSetMiniportAttributes: link unknown, no offloads, no OIDs. Any IRQL.
 * @param mac permanent and current address, 6 bytes.
 * @param mtuBytes payload without the MAC header.
 * [ns-ndis-_ndis_miniport_adapter_general_attributes]
 */
export function ethernetGeneralAttributes(mac: Uint8Array, mtuBytes: number): NDIS_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES {
  return {
    Header: { Type: NDIS_OBJECT_TYPE_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES, Revision: 2, Size: 208 },
    MediaType: 0,
    PhysicalMediumType: PHYSICAL_MEDIUM_802_3,
    MtuSize: mtuBytes,
    MaxXmitLinkSpeed: NDIS_LINK_SPEED_UNKNOWN,
    XmitLinkSpeed: NDIS_LINK_SPEED_UNKNOWN,
    MaxRcvLinkSpeed: NDIS_LINK_SPEED_UNKNOWN,
    RcvLinkSpeed: NDIS_LINK_SPEED_UNKNOWN,
    MediaConnectState: MediaConnectStateUnknown,
    MediaDuplexState: MediaDuplexStateUnknown,
    LookaheadSize: mtuBytes,
    MacOptions: 0,
    SupportedPacketFilters: NDIS_PACKET_TYPE_DIRECTED | NDIS_PACKET_TYPE_BROADCAST | NDIS_PACKET_TYPE_ALL_MULTICAST,
    MaxMulticastListSize: 32,
    MacAddressLength: 6,
    PermanentMacAddress: mac,
    CurrentMacAddress: mac,
    RecvScaleCapabilities: null,
    AccessType: ACCESS_BROADCAST,
    DirectionType: 0,
    ConnectionType: CONNECTION_DEDICATED,
    IfType: IF_TYPE_ETHERNET,
    IfConnectorPresent: true,
    SupportedStatistics: 0,
    SupportedPauseFunctions: NdisPauseFunctionsUnknown,
    DataBackFillSize: 0,
    ContextBackFillSize: 0,
    SupportedOidList: [],
    AutoNegotiationFlags: 0,
  };
}
