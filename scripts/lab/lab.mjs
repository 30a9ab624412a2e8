/**
 * Boots the lab guest and runs one command in it. The API behind `npm run lab`, the guest tests and the demonstration.
 * Layer: scripts; types in lab.d.mts. Invariants: everything is bounded in time; whatever ends the guest (its command,
 * a time limit, stop(), the end of this process) leaves no process, socket, folder or namespace behind.
 */
import { spawn as spawnProcess } from 'node:child_process';
import { existsSync, lstatSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { Writable } from 'node:stream';
import { LAB_FAILED, LabError } from './errors.mjs';
import { encodeFrame, FrameReader, FromGuest, ToGuest } from './frames.mjs';
import { baseInitramfs, runInitramfs, tscKhz } from './initramfs.mjs';
import { findKernel, ROOT } from './kernel.mjs';
import { bdfOf, dumpFile, findQemu, macOf, parseWire, qemuArguments } from './qemu.mjs';
import { Qmp } from './qmp.mjs';
import { openTaps } from './wires.mjs';

export { LAB_FAILED, LabError };

/** Defaults of BootOptions, also what --help says. */
export const DEFAULTS = /** @type {const} */ ({ cpus: 2, memoryMiB: 3072, timeoutSeconds: 600, kernel: '6.12' });
/** A boot that has not reached COMMAND after so long on an idle machine hangs; a busy machine gets more. */
const BOOT_LIMIT_MS = 30_000;
const BOOT_ATTEMPTS = 2;
/** Faults of emulation that a second boot cures, and what the lab says of them. @type {Record<string, string>} */
const BOOT_FAULTS = { LAB_BOOT_HUNG: 'hung', LAB_BOOT_PANIC: 'panicked' };
/** Lines of the console kept for error messages. */
const CONSOLE_LINES = 200;

/**
 * How long a boot may take: more the busier the machine is. LAB_BOOT_LIMIT (seconds) overrides.
 * @param {{ load?: number, cpus?: number, env?: NodeJS.ProcessEnv }} [machine]
 */
export function bootLimitMs({ load = loadavg()[0] ?? 0, cpus = availableParallelism(), env = process.env } = {}) {
  const fixed = Number(env['LAB_BOOT_LIMIT']);
  if (fixed > 0) return fixed * 1000;
  return BOOT_LIMIT_MS * Math.min(4, Math.max(1, load / cpus));
}

/** Guests of this process, ended with it. @type {Set<() => void>} */
const alive = new Set();
process.on('exit', () => {
  for (const end of alive) end();
});

const FOLDER = 'ndis-vfio-lab-';

/** Removes the folders of labs that were killed. @param {string} parent */
function sweepFolders(parent) {
  for (const name of readdirSync(parent)) {
    const pid = name.startsWith(FOLDER) ? Number.parseInt(name.slice(FOLDER.length), 10) : 0;
    if (pid > 0 && !existsSync(`/proc/${pid}`)) rmSync(join(parent, name), { recursive: true, force: true });
  }
}

/** Keeps the last lines of a text stream. */
class Tail {
  /** @type {string[]} */
  #lines = [];
  #rest = '';

  /** @param {string} text */
  push(text) {
    const lines = (this.#rest + text).replaceAll('\r', '').split('\n');
    this.#rest = lines.pop() ?? '';
    this.#lines.push(...lines);
    this.#lines.splice(0, this.#lines.length - CONSOLE_LINES);
  }

  /** @param {number} [count] */
  lines(count = CONSOLE_LINES) {
    return [...this.#lines, this.#rest].filter((line) => line.trim() !== '').slice(-count);
  }
}

/**
 * A server for exactly one connection, which QEMU makes: nothing has to be polled for.
 * @param {string} path
 * @returns {Promise<{ connected: Promise<import('node:net').Socket>, close: () => void }>}
 */
function listenOnce(path) {
  return new Promise((resolveListening, reject) => {
    /** @type {(socket: import('node:net').Socket) => void} */
    let accept = () => {};
    /** @type {Promise<import('node:net').Socket>} */
    const connected = new Promise((resolveSocket) => {
      accept = resolveSocket;
    });
    const server = createServer((socket) => {
      server.close();
      accept(socket);
    });
    server.on('error', reject);
    server.listen(path, () => resolveListening({ connected, close: () => server.close() }));
  });
}

/**
 * One boot of one guest. Made by bootLab; see lab.d.mts for what each member promises.
 */
export class Guest {
  #options;
  #child;
  #console = new Tail();
  #stderr = new Tail();
  /** @type {import('node:net').Socket | undefined} */
  #agent;
  /** @type {Promise<Qmp>} */
  #qmp;
  /** @type {{ status: number, signal: number } | undefined} */
  #result;
  /** @type {Error | undefined} */
  #failure;
  #stopped = false;
  /** @type {NodeJS.Timeout | undefined} */
  #timer;
  /** @type {(event: { event: string, data?: unknown }) => void} */
  #onEvent = () => {};
  #begin = performance.now();
  /** @type {() => void} */
  #resolveStarted = () => {};
  /** @type {(error: Error) => void} */
  #rejectStarted = () => {};

  /**
   * @param {Required<Pick<import('./lab.d.mts').BootOptions, 'timeoutSeconds'>> & import('./lab.d.mts').BootOptions} options
   * @param {import('node:child_process').ChildProcess} child
   * @param {{ connected: Promise<import('node:net').Socket>, close: () => void }} agent
   * @param {{ connected: Promise<import('node:net').Socket>, close: () => void }} qmp
   * @param {readonly import('./lab.d.mts').NicInfo[]} nics
   * @param {() => void} cleanUp
   */
  constructor(options, child, agent, qmp, nics, cleanUp) {
    this.#options = options;
    this.#child = child;
    this.nics = nics;
    this.bootSeconds = 0;
    this.attempts = 1;

    this.started = /** @type {Promise<void>} */ (
      new Promise((resolveStarted, reject) => {
        this.#resolveStarted = resolveStarted;
        this.#rejectStarted = reject;
      })
    );
    this.started.catch(() => {});

    child.stdout?.setEncoding('utf8').on('data', (text) => {
      this.#console.push(text);
      options.onConsole?.(text);
    });
    child.stderr?.setEncoding('utf8').on('data', (text) => this.#stderr.push(text));

    /** @type {Promise<import('node:net').Socket>} */
    const agentSocket = agent.connected;
    void agentSocket.then((socket) => this.#attach(socket));
    this.#qmp = qmp.connected.then((socket) => {
      const client = new Qmp(socket);
      client.onEvent = (event) => this.#onEvent(event);
      return client;
    });

    const kill = () => void child.kill('SIGKILL');
    const endAtExit = () => {
      kill();
      cleanUp();
    };
    alive.add(endAtExit);

    /** Input of COMMAND. What is written before COMMAND runs waits for it. */
    this.stdin = new Writable({
      write: (chunk, _encoding, done) => this.#send(ToGuest.stdin, chunk, done),
      final: (done) => this.#send(ToGuest.stdinEnd, undefined, done),
    });
    this.stdin.on('error', () => {});

    this.exited = /** @type {Promise<import('./lab.d.mts').Exit>} */ (
      new Promise((resolveExited, reject) => {
        let failedToSpawn = /** @type {Error | undefined} */ (undefined);
        const finish = () => {
          clearTimeout(this.#timer);
          agent.close();
          qmp.close();
          alive.delete(endAtExit);
          cleanUp();
          const { status, signal } = this.#result ?? { status: 137, signal: 9 };
          const failure = this.#failure ?? (this.#result || this.#stopped ? undefined : this.#died(failedToSpawn));
          if (failure) {
            this.#rejectStarted(failure);
            reject(failure);
          } else {
            if (!this.#result) this.#rejectStarted(this.#stoppedEarly());
            resolveExited({ status, signal, stopped: this.#result === undefined });
          }
        };
        child.on('error', (error) => {
          failedToSpawn = error;
          if (child.pid === undefined) finish();
        });
        child.on('close', finish);
      })
    );
    this.exited.catch(() => {});
  }

  /** @param {import('node:net').Socket} socket */
  #attach(socket) {
    this.#agent = socket;
    socket.on('error', () => {});
    const reader = new FrameReader((type, payload) => this.#receive(type, payload));
    socket.on('data', (chunk) => reader.push(/** @type {Buffer} */ (chunk)));
  }

  /**
   * @param {string} type
   * @param {Buffer} payload
   */
  #receive(type, payload) {
    switch (type) {
      case FromGuest.started:
        this.bootSeconds = (performance.now() - this.#begin) / 1000;
        this.#timer = setTimeout(() => this.#timedOut(), this.#options.timeoutSeconds * 1000);
        this.#resolveStarted();
        return;
      case FromGuest.stdout:
      case FromGuest.stderr:
        this.#options.onOutput?.(payload, type === FromGuest.stdout ? 'stdout' : 'stderr');
        return;
      case FromGuest.exit:
        this.#result = { status: payload[0] ?? LAB_FAILED, signal: payload[1] ?? 0 };
        this.#end();
        return;
      case FromGuest.failed:
        this.#failure = new LabError('LAB_AGENT', {
          action: 'Cannot run COMMAND in the guest',
          cause: payload.toString(),
          cure: 'The last console lines may say why.',
          detail: this.#consoleText(),
        });
        this.#end();
        return;
    }
  }

  /**
   * @param {string} type
   * @param {Buffer | undefined} payload
   * @param {(error?: Error | null) => void} done
   */
  #send(type, payload, done) {
    this.started.then(
      () => {
        if (this.#agent?.writable) this.#agent.write(encodeFrame(type, payload), () => done());
        else done();
      },
      () => done(),
    );
  }

  /** Ends QEMU in order, so that captures are complete; by force if that takes too long. */
  #end() {
    this.#child.kill('SIGTERM');
    const force = setTimeout(() => this.#child.kill('SIGKILL'), 3000);
    this.#child.once('close', () => clearTimeout(force));
  }

  #consoleText() {
    const noise = /warning: hub \d+ is not connected to host network/; // that is what the hub is for
    const lines = [...this.#stderr.lines(20).filter((line) => !noise.test(line)), ...this.#console.lines(30)];
    return lines.length > 0
      ? `Last lines of the console:\n${lines.map((line) => `  | ${line}`).join('\n')}`
      : 'The console is empty.';
  }

  #timedOut() {
    this.#failure = new LabError('LAB_TIMEOUT', {
      action: `Running ${this.#options.command?.[0] ?? 'COMMAND'} in the guest`,
      cause: `it had not ended after ${this.#options.timeoutSeconds} s and the guest was killed`,
      cure: 'Give it more time with --timeout SECONDS, or find what it waits for.',
      detail: this.#consoleText(),
    });
    this.#child.kill('SIGKILL');
  }

  /** @param {Error | undefined} error */
  #died(error) {
    if (error) {
      return new LabError('LAB_SPAWN', {
        action: 'Cannot start QEMU',
        cause: error.message,
        cure: 'Run: bash scripts/setup.sh',
      });
    }
    const panic = this.bootSeconds === 0 && /Kernel panic/.test(this.#console.lines().join('\n'));
    return new LabError(panic ? 'LAB_BOOT_PANIC' : 'LAB_GUEST_DIED', {
      action: this.bootSeconds > 0 ? 'Running COMMAND in the guest' : 'Cannot boot the lab',
      cause: `QEMU ended by itself (${this.#child.signalCode ?? `status ${this.#child.exitCode}`})`,
      cure: 'The lines below are its last words.',
      detail: this.#consoleText(),
    });
  }

  #stoppedEarly() {
    return new LabError('LAB_STOPPED', {
      action: 'Booting the lab',
      cause: 'it was stopped before COMMAND started',
      cure: 'Nothing to do.',
    });
  }

  /** Called by bootLab when COMMAND did not start in time. @param {number} limitMs */
  hung(limitMs) {
    this.#failure = new LabError('LAB_BOOT_HUNG', {
      action: 'Cannot boot the lab',
      cause: `COMMAND had not started after ${Math.round(limitMs / 1000)} s`,
      cure: 'Run it again; on a slow machine raise the limit with LAB_BOOT_LIMIT=SECONDS.',
      detail: this.#consoleText(),
    });
    this.#child.kill('SIGKILL');
  }

  get pid() {
    return this.#child.pid;
  }

  /** @param {string | Uint8Array} data */
  write(data) {
    return this.stdin.write(data);
  }

  end() {
    this.stdin.end();
  }

  /** @param {number} number */
  signal(number) {
    if (this.#agent?.writable) this.#agent.write(encodeFrame(ToGuest.signal, Buffer.from([number])));
  }

  /**
   * @param {number} rows
   * @param {number} columns
   */
  resize(rows, columns) {
    const body = Buffer.alloc(4);
    body.writeUInt16LE(rows, 0);
    body.writeUInt16LE(columns, 2);
    if (this.#agent?.writable) this.#agent.write(encodeFrame(ToGuest.window, body));
  }

  /**
   * @param {string} command
   * @param {Record<string, unknown>} [args]
   */
  async qmp(command, args) {
    return (await this.#qmp).execute(command, args);
  }

  /** @param {(event: { event: string, data?: unknown }) => void} listener */
  onQmpEvent(listener) {
    this.#onEvent = listener;
  }

  console() {
    return this.#console.lines();
  }

  async stop() {
    this.#stopped = true;
    this.#end();
    await this.exited.catch(() => {});
  }
}

/** @param {string} path */
const isSocket = (path) => lstatSync(path, { throwIfNoEntry: false })?.isSocket() ?? false;

/**
 * QEMU runs in a folder of its own, so that paths have to be absolute.
 * @param {import('./qemu.mjs').Wire} wire
 * @returns {import('./qemu.mjs').Wire}
 */
const absolute = (wire) => (wire.path === undefined ? wire : parseWire(`${wire.kind}:${resolve(wire.path)}`));

/**
 * The environment of COMMAND: a plain one, not the host's, so that runs are alike.
 * @param {Readonly<Record<string, string>>} extra
 * @param {string} node
 */
function guestEnvironment(extra, node) {
  return {
    PATH: [
      '/run/lab/bin',
      dirname(node),
      '/usr/local/sbin',
      '/usr/local/bin',
      '/usr/sbin',
      '/usr/bin',
      '/sbin',
      '/bin',
    ].join(delimiter),
    HOME: '/tmp',
    LANG: 'C.UTF-8',
    TERM: process.env['TERM'] ?? 'dumb',
    NDIS_VFIO_LAB: '1',
    ...extra,
  };
}

/**
 * Boots a guest; resolves once COMMAND runs in it.
 * @param {import('./lab.d.mts').BootOptions} options
 * @param {import('./lab.d.mts').BootSeams} [seams] for tests
 * @returns {Promise<Guest>}
 */
export async function bootLab(options, seams = {}) {
  const spawn = seams.spawn ?? spawnProcess;
  const timeoutSeconds = options.timeoutSeconds ?? DEFAULTS.timeoutSeconds;
  const nics = (options.nics ?? [{ model: 'igb' }, { model: 'igb' }]).map(({ model, wire }) => ({
    model,
    wire: absolute(parseWire(wire ?? 'hub')),
  }));
  const qmpPath = options.qmp === undefined ? undefined : resolve(options.qmp);
  /** Paths QEMU binds, taking away whatever is there. */
  const sockets = [
    ...nics.flatMap(({ wire }) => (wire.kind === 'dgram' ? [wire.path] : [])),
    ...(qmpPath ? [qmpPath] : []),
  ];
  for (const path of sockets) {
    if (!existsSync(path) || isSocket(path)) continue;
    throw new LabError('LAB_OPTION', {
      action: `Cannot make the socket ${path}`,
      cause: 'there is a file of that name that is no socket',
      cure: 'Choose another path.',
    });
  }
  const node = resolve(options.node ?? process.execPath);
  const cwd = resolve(options.cwd ?? ROOT);
  const qemu = seams.qemu ?? findQemu();
  const kernel = seams.kernel ?? findKernel(options.kernel ?? DEFAULTS.kernel);
  const initramfs = Buffer.concat([
    seams.initramfs ?? baseInitramfs(kernel),
    runInitramfs({
      argv: options.command ?? ['/bin/bash', '-l'],
      env: guestEnvironment(options.env ?? {}, node),
      cwd,
      ...(options.tty ? { tty: options.tty } : {}),
      node,
      release: kernel.release,
      modules: kernel.modules,
      visible: [
        ROOT,
        cwd,
        node,
        dirname(dirname(node)),
        kernel.modules,
        ...(options.visible ?? []).map((path) => resolve(path)),
      ],
      cache: options.cache ?? 'mmap',
    }),
  ]);

  for (let attempt = 1; ; attempt++) {
    const limitMs = seams.limitMs ?? bootLimitMs();
    const guest = await start();
    guest.attempts = attempt;
    options.signal?.addEventListener('abort', () => void guest.stop(), { once: true });
    if (options.signal?.aborted) void guest.stop();
    const timer = setTimeout(() => guest.hung(limitMs), limitMs);
    try {
      await guest.started;
      return guest;
    } catch (error) {
      await guest.exited.catch(() => {});
      const what = error instanceof LabError ? BOOT_FAULTS[error.code] : undefined;
      if (what === undefined || attempt === BOOT_ATTEMPTS) throw error;
      options.onNotice?.(`the guest ${what} while booting (attempt ${attempt}); booting once more`);
    } finally {
      clearTimeout(timer);
    }
  }

  async function start() {
    const parent = tmpdir().length < 60 ? tmpdir() : '/tmp'; // the path of a Unix socket is short
    sweepFolders(parent);
    const folder = mkdtempSync(join(parent, `${FOLDER}${process.pid}-`));
    /** @type {ReturnType<typeof openTaps> | undefined} */
    let taps;
    const cleanUp = () => {
      taps?.remove();
      // Sockets QEMU binds and, killed, does not take away.
      for (const path of sockets) if (isSocket(path)) rmSync(path, { force: true });
      rmSync(folder, { recursive: true, force: true });
    };
    try {
      const tapNics = nics.flatMap(({ wire }, index) => (wire.kind === 'tap' ? [index] : []));
      if (tapNics.length > 0) taps = openTaps(tapNics);
      const agentSocket = join(folder, 'agent');
      const qmpSocket = join(folder, 'qmp');
      const initrd = join(folder, 'initrd');
      writeFileSync(initrd, initramfs);
      const args = qemuArguments({
        nics,
        cpus: options.cpus ?? DEFAULTS.cpus,
        memoryMiB: options.memoryMiB ?? DEFAULTS.memoryMiB,
        iommu: options.iommu ?? true,
        dump: options.dump === undefined ? undefined : resolve(options.dump),
        kernel: kernel.image,
        initrd,
        agentSocket,
        qmpSocket,
        qmp: qmpPath,
        qemuVersion: qemu.version,
        tscKhz: seams.initramfs ? undefined : tscKhz(),
      });
      const agent = await listenOnce(agentSocket);
      const qmp = await listenOnce(qmpSocket);
      // QEMU dies with this process, however that ends; and sits in the namespace of its TAP devices.
      const line = ['setpriv', '--pdeathsig', 'KILL', qemu.path, ...args];
      if (taps) line.unshift('nsenter', `--net=/run/netns/${taps.netns}`);
      const [program, ...rest] = /** @type {[string, ...string[]]} */ (line);
      const child = spawn(program, rest, { stdio: ['ignore', 'pipe', 'pipe'], cwd: folder });
      const info = nics.map(({ model, wire }, index) => ({
        model,
        bdf: bdfOf(index),
        mac: macOf(index),
        device: `nic${index}`,
        netdev: `net${index}`,
        wire: wire.kind,
        ...(wire.path === undefined ? {} : { path: wire.path }),
        ...(wire.kind === 'tap' && taps ? { netns: taps.netns, tap: `tap${index}` } : {}),
        ...(options.dump === undefined ? {} : { dump: dumpFile(resolve(options.dump), index) }),
      }));
      return new Guest({ ...options, timeoutSeconds }, child, agent, qmp, info, cleanUp);
    } catch (error) {
      cleanUp();
      throw error;
    }
  }
}
