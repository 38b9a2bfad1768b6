// Audiences that are not MongoDB: whoever receives such a token can use it there.

/** For the cloud identity of the pod. */
const EXCHANGE =
  /^(sts\.amazonaws\.com(\.cn)?$|api:\/\/AzureADTokenExchange|https:\/\/iam\.googleapis\.com\/)/i;
const API_SERVER = /^(https:\/\/kubernetes\.default(\.svc|$)|https:\/\/container\.googleapis\.com\/)/i;

/** Who else takes tokens for this audience, if anyone is known. A cluster's issuer is often its API server. */
export function otherReceiverOf(audience: string, issuer: unknown): 'exchange' | 'API server' | undefined {
  if (EXCHANGE.test(audience)) return 'exchange';
  return API_SERVER.test(audience) || audience === issuer ? 'API server' : undefined;
}
