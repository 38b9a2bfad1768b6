import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Callable } from '../../src/callable.js';
import { type CompiledSource, compileSource } from './compiled-source.js';

class Multiplier extends Callable<number, number> {
  readonly #factor: number;
  readonly unit = 'apples';
  calls = 0;

  constructor(factor = 2) {
    super();
    this.#factor = factor;
  }

  get factor(): number {
    return this.#factor;
  }

  protected override call_(parameter: number): number {
    this.calls++;
    return parameter * this.#factor;
  }
}

class LoudMultiplier extends Multiplier {
  readonly #suffix = '!';

  shout(parameter: number): string {
    return `${asFunction(this)(parameter)}${this.#suffix}`;
  }
}

const asFunction = (callable: unknown) => callable as (parameter: number) => number;

describe('an instance of a callable class', () => {
  test('is a function that does what the class says', () => {
    const double = new Multiplier();
    expect(typeof double).toBe('function');
    expect(asFunction(double)(21)).toBe(42);
  });

  test('is an instance of its class, of Callable and of Function', () => {
    const double = new Multiplier();
    expect(double).toBeInstanceOf(Multiplier);
    expect(double).toBeInstanceOf(Callable);
    expect(double).toBeInstanceOf(Function);
    expect(double.constructor).toBe(Multiplier);
    expect(Object.getPrototypeOf(double)).toBe(Multiplier.prototype);
  });

  test('can be called, applied and bound, whatever `this` is then', () => {
    const double = asFunction(new Multiplier());
    expect(double.call(undefined, 1)).toBe(2);
    expect(double.call(new Multiplier(10), 1)).toBe(2);
    expect(double.apply(null, [2])).toBe(4);
    expect(double.bind({ other: 'object' })(3)).toBe(6);
    expect([4, 5].map(double)).toEqual([8, 10]);
  });

  test('passes on one parameter and no more', () => {
    class Echo extends Callable<unknown, unknown[]> {
      protected override call_(...parameters: unknown[]): unknown[] {
        return parameters;
      }
    }
    const echo = new Echo() as unknown as (...parameters: unknown[]) => unknown[];
    expect(echo('a', 'b')).toEqual(['a']);
    expect(echo()).toEqual([undefined]);
  });

  test('has the name of its class and the length 1 as own, writable properties that no loop meets', () => {
    const double = new Multiplier();
    const descriptors = Object.getOwnPropertyDescriptors(asFunction(double));
    const hidden = { writable: true, enumerable: false, configurable: true };
    expect(descriptors.name).toEqual({ value: 'Multiplier', ...hidden });
    expect(descriptors.length).toEqual({ value: 1, ...hidden });
    Object.assign(double, { name: 'renamed', length: 7 });
    expect([asFunction(double).name, asFunction(double).length]).toEqual(['renamed', 7]);
    expect(asFunction(new LoudMultiplier()).name).toBe('LoudMultiplier');
  });

  test('has no own properties besides those and the fields of its class', () => {
    expect(Object.getOwnPropertyNames(new Multiplier()).sort()).toEqual(['calls', 'length', 'name', 'unit']);
  });

  test('keeps the #private and public fields of each subclass', () => {
    const triple = new LoudMultiplier(3);
    expect(triple.factor).toBe(3);
    expect(triple.unit).toBe('apples');
    expect(triple.shout(2)).toBe('6!');
  });

  test('shares nothing with other instances', () => {
    const double = new Multiplier(2);
    const triple = new Multiplier(3);
    asFunction(double)(1);
    expect(asFunction(triple)(1)).toBe(3);
    expect([double.factor, triple.factor]).toEqual([2, 3]);
    expect([double.calls, triple.calls]).toEqual([1, 1]);
  });

  test('throws what its class throws', () => {
    class Failing extends Callable<number, number> {
      protected override call_(): never {
        throw new RangeError('too many');
      }
    }
    expect(() => asFunction(new Failing())(1)).toThrow(new RangeError('too many'));
  });

  test('is no constructor', () => {
    const double = new Multiplier() as unknown as new () => unknown;
    expect(() => new double()).toThrow(TypeError);
  });
});

describe('where code generation from strings is forbidden', () => {
  let source: CompiledSource;
  beforeAll(() => {
    source = compileSource();
  });
  afterAll(() => source.remove());

  test('callable classes work as elsewhere', async () => {
    const script = `
      const { Callable } = load('callable');
      class Double extends Callable { #factor = 2; call_(n) { return n * this.#factor; } }
      let forbidden = false;
      try { new Function('return 1'); } catch { forbidden = true; }
      const double = new Double();
      console.log(JSON.stringify([forbidden, double(1), double.call(null, 2), double.bind(null)(3)]));`;
    const result = await source.run(script, ['--disallow-code-generation-from-strings']);
    expect(result).toEqual([true, 2, 4, 6]);
  });

  test('so does a callback', async () => {
    const script = `
      const { OIDCCallback } = load('callback');
      const token = ['{"alg":"none"}', '{}', 'x'].map((part) => Buffer.from(part).toString('base64url')).join('.');
      class Own extends OIDCCallback { async getToken() { return { token }; } }
      new Own()({ version: 1 }).then((result) => console.log(JSON.stringify(result.accessToken === token)));`;
    expect(await source.run(script, ['--disallow-code-generation-from-strings'])).toBe(true);
  });
});
