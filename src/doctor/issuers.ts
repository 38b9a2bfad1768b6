// Whose token it is: the kinds of issuer that the doctor knows.

/** One kind of issuer. */
export interface IssuerKind {
  readonly kind: 'entra-v1' | 'entra-v2' | 'google' | 'gke' | 'eks' | 'aks' | 'kubernetes' | 'other';
  /** For messages. */
  readonly name: string;
  /** A sensible `authNamePrefix`. */
  readonly prefix: string;
  /** The tenant or the cluster, where the issuer names one. */
  readonly place?: string | undefined;
}

type Row = readonly [kind: IssuerKind['kind'], name: string, prefix: string, pattern: RegExp];

/** The patterns are lenient, because what a server is configured with may be nearly right. */
const KINDS: readonly Row[] = [
  ['entra-v1', 'Entra, v1', 'azure', /^https?:\/\/sts\.(?:windows\.net|chinacloudapi\.cn)\/([^/]+)\/?$/i],
  [
    'entra-v2',
    'Entra, v2',
    'azure',
    /^https?:\/\/login\.(?:partner\.)?microsoftonline\.(?:com|us|cn)\/([^/]+)(?:\/v2\.0)?\/?$/i,
  ],
  ['google', 'Google', 'gcp', /^(?:https?:\/\/)?accounts\.google\.com\/?$/i],
  ['gke', 'GKE', 'kubernetes', /^https?:\/\/container\.googleapis\.com\/v1\/(projects\/.+?)\/?$/i],
  ['eks', 'EKS', 'kubernetes', /^https?:\/\/oidc[.-]eks\.(.+?)\/?$/i],
  ['aks', 'AKS', 'kubernetes', /^https?:\/\/(?:[\w-]+\.)?oi(?:d)?c\.prod-aks\.azure\.\w+\/(.+?)\/?$/i],
];

/** The kind that an issuer is of, by its URL. */
export function issuerKindOf(issuer: unknown): IssuerKind {
  if (typeof issuer === 'string') {
    for (const [kind, name, prefix, pattern] of KINDS) {
      const match = pattern.exec(issuer);
      if (match) return { kind, name, prefix, place: match[1] };
    }
  }
  return { kind: 'other', name: 'another issuer', prefix: 'workload' };
}

/** The kind of a token's issuer; a cluster with a URL of its own shows in the subject. */
export function tokenKindOf(claims: { iss?: unknown; sub?: unknown }, environment?: string): IssuerKind {
  const issuer = issuerKindOf(claims.iss);
  return issuer.kind === 'other' &&
    (environment === 'k8s' || String(claims.sub).startsWith('system:serviceaccount:'))
    ? { kind: 'kubernetes', name: 'Kubernetes', prefix: 'kubernetes' }
    : issuer;
}
