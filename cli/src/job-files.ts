import { openAsBlob } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { DIGEST_PATTERN } from '../../core/protocol/names.ts';
import type { JobSpecInput } from '../../core/protocol/job.ts';
import { digestOfBlob } from './digest.ts';
import { CommandError } from './exit-code.ts';

/** A spec ready to be posted, and the local files that hold the blobs it names. */
export interface JobFiles {
  readonly spec: JobSpecInput;
  /** Digest -> file. A digest without one must be on the server already. */
  readonly blobs: ReadonlyMap<string, string>;
}

const readSpec = async (file: string): Promise<JobSpecInput> => {
  const text = await readFile(file, 'utf8');
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return value as JobSpecInput;
  } catch (error) {
    throw new CommandError('data', `${file}: ${(error as Error).message}`);
  }
  throw new CommandError('data', `${file}: expected a JSON object, a job spec`);
};

/**
 * Reads a job spec from a file. Where it names a blob by a file name (relative to the spec) instead of a digest, the
 * digest is filled in; digests are looked up among the files beside the spec. The spec's meaning is for the server to
 * check. Throws CommandError on a file that is not a JSON object.
 */
export const readJobFiles = async (file: string): Promise<JobFiles> => {
  const spec = await readSpec(file);
  const folder = dirname(resolve(file));
  const blobs = new Map<string, string>();
  const wanted = new Set<string>();
  const digestFor = async (reference: unknown): Promise<unknown> => {
    if (typeof reference !== 'string') return reference;
    if (DIGEST_PATTERN.test(reference)) {
      wanted.add(reference);
      return reference;
    }
    const path = join(folder, reference);
    const digest = await digestOfBlob(await openAsBlob(path));
    blobs.set(digest, path);
    return digest;
  };

  const model = await digestFor(spec.model);
  const programs: Record<string, unknown> = {};
  for (const [name, program] of Object.entries(spec.programs ?? {})) {
    programs[name] = { ...program, blob: await digestFor(program.blob) };
  }
  if ([...wanted].some((digest) => !blobs.has(digest))) {
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const path = join(folder, entry.name);
      const digest = await digestOfBlob(await openAsBlob(path));
      if (wanted.has(digest)) blobs.set(digest, path);
    }
  }
  const filled = {
    ...spec,
    ...(spec.model !== undefined && { model }),
    ...(spec.programs && { programs }),
  };
  return { spec: filled as JobSpecInput, blobs };
};
