/** The Azure services that hand out tokens: IMDS, the App Service endpoint, Microsoft Entra ID. */
export { startAppService } from './azure/app-service.js';
export { type EntraEmulator, type EntraOptions, type Federation, startEntra } from './azure/entra.js';
export { startAzureImds } from './azure/imds.js';
export {
  type AzureEmulator,
  type AzureIdentity,
  type AzureOptions,
  applicationId,
  defaultIdentities,
  defaultTenantId,
} from './azure/service.js';
