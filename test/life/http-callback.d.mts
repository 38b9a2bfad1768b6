import { type AccessToken, OIDCCallback, type OIDCCallbackOptions } from 'mongodb-workload-identity';

export declare class HttpCallback extends OIDCCallback {
  constructor(options: OIDCCallbackOptions & { url: string });
  protected override getToken(): Promise<AccessToken>;
}
