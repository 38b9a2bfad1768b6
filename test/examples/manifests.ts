// What is in the manifests of the examples.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { IDeployment } from 'kubernetes-models/apps/v1';
import type { IServiceAccount } from 'kubernetes-models/v1';
import { parseAllDocuments } from 'yaml';
import { folder } from './files.js';

export const manifests = ['aks', 'eks', 'gke', 'gke-workload-identity', 'kubernetes'].map(
  (example) => `${example}/deployment.yaml`,
);

export type Manifest = [IServiceAccount, IDeployment];

/** The documents of a manifest, as they stand. */
export function parseManifest(
  path: string,
  change: (text: string) => string = (text) => text,
): { readonly kind?: string }[] {
  const text = change(readFileSync(join(folder, path), 'utf8'));
  return parseAllDocuments(text).map((document) => {
    for (const problem of [...document.errors, ...document.warnings]) throw problem;
    return document.toJS();
  });
}

/** The pod of an example, as its manifest describes it. */
export function readPod(example: string) {
  const [account, deployment] = parseManifest(`${example}/deployment.yaml`) as Manifest;
  const { metadata, spec } = deployment.spec?.template ?? {};
  const [container, ...others] = spec?.containers ?? [];
  if (!spec || !container || others.length > 0) throw new Error('not a deployment with one container');
  const env = Object.fromEntries((container.env ?? []).map(({ name, value = '' }) => [name, value]));
  return { account, deployment, labels: metadata?.labels, spec, container, env };
}
