import { describe, expect, test } from 'vitest';
import { issuerKindOf, tokenKindOf } from '../../../src/doctor/issuers.js';
import { TENANT, TOKENS } from './tokens.js';

describe('the kind of an issuer', () => {
  test.each<[issuer: unknown, kind: string, place: string | undefined]>([
    [TOKENS.entraV1.iss, 'Entra v1', TENANT],
    [`https://sts.chinacloudapi.cn/${TENANT}/`, 'Entra v1', TENANT],
    [TOKENS.entraV2.iss, 'Entra v2', TENANT],
    [`https://login.microsoftonline.us/${TENANT}/v2.0`, 'Entra v2', TENANT],
    [`https://login.partner.microsoftonline.cn/${TENANT}/v2.0`, 'Entra v2', TENANT],
    ['https://accounts.google.com', 'Google', undefined],
    ['accounts.google.com', 'Google', undefined],
    [TOKENS.gke.iss, 'GKE', 'projects/project-1/locations/europe-west1/clusters/prod'],
    ['https://oidc.eks.eu-west-1.amazonaws.com/id/ABC', 'EKS', 'eu-west-1.amazonaws.com/id/ABC'],
    ['https://oidc.prod-aks.azure.com/abc/', 'AKS', 'abc'],
    [TOKENS.aks.iss, 'AKS', `${TENANT}/99999999-2222-4333-8444-555555555555`],
    ['https://issuer.example.com', 'other', undefined],
    [undefined, 'other', undefined],
    [[TOKENS.google.iss], 'other', undefined],
  ])('%s', (issuer, kind, place) => {
    expect(issuerKindOf(issuer)).toMatchObject({ kind, ...(place && { place }) });
  });
});

describe('the kind of a token', () => {
  test("is that of a cluster where its subject is a pod's, or it comes from a token file", () => {
    expect(tokenKindOf(TOKENS.cluster).kind).toBe('Kubernetes');
    expect(tokenKindOf(TOKENS.other).kind).toBe('other');
    expect(tokenKindOf(TOKENS.other, 'k8s').kind).toBe('Kubernetes');
    expect(tokenKindOf(TOKENS.entraV1, 'k8s').kind).toBe('Entra v1');
    expect(tokenKindOf({ iss: 7, sub: Object.create(null) }).kind).toBe('other');
  });
});
