import type { FieldError } from '../../core/protocol/fault.ts';
import type { JobSpec } from '../../core/protocol/job.ts';
import { LIMITS } from '../../core/protocol/limits.ts';
import { DTYPES } from '../../core/tensors/dtype.ts';
import { shown, type TensorFault } from '../../core/tensors/fault.ts';
import { headerLength, parseHeader, PREFIX_BYTES } from '../../core/tensors/header.ts';
import { checkDataLength, type Layout, showShape } from '../../core/tensors/layout.ts';
import type { Manifest } from '../../core/tensors/manifest.ts';
import { err, type Result } from '../../core/tensors/result.ts';
import type { BlobStub } from '../stubs.ts';

/** A way to a blob: the object of its digest. */
export type BlobReader = (digest: string) => Pick<BlobStub, 'stat' | 'head'>;

/** Most headers are shorter: one visit to the blob is enough. */
const FIRST_BYTES = 64 * 1024;
const MOST = 32;

/** Blobs that a spec names and nobody has uploaded. */
export async function blobErrors(spec: JobSpec, blob: BlobReader): Promise<FieldError[]> {
  const named: (readonly [path: string, digest: string])[] = Object.entries(spec.programs).map(
    ([name, program]) => [`programs.${name}.blob`, program.blob],
  );
  if (spec.model !== undefined) named.push(['model', spec.model]);
  const found = await Promise.all(
    named.map(async ([path, digest]): Promise<FieldError[]> => {
      const stat = await blob(digest).stat();
      return stat ? [] : [{ path, expected: 'the digest of an uploaded blob', got: digest }];
    }),
  );
  return found.flat();
}

/** Why the model is no safetensors file, or the programs' manifests don't fit it. */
export async function modelErrors(spec: JobSpec, blob: BlobReader): Promise<FieldError[]> {
  const kinds = Object.entries(spec.programs).flatMap(([name, { manifest }]): FieldError[] => {
    const roles: readonly string[] = ['train', 'evaluate', 'predict'];
    if (!roles.includes(name) || name === manifest.kind) return [];
    return [{ path: `programs.${name}.manifest.kind`, expected: name, got: manifest.kind }];
  });
  if (spec.model === undefined) return kinds;
  const layout = await readLayout(blob(spec.model));
  if (!layout.ok) {
    const { tensor, expected, got } = layout.error;
    const path = tensor === undefined ? 'model' : `model.${tensor}`;
    return [{ path, expected: `a safetensors file: ${expected}`, got }];
  }
  const misfits = Object.entries(spec.programs).flatMap(([name, { manifest }]) =>
    manifestErrors(manifest, layout.value, `programs.${name}.manifest`),
  );
  return [...kinds, ...misfits].slice(0, MOST);
}

/** Reads and checks a blob's safetensors header without its data. */
async function readLayout(blob: ReturnType<BlobReader>): Promise<Result<Layout, TensorFault>> {
  const stat = await blob.stat();
  let head = await blob.head(FIRST_BYTES);
  if (!stat || !head) return err({ reason: 'truncated', expected: 'a blob', got: 'none' });
  const length = headerLength(head.subarray(0, PREFIX_BYTES), LIMITS.headerBytes);
  if (!length.ok) return length;
  const end = PREFIX_BYTES + length.value;
  if (head.length < end && end <= stat.bytes) head = (await blob.head(end)) ?? head;
  if (head.length < end) {
    return err({ reason: 'truncated', expected: `${end} bytes of header`, got: `${stat.bytes}` });
  }
  const layout = parseHeader(head.subarray(PREFIX_BYTES, end), { maxTensors: LIMITS.tensors });
  if (!layout.ok) return layout;
  const data = checkDataLength(layout.value, stat.bytes - end);
  if (!data.ok) return data;
  if (layout.value.entries.length > 0) return layout;
  return err({ reason: 'no-tensors', expected: 'at least one tensor', got: 'none' });
}

/**
 * What a program takes from the model must be there, alike: a site reads every parameter from it. A train program must
 * know every tensor of the model: what it doesn't know it would send back unchanged or not at all.
 */
function manifestErrors(manifest: Manifest, model: Layout, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const seen = new Set<string>();
  manifest.parameters.forEach(({ name, dtype, shape, role, output }, i) => {
    const at = `${path}.parameters[${i}]`;
    if (seen.has(name))
      errors.push({ path: `${at}.name`, expected: 'a name once', got: shown(name) });
    seen.add(name);
    const entry = model.byName.get(name);
    if (!entry) {
      errors.push({ path: `${at}.name`, expected: 'a tensor of the model', got: shown(name) });
      return;
    }
    if (entry.dtype !== dtype) {
      errors.push({ path: `${at}.dtype`, expected: entry.dtype, got: dtype });
    }
    if (showAll(entry.shape) !== showAll(shape)) {
      errors.push({ path: `${at}.shape`, expected: showShape(entry.shape), got: showShape(shape) });
    }
    if (role !== 'trainable') return;
    if (!DTYPES[dtype].float) {
      errors.push({ path: `${at}.role`, expected: `buffer or frozen for ${dtype}`, got: role });
    }
    if (manifest.kind === 'train' && output === undefined) {
      errors.push({ path: `${at}.output`, expected: 'an output: it is trainable', got: 'none' });
    }
  });
  if (manifest.kind !== 'train') return errors;
  for (const { name } of model.entries) {
    if (seen.has(name)) continue;
    const expected = `the model's tensor ${shown(name)}`;
    errors.push({ path: `${path}.parameters`, expected, got: 'nothing of that name' });
  }
  return errors;
}

const showAll = (shape: readonly number[]): string => shape.join(',');
