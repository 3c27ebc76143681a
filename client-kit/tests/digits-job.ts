import { randomUUID } from 'node:crypto';
import type { JobView } from '../../core/protocol/job-status.ts';
import type { Manifest } from '../../core/tensors/manifest.ts';
import { encode } from '../../core/tensors/safetensors.ts';
import { Connection } from '../src/connection.ts';
import { digestOf } from '../src/digest.ts';
import { programsFor } from './digits.ts';

/** What an admin does, for tests of sites against a real server. */
export class Admin {
  readonly #connection: Connection;

  constructor(server: string, token: string) {
    this.#connection = new Connection({ server, token });
  }

  async enrolment(uses = 1): Promise<string> {
    const { token } = await this.#post<{ token: string }>('/v1/enrolments', { uses });
    return token;
  }

  async blob(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
    const digest = await digestOf(bytes);
    const headers = { 'content-type': 'application/octet-stream' };
    const options = { body: new Blob([bytes]), headers };
    await this.#connection.send('PUT', `/v1/blobs/${digest}`, options, async () => undefined);
    return digest;
  }

  async submit(spec: object): Promise<string> {
    return (await this.#post<{ id: string }>('/v1/jobs', spec)).id;
  }

  /** One site, an MLP on digits, FedAvg. */
  async submitDigits(rounds: number, args: object = {}): Promise<string> {
    const { train, evaluate, parameters } = programsFor('mlp', 0.9);
    const program = async (program: { model: Uint8Array; manifest: Manifest }) => ({
      blob: await this.blob(new Uint8Array(program.model)),
      manifest: program.manifest,
    });
    return this.submit({
      name: 'digits',
      seed: 7,
      model: await this.blob(encode(parameters)),
      data: { x: { shape: [1, 28, 28], dtype: 'U8' }, y: { classes: 10 } },
      programs: { train: await program(train), evaluate: await program(evaluate) },
      workflows: [{ id: 'train', use: 'fed-avg', args: { rounds, minResponses: 1 } }],
      executors: [{ tasks: ['*'], use: 'onnx', args: { lr: 0.02, ...args } }],
    });
  }

  /** The job when it has finished. */
  async finished(id: string): Promise<JobView> {
    for (let since = 0; ;) {
      const path = `/v1/jobs/${id}?wait=25&since=${since}`;
      const view = await this.#connection.json<JobView>('GET', path);
      if (view.status.startsWith('FINISHED:')) return view;
      since = view.version;
    }
  }

  #post<T>(path: string, json: object): Promise<T> {
    const headers = { 'idempotency-key': randomUUID() };
    return this.#connection.json<T>('POST', path, { json, headers });
  }
}
