/**
 * `npm start`: boots the lab with two NICs on one wire and runs the demonstration in it (scripts/guest/demo.ts).
 * Layer: scripts. Invariant: ends with the demonstration's exit status.
 */
import { parseArgs } from 'node:util';
import { bootLab } from './lab/lab.mjs';

const HELP = `usage: npm start -- [--nic igb|e1000e] [--kernel 6.1|6.12] [--seconds N]

  --nic      which chip to show: 82576 (igb, default) or 82574L (e1000e)
  --kernel   the guest's kernel (default 6.12)
  --seconds  length of each iperf3 run (default 10)
`;

let values;
try {
  ({ values } = parseArgs({
    options: {
      nic: { type: 'string', default: 'igb' },
      kernel: { type: 'string', default: '6.12' },
      seconds: { type: 'string', default: '10' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  }));
  if (!['igb', 'e1000e'].includes(values.nic)) throw new Error(`--nic is igb or e1000e, not ${values.nic}`);
  if (!['6.1', '6.12'].includes(values.kernel)) throw new Error(`--kernel is 6.1 or 6.12, not ${values.kernel}`);
  if (!/^[1-9]\d{0,3}$/.test(values.seconds)) throw new Error(`--seconds is a whole number, not ${values.seconds}`);
} catch (error) {
  console.error(`${error.message}\n\n${HELP}`);
  process.exit(2);
}
if (values.help) {
  console.log(HELP);
  process.exit(0);
}

const chip = { igb: 'Intel 82576', e1000e: 'Intel 82574L' }[values.nic];
console.log(
  `\n\u001b[1mBooting a guest with two emulated ${chip} (${values.nic}) behind an IOMMU, kernel ${values.kernel}\u001b[0m`,
);
const start = performance.now();
const guest = await bootLab({
  nics: [
    { model: values.nic, wire: 'hub' },
    { model: values.nic, wire: 'hub' },
  ],
  kernel: values.kernel,
  timeoutSeconds: 180 + 2 * Number(values.seconds),
  command: [process.execPath, 'dist/scripts/guest/demo.js'],
  env: { DEMO_IPERF_SECONDS: values.seconds },
  onOutput: (chunk, stream) => (stream === 'stderr' ? process.stderr : process.stdout).write(chunk),
});
console.log(`  up after ${((performance.now() - start) / 1000).toFixed(1)} s`);
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => void guest.stop());
const { status } = await guest.exited;
console.log(`\n  whole run: ${((performance.now() - start) / 1000).toFixed(0)} s`);
process.exitCode = status;
