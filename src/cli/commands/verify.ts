/**
 * `verify`: puts a miniport through its paces and prints a report card. Layer: cli.
 */
import { parsePciAddress } from '../../daemon/index.ts';
import { formatReportCard, verifyFile } from '../../verify/index.ts';
import { wholeNumber } from '../arguments.ts';
import type { CommandSpec } from '../command.ts';

export const verifyCommand: CommandSpec = {
  path: ['verify'],
  summary: 'run a miniport through its whole life with the verifier on, and print a report card',
  description:
    'Load, initialize, restart, traffic, pause, reset, requests, surprise removal, shutdown and halt, with all messages, one\n' +
    'message and a line, and with each resource call failing in turn. Runs on a simulated 82576 or 82574L, whichever the\n' +
    'miniport drives, or on a real NIC bound to vfio-pci. The exit status is 0 only when the card is clean.',
  arguments: [{ name: 'FILE', summary: 'ES module with DriverEntry and HardwareIds' }],
  options: [
    { flags: '--nic <BDF>', summary: 'a real NIC instead of the simulated one' },
    { flags: '--loops <N>', summary: 'how often (default 8)', parse: wholeNumber('a number of loops', '--loops 8') },
    { flags: '--json', summary: 'the card as one JSON object' },
  ],
  examples: [
    ['verify ./my-nic.mjs', 'without hardware'],
    ['verify ./my-nic.mjs --nic 01:00.0 --loops 2', 'on a NIC of this machine'],
  ],
  run: async ([file = ''], options) => {
    const json = options['json'] === true;
    const nic = options['nic'] as string | undefined;
    const show = !json && process.stderr.isTTY === true;
    const card = await verifyFile(file, {
      nic: nic === undefined ? undefined : parsePciAddress(nic),
      loops: options['loops'] as number | undefined,
      progress: show
        ? (done, total, name) => process.stderr.write(`\r\x1b[K${Math.round((done / total) * 100)} % ${name}`)
        : undefined,
    });
    if (show) process.stderr.write('\r\x1b[K');
    console.log(json ? JSON.stringify(card) : formatReportCard(card));
    return card.clean ? 0 : 1;
  },
};
