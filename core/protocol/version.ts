/** Version of this product, as GET /healthz and the OpenAPI document tell it: package.json's. */
export const VERSION = '0.1.0';
