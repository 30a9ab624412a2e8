/**
 * Builds the initramfs of the lab: static busybox, the modules that reach the host's root file system, the agent.
 * Layer: scripts. Invariant: the base is cached under a name that hashes everything in it; what differs from run to run
 * (command, environment) is a second archive behind it, which the kernel unpacks over the first.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { LabError } from './errors.mjs';
import { CACHE, decompress, elfSegments, PT_INTERP, ROOT } from './kernel.mjs';

const GUEST = join(ROOT, 'scripts', 'lab', 'guest');
/** What it takes to reach the root file system and the agent's port; dependencies come from modules.dep. */
const MODULES = ['virtio_pci', 'virtio_console', '9pnet_virtio', '9p', 'overlay'];

/**
 * An archive in the "newc" format the kernel unpacks [Linux Documentation/driver-api/early-userspace/buffer-format.rst].
 * @param {readonly { path: string, data?: Uint8Array | string, mode?: number }[]} entries without `data`: a folder
 * @returns {Buffer}
 */
export function cpio(entries) {
  /** @type {Uint8Array[]} */
  const parts = [];
  let inode = 1;
  let length = 0;
  const add = (/** @type {Uint8Array} */ bytes) => {
    parts.push(bytes);
    length += bytes.length;
    if (length % 4 !== 0) {
      parts.push(Buffer.alloc(4 - (length % 4)));
      length += 4 - (length % 4);
    }
  };
  for (const { path, data, mode } of [...entries, { path: 'TRAILER!!!', data: '', mode: 0 }]) {
    const body = Buffer.from(data ?? '');
    const name = Buffer.from(`${path}\0`);
    const fields = [
      inode++,
      mode ?? (data === undefined ? 0o40755 : 0o100755),
      0, // uid
      0, // gid
      1, // links
      0, // time
      body.length,
      0, // device
      0,
      0,
      0,
      name.length,
      0,
    ];
    const head = Buffer.from(`070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`);
    add(Buffer.concat([head, name]));
    if (body.length > 0) add(body);
  }
  return Buffer.concat(parts);
}

/**
 * Files of the wanted modules and of what they need, in the order they must be loaded.
 * @param {string} dep contents of modules.dep
 * @param {string} builtin contents of modules.builtin
 * @param {readonly string[]} wanted
 * @returns {string[]} paths relative to the modules folder
 */
export function moduleOrder(dep, builtin, wanted) {
  const nameOf = (/** @type {string} */ path) =>
    basename(path)
      .replace(/\.ko.*$/, '')
      .replaceAll('-', '_');
  const needs = new Map();
  for (const line of dep.split('\n')) {
    const [path, rest] = line.split(':');
    if (path && rest !== undefined) needs.set(nameOf(path), { path, needs: rest.trim().split(/\s+/).filter(Boolean) });
  }
  const inKernel = new Set(builtin.split('\n').map(nameOf));
  /** @type {string[]} */
  const order = [];
  const visit = (/** @type {string} */ name) => {
    const module = needs.get(name);
    if (!module) {
      if (inKernel.has(name)) return;
      throw new LabError('LAB_MODULE_MISSING', {
        action: 'Cannot build the initramfs',
        cause: `the kernel has no module ${name}`,
        cure: 'Use a kernel of Debian, or one with virtio, 9p and overlayfs (LAB_KERNEL, LAB_MODULES).',
      });
    }
    if (order.includes(module.path)) return;
    for (const path of module.needs) visit(nameOf(path));
    order.push(module.path);
  };
  for (const name of wanted) visit(name);
  return order;
}

/**
 * A program of one C file, compiled once per content of its source.
 * @param {string} source
 * @returns {string} path of the program
 */
function compiled(source) {
  const name = basename(source, '.c');
  const target = join(CACHE, `${name}-${createHash('sha256').update(readFileSync(source)).digest('hex').slice(0, 16)}`);
  if (existsSync(target)) return target;
  mkdirSync(CACHE, { recursive: true });
  const part = `${target}.${process.pid}`;
  const args = ['-O2', '-static', '-Wall', '-Wextra', '-Werror', '-o', part, source];
  const { status, stderr, error } = spawnSync('cc', args, { encoding: 'utf8' });
  if (status !== 0) {
    throw new LabError('LAB_COMPILER', {
      action: `Cannot build the ${name} program of the lab`,
      cause: error ? 'there is no C compiler (cc)' : 'the C compiler failed',
      cure: 'Run: apt-get install build-essential',
      detail: stderr ?? '',
    });
  }
  renameSync(part, target);
  return target;
}

/**
 * Frequency of this machine's time-stamp counter, which is the guest's too, in kHz. Measured anew for every boot: it takes
 * 40 ms, and a machine that was suspended and moved has another one.
 */
export function tscKhz() {
  return Number(spawnSync(compiled(join(ROOT, 'scripts', 'lab', 'tsc.c')), { encoding: 'utf8' }).stdout) || undefined;
}

function busybox() {
  for (const path of ['/bin/busybox', '/usr/bin/busybox']) {
    if (!existsSync(path)) continue;
    const data = readFileSync(path);
    if (!elfSegments(data).some(({ type }) => type === PT_INTERP)) return data; // needs no loader: it can run alone
  }
  throw new LabError('LAB_BUSYBOX', {
    action: 'Cannot build the initramfs',
    cause: 'there is no statically linked busybox',
    cure: 'Run: apt-get install busybox-static',
  });
}

/**
 * The part of the initramfs that is the same for every run with this kernel.
 * @param {import('./kernel.mjs').Kernel} kernel
 * @returns {Buffer}
 */
export function baseInitramfs(kernel) {
  const shell = busybox();
  const init = readFileSync(join(GUEST, 'init.sh'));
  const program = readFileSync(compiled(join(GUEST, 'agent.c')));
  const dep = readFileSync(join(kernel.modules, 'modules.dep'), 'utf8');
  const order = moduleOrder(dep, readFileSync(join(kernel.modules, 'modules.builtin'), 'utf8'), MODULES);
  const key = createHash('sha256');
  for (const part of [shell, init, program, kernel.modules, dep]) key.update(part).update('\0');
  const target = join(CACHE, `initramfs-${kernel.release}-${key.digest('hex').slice(0, 16)}`);
  if (existsSync(target)) return readFileSync(target);

  const modules = order.map((path, index) => {
    const packed = readFileSync(join(kernel.modules, path));
    const data = packed.readUInt32BE(0) === 0x7f454c46 ? packed : decompress(packed);
    if (!data) {
      throw new LabError('LAB_MODULE_PACKED', {
        action: 'Cannot build the initramfs',
        cause: `${path} cannot be unpacked`,
        cure: 'Run: apt-get install xz-utils zstd',
      });
    }
    return { path: `lab/modules/${String(index).padStart(2, '0')}-${basename(path).replace(/\.ko.*$/, '.ko')}`, data };
  });
  const archive = cpio([
    { path: 'bin' },
    { path: 'bin/busybox', data: shell },
    { path: 'init', data: init },
    { path: 'lab' },
    { path: 'lab/agent', data: program },
    { path: 'lab/modules' },
    ...modules,
    { path: 'lab/modules/order', data: modules.map(({ path }) => `${basename(path)}\n`).join('') },
  ]);
  mkdirSync(CACHE, { recursive: true });
  writeFileSync(`${target}.${process.pid}`, archive);
  renameSync(`${target}.${process.pid}`, target);
  return archive;
}

/**
 * The part that belongs to one run.
 * @param {{
 *   argv: readonly string[], env: Readonly<Record<string, string>>, cwd: string, tty?: { rows: number, columns: number },
 *   node: string, release: string, modules: string, visible: readonly string[], cache: string,
 * }} run
 * @returns {Buffer}
 */
export function runInitramfs(run) {
  const strings = (/** @type {readonly string[]} */ list) => list.map((text) => `${text}\0`).join('');
  const quote = (/** @type {string} */ text) => `'${text.replaceAll("'", "'\\''")}'`;
  const config = {
    LAB_NODE: run.node,
    LAB_RELEASE: run.release,
    LAB_MODULE_TREE: run.modules,
    LAB_CACHE: run.cache,
  };
  return cpio([
    {
      path: 'lab/config',
      data: Object.entries(config)
        .map(([name, value]) => `${name}=${quote(value)}\n`)
        .join(''),
    },
    {
      path: 'lab/visible',
      data: coveredPaths(run.visible)
        .map((path) => `${path}\n`)
        .join(''),
    },
    { path: 'lab/argv', data: strings(run.argv) },
    { path: 'lab/env', data: strings(Object.entries(run.env).map(([name, value]) => `${name}=${value}`)) },
    {
      path: 'lab/settings',
      data: strings([run.cwd, run.tty ? 'tty' : 'pipe', String(run.tty?.rows ?? 24), String(run.tty?.columns ?? 80)]),
    },
  ]);
}

/**
 * Those of the paths that lie below a folder the guest covers with a file system of its own, without those that come
 * along with another.
 * @param {readonly string[]} paths
 * @returns {string[]}
 */
export function coveredPaths(paths) {
  const covered = [...new Set(paths)].filter((path) => /^\/(tmp|run)\/./.test(path));
  return covered.filter((path) => !covered.some((other) => path.startsWith(`${other}/`)));
}
