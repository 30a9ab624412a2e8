/**
 * stub
 */
import type { NDIS_STATUS } from './status.ts';
import type { NDIS_HANDLE, NDIS_OBJECT_HEADER, Out } from './types.ts';

export const NdisParameterInteger = 0;
export const NdisParameterHexInteger = 1;
export const NdisParameterString = 2;

export interface NDIS_CONFIGURATION_OBJECT {
  Header: NDIS_OBJECT_HEADER;
  NdisHandle: NDIS_HANDLE;
  Flags: number;
}

export interface NDIS_CONFIGURATION_PARAMETER {
  readonly ParameterType: 0 | 1 | 2;
  readonly ParameterData: number | string;
}

export function NdisOpenConfigurationEx(
  _ConfigObject: NDIS_CONFIGURATION_OBJECT,
  _ConfigurationHandle: Out<NDIS_HANDLE | null>,
): NDIS_STATUS {
  throw new Error('not yet');
}
export function NdisReadConfiguration(
  _Status: Out<NDIS_STATUS>,
  _ParameterValue: Out<NDIS_CONFIGURATION_PARAMETER | null>,
  _ConfigurationHandle: NDIS_HANDLE,
  _Keyword: string,
  _ParameterType: number,
): void {
  throw new Error('not yet');
}
export function NdisCloseConfiguration(_ConfigurationHandle: NDIS_HANDLE): void {
  throw new Error('not yet');
}
