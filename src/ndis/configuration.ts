/**
 * Registry keywords, read from AdapterOptions.configuration. Layer: ndis.
 * Invariant: keywords are compared without regard to case, as in the registry. PASSIVE_LEVEL throughout.
 */
import { type AdapterCore, coreOrNull, wrongHandle } from './core.ts';
import { requireIrqlAtMost } from './irql.ts';
import { type NDIS_STATUS, NDIS_STATUS_FAILURE, NDIS_STATUS_INVALID_PARAMETER, NDIS_STATUS_SUCCESS } from './status.ts';
import { type NDIS_HANDLE, type NDIS_OBJECT_HEADER, type Out, PASSIVE_LEVEL } from './types.ts';

export const NdisParameterInteger = 0;
export const NdisParameterHexInteger = 1;
export const NdisParameterString = 2;
export type NDIS_PARAMETER_TYPE = 0 | 1 | 2;

/** [ns-ndis-_ndis_configuration_object] */
export interface NDIS_CONFIGURATION_OBJECT {
  Header: NDIS_OBJECT_HEADER;
  NdisHandle: NDIS_HANDLE;
  Flags: number;
}

/** [ns-ntddndis-_ndis_configuration_parameter] ParameterData: a number for the integer types, else a string. */
export interface NDIS_CONFIGURATION_PARAMETER {
  readonly ParameterType: NDIS_PARAMETER_TYPE;
  readonly ParameterData: number | string;
}

class Configuration {
  readonly core: AdapterCore;
  open = true;

  constructor(core: AdapterCore) {
    this.core = core;
  }
}

/** Opens the keywords of an adapter. PASSIVE_LEVEL. INVALID_PARAMETER: no miniport handle. [nf-ndis-ndisopenconfigurationex] */
export function NdisOpenConfigurationEx(
  ConfigObject: NDIS_CONFIGURATION_OBJECT,
  ConfigurationHandle: Out<NDIS_HANDLE | null>,
): NDIS_STATUS {
  requireIrqlAtMost(PASSIVE_LEVEL, 'NdisOpenConfigurationEx');
  const core = coreOrNull(ConfigObject.NdisHandle);
  if (core === null) return NDIS_STATUS_INVALID_PARAMETER;
  const configuration = new Configuration(core);
  core.verifier?.took('configuration handle', configuration);
  ConfigurationHandle.Value = configuration as unknown as NDIS_HANDLE;
  return NDIS_STATUS_SUCCESS;
}

function configurationOf(handle: NDIS_HANDLE, what: string): Configuration {
  const configuration = handle as unknown;
  return configuration instanceof Configuration && configuration.open
    ? configuration
    : wrongHandle(what, 'a handle of NdisOpenConfigurationEx');
}

/**
 * Reads one keyword. PASSIVE_LEVEL. Status FAILURE and ParameterValue null: not set, or not of the type asked for.
 * Decimal and 0x text counts as an integer (hexadecimal throughout with NdisParameterHexInteger).
 * [nf-ndis-ndisreadconfiguration]
 */
export function NdisReadConfiguration(
  Status: Out<NDIS_STATUS>,
  ParameterValue: Out<NDIS_CONFIGURATION_PARAMETER | null>,
  ConfigurationHandle: NDIS_HANDLE,
  Keyword: string,
  ParameterType: NDIS_PARAMETER_TYPE,
): void {
  requireIrqlAtMost(PASSIVE_LEVEL, 'NdisReadConfiguration');
  const { core } = configurationOf(ConfigurationHandle, 'NdisReadConfiguration');
  const keyword = Keyword.toLowerCase();
  const found = Object.entries(core.options.configuration ?? {}).find(([name]) => name.toLowerCase() === keyword);
  const data = found === undefined ? null : convert(found[1], ParameterType);
  ParameterValue.Value = data === null ? null : { ParameterType, ParameterData: data };
  Status.Value = data === null ? NDIS_STATUS_FAILURE : NDIS_STATUS_SUCCESS;
}

function convert(value: number | string, type: NDIS_PARAMETER_TYPE): number | string | null {
  if (type === NdisParameterString) return String(value);
  if (typeof value === 'number') return value;
  const text = value.trim();
  const number = type === NdisParameterHexInteger ? Number(`0x${text.replace(/^0x/i, '')}`) : Number(text);
  return text === '' || !Number.isInteger(number) ? null : number;
}

/** PASSIVE_LEVEL. [nf-ndis-ndiscloseconfiguration] */
export function NdisCloseConfiguration(ConfigurationHandle: NDIS_HANDLE): void {
  requireIrqlAtMost(PASSIVE_LEVEL, 'NdisCloseConfiguration');
  const configuration = configurationOf(ConfigurationHandle, 'NdisCloseConfiguration');
  configuration.open = false;
  configuration.core.verifier?.gave(configuration);
}
