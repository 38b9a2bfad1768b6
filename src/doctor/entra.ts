// What a refusal of Microsoft Entra ID means, from its code to what to type.
// https://learn.microsoft.com/entra/identity-platform/reference-error-codes

import type { OIDCCallbackError } from '../errors.js';
import { audiences, type Claims, namesOf, oneLine, quote } from '../jwt.js';
import { textOf } from '../secrets.js';
import type { Finding } from './finding.js';

/** What Entra was asked with. */
export interface EntraRequest {
  readonly audience: string | undefined;
  readonly clientId: string | undefined;
  /** Of the token that is exchanged there, if one is. */
  readonly federated: Claims | undefined;
}

const EXCHANGE = 'api://AzureADTokenExchange';

/** Undefined where Entra gave no reason, or one that its own words tell best. */
export function entraFinding(error: OIDCCallbackError, request: EntraRequest): Finding | undefined {
  const { audience, clientId, federated } = request;
  const reason = /AADSTS(\d+)/.exec(textOf(error.cause))?.[1];
  const tenant = quote(process.env.AZURE_TENANT_ID ?? '');
  const found = (summary: string, fix: string) => ({
    code: error.code,
    summary: `${summary} (AADSTS${reason}).`,
    fix,
  });
  switch (reason) {
    case '70021':
    case '700211':
    case '700212':
    case '700213':
      return (
        federated &&
        found(
          `Entra has no federated credential ${lacking(reason, federated)}`,
          credential(reason, federated),
        )
      );
    case '700016':
      return found(
        `Entra knows no application with the client ID ${quote(clientId ?? '')} in the tenant ${tenant}`,
        'Compare: az identity list --query "[].[name, clientId, tenantId]" --output table. Then mend the annotation azure.workload.identity/client-id of the service account, and start the pod anew.',
      );
    case '90002':
      return found(
        `Entra knows no tenant ${tenant}`,
        'Compare: az account show --query tenantId. Then mend the annotation azure.workload.identity/tenant-id of the service account, or the tenant of the webhook, and start the pod anew.',
      );
    case '500011':
      return found(
        `Entra knows no application for the audience ${quote(audience ?? '')} in this tenant`,
        `Look at its Application ID URI: az ad app list --identifier-uri ${word(audience)}. To give it one: az ad app update --id <client ID> --identifier-uris ${word(audience)}`,
      );
    default:
      return undefined;
  }
}

function lacking(reason: string, { iss, sub, aud }: Claims): string {
  if (reason === '700212') return `with the audience ${namesOf({ aud })}`;
  if (reason === '700213') return `with the subject ${quote(`${sub}`)}`;
  return `with the issuer ${quote(`${iss}`)} for the subject ${quote(`${sub}`)}`;
}

/** The credential that says what this token says; for issuer and subject there is one. */
function credential(reason: string, { iss, sub, aud }: Claims): string {
  const [audience = ''] = audiences({ aud });
  if (!audience.startsWith(EXCHANGE)) {
    return `Exchange a token that is meant for it: the webhook mounts one for ${EXCHANGE}, and sets AZURE_FEDERATED_TOKEN_FILE to its path.`;
  }
  const how = reason === '700212' ? 'update --name <credential>' : 'create --name mongodb';
  return `Run: az identity federated-credential ${how} --identity-name <identity> --resource-group <group> --issuer ${word(iss)} --subject ${word(sub)} --audiences ${word(audience)}`;
}

/** A claim as one word of a command. */
function word(claim: unknown): string {
  const text = oneLine(`${claim}`);
  return /^[\w:/.@-]+$/.test(text) ? text : `'${text.replaceAll("'", '')}'`;
}
