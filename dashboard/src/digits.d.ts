/** Handwritten digits that the build cuts out of MNIST (vite.config.ts). */
declare module 'virtual:digits' {
  /** In each part. */
  export const EXAMPLES: number;
  export const PARTS: readonly { readonly url: string; readonly bytes: number }[];
}
