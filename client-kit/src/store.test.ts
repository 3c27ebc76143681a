import { MemoryStore } from './store.ts';
import { storeSuite } from './store.suite.ts';

storeSuite(() => new MemoryStore());
