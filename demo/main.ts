// `npm run demo`: a server, six sites and real handwritten digits on this machine; see --help.
import { readOptions } from './options.ts';
import { Progress } from './progress.ts';
import { runDemo } from './run-demo.ts';

const INTERRUPTED = 130;

const fail = (error: unknown, code: number): never => {
  process.stderr.write(`demo: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(code);
};

const readOrFail = () => {
  try {
    return readOptions(process.argv.slice(2));
  } catch (error) {
    return fail(error, 2);
  }
};

const options = readOrFail();
if (typeof options === 'string') {
  process.stdout.write(`${options}\n`);
} else {
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => stop.abort(new Error(`stopped by ${signal}`)));
  }
  const progress = new Progress(options.json ? process.stderr : process.stdout);
  try {
    const result = await runDemo(options, progress, stop.signal);
    if (options.json) process.stdout.write(`${JSON.stringify(result)}\n`);
  } catch (error) {
    progress.clear();
    fail(error, stop.signal.aborted ? INTERRUPTED : 1);
  }
}
