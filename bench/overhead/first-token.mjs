// Prints how long the first token takes, in milliseconds: with the import of what is needed, and without that of
// the SDK. Everything comes by `require`, its fastest form.
import { createRequire } from 'node:module';
import 'mongodb';

const [subject, isLoaded] = process.argv.slice(2);
const audience = 'api://mongodb';
const require = createRequire(import.meta.url);

const subjects = {
  'azure ours'() {
    const { AzureManagedIdentityCallback } = require('mongodb-workload-identity/azure');
    return () => new AzureManagedIdentityCallback({ audience }).fetch();
  },
  'azure raw'() {
    const { ManagedIdentityCredential } = require('@azure/identity');
    return () => new ManagedIdentityCredential().getToken(`${audience}/.default`);
  },
  'gcp ours'() {
    const { GcpMetadataCallback } = require('mongodb-workload-identity/gcp');
    return () => new GcpMetadataCallback({ audience }).fetch();
  },
  'gcp raw'() {
    const { Compute } = require('google-auth-library');
    return () => new Compute({}).fetchIdToken(encodeURIComponent(audience));
  },
};

if (isLoaded === 'true') {
  require(subject.startsWith('azure') ? '@azure/identity' : 'google-auth-library');
  const fetch = subjects[subject]();
  await time(fetch);
} else {
  await time(() => subjects[subject]()());
}

async function time(work) {
  const startedAt = performance.now();
  await work();
  console.log(JSON.stringify(performance.now() - startedAt));
}
