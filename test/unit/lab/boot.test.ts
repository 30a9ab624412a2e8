/**
 * bootLab against a QEMU that is only played: time limits, the second boot, input, output, exit status, and that nothing
 * is left behind. The real one is exercised by the guest tests. Layer: test (unit).
 */
import type { ChildProcess } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { existsSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { encodeFrame, FrameReader } from '../../../scripts/lab/frames.mjs';
import { type BootSeams, bootLab, bootLimitMs, LabError } from '../../../scripts/lab/lab.mjs';

/** One played QEMU: connects to the lab's sockets and does what the script says. */
class Played extends EventEmitter {
  readonly pid = 1;
  readonly stdout = new PassThrough();
  readonly stderr = new PassThrough();
  readonly killed: string[] = [];
  exitCode: number | null = null;
  signalCode: string | null = null;
  readonly folder: string;
  readonly received: { type: string; text: string }[] = [];
  readonly agent: Socket;

  constructor(args: readonly string[]) {
    super();
    const path = /path=(.*)$/.exec(args.find((arg) => arg.startsWith('socket,id=agent')) ?? '')?.[1] ?? '';
    this.folder = dirname(path);
    this.agent = connect(path);
    const reader = new FrameReader((type, payload) => {
      this.received.push({ type, text: payload.toString() });
      this.emit('frame', type, payload);
    });
    this.agent.on('data', (chunk: Buffer) => reader.push(chunk));
    this.agent.on('error', () => {});
  }

  send(type: string, payload?: Uint8Array) {
    this.agent.write(encodeFrame(type, payload));
  }

  kill(signal: string) {
    this.killed.push(signal);
    this.end(null, signal);
    return true;
  }

  end(status: number | null, signal: string | null = null) {
    this.exitCode = status;
    this.signalCode = signal;
    this.agent.destroy();
    setImmediate(() => this.emit('close', status, signal));
  }
}

/** Seams for bootLab that play the given scripts, one per boot. */
function play(limitMs: number, ...scripts: ((qemu: Played) => void)[]) {
  const boots: Played[] = [];
  const seams: BootSeams = {
    limitMs,
    qemu: { path: 'qemu', version: [10, 0] },
    kernel: { series: '6.12', release: '6.12', image: '/k', modules: '/m' },
    initramfs: Buffer.alloc(4),
    spawn: (_program, args) => {
      const qemu = new Played(args);
      scripts[boots.length]?.(qemu);
      boots.push(qemu);
      return qemu as unknown as ChildProcess;
    },
  };
  return { boots, seams };
}

const runs =
  (status: number, ...output: [string, string][]) =>
  (qemu: Played) => {
    qemu.send('s');
    for (const [type, text] of output) qemu.send(type, Buffer.from(text));
    qemu.send('x', Buffer.from([status, 0]));
  };
const hangs = (qemu: Played) => void qemu.stdout.write('rcu: INFO: rcu_sched self-detected stall\r\n');

describe('a boot', () => {
  test('passes output through by stream and returns the exit status', async () => {
    const { boots, seams } = play(5000, runs(7, ['o', 'out\r\n'], ['r', 'err'], ['o', '\0\xff']));
    const output: string[] = [];
    const guest = await bootLab(
      { command: ['x'], onOutput: (chunk, stream) => output.push(`${stream}:${chunk}`) },
      seams,
    );
    expect(await guest.exited).toEqual({ status: 7, signal: 0, stopped: false });
    expect(output).toEqual(['stdout:out\r\n', 'stderr:err', 'stdout:\0\xff']);
    expect(guest.attempts).toBe(1);
    expect(existsSync(boots[0]!.folder)).toBe(false);
  });

  test('that hangs is killed and done once more, and the lab says so', async () => {
    const { boots, seams } = play(100, hangs, runs(0));
    const notices: string[] = [];
    const guest = await bootLab({ command: ['x'], onNotice: (text) => notices.push(text) }, seams);
    expect(guest.attempts).toBe(2);
    expect((await guest.exited).status).toBe(0);
    expect(boots[0]!.killed).toContain('SIGKILL');
    expect(notices).toEqual([expect.stringContaining('booting once more')]);
    expect(boots.map(({ folder }) => existsSync(folder))).toEqual([false, false]);
  });

  test('that hangs twice fails with the last lines of the console', async () => {
    const { boots, seams } = play(50, hangs, hangs, runs(0));
    await expect(bootLab({ command: ['x'] }, seams)).rejects.toThrow(
      expect.objectContaining({
        code: 'LAB_BOOT_HUNG',
        message: expect.stringContaining('| rcu: INFO: rcu_sched self-detected stall'),
      }),
    );
    expect(boots.length).toBe(2);
  });

  test('that panics is done once more', async () => {
    const { boots, seams } = play(
      5000,
      (qemu) => {
        qemu.stdout.write('Kernel panic - not syncing: timer\r\n');
        setTimeout(() => qemu.end(0), 20);
      },
      runs(3),
    );
    const notices: string[] = [];
    const guest = await bootLab({ command: ['x'], onNotice: (text) => notices.push(text) }, seams);
    expect((await guest.exited).status).toBe(3);
    expect(boots.length).toBe(2);
    expect(notices).toEqual([expect.stringContaining('panicked')]);
  });

  test('whose QEMU ends by itself is not repeated, and its last words are shown', async () => {
    const { boots, seams } = play(5000, (qemu) => {
      qemu.stderr.write('qemu: -device igb: bad option\n');
      qemu.end(1);
    });
    await expect(bootLab({ command: ['x'] }, seams)).rejects.toThrow(
      expect.objectContaining({
        code: 'LAB_GUEST_DIED',
        message: expect.stringMatching(/status 1.*-device igb: bad option/s),
      }),
    );
    expect(boots.length).toBe(1);
    expect(existsSync(boots[0]!.folder)).toBe(false);
  });

  test('can be aborted', async () => {
    const abort = new AbortController();
    const { boots, seams } = play(5000, () => setTimeout(() => abort.abort(), 20));
    await expect(bootLab({ command: ['x'], signal: abort.signal }, seams)).rejects.toThrow(
      expect.objectContaining({ code: 'LAB_STOPPED' }),
    );
    expect(boots.length).toBe(1);
  });
});

describe('a running command', () => {
  test('gets what was written before it started, then the end of its input', async () => {
    const { boots, seams } = play(5000, (qemu) => {
      qemu.send('s');
      qemu.on('frame', (type: string) => type === 'e' && qemu.send('x', Buffer.from([0, 0])));
    });
    const guest = await bootLab({ command: ['x'] }, seams);
    guest.write('one\n');
    guest.write(Buffer.from('two\n'));
    guest.end();
    await guest.exited;
    expect(
      boots[0]!.received
        .filter(({ type }) => type === 'i')
        .map(({ text }) => text)
        .join(''),
    ).toBe('one\ntwo\n');
  });

  test('that overstays its time is killed, with cause and cure', async () => {
    const { boots, seams } = play(5000, (qemu) => qemu.send('s'));
    const guest = await bootLab({ command: ['sleep'], timeoutSeconds: 0.05 }, seams);
    await expect(guest.exited).rejects.toThrow(
      expect.objectContaining({ code: 'LAB_TIMEOUT', message: expect.stringMatching(/Running sleep.*--timeout/s) }),
    );
    expect(boots[0]!.killed).toEqual(['SIGKILL']);
    expect(existsSync(boots[0]!.folder)).toBe(false);
  });

  test('whose guest dies is an error, not an exit status', async () => {
    const { seams } = play(5000, (qemu) => {
      qemu.send('s');
      setTimeout(() => {
        qemu.stdout.write('Kernel panic - not syncing\n');
        qemu.end(0);
      }, 20);
    });
    const guest = await bootLab({ command: ['x'] }, seams);
    await expect(guest.exited).rejects.toThrow(
      expect.objectContaining({ code: 'LAB_GUEST_DIED', message: expect.stringContaining('Kernel panic') }),
    );
    await expect(guest.exited).rejects.toBeInstanceOf(LabError);
  });

  test('that died by a signal has status 128+n', async () => {
    const { seams } = play(5000, (qemu) => {
      qemu.send('s');
      qemu.send('x', Buffer.from([137, 9]));
    });
    const guest = await bootLab({ command: ['x'] }, seams);
    expect(await guest.exited).toEqual({ status: 137, signal: 9, stopped: false });
  });

  test('is ended by stop(), after which nothing is left', async () => {
    const { boots, seams } = play(5000, (qemu) => qemu.send('s'));
    const guest = await bootLab({ command: ['x'] }, seams);
    await guest.stop();
    expect(await guest.exited).toMatchObject({ stopped: true });
    expect(existsSync(boots[0]!.folder)).toBe(false);
  });

  test('receives signals and window sizes', async () => {
    const { boots, seams } = play(5000, (qemu) => {
      qemu.send('s');
      qemu.on('frame', (type: string) => type === 'w' && qemu.send('x', Buffer.from([0, 0])));
    });
    const guest = await bootLab({ command: ['x'] }, seams);
    guest.signal(15);
    guest.resize(33, 99);
    await guest.exited;
    expect(boots[0]!.received.map(({ type, text }) => [type, ...Buffer.from(text)])).toEqual([
      ['k', 15],
      ['w', 33, 0, 99, 0],
    ]);
  });
});

test('the addresses of the NICs are known to the caller', async () => {
  const { seams } = play(5000, runs(0));
  const guest = await bootLab(
    { nics: [{ model: 'igb', wire: 'null' }, { model: 'e1000e' }], dump: '/d/w.pcap', command: ['x'] },
    seams,
  );
  await guest.exited;
  expect(guest.nics).toEqual([
    {
      ...{ model: 'igb', bdf: '0000:01:00.0', mac: '52:54:00:12:34:56', device: 'nic0', netdev: 'net0' },
      ...{ wire: 'null', dump: '/d/w.pcap' },
    },
    {
      ...{ model: 'e1000e', bdf: '0000:02:00.0', mac: '52:54:00:12:34:57', device: 'nic1', netdev: 'net1' },
      ...{ wire: 'hub', dump: '/d/w.1.pcap' },
    },
  ]);
});

test('a file that is no socket is not taken away for one', async () => {
  const { boots, seams } = play(5000, runs(0));
  await expect(bootLab({ qmp: process.execPath, command: ['x'] }, seams)).rejects.toThrow(
    expect.objectContaining({ code: 'LAB_OPTION', message: expect.stringContaining('no socket') }),
  );
  expect(boots).toEqual([]);
  expect(existsSync(process.execPath)).toBe(true);
});

describe('the time a boot may take', () => {
  test('is 30 s on an idle machine, more on a busy one, at most four times as much', () => {
    expect(bootLimitMs({ load: 0.5, cpus: 2, env: {} })).toBe(30_000);
    expect(bootLimitMs({ load: 4, cpus: 2, env: {} })).toBe(60_000);
    expect(bootLimitMs({ load: 100, cpus: 2, env: {} })).toBe(120_000);
  });

  test('can be set by LAB_BOOT_LIMIT in seconds', () => {
    expect(bootLimitMs({ load: 100, cpus: 2, env: { LAB_BOOT_LIMIT: '5' } })).toBe(5000);
  });
});
