/**
 * The attributes a miniport declares (contract 2.3). Layer: miniports/intel.
 * Invariant: what NDIS answers from here is what oids.ts would answer; link members say "unknown" until it is read.
 */
import {
  MediaConnectStateUnknown,
  MediaDuplexStateUnknown,
  NDIS_LINK_SPEED_UNKNOWN,
  type NDIS_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES,
  type NDIS_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES,
  NDIS_MINIPORT_ATTRIBUTES_BUS_MASTER,
  NDIS_MINIPORT_ATTRIBUTES_HARDWARE_DEVICE,
  NDIS_MINIPORT_ATTRIBUTES_NDIS_WDM,
  NDIS_MINIPORT_ATTRIBUTES_SURPRISE_REMOVE_OK,
  NDIS_OBJECT_TYPE_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES,
  NDIS_OBJECT_TYPE_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES,
  NdisPauseFunctionsUnsupported,
} from '../../ndis/index.ts';
import { MAX_MULTICAST_LIST, SUPPORTED_PACKET_FILTERS } from './filter.ts';
import { SUPPORTED_OIDS, SUPPORTED_STATISTICS } from './oids.ts';

const NdisInterfacePci = 5;
const NdisMedium802_3 = 0;
const NdisPhysicalMedium802_3 = 14;
const NDIS_MAC_OPTION_COPY_LOOKAHEAD_DATA = 0x1;
const NDIS_MAC_OPTION_TRANSFERS_NOT_PEND = 0x4;
const NDIS_MAC_OPTION_NO_LOOPBACK = 0x8;
const NET_IF_ACCESS_BROADCAST = 2;
const NET_IF_DIRECTION_SENDRECEIVE = 0;
const NET_IF_CONNECTION_DEDICATED = 1;
const IF_TYPE_ETHERNET_CSMACD = 6;
const CHECK_FOR_HANG_SECONDS = 2;
const MAX_SPEED = 1e9;

/** Registration attributes; `context` comes back in every handler. */
export function registrationAttributes(context: unknown): NDIS_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES {
  return {
    Header: { Type: NDIS_OBJECT_TYPE_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES, Revision: 1, Size: 32 },
    MiniportAdapterContext: context,
    AttributeFlags:
      NDIS_MINIPORT_ATTRIBUTES_HARDWARE_DEVICE |
      NDIS_MINIPORT_ATTRIBUTES_BUS_MASTER |
      NDIS_MINIPORT_ATTRIBUTES_NDIS_WDM |
      NDIS_MINIPORT_ATTRIBUTES_SURPRISE_REMOVE_OK,
    CheckForHangTimeInSeconds: CHECK_FOR_HANG_SECONDS,
    InterfaceType: NdisInterfacePci,
  };
}

export function generalAttributes(
  mtu: number,
  permanent: Uint8Array,
  current: Uint8Array,
): NDIS_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES {
  return {
    Header: { Type: NDIS_OBJECT_TYPE_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES, Revision: 2, Size: 240 },
    MediaType: NdisMedium802_3,
    PhysicalMediumType: NdisPhysicalMedium802_3,
    MtuSize: mtu,
    MaxXmitLinkSpeed: MAX_SPEED,
    XmitLinkSpeed: NDIS_LINK_SPEED_UNKNOWN,
    MaxRcvLinkSpeed: MAX_SPEED,
    RcvLinkSpeed: NDIS_LINK_SPEED_UNKNOWN,
    MediaConnectState: MediaConnectStateUnknown,
    MediaDuplexState: MediaDuplexStateUnknown,
    LookaheadSize: mtu,
    MacOptions: NDIS_MAC_OPTION_COPY_LOOKAHEAD_DATA | NDIS_MAC_OPTION_TRANSFERS_NOT_PEND | NDIS_MAC_OPTION_NO_LOOPBACK,
    SupportedPacketFilters: SUPPORTED_PACKET_FILTERS,
    MaxMulticastListSize: MAX_MULTICAST_LIST,
    MacAddressLength: 6,
    PermanentMacAddress: permanent.slice(),
    CurrentMacAddress: current.slice(),
    RecvScaleCapabilities: null,
    AccessType: NET_IF_ACCESS_BROADCAST,
    DirectionType: NET_IF_DIRECTION_SENDRECEIVE,
    ConnectionType: NET_IF_CONNECTION_DEDICATED,
    IfType: IF_TYPE_ETHERNET_CSMACD,
    IfConnectorPresent: true,
    SupportedStatistics: SUPPORTED_STATISTICS,
    SupportedPauseFunctions: NdisPauseFunctionsUnsupported,
    DataBackFillSize: 0,
    ContextBackFillSize: 0,
    SupportedOidList: SUPPORTED_OIDS,
    AutoNegotiationFlags: 0,
  };
}
