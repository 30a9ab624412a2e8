/**
 * `status`: what running daemons report about themselves. Layer: cli.
 */
import type { MessageStatus, StatusResult } from '../../control/messages.ts';
import { describeLink, parsePciAddress } from '../../daemon/index.ts';
import { isNotRunning, listSockets, request } from '../client.ts';
import type { CommandSpec } from '../command.ts';
import { formatTable } from '../table.ts';

export const statusCommand: CommandSpec = {
  path: ['status'],
  summary: 'show state, link, counters and interrupt messages of running NICs',
  arguments: [{ name: 'BDF', summary: 'PCI address; default: every running NIC', optional: true }],
  options: [{ flags: '--json', summary: 'as JSON, one line per NIC' }],
  examples: [
    ['status', 'every running NIC'],
    ['status 0000:01:00.0 --json', 'one NIC, for programs'],
  ],
  run: async ([address], options) => {
    const addresses = address === undefined ? listSockets() : [parsePciAddress(address)];
    let shown = 0;
    for (const each of addresses) {
      try {
        const status = await request(each, 'status', {});
        console.log(options['json'] === true ? JSON.stringify(status) : formatStatus(status));
        shown++;
      } catch (error) {
        // A socket that a killed daemon left is no NIC that runs; asked for by name it is an error.
        if (address !== undefined || !isNotRunning(error)) throw error;
      }
    }
    if (shown === 0 && options['json'] !== true) console.log('no NIC is running');
    return 0;
  },
};

/** The status as a page of text. */
export function formatStatus(status: StatusResult): string {
  const { toNic, toTap } = status.bridge;
  const { noRoom, refused, oversize } = toTap.dropped;
  const facts = formatTable([
    [
      'state',
      `${status.state}, up ${(status.uptimeMs / 1000).toFixed(0)} s, pid ${status.pid}, resets ${status.resets}`,
    ],
    ['link', describeLink(status.link)],
    ['interface', `${status.tap}, MAC ${status.mac}, MTU ${status.mtu}`],
    ['miniport', `${status.miniport} (${status.ids}), ndis-vfio ${status.version}`],
    ['to NIC', `${toNic.frames} frames, ${toNic.bytes} bytes, ${toNic.failed} failed, ${toNic.stalls} stalls`],
    [
      'to TAP',
      `${toTap.frames} frames, ${toTap.bytes} bytes, dropped ${noRoom} no room, ${refused} refused, ${oversize} oversize`,
    ],
  ]);
  const counters = Object.entries(status.statistics).map(([name, value]) => [name, String(value)]);
  const messages = status.interrupts.messages.map(messageRow);
  return [
    status.address,
    indent(facts),
    '',
    `  ${status.interrupts.kind} messages`,
    indent(formatTable([MESSAGE_HEAD, ...messages], [0, 1, 2, 3, 4, 5, 6, 7, 8])),
    '',
    '  NIC statistics',
    indent(formatTable(counters, [1])),
  ].join('\n');
}

const MESSAGE_HEAD = ['message', 'wakes', 'ISRs', 'not mine', 'DPCs', 'repeats', 'frames', 'ISR us', 'DPC us', 'state'];

function messageRow(message: MessageStatus): string[] {
  const mean = (time: MessageStatus['isr']) => (time.count === 0 ? '-' : (time.totalUs / time.count).toFixed(1));
  const state = [
    message.disabled ? 'disabled' : 'enabled',
    ...(message.masked === true ? ['masked'] : []),
    ...(message.pending === true ? ['pending'] : []),
  ];
  return [
    String(message.message),
    String(message.wakes),
    String(message.isrCalls),
    String(message.isrFalse),
    String(message.dpcRuns),
    String(message.dpcBudgetExhausted),
    String(message.nblsIndicated),
    mean(message.isr),
    mean(message.dpc),
    state.join(', '),
  ];
}

function indent(text: string): string {
  return text.replace(/^(?=.)/gm, '  ');
}
