// What is compared: how each makes the arguments of its MongoClients.

/** One function for all clients of a process, as a program has it. */
export async function clientArguments(subject, address, audience) {
  const plain = `mongodb://${address}/`;
  const resource = encodeURIComponent(audience);
  const configured = `${plain}?authMechanism=MONGODB-OIDC&authMechanismProperties=ENVIRONMENT:azure,TOKEN_RESOURCE:${resource}`;
  switch (subject) {
    case 'ours': {
      const { workloadIdentity } = await import('mongodb-workload-identity');
      return () => workloadIdentity(configured);
    }
    case 'documented': {
      const { asDocumented } = await import('./callbacks/as-documented.mjs');
      return withCallback(plain, asDocumented(audience));
    }
    case 'careful': {
      const { careful } = await import('./callbacks/careful.mjs');
      return withCallback(plain, careful(audience));
    }
    case 'builtin':
      return () => [configured, {}];
    default:
      throw new Error(`no subject ${subject}`);
  }
}

function withCallback(uri, OIDC_CALLBACK) {
  const options = { authMechanism: 'MONGODB-OIDC', authMechanismProperties: { OIDC_CALLBACK } };
  return () => [uri, options];
}
