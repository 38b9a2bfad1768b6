// Objects that are functions: the MongoDB driver calls `OIDC_CALLBACK(params)`, so a callback must be one.

/**
 * Base of the callable classes. Its constructor returns a function that carries the prototype of the class
 * being constructed, so `#private` and other fields of subclasses are installed on that function; fields of
 * this class itself would be lost, so it has none.
 */
export abstract class Callable<Parameter, Result> {
  constructor() {
    const callable = (parameter: Parameter): Result => (callable as unknown as this).call_(parameter);
    // A function's own `name` and `length` are read-only, and `name` would be that of the variable above.
    Object.defineProperty(callable, 'name', { value: new.target.name, writable: true, configurable: true });
    Object.defineProperty(callable, 'length', { value: 1, writable: true, configurable: true });
    // biome-ignore lint/correctness/noConstructorReturn: the instance is the function
    return Object.setPrototypeOf(callable, new.target.prototype);
  }

  /** @internal What calling the instance does. */
  protected abstract call_(parameter: Parameter): Result;
}

// `call`, `bind` and `apply` work. `extends Function` would need the Function constructor, which programs
// that forbid code generation from strings do not have.
Object.setPrototypeOf(Callable.prototype, Function.prototype);

/** Events and messages call a class by its name, and a bundler gives it another. */
export function keepName(type: object, name: string): void {
  Object.defineProperty(type, 'name', { value: name });
}
