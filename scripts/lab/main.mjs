/**
 * `npm run lab`: one guest, one command, its input, output and exit status. Layer: scripts; options in args.mjs.
 * Invariant: stdout and stderr carry COMMAND's bytes; the lab's own words go to stderr, each line starting "lab:".
 */
import { spawnSync } from 'node:child_process';
import { constants } from 'node:os';
import { parseLabArgs, USAGE } from './args.mjs';
import { bootLab, LAB_FAILED, LabError } from './lab.mjs';

const say = (/** @type {string} */ text) => process.stderr.write(`lab: ${text}\n`);

async function main() {
  const { help, shell, console: withConsole, boot } = parseLabArgs(process.argv.slice(2));
  if (help) {
    process.stdout.write(`${USAGE}\n`);
    return 0;
  }
  if (shell && !process.stdin.isTTY) {
    throw new LabError('LAB_NO_TERMINAL', {
      action: 'Cannot open a shell in the lab',
      cause: 'stdin is not a terminal',
      cure: 'Use npm run lab -- -- COMMAND, or run this in a terminal.',
    });
  }

  const abort = new AbortController();
  let interrupted = 0;
  for (const name of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
    process.on(name, () => {
      interrupted ||= constants.signals[name];
      abort.abort();
    });
  }

  const terminal = process.stdout;
  const guest = await bootLab({
    // A shell may sit for a day; everything else is bounded.
    ...(shell ? { timeoutSeconds: 86_400, tty: { rows: terminal.rows ?? 24, columns: terminal.columns ?? 80 } } : {}),
    ...boot,
    signal: abort.signal,
    onOutput: (chunk, stream) => (stream === 'stdout' ? process.stdout : process.stderr).write(chunk),
    onNotice: say,
    ...(withConsole ? { onConsole: (/** @type {string} */ text) => process.stderr.write(text) } : {}),
  }).catch((error) => {
    if (interrupted) return undefined;
    throw error;
  });
  if (!guest) return 128 + interrupted;
  for (const nic of guest.nics) {
    if (nic.tap) say(`NIC ${nic.bdf} is on ${nic.tap} in network namespace ${nic.netns}`);
  }

  if (shell) {
    // Not setRawMode(): that leaves output processing on, which turns the line feeds of full-screen programs into CR LF.
    const before = stty('-g');
    stty('raw', '-echo');
    process.on('exit', () => stty(before));
    terminal.on('resize', () => guest.resize(terminal.rows, terminal.columns));
  }
  process.stdin.on('error', () => guest.end());
  process.stdin.pipe(guest.stdin);
  const { status, stopped } = await guest.exited;
  return interrupted && stopped ? 128 + interrupted : status;
}

/** Runs stty on this terminal. @param {string[]} args */
function stty(...args) {
  return spawnSync('stty', args, { stdio: ['inherit', 'pipe', 'inherit'], encoding: 'utf8' }).stdout.trim();
}

main().then(
  (status) => process.exit(status),
  (error) => {
    say(error instanceof LabError ? `${error.code}: ${error.message}` : String(error?.stack ?? error));
    process.exit(LAB_FAILED);
  },
);
