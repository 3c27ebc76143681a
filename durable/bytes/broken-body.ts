/** Thrown where a body breaks off, or brings nothing for LIMITS.uploadStallMS. Its message is for the sender. */
export class BrokenBody extends Error {}
