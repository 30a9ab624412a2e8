/**
 * OIDs and their structures beyond the basic ones in types.ts. Layer: ndis (types and tables only).
 * Invariant: constants have the C names and values (ntddndis.h). (Contract 1.18, 3.6, 3.7, 3.9)
 */

/** Maximum link speeds, NDIS_LINK_SPEED. Answered by NDIS. [oid-gen-max-link-speed] */
export const OID_GEN_MAX_LINK_SPEED = 0x0001_0206;
/** Current link speeds, NDIS_LINK_SPEED. Answered by NDIS. [oid-gen-link-speed-ex] */
export const OID_GEN_LINK_SPEED_EX = 0x0001_028b;
/** NET_IF_MEDIA_CONNECT_STATE. Answered by NDIS. [oid-gen-media-connect-status-ex] */
export const OID_GEN_MEDIA_CONNECT_STATUS_EX = 0x0001_028a;
/** NET_IF_MEDIA_DUPLEX_STATE. Answered by NDIS. [oid-gen-media-duplex-state] */
export const OID_GEN_MEDIA_DUPLEX_STATE = 0x0001_028c;
/** NDIS_PHYSICAL_MEDIUM. Answered by NDIS. [oid-gen-physical-medium-ex] */
export const OID_GEN_PHYSICAL_MEDIUM_EX = 0x0001_0213;
/** NDIS_RECEIVE_SCALE_CAPABILITIES. Answered by NDIS. [oid-gen-receive-scale-capabilities] */
export const OID_GEN_RECEIVE_SCALE_CAPABILITIES = 0x0001_0203;
/** NDIS_RECEIVE_SCALE_PARAMETERS; only a set reaches the miniport. [oid-gen-receive-scale-parameters] */
export const OID_GEN_RECEIVE_SCALE_PARAMETERS = 0x0001_0204;
/** NDIS_RECEIVE_HASH_PARAMETERS; excludes RSS. [oid-gen-receive-hash] */
export const OID_GEN_RECEIVE_HASH = 0x0001_021f;
/** NDIS_OFFLOAD_ENCAPSULATION; sent again after a reset that asks for it. [oid-offload-encapsulation] */
export const OID_OFFLOAD_ENCAPSULATION = 0x0101_010a;
/** NDIS_OFFLOAD in use; see Adapter.offload. [oid-tcp-offload-current-config] */
export const OID_TCP_OFFLOAD_CURRENT_CONFIG = 0xfc01_020b;
/** NDIS_OFFLOAD_PARAMETERS. Set only. [oid-tcp-offload-parameters] */
export const OID_TCP_OFFLOAD_PARAMETERS = 0xfc01_020c;
/** NDIS_OFFLOAD the hardware could do; see Adapter.offload. [oid-tcp-offload-hardware-capabilities] */
export const OID_TCP_OFFLOAD_HARDWARE_CAPABILITIES = 0xfc01_020d;
/** NDIS_DEVICE_POWER_STATE. Set only. [oid-pnp-set-power] */
export const OID_PNP_SET_POWER = 0xfd01_0101;
/** NDIS_DEVICE_POWER_STATE the adapter is asked about. Query only. [oid-pnp-query-power] */
export const OID_PNP_QUERY_POWER = 0xfd01_0102;
/** NDIS_PM_PARAMETERS. [oid-pm-parameters] */
export const OID_PM_PARAMETERS = 0xfd01_0109;
/** NDIS_PM_WOL_PATTERN. Set only. [oid-pm-add-wol-pattern] */
export const OID_PM_ADD_WOL_PATTERN = 0xfd01_010a;
/** ULONG, the id of a pattern. Set only. [oid-pm-remove-wol-pattern] */
export const OID_PM_REMOVE_WOL_PATTERN = 0xfd01_010b;

/** A query through the statistics interface; answered as NdisRequestQueryInformation is. [ns-oidrequest-ndis_oid_request] */
export const NdisRequestQueryStatistics = 2;

/** Bytes of NDIS_LINK_SPEED: XmitLinkSpeed, then RcvLinkSpeed, ULONG64 in bit/s each. */
export const NDIS_SIZEOF_LINK_SPEED = 16;

/** NDIS_INTERRUPT_MODERATION: cannot be determined; not settable. [ns-ntddndis-_ndis_interrupt_moderation_parameters] */
export const NdisInterruptModerationUnknown = 0;
/** The adapter has none; every set is answered NDIS_STATUS_INVALID_DATA. [oid-gen-interrupt-moderation] */
export const NdisInterruptModerationNotSupported = 1;
/** On, or to be turned on. */
export const NdisInterruptModerationEnabled = 2;
/** Off, or to be turned off. */
export const NdisInterruptModerationDisabled = 3;
export type NDIS_INTERRUPT_MODERATION = 0 | 1 | 2 | 3;
/** A change takes effect after a reset. */
export const NDIS_INTERRUPT_MODERATION_CHANGE_NEEDS_RESET = 1;
/** A change takes effect after the next MiniportInitializeEx. */
export const NDIS_INTERRUPT_MODERATION_CHANGE_NEEDS_REINITIALIZE = 2;
export const NDIS_INTERRUPT_MODERATION_PARAMETERS_REVISION_1 = 1;
export const NDIS_SIZEOF_INTERRUPT_MODERATION_PARAMETERS_REVISION_1 = 12;

/** NDIS_DEVICE_POWER_STATE values. [ns-ntddndis, oid-pnp-set-power] */
export const NdisDeviceStateUnspecified = 0;
export const NdisDeviceStateD0 = 1;
export const NdisDeviceStateD1 = 2;
export const NdisDeviceStateD2 = 3;
export const NdisDeviceStateD3 = 4;
export type NDIS_DEVICE_POWER_STATE = 0 | 1 | 2 | 3 | 4;
