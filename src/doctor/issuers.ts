// Whose token it is: the kinds of issuer that the doctor knows.

/** One kind of issuer. */
export interface IssuerKind {
  /** Also its name in messages. */
  readonly kind: 'Entra v1' | 'Entra v2' | 'Google' | 'GKE' | 'EKS' | 'AKS' | 'Kubernetes' | 'other';
  /** A sensible `authNamePrefix`. */
  readonly prefix: 'azure' | 'gcp' | 'kubernetes' | 'workload';
  /** The tenant or the cluster, where the issuer names one. */
  readonly place?: string | undefined;
}

/** Lenient, because what a server is configured with may be nearly right. */
const KINDS: readonly (readonly [IssuerKind['kind'], IssuerKind['prefix'], RegExp])[] = [
  ['Entra v1', 'azure', /\/sts\.(?:windows\.net|chinacloudapi\.cn)\/([^/]+)/],
  ['Entra v2', 'azure', /\/login\.(?:partner\.)?microsoftonline\.\w+\/([^/]+)/],
  ['Google', 'gcp', /accounts\.google\.com/],
  ['GKE', 'kubernetes', /\/container\.googleapis\.com\/v1\/(.+?)\/?$/],
  ['EKS', 'kubernetes', /\/oidc[.-]eks\.(.+?)\/?$/],
  ['AKS', 'kubernetes', /oid?c\.prod-aks\.azure\.\w+\/(.+?)\/?$/],
];

/** The kind that an issuer is of, by its URL. */
export function issuerKindOf(issuer: unknown): IssuerKind {
  for (const [kind, prefix, pattern] of KINDS) {
    const match = typeof issuer === 'string' && pattern.exec(issuer);
    if (match) return { kind, prefix, place: match[1] };
  }
  return { kind: 'other', prefix: 'workload' };
}

/** The kind of a token's issuer; a cluster with a URL of its own shows in the subject. */
export function tokenKindOf(claims: { iss?: unknown; sub?: unknown }, environment?: string): IssuerKind {
  const issuer = issuerKindOf(claims.iss);
  const isCluster =
    environment === 'k8s' ||
    (typeof claims.sub === 'string' && claims.sub.startsWith('system:serviceaccount:'));
  return issuer.kind === 'other' && isCluster ? { kind: 'Kubernetes', prefix: 'kubernetes' } : issuer;
}

/** Of Entra's tokens: 1 or 2; 0 for those of others. */
export function versionOf({ kind }: IssuerKind): number {
  return kind === 'Entra v1' ? 1 : kind === 'Entra v2' ? 2 : 0;
}
