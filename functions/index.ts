import { createApp } from './app.ts';

export { BlobObject } from '../durable/blob-object.ts';
export { DirectoryObject } from '../durable/directory-object.ts';
export { JobObject } from '../durable/job-object.ts';

export default createApp();
