// Entry `mongodb-workload-identity/kubernetes`: tokens of a pod's service account.

export { KubernetesCallback, type KubernetesCallbackOptions } from './kubernetes-token.js';
