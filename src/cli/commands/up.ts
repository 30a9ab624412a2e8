/**
 * `up`: runs a NIC in the foreground and bridges it to a TAP. Layer: cli.
 */
import { parsePciAddress, up } from '../../daemon/index.ts';
import { parseMtu, wholeNumber } from '../arguments.ts';
import type { CommandSpec } from '../command.ts';

export const upCommand: CommandSpec = {
  path: ['up'],
  summary: 'run a NIC and bridge it to a TAP interface, in the foreground',
  description:
    'The NIC must be bound to vfio-pci (scripts/bind-vfio.sh BDF); it leaves the kernel for that time. Prints one line per\n' +
    'event. SIGTERM and SIGINT stop it within 2 s, SIGUSR1 prints statistics.',
  arguments: [{ name: 'BDF', summary: 'PCI address, e.g. 0000:01:00.0' }],
  options: [
    { flags: '--tap <NAME>', summary: 'name of the TAP interface to create', required: true },
    { flags: '--mtu <N>', summary: 'MTU in bytes, 68 to 9000 (default 1500)', parse: parseMtu },
    { flags: '--miniport <FILE>', summary: 'ES module with DriverEntry and HardwareIds, instead of the built-in one' },
    {
      flags: '--interrupts <KIND>',
      summary: 'kind of interrupts (default: the best the NIC has)',
      choices: ['msix', 'msi', 'line'],
    },
    {
      flags: '--messages <N>',
      summary: 'use at most N interrupt messages',
      parse: wholeNumber('a number of messages', '--messages 3'),
    },
    { flags: '--promiscuous', summary: 'take every frame on the wire' },
    {
      flags: '--verify [MODE]',
      summary:
        'watch the miniport for broken NDIS rules: tell them (report, the default), or stop at the first (throw)',
      choices: ['report', 'throw'],
    },
    { flags: '--json', summary: 'events as JSON lines' },
  ],
  examples: [
    ['up 0000:01:00.0 --tap tap0', 'run the NIC as tap0'],
    ['up 01:00.0 --tap tap0 --mtu 9000', 'with jumbo frames'],
    ['up 01:00.0 --tap tap0 --miniport ./my-nic.mjs', 'with a miniport of your own'],
    ['up 01:00.0 --tap tap0 --miniport ./my-nic.mjs --verify', 'and tell which rules of NDIS it breaks'],
  ],
  run: ([address = ''], options) =>
    up({
      address: parsePciAddress(address),
      tap: options['tap'] as string,
      mtu: options['mtu'] as number | undefined,
      miniport: options['miniport'] as string | undefined,
      interrupts: options['interrupts'] as 'msix' | 'msi' | 'line' | undefined,
      messages: options['messages'] as number | undefined,
      promiscuous: options['promiscuous'] === true,
      verifier: options['verify'] === true ? 'report' : (options['verify'] as 'report' | 'throw' | undefined),
      json: options['json'] === true,
    }),
};
