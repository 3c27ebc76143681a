// How the bundler hands over a `.wasm` file: compiled.
declare module '*.wasm' {
  const module: WebAssembly.Module;
  export default module;
}
