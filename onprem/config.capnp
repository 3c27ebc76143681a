# Tributary on bare workerd, on one machine of your own: the same bundle as on Cloudflare. `onprem/start DIR` runs it.
# Paths and the address come from its command line; secrets come from its environment.
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "tributary", worker = .tributary),
    # SQLite databases of all objects: the whole state of the server.
    (name = "objects", disk = (path = "objects", writable = true)),
    # Uploaded blobs and models of finished jobs, as files.
    (name = "blobs", disk = (path = "blobs", writable = true)),
    # The pages, as built.
    (name = "assets", disk = (path = "dist/dashboard")),
    # The server calls nobody.
    (name = "internet", network = (allow = [])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:8787", http = (), service = "tributary")],
);

const tributary :Workerd.Worker = (
  modules = [
    (name = "index.js", esModule = embed "../dist/worker/index.js"),
    (name = "kernel.wasm", wasm = embed "../dist/worker/kernel.wasm"),
  ],
  compatibilityDate = "2026-10-20",
  durableObjectNamespaces = [
    (className = "JobObject", uniqueKey = "tributary-job", enableSql = true),
    (className = "DirectoryObject", uniqueKey = "tributary-directory", enableSql = true),
    (className = "BlobObject", uniqueKey = "tributary-blob", enableSql = true),
  ],
  durableObjectStorage = (localDisk = "objects"),
  bindings = [
    (name = "JOB", durableObjectNamespace = "JobObject"),
    (name = "DIRECTORY", durableObjectNamespace = "DirectoryObject"),
    (name = "BLOB", durableObjectNamespace = "BlobObject"),
    (name = "BLOBS", service = "blobs"),
    (name = "ASSETS", service = "assets"),
    (name = "ADMIN_TOKEN", fromEnvironment = "ADMIN_TOKEN"),
    (name = "TOKEN_KEY", fromEnvironment = "TOKEN_KEY"),
    (name = "TOKEN_KEY_PREVIOUS", fromEnvironment = "TOKEN_KEY_PREVIOUS"),
    (name = "ALLOWED_ORIGINS", fromEnvironment = "ALLOWED_ORIGINS"),
  ],
);
