// Which combinations of runtime, driver and SDKs are tried: every driver with every Node.js, and every version of
// an SDK with every Node.js that it runs on.

/** npm's ranges: the oldest that this package supports, those at which something changed, the newest. */
export const drivers = ['6.17.0', '6.22.0', '7.0.0', '7.6.0', '7'] as const;
export const nodes = [20, 22, 24, 26] as const;
export const otherRuntimes = ['Bun 1', 'Deno 2'] as const;

export type Driver = (typeof drivers)[number];
export type RuntimeName = `Node.js ${(typeof nodes)[number]}` | (typeof otherRuntimes)[number];

export const sdkNames = ['@azure/identity', 'google-auth-library'] as const;
/** npm's ranges. */
export type SDKs = Readonly<Record<(typeof sdkNames)[number], string>>;

const oldest: SDKs = { '@azure/identity': '4.7.0', 'google-auth-library': '9.15.0' };
/** The newest that run on Node.js 20. */
const middle: SDKs = { '@azure/identity': '4.13', 'google-auth-library': '10' };
/** Both want Node.js 22, so npm on Node.js 20 would answer a plain 4 with 4.13. */
const newest: SDKs = { '@azure/identity': '^4.14', 'google-auth-library': '11' };

export interface Cell {
  readonly name: string;
  readonly runtime: RuntimeName;
  readonly driver: Driver;
  readonly sdks: SDKs;
  /** Which of the variants of each way, taken modulo their number. */
  readonly variant: number;
}

/** With Node.js 20, 22, 24 and 26. Few different ones for each driver: each is an installation. */
const sdksByDriver: Readonly<Record<Driver, readonly [SDKs, SDKs, SDKs, SDKs]>> = {
  '6.17.0': [oldest, oldest, newest, newest],
  '6.22.0': [middle, middle, middle, middle],
  '7.0.0': [oldest, newest, oldest, oldest],
  '7.6.0': [middle, middle, middle, middle],
  '7': [middle, newest, newest, newest],
};

export const cells: readonly Cell[] = [
  ...drivers.flatMap((driver, row) =>
    nodes.map((major, column) =>
      cell(`Node.js ${major}`, driver, sdksByDriver[driver][column] ?? newest, row + column),
    ),
  ),
  ...otherRuntimes.map((runtime) => cell(runtime, '7', newest, 0)),
];

function cell(runtime: RuntimeName, driver: Driver, sdks: SDKs, variant: number): Cell {
  return { name: `${runtime}, mongodb ${driver}`, runtime, driver, sdks, variant };
}
