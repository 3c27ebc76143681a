import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

/** What `npm run demo -- ...` takes. */
export interface DemoOptions {
  readonly sites: number;
  readonly rounds: number;
  readonly alpha: number;
  readonly model: 'mlp' | 'cnn';
  readonly seed: number;
  readonly examples: number;
  readonly chaos: boolean;
  /** Waits for one more site: a tab of a browser. */
  readonly join: boolean;
  readonly json: boolean;
  /** 0: any free one. */
  readonly port: number;
  /** Folder of everything that it makes. */
  readonly data: string;
}

/** Enough for 95 % on the held-out images. */
const ROUNDS = { cnn: 8, mlp: 16 } as const;

const DATA = fileURLToPath(new URL('../.tributary/demo', import.meta.url));

const HELP = `npm run demo -- [options]

  Trains a model on handwritten digits that are dealt unevenly to several sites, each a process of its own.

  --sites N       how many sites (6)
  --rounds N      rounds of federated averaging (cnn 8, mlp 16)
  --alpha A       how uneven: the concentration of the Dirichlet distribution (0.3; 100 is even)
  --model NAME    cnn or mlp (cnn)
  --seed N        seed of everything random (1): same seed, same machine, same model
  --examples N    training images in all (12000)
  --chaos         kill a site and then the server in mid-round, with SIGKILL, and start them again
  --join          wait for a browser's tab as one more site: open the link that is printed
  --json          progress to stderr; the last line of stdout is one JSON object
  --port N        port of the server (any free one)
  --data DIR      where its files go (.tributary/demo); what an earlier demo left there is wiped`;

/** Reads the command line. Throws RangeError or TypeError on what isn't an option; gives the help text for --help. */
export const readOptions = (argv: readonly string[]): DemoOptions | string => {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      sites: { type: 'string', default: '6' },
      rounds: { type: 'string' },
      alpha: { type: 'string', default: '0.3' },
      model: { type: 'string', default: 'cnn' },
      seed: { type: 'string', default: '1' },
      examples: { type: 'string', default: '12000' },
      chaos: { type: 'boolean', default: false },
      join: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      port: { type: 'string', default: '0' },
      data: { type: 'string', default: DATA },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return HELP;
  const number = (
    name: 'sites' | 'rounds' | 'seed' | 'examples' | 'port',
    min: number,
    max: number,
  ): number => {
    const value = Number(values[name]);
    if (Number.isInteger(value) && value >= min && value <= max) return value;
    throw new RangeError(
      `--${name}: expected a whole number from ${min} to ${max}, got ${values[name]}`,
    );
  };
  const { model } = values;
  if (model !== 'cnn' && model !== 'mlp')
    throw new RangeError(`--model: expected cnn or mlp, got ${model}`);
  const alpha = Number(values.alpha);
  if (!(alpha > 0 && alpha <= 1e6))
    throw new RangeError(`--alpha: expected a number above 0, got ${values.alpha}`);
  return {
    sites: number('sites', 1, 64),
    rounds: values.rounds === undefined ? ROUNDS[model] : number('rounds', 1, 1000),
    alpha,
    model,
    seed: number('seed', 0, 2 ** 32 - 1),
    examples: number('examples', 200, 60_000),
    chaos: values.chaos,
    join: values.join,
    json: values.json,
    port: number('port', 0, 65_535),
    data: resolve(values.data),
  };
};
