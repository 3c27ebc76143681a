// `forward.ts FOLDER`: the raced models as files, for make.py.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MODELS } from '../models.ts';

for (const [name, make] of Object.entries(MODELS)) {
  writeFileSync(join(process.argv[2] ?? '.', `${name}.onnx`), make());
}
