/**
 * Module-resolution hook: `ndis-vfio` and `ndis-vfio/...` mean the running package, wherever the importing file lies.
 * Layer: application. Runs in Node's loader thread, so it imports nothing and shares no state with the program.
 * Invariant: it only changes who asks (the parent); the answer comes from the `exports` table of package.json, because
 * a package may import itself by name. So a miniport file gets the same instance of the NDIS layer that runs it.
 */

/** What Node passes along while it resolves an import (node:module, customization hooks). */
export interface ResolveContext {
  readonly parentURL?: string | undefined;
}

export type NextResolve<Result> = (specifier: string, context?: ResolveContext) => Result;

/** True for the package's own name and its sub-paths. */
export function isOwnSpecifier(specifier: string): boolean {
  return specifier === 'ndis-vfio' || specifier.startsWith('ndis-vfio/');
}

/** The hook itself, found by Node under this name. */
export function resolve<Result>(specifier: string, context: ResolveContext, nextResolve: NextResolve<Result>): Result {
  if (!isOwnSpecifier(specifier)) return nextResolve(specifier, context);
  return nextResolve(specifier, { ...context, parentURL: import.meta.url });
}
