/** Assembles core/aggregators/kernel.wat into kernel.wasm beside it. Run after every change of the text. */
import { readFileSync, writeFileSync } from 'node:fs';
import wabt from 'wabt';

const folder = new URL('../core/aggregators/', import.meta.url);

export const assembleKernel = async (): Promise<Uint8Array> => {
  const tools = await wabt();
  const text = readFileSync(new URL('kernel.wat', folder), 'utf8');
  const parsed = tools.parseWat('kernel.wat', text, { simd: true, sat_float_to_int: true });
  try {
    parsed.resolveNames();
    parsed.validate();
    return parsed.toBinary({ write_debug_names: false }).buffer;
  } finally {
    parsed.destroy();
  }
};

if (import.meta.main) {
  const bytes = await assembleKernel();
  writeFileSync(new URL('kernel.wasm', folder), bytes);
  console.log(`kernel.wasm: ${bytes.length} bytes`);
}
