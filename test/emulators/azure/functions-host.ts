/**
 * The part of Azure Functions that is not in `@azure/functions`: loaded before a function app (`--import`), it is the
 * host and its worker in one. Functions answer at `/api/<route>` on TEST_FUNCTIONS_PORT; SIGTERM is what the host's
 * WorkerTerminate message is to the worker.
 *
 * The worker provides the module `@azure/functions-core` and calls the programming model that the package registers
 * there: `setupCoreModule.ts`, `eventHandlers/InvocationHandler.ts` and `terminateWorker.ts` of
 * Azure/azure-functions-nodejs-worker. Keys (`authLevel`) and route templates are not checked.
 */
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import Module from 'node:module';

interface FunctionMetadata {
  readonly name: string;
  readonly bindings: Readonly<Record<string, Binding>>;
}

interface Binding {
  readonly name?: string;
  readonly type: string;
  readonly direction: 'in' | 'out';
  readonly route?: string;
  readonly methods?: readonly string[];
}

type Callback = (...args: unknown[]) => unknown;

/** What the package's `InvocationModel` does for the worker. */
interface InvocationModel {
  getArguments(): Promise<{ context: unknown; inputs: unknown[] }>;
  invokeFunction(context: unknown, inputs: unknown[], callback: Callback): Promise<unknown>;
  getResponse(context: unknown, result: unknown): Promise<{ returnValue?: { http?: RpcHttp } | null }>;
}

interface ProgrammingModel {
  getInvocationModel(context: object): InvocationModel;
}

interface RpcHttp {
  readonly statusCode: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: { readonly string?: string; readonly bytes?: Uint8Array } | null;
}

const functions: { readonly metadata: FunctionMetadata; readonly callback: Callback }[] = [];
const hooks: { readonly name: string; readonly callback: Callback }[] = [];
let model: ProgrammingModel | undefined;

const core = {
  version: '0.0.0',
  hostVersion: '4.0.0',
  log() {},
  setProgrammingModel(given: ProgrammingModel) {
    model = given;
  },
  getProgrammingModel: () => model,
  registerFunction(metadata: FunctionMetadata, callback: Callback) {
    // The host sends nothing before the app has started, which its first function is a sign of.
    if (functions.length === 0) setImmediate(listen);
    return register(functions, { metadata, callback });
  },
  registerHook: (name: string, callback: Callback) => register(hooks, { name, callback }),
};

function register<T>(list: T[], item: T): { dispose(): void } {
  list.push(item);
  return { dispose: () => list.splice(list.indexOf(item), 1) };
}

const { require } = Module.prototype;
Module.prototype.require = function (this: NodeJS.Module, id: string) {
  return id === '@azure/functions-core' ? core : require.call(this, id);
} as NodeJS.Require;

const server = createServer((request, response) => {
  invoke(request, response).catch((error: unknown) => {
    console.error(error);
    response.writeHead(500).end();
  });
});

function listen(): void {
  server.listen(Number(process.env.TEST_FUNCTIONS_PORT), '127.0.0.1');
}

async function invoke(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = `http://${request.headers.host}${request.url}`;
  const found = functions
    .flatMap(({ metadata, callback }) =>
      Object.entries(metadata.bindings).map(([name, binding]) => ({ metadata, callback, name, binding })),
    )
    .find(
      ({ metadata, binding: { type, route, methods } }) =>
        type === 'httpTrigger' &&
        methods?.includes(request.method ?? '') &&
        new URL(url).pathname === `/api/${route ?? metadata.name}`,
    );
  if (!found || !model) {
    response.writeHead(404).end();
    return;
  }
  const { metadata, callback, name } = found;
  const data = { http: { method: request.method, url, headers: request.headers, body: null } };
  const invocation = model.getInvocationModel({
    invocationId: randomUUID(),
    metadata,
    request: { inputData: [{ name, data }], triggerMetadata: {} },
    log() {},
  });
  const { context, inputs } = await invocation.getArguments();
  const result = await invocation.invokeFunction(context, inputs, callback);
  const { http } = (await invocation.getResponse(context, result)).returnValue ?? {};
  response.writeHead(Number(http?.statusCode ?? 204), http?.headers);
  response.end(http?.body?.bytes ?? http?.body?.string);
}

process.once('SIGTERM', async () => {
  for (const { name, callback } of hooks) {
    if (name === 'appTerminate') await callback({ hookData: {}, appHookData: {} });
  }
  process.exit(0);
});
