/**
 * The arguments of `npm run lab`: text to BootOptions, with messages a user can act on. Layer: scripts.
 * Invariant: pure; touches no file and starts nothing.
 */
import { parseArgs } from 'node:util';
import { LabError } from './errors.mjs';
import { DEFAULT_KERNEL, KERNELS } from './kernel.mjs';
import { MODELS, parseWire, WIRES } from './qemu.mjs';

export const USAGE = `usage: npm run lab -- [options] -- COMMAND...
       npm run lab -- [options] --shell

Boots a guest with an IOMMU and emulated Intel NICs, runs COMMAND in it as root in this folder, passes input and output
through and returns its exit status (128+n after signal n; 125 when the lab itself failed).

  --nic ${MODELS.join('|')}     one NIC; repeat for more. NIC n is at 0000:0(n+1):00.0, QMP ids nicN and netN
                       counted from 0, MAC 52:54:00:12:34:56 and up. Default: two igb
  --wire WIRE          what the NIC is plugged into; once for all, or once per --nic in order. Default: hub
                         hub          all NICs with this wire share one hub
                         null         a hub of its own: frames go nowhere
                         tap          a TAP device tapN in a network namespace of its own (needs root)
                         stream:PATH  QEMU connects to the Unix stream socket PATH, on which the peer listens, and
                                      connects again if that goes; a frame is a 32-bit big-endian length and the bytes
                         dgram:PATH   QEMU binds the Unix datagram socket PATH and sends to PATH.peer
  --kernel ${KERNELS.join('|')}    default ${DEFAULT_KERNEL}. LAB_KERNEL=IMAGE LAB_MODULES=lib/modules/RELEASE use another
  --cpus N             virtual processors, default 2
  --memory MiB         default 3072
  --iommu on|off       default on
  --timeout SECONDS    for COMMAND, default 600; the guest is killed then
  --qmp PATH           QEMU's control socket for set_link, device_del and others
  --dump FILE.pcap     capture of every NIC's wire: FILE.pcap for the first, FILE.1.pcap for the second ...
  --env NAME=VALUE     a variable for COMMAND; repeat for more
  --node PATH          the node that COMMAND finds, default the one that runs this
  --visible PATH       a path below /tmp or /run of the host that the guest is to see; repeat for more
  --console            the guest's kernel console on stderr
  --shell              an interactive root shell on this terminal

Inside: the host's files as they are, writable in memory only; /tmp and /run empty; no NIC driver loaded; modprobe finds
vfio-pci, tun, igb, e1000e, veth, vhost_net; scripts/bind-vfio.sh BDF gives a NIC to vfio-pci.`;

/** @type {import('node:util').ParseArgsConfig['options']} */
const OPTIONS = {
  nic: { type: 'string', multiple: true },
  wire: { type: 'string', multiple: true },
  kernel: { type: 'string' },
  cpus: { type: 'string' },
  memory: { type: 'string' },
  iommu: { type: 'string' },
  timeout: { type: 'string' },
  qmp: { type: 'string' },
  dump: { type: 'string' },
  env: { type: 'string', multiple: true },
  node: { type: 'string' },
  visible: { type: 'string', multiple: true },
  console: { type: 'boolean' },
  shell: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
};

/**
 * @param {string} cause
 * @param {string} [cure]
 */
const wrong = (cause, cure = 'See npm run lab -- --help.') =>
  new LabError('LAB_OPTION', { action: 'Cannot understand the options of the lab', cause, cure });

/**
 * @param {readonly string[]} argv without node and script
 * @returns {{ help: boolean, shell: boolean, console: boolean, boot: import('./lab.d.mts').BootOptions }}
 */
export function parseLabArgs(argv) {
  // Everything behind the first -- is COMMAND, whatever it looks like.
  const end = argv.indexOf('--');
  const own = end < 0 ? [...argv] : argv.slice(0, end);
  const command = end < 0 ? [] : argv.slice(end + 1);
  /** @type {Record<string, any>} */
  let values;
  /** @type {string[]} */
  let positionals;
  try {
    ({ values, positionals } = parseArgs({ args: own, options: OPTIONS, allowPositionals: true, strict: true }));
  } catch (error) {
    throw wrong(/** @type {Error} */ (error).message.replace(/\.? To specify.*$/s, ''));
  }
  if (values['help']) return { help: true, shell: false, console: false, boot: {} };
  if (positionals.length > 0) {
    throw wrong(`"${positionals[0]}" is no option`, 'COMMAND goes behind --: npm run lab -- [options] -- COMMAND...');
  }

  const number = (/** @type {string} */ name, /** @type {number} */ least, /** @type {number} */ most) => {
    if (values[name] === undefined) return undefined;
    const value = Number(values[name]);
    if (!Number.isInteger(value) || value < least || value > most) {
      throw wrong(`--${name} ${values[name]} is no whole number from ${least} to ${most}`);
    }
    return value;
  };
  const oneOf = (/** @type {string} */ name, /** @type {string} */ value, /** @type {readonly string[]} */ list) => {
    if (!list.includes(value)) throw wrong(`--${name} ${value}: it is one of ${list.join(', ')}`);
    return value;
  };

  const models = /** @type {string[]} */ (values['nic'] ?? ['igb', 'igb']).map((model) => oneOf('nic', model, MODELS));
  const wires = /** @type {string[]} */ (values['wire'] ?? ['hub']);
  for (const wire of wires) parseWire(wire);
  if (models.length > 16) throw wrong(`${models.length} times --nic: the guest has room for 16`);
  if (wires.length !== 1 && wires.length !== models.length) {
    throw wrong(
      `${wires.length} times --wire for ${models.length} NICs`,
      `Give it once, or once per NIC (${WIRES.join(', ')}).`,
    );
  }
  const sockets = wires.filter((wire) => wire.includes(':'));
  if (new Set(sockets).size !== sockets.length || (sockets.length > 0 && wires.length < models.length)) {
    throw wrong('two NICs on one socket', 'Give each NIC a stream:PATH or dgram:PATH of its own.');
  }

  /** @type {Record<string, string>} */
  const env = {};
  for (const pair of /** @type {string[]} */ (values['env'] ?? [])) {
    const at = pair.indexOf('=');
    if (at < 1) throw wrong(`--env ${pair} is not NAME=VALUE`);
    env[pair.slice(0, at)] = pair.slice(at + 1);
  }

  const shell = values['shell'] === true;
  if (!shell && command.length === 0)
    throw wrong('there is no COMMAND', 'npm run lab -- [options] -- COMMAND..., or --shell.');
  const cpus = number('cpus', 1, 64);
  const memoryMiB = number('memory', 256, 1 << 20);
  const timeoutSeconds = number('timeout', 1, 1_000_000);
  return {
    help: false,
    shell,
    console: values['console'] === true,
    boot: {
      nics: models.map((model, index) => ({
        model: /** @type {'igb' | 'e1000e'} */ (model),
        wire: /** @type {any} */ (wires[wires.length === 1 ? 0 : index]),
      })),
      ...(values['kernel'] === undefined
        ? {}
        : { kernel: /** @type {any} */ (oneOf('kernel', values['kernel'], KERNELS)) }),
      ...(cpus === undefined ? {} : { cpus }),
      ...(memoryMiB === undefined ? {} : { memoryMiB }),
      ...(values['iommu'] === undefined ? {} : { iommu: oneOf('iommu', values['iommu'], ['on', 'off']) === 'on' }),
      ...(timeoutSeconds === undefined ? {} : { timeoutSeconds }),
      ...(values['qmp'] === undefined ? {} : { qmp: values['qmp'] }),
      ...(values['dump'] === undefined ? {} : { dump: values['dump'] }),
      ...(values['node'] === undefined ? {} : { node: values['node'] }),
      ...(values['visible'] === undefined ? {} : { visible: values['visible'] }),
      env,
      ...(command.length > 0 ? { command } : {}),
    },
  };
}
