import type { Ort, OrtTensor } from './ort.ts';

/** WebGPU's buffer and device, as far as a copy there and back needs them. */
interface GpuBuffer {
  destroy(): void;
}
interface GpuDevice {
  createBuffer(of: { readonly size: number; readonly usage: number }): GpuBuffer;
  readonly queue: {
    writeBuffer(buffer: GpuBuffer, offset: number, data: ArrayBufferView): void;
  };
}
interface OrtOnGpu {
  readonly env: { readonly webgpu: { readonly device: GpuDevice | Promise<GpuDevice> } };
  readonly Tensor: {
    fromGpuBuffer(
      buffer: GpuBuffer,
      options: {
        readonly dataType: string;
        readonly dims: readonly number[];
        readonly dispose: () => void;
      },
    ): OrtTensor;
  };
}

/** GPUBufferUsage: STORAGE, COPY_DST, COPY_SRC. */
const USAGE = 0x80 | 0x08 | 0x04;
/** What ONNX Runtime's kernels read lies in buffers of whole 16 bytes. */
const UNIT = 16;

/** Types of 32 bits: what is shorter is packed, what is longer is split in two. */
const ON_GPU = ['float32', 'int32', 'uint32'];

/**
 * A tensor that steps read and never change, copied to the GPU once; else ONNX Runtime copies it there at every step. The
 * tensor itself where it has to stay: of another type, empty, or in onnxruntime-node, which keeps its GPU to itself.
 */
export const resident = async (ort: Ort, tensor: OrtTensor): Promise<OrtTensor> => {
  const { type: dataType, dims, location } = tensor;
  const native = ort.env?.versions?.node !== undefined;
  if (native || location !== 'cpu' || !ON_GPU.includes(dataType) || dims.includes(0)) return tensor;
  // A session on WebGPU is there, so this build of ONNX Runtime has all of it.
  const { env, Tensor } = ort as unknown as OrtOnGpu;
  const device = await env.webgpu.device;
  const data = tensor.data as ArrayBufferView;
  const size = Math.ceil(data.byteLength / UNIT) * UNIT;
  const buffer = device.createBuffer({ size, usage: USAGE });
  device.queue.writeBuffer(buffer, 0, data);
  return Tensor.fromGpuBuffer(buffer, { dataType, dims, dispose: () => buffer.destroy() });
};
