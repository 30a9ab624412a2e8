/**
 * `vector disable` and `vector enable`: the diagnostic pair of NDIS for one interrupt message. Layer: cli.
 */
import { parsePciAddress } from '../../daemon/index.ts';
import { wholeNumber } from '../arguments.ts';
import { request } from '../client.ts';
import type { CommandSpec } from '../command.ts';

const parseMessage = wholeNumber('an interrupt message', '0; "ndis-vfio status" shows the messages');

function vectorCommand(verb: 'disable' | 'enable', summary: string, example: string): CommandSpec {
  return {
    path: ['vector', verb],
    summary,
    arguments: [
      { name: 'BDF', summary: 'PCI address of a running NIC' },
      { name: 'MESSAGE', summary: 'number of the interrupt message, from 0' },
    ],
    options: [{ flags: '--json', summary: 'the answer as JSON' }],
    examples: [[`vector ${verb} 0000:01:00.0 0`, example]],
    run: async ([address = '', message = ''], options) => {
      const bdf = parsePciAddress(address);
      const answer = await request(bdf, `vector.${verb}`, { message: parseMessage(message) });
      const state = answer.disabled ? 'disabled' : 'enabled';
      console.log(options['json'] === true ? JSON.stringify(answer) : `${bdf} vector ${answer.message} ${state}`);
      return 0;
    },
  };
}

export const vectorDisableCommand = vectorCommand(
  'disable',
  'mask one interrupt message of a running NIC',
  'no ISR runs for message 0 until it is enabled',
);

export const vectorEnableCommand = vectorCommand(
  'enable',
  'unmask an interrupt message',
  'what came meanwhile arrives as one interrupt',
);
