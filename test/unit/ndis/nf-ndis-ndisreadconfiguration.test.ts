/** Rules of the page `nf-ndis-ndisreadconfiguration`, a test each, on a fake function and a small miniport. Layer: test (ndis). */
import { describe, expect, it } from 'vitest';
import {
  type NDIS_CONFIGURATION_PARAMETER,
  type NDIS_HANDLE,
  NDIS_OBJECT_TYPE_DEFAULT,
  type NDIS_PARAMETER_TYPE,
  NDIS_STATUS_FAILURE,
  NDIS_STATUS_SUCCESS,
  NdisCloseConfiguration,
  NdisOpenConfigurationEx,
  NdisParameterHexInteger,
  NdisParameterInteger,
  NdisParameterString,
  NdisReadConfiguration,
  out,
} from '../../../src/ndis/index.ts';
import { initialized } from './fake-miniport.ts';

describe('NdisReadConfiguration', () => {
  it('reads keywords without regard to case, as integers or text', async () => {
    const { miniport } = await initialized({}, {}, { configuration: { '*JumboPacket': 9014, Hex: '1F', Name: 'x' } });
    const handle = out<NDIS_HANDLE | null>(null);
    NdisOpenConfigurationEx(
      { Header: { Type: NDIS_OBJECT_TYPE_DEFAULT, Revision: 1, Size: 0 }, NdisHandle: miniport.handle, Flags: 0 },
      handle,
    );
    const configuration = handle.Value as NDIS_HANDLE;
    const read = (keyword: string, type: NDIS_PARAMETER_TYPE) => {
      const status = out(-1);
      const value = out<NDIS_CONFIGURATION_PARAMETER | null>(null);
      NdisReadConfiguration(status, value, configuration, keyword, type);
      return [status.Value, value.Value?.ParameterData];
    };
    expect(read('*jumbopacket', NdisParameterInteger)).toEqual([NDIS_STATUS_SUCCESS, 9014]);
    expect(read('Hex', NdisParameterHexInteger)).toEqual([NDIS_STATUS_SUCCESS, 31]);
    expect(read('Name', NdisParameterString)).toEqual([NDIS_STATUS_SUCCESS, 'x']);
    expect(read('Name', NdisParameterInteger)).toEqual([NDIS_STATUS_FAILURE, undefined]);
    expect(read('Absent', NdisParameterInteger)).toEqual([NDIS_STATUS_FAILURE, undefined]);
    NdisCloseConfiguration(configuration);
    expect(() => read('Name', NdisParameterString)).toThrow(/NdisOpenConfigurationEx/);
  });
});
