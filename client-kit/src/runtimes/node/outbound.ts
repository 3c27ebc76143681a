import http from 'node:http';
import tls from 'node:tls';

type Environment = Readonly<Record<string, string | undefined>>;

/** In Node since 24.14, which its types don't know yet. */
const { setGlobalProxyFromEnv } = http as {
  readonly setGlobalProxyFromEnv?: (env: Environment) => unknown;
};

const NAMES = ['HTTPS_PROXY', 'https_proxy', 'HTTP_PROXY', 'http_proxy'];

/**
 * Sends this process's requests through the proxies that the environment names (HTTPS_PROXY, HTTP_PROXY; NO_PROXY lists
 * the exceptions). Throws Error where it names one and this Node can't: 24.14 can, and 22.21 where it was started with
 * NODE_USE_ENV_PROXY=1.
 */
export const useProxies = (env: Environment = process.env): void => {
  if (!NAMES.some((name) => env[name])) return;
  if (setGlobalProxyFromEnv) setGlobalProxyFromEnv(env);
  else if (process.env['NODE_USE_ENV_PROXY'] !== '1' || !knowsProxies()) {
    throw new Error(
      `a proxy is set in the environment, which this Node (${process.version}) can not use by itself: it takes Node 24.14 ` +
        'or newer, or 22.21 or newer started with NODE_USE_ENV_PROXY=1',
    );
  }
};

const knowsProxies = (): boolean => {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  return major >= 24 || (major === 22 && minor >= 21);
};

/**
 * Trusts a private certificate authority beside those that Node trusts: one or more certificates, PEM. Throws Error where it
 * isn't one, or this Node can't (22.19 can; an older one takes the file's name in NODE_EXTRA_CA_CERTS when it starts).
 */
export const trustCa = (pem: string): void => {
  if (!/-----BEGIN CERTIFICATE-----/.test(pem)) throw new Error('expected certificates (PEM)');
  if (typeof tls.setDefaultCACertificates !== 'function') {
    const how = 'give the file in NODE_EXTRA_CA_CERTS instead';
    throw new Error(`this Node (${process.version}) can not be told of a CA while it runs: ${how}`);
  }
  tls.setDefaultCACertificates([...tls.getCACertificates('default'), pem]);
};
