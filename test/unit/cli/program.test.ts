/**
 * Rules under test: help, suggestions and examples come from the command table; a wrong command line is one message with
 * code, action, cause and cure, and exit status 2; nothing prints a stack without --debug.
 */
import { describe, expect, it } from 'vitest';
import { type ErrorCode, NdisVfioError } from '../../../src/base/errors.ts';
import type { CommandSpec } from '../../../src/cli/command.ts';
import { formatStatus } from '../../../src/cli/commands/status.ts';
import { COMMANDS, EXIT_STATUS_HELP, GROUPS } from '../../../src/cli/commands.ts';
import { formatError, runProgram } from '../../../src/cli/program.ts';
import { EXIT_STATUS } from '../../../src/daemon/index.ts';

async function run(line: string, commands?: readonly CommandSpec[]) {
  let out = '';
  let err = '';
  const output = { out: (text: string) => (out += text), err: (text: string) => (err += text) };
  const args = line.split(' ').filter((word) => word !== '');
  const status = await runProgram(args, '1.2.3', output as never, commands);
  return { status, out, err };
}

/** `up` with a body that only records what it got. */
function recordingUp(seen: unknown[]): CommandSpec[] {
  const up = COMMANDS.find((spec) => spec.path[0] === 'up')!;
  return [
    {
      ...up,
      run: async (args, options) => {
        seen.push(args[0], options);
        return 0;
      },
    },
  ];
}

describe('command line', () => {
  it.each([
    ['up --tap t', "missing required argument 'BDF'", 'ndis-vfio up --help'],
    ['up 0000:01:00.0', "required option '--tap <NAME>' not specified", 'ndis-vfio up --help'],
    ['up 0000:01:00.0 --tap', "option '--tap <NAME>' argument missing", 'ndis-vfio up --help'],
    ['up 0000:01:00.0 --tap t --jsn', '(did you mean --json?)', 'ndis-vfio up --help'],
    ['up 0000:01:00.0 --tap t --interrupts intx', 'Allowed choices are msix, msi, line', 'ndis-vfio up --help'],
    ['up 0000:01:00.0 --tap t --messages x', 'it is not a whole number', '--messages 3'],
    ['up 0000:01:00.0 --tap t --messages 0', 'it is not a whole number from 1 to 2048', '--messages 3'],
    ['up 0000:01:00.0 x --tap t', 'too many arguments', 'ndis-vfio up --help'],
    ['statsu', '(did you mean status?)', 'ndis-vfio --help'],
    ['vector disbale 0000:01:00.0 0', '(did you mean disable?)', '--help'],
    ['vector disable 0000:01:00.0 one', 'it is not a whole number', '"ndis-vfio status"'],
  ])('refuses "%s" with E_OPTION and status 2', async (line, cause, cure) => {
    const { status, out, err } = await run(line);
    expect(err).toMatch(/^ndis-vfio: E_OPTION: Cannot [^\n]+: [^\n]+\.\n {2}[^\n]+\n$/);
    expect(err).toContain(cause);
    expect(err).toContain(cure);
    expect(out).toBe('');
    expect(status).toBe(EXIT_STATUS.usage);
  });

  it.each(['up 01:00 --tap t', 'status 1', 'vector enable eth0 0'])(
    'refuses the address in "%s" with E_BAD_ADDRESS',
    async (line) => {
      const { status, err } = await run(line);
      expect(err).toMatch(/^ndis-vfio: E_BAD_ADDRESS: Cannot use /);
      expect(status).toBe(EXIT_STATUS.usage);
    },
  );

  it.each(['67', '9001', '0', '-1', '1500.5', 'big', '99999999999'])('refuses the MTU %s with E_MTU', async (mtu) => {
    const { status, err } = await run(`up 0000:01:00.0 --tap t --mtu=${mtu}`);
    expect(err).toContain('ndis-vfio: E_MTU: Cannot use');
    expect(err).toContain('it is not a whole number from 68 to 9000');
    expect(status).toBe(EXIT_STATUS.usage);
  });

  it('reports a function that does not exist with E_NO_DEVICE and status 1', async () => {
    const { status, err } = await run('up ffff:ff:1f.7 --tap t');
    expect(err).toMatch(
      /^ndis-vfio: E_NO_DEVICE: Cannot open ffff:ff:1f\.7: no PCI function has this address\.\n {2}\S/,
    );
    expect(status).toBe(EXIT_STATUS.failure);
  });

  it('reports an unreadable miniport file before it looks at the device', async () => {
    const { status, err } = await run('up ffff:ff:1f.7 --tap t --miniport /nonexistent/nic.mjs');
    expect(err).toMatch(
      /^ndis-vfio: E_MINIPORT_FILE: Cannot load the miniport \/nonexistent\/nic\.mjs: there is no such file\./,
    );
    expect(status).toBe(EXIT_STATUS.failure);
  });

  it('hands options over by name and as values', async () => {
    const seen: unknown[] = [];
    const line = 'up 01:00.0 --tap tap7 --mtu 9000 --messages 3 --interrupts msi --promiscuous --json';
    expect((await run(line, recordingUp(seen))).status).toBe(0);
    expect(seen).toEqual([
      '01:00.0',
      { tap: 'tap7', mtu: 9000, messages: 3, interrupts: 'msi', promiscuous: true, json: true },
    ]);
  });

  it('ends with a status of its own when the device has gone', async () => {
    const gone: CommandSpec = {
      ...COMMANDS[0]!,
      path: ['gone'],
      arguments: [],
      options: [],
      run: async () => {
        throw new NdisVfioError('E_DEVICE_GONE', { action: 'a', cause: 'device gone', cure: 'c' });
      },
    };
    const { status, err } = await run('gone', [gone]);
    expect(status).toBe(EXIT_STATUS.gone);
    expect(err).toBe('ndis-vfio: E_DEVICE_GONE: a: device gone.\n  c\n');
  });

  it('shows every command in the help, and examples and options in each command’s own', async () => {
    const { status, out } = await run('--help');
    expect(status).toBe(0);
    for (const spec of COMMANDS) {
      expect(out).toContain(spec.path[0]!);
      const own = await run(`${spec.path.join(' ')} --help`);
      expect(own.status).toBe(0);
      for (const [line] of spec.examples) expect(own.out).toContain(`ndis-vfio ${line}`);
      for (const option of spec.options) expect(own.out).toContain(option.flags);
    }
    for (const [code, meaning] of EXIT_STATUS_HELP) expect(out).toContain(`${code}  ${meaning}`);
  });

  it('documents exactly the exit statuses there are, and every group', () => {
    expect(EXIT_STATUS_HELP.map(([code]) => code)).toEqual(Object.values(EXIT_STATUS));
    const groups = COMMANDS.filter((spec) => spec.path.length > 1).map((spec) => spec.path[0]!);
    expect(Object.keys(GROUPS).sort()).toEqual([...new Set(groups)].sort());
  });

  it('prints the version', async () => {
    expect(await run('--version')).toMatchObject({ status: 0, out: '1.2.3\n' });
  });

  it('shows help and fails when no command is given', async () => {
    const { status, err } = await run('');
    expect(status).toBe(EXIT_STATUS.usage);
    expect(err).toContain('Usage: ndis-vfio');
  });
});

describe('errors for the user', () => {
  it('have code, action, cause and cure, and no stack', () => {
    const text = { action: 'Cannot open 0000:03:00.0', cause: 'it is bound to igb', cure: 'Run: x' };
    expect(formatError(new NdisVfioError('E_WRONG_DRIVER' satisfies ErrorCode, text))).toBe(
      'ndis-vfio: E_WRONG_DRIVER: Cannot open 0000:03:00.0: it is bound to igb.\n  Run: x\n',
    );
  });

  it('show stack and origin with --debug', () => {
    const error = new NdisVfioError('E_VFIO', { action: 'a', cause: 'b', cure: 'c' }, new Error('below'));
    expect(formatError(error, true)).toMatch(/ {4}at .*[\s\S]*origin: Error: below/);
  });

  it('mark a fault of the program as one', () => {
    expect(formatError(new TypeError('x is undefined'))).toContain('E_INTERNAL: TypeError: x is undefined');
  });
});

describe('status page', () => {
  it('shows state, link, counters and the mask of each message', () => {
    const time = { count: 2, totalUs: 10, maxUs: 7 };
    const message = {
      message: 0,
      wakes: 12,
      coalesced: 1,
      isrCalls: 11,
      isrFalse: 0,
      dpcRuns: 11,
      dpcBudgetExhausted: 3,
      nblsIndicated: 99,
      maxNblsInOneDpc: 64,
      isr: time,
      dpc: time,
      isrToDpc: time,
      disabled: true,
      masked: true,
      pending: false,
    };
    const page = formatStatus({
      address: '0000:01:00.0',
      pid: 1,
      version: '1.2.3',
      miniport: 'igb',
      ids: '8086:10c9',
      state: 'Running',
      uptimeMs: 12_000,
      startMs: 900,
      link: { state: 'up', speedMbps: 1000, duplex: 'full' },
      mac: '52:54:00:12:34:56',
      mtu: 1500,
      tap: 'tap0',
      interrupts: { kind: 'MSI-X', messages: [message] },
      statistics: { ifHCInOctets: 640 },
      bridge: {
        toNic: { frames: 3, bytes: 180, batches: 1, completed: 3, failed: 0, stalls: 0, inFlight: 0 },
        toTap: { frames: 2, bytes: 120, batches: 1, copied: 0, dropped: { noRoom: 1, refused: 0, oversize: 0 } },
      },
      resets: 0,
    });
    expect(page).toContain('up 1000 Mbit/s full duplex');
    expect(page).toMatch(/0 {2}.*12 .*11 .*99 .*5\.0 .*disabled, masked/);
    expect(page).toMatch(/ifHCInOctets\s+640/);
  });
});
