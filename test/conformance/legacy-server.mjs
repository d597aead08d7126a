/** The legacy fixture on stdin and stdout. */
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { createLegacyServer } from './legacy-fixture.mjs';

await createLegacyServer().connect(new StdioServerTransport());
