import { z } from 'zod';

// before any schema is made: zod compiles schemas with `Function` where it may, and the page's policy forbids that loudly
z.config({ jitless: true });
