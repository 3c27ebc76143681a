export type OrtSource = object;
