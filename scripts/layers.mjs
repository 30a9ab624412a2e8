// Checks the layering of src/: imports point down only, and no file reaches itself through imports.
// Type imports count: a layer that needs another's types depends on it. Usage: node scripts/layers.mjs [ROOT]
// Prints one "file:line: reason" per fault and exits 1, or 0 and a summary. The table below is the one place
// where the layers stand as data; the prose is in the documentation of the architecture.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

/** Folder of src/ -> folders it may import from (besides itself). `index` is src/index.ts. */
export const LAYERS = {
  base: [],
  platform: ['base'],
  ndis: ['platform', 'base'],
  miniports: ['ndis', 'base'],
  bridge: ['ndis', 'platform', 'base'],
  host: ['platform', 'base'],
  sim: ['platform', 'base'],
  control: ['base'],
  application: ['bridge', 'miniports', 'ndis', 'host', 'platform', 'base'],
  verify: ['application', 'sim', 'ndis', 'platform', 'base'],
  daemon: ['application', 'control', 'bridge', 'miniports', 'ndis', 'host', 'platform', 'base'],
  cli: ['control', 'daemon', 'verify', 'base'],
  index: ['application', 'host', 'ndis', 'platform', 'base'],
};

/** Where a layer may enter another only by one file. */
export const ENTRIES = { cli: { daemon: 'index.ts', verify: 'index.ts' } };

/** These layers know no file descriptor, so the modules of Node that hand one out are closed to them. */
const NO_MACHINE = new Set(['base', 'platform', 'ndis', 'miniports', 'bridge', 'control']);
const MACHINE_MODULES = /^(node:)?(fs|net|dgram|os|child_process|cluster|worker_threads|module|process)(\/|$)/;

/** Packages outside Node, and who may use them. */
const PACKAGES = { commander: ['cli'] };

/**
 * @param {string} root project folder (the one that holds src/)
 * @returns {{ faults: string[], files: number }} faults as "src/a.ts:3: reason", in the order of files and lines
 */
export function checkLayers(root) {
  const source = join(root, 'src');
  const faults = [];
  /** @type {Map<string, { target: string, line: number }[]>} */
  const graph = new Map();
  const files = listFiles(source).sort();
  for (const file of files) {
    const edges = [];
    const name = relative(root, file);
    const layer = layerOf(source, file);
    if (layer === undefined) {
      faults.push(
        `${name}:1: folder "${relative(source, file).split(sep)[0]}" is no layer; add it to scripts/layers.mjs`,
      );
    }
    const text = readFileSync(file, 'utf8');
    for (const { fileName: specifier, pos } of ts.preProcessFile(text, true, true).importedFiles) {
      const line = text.slice(0, pos).split('\n').length;
      const where = `${name}:${line}`;
      if (!specifier.startsWith('.')) {
        if (layer !== undefined) faults.push(...checkPackage(where, layer, specifier));
        continue;
      }
      const target = resolve(dirname(file), specifier);
      if (!existsSync(target)) {
        faults.push(`${where}: "${specifier}" does not exist (local imports name the .ts file)`);
        continue;
      }
      if (relative(source, target).startsWith('..')) {
        faults.push(`${where}: "${specifier}" leaves src/`);
        continue;
      }
      edges.push({ target, line });
      const other = layerOf(source, target);
      if (layer === undefined || other === undefined || other === layer) continue;
      if (!LAYERS[layer].includes(other)) {
        faults.push(`${where}: ${layer} may not import ${other} (allowed: ${LAYERS[layer].join(', ') || 'nothing'})`);
      }
      const entry = ENTRIES[layer]?.[other];
      if (entry !== undefined && relative(join(source, other), target) !== entry) {
        faults.push(`${where}: ${layer} may enter ${other} only by ${other}/${entry}`);
      }
    }
    graph.set(file, edges);
  }
  faults.push(...findCycles(root, graph));
  return { faults, files: files.length };
}

function checkPackage(where, layer, specifier) {
  if (MACHINE_MODULES.test(specifier)) {
    return NO_MACHINE.has(layer) ? [`${where}: ${layer} may not import ${specifier}: it knows no file descriptor`] : [];
  }
  if (specifier.startsWith('node:')) return [];
  const owners = PACKAGES[specifier];
  if (owners === undefined) return [`${where}: package "${specifier}" is not in the table of scripts/layers.mjs`];
  return owners.includes(layer) ? [] : [`${where}: only ${owners.join(', ')} may import ${specifier}`];
}

function layerOf(source, file) {
  const parts = relative(source, file).split(sep);
  if (parts.length === 1) return parts[0] === 'index.ts' ? 'index' : undefined;
  return Object.hasOwn(LAYERS, parts[0]) ? parts[0] : undefined;
}

function listFiles(folder) {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
}

/** Depth-first search; every edge back to a file on the current path closes a cycle, reported once at that import. */
function findCycles(root, graph) {
  const faults = [];
  const done = new Set();
  const path = [];
  const visit = (file) => {
    path.push(file);
    for (const { target, line } of graph.get(file) ?? []) {
      const start = path.indexOf(target);
      if (start >= 0) {
        const chain = [...path.slice(start), target].map((entry) => relative(root, entry)).join(' -> ');
        faults.push(`${relative(root, file)}:${line}: import cycle ${chain}`);
      } else if (!done.has(target)) {
        visit(target);
      }
    }
    path.pop();
    done.add(file);
  };
  for (const file of graph.keys()) if (!done.has(file)) visit(file);
  return faults;
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const root = resolve(process.argv[2] ?? join(dirname(fileURLToPath(import.meta.url)), '..'));
  const { faults, files } = checkLayers(root);
  for (const fault of faults) console.error(fault);
  if (faults.length > 0) {
    console.error(`layers: ${faults.length} fault(s) in ${files} files`);
    process.exitCode = 1;
  } else {
    console.log(`layers: ${files} files, imports point down only, no cycles`);
  }
}
