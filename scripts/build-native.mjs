/**
 * Builds build/Release/ndis_vfio.node with the local node-gyp. Layer: scripts.
 * Quiet when all goes well, the whole output when not; does nothing while the binary is newer than native/ and
 * binding.gyp. Headers of the running Node are used when they are installed beside it, so no network is needed.
 * Options: --force builds anyway, --verbose shows the output.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const binary = join(root, 'build/Release/ndis_vfio.node');
const sources = ['binding.gyp', ...readdirSync(join(root, 'native')).map((name) => join('native', name))];

/** Directory to hand to --nodedir, or undefined when node-gyp has to fetch the headers itself. */
function headersBesideNode() {
  const prefix = dirname(dirname(process.execPath));
  const version = join(prefix, 'include/node/node_version.h');
  if (!existsSync(version) || !existsSync(join(prefix, 'include/node/node_api.h'))) return undefined;
  const major = /#define NODE_MAJOR_VERSION (\d+)/.exec(readFileSync(version, 'utf8'))?.[1];
  return major === process.versions.node.split('.')[0] ? prefix : undefined;
}

/** True when nothing changed since the last build. */
function isFresh() {
  if (!existsSync(binary)) return false;
  const builtMs = statSync(binary).mtimeMs;
  return sources.every((path) => statSync(join(root, path)).mtimeMs <= builtMs);
}

if (isFresh() && !process.argv.includes('--force')) process.exit(0);

const require = createRequire(import.meta.url);
let nodeGyp;
try {
  nodeGyp = require.resolve('node-gyp/bin/node-gyp.js');
} catch {
  console.error('Cannot build the native addon: node-gyp is not installed. Run: npm ci');
  process.exit(1);
}
const nodedir = headersBesideNode();
const options = [
  'configure',
  'build',
  '--silent',
  '--jobs',
  '2',
  ...(nodedir === undefined ? [] : [`--nodedir=${nodedir}`]),
];
const verbose = process.argv.includes('--verbose');
const run = spawnSync(process.execPath, [nodeGyp, ...options], {
  cwd: root,
  encoding: 'utf8',
  stdio: verbose ? 'inherit' : 'pipe',
  maxBuffer: 64 * 1024 * 1024,
});
if (run.status !== 0 || !existsSync(binary)) {
  if (!verbose) console.error(`${run.stdout ?? ''}${run.stderr ?? ''}`.trim());
  console.error('Cannot build the native addon: the output above says why. It needs g++, make and python3.');
  process.exit(run.status || 1);
}
