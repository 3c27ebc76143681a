/** The symbol of the batch dimension, in every program and manifest. */
export const BATCH = 'batch';
