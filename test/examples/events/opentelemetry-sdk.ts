// An OpenTelemetry SDK as a service would set it up before anything else, with exporters that print a line of JSON
// for each span and for each look at the metrics.
import { AsyncLocalStorage } from 'node:async_hooks';
import { type Context, type ContextManager, context, metrics, ROOT_CONTEXT, trace } from '@opentelemetry/api';
import {
  MeterProvider,
  PeriodicExportingMetricReader,
  type PushMetricExporter,
} from '@opentelemetry/sdk-metrics';
import { BasicTracerProvider, SimpleSpanProcessor, type SpanExporter } from '@opentelemetry/sdk-trace-base';

class Contexts implements ContextManager {
  readonly #storage = new AsyncLocalStorage<Context>();

  active(): Context {
    return this.#storage.getStore() ?? ROOT_CONTEXT;
  }
  with<A extends unknown[], F extends (...args: A) => ReturnType<F>>(
    active: Context,
    fn: F,
    thisArg?: ThisParameterType<F>,
    ...args: A
  ): ReturnType<F> {
    return this.#storage.run(active, () => fn.call(thisArg as ThisParameterType<F>, ...args));
  }
  bind<T>(_: Context, target: T): T {
    return target;
  }
  enable(): this {
    return this;
  }
  disable(): this {
    return this;
  }
}

const spanExporter: SpanExporter = {
  export(spans, done) {
    for (const span of spans) {
      const { name, kind, startTime, endTime, attributes, status, events, links } = span;
      const { spanId, traceId } = span.spanContext();
      const ids = { spanId, traceId, parentSpanId: span.parentSpanContext?.spanId };
      print({ span: { ...ids, name, kind, startTime, endTime, attributes, status, events, links } });
    }
    done({ code: 0 });
  },
  async shutdown() {},
};

const metricExporter: PushMetricExporter = {
  export({ scopeMetrics }, done) {
    print({ metrics: scopeMetrics.flatMap((scope) => scope.metrics) });
    done({ code: 0 });
  },
  async forceFlush() {},
  async shutdown() {},
};

function print(value: object): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

context.setGlobalContextManager(new Contexts());
trace.setGlobalTracerProvider(
  new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spanExporter)] }),
);
const meterProvider = new MeterProvider({
  readers: [
    new PeriodicExportingMetricReader({
      exporter: metricExporter,
      exportIntervalMillis: 200,
      exportTimeoutMillis: 200,
    }),
  ],
});
metrics.setGlobalMeterProvider(meterProvider);
process.once('beforeExit', () => meterProvider.shutdown());
