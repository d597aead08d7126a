/**
 * The modern fixture on stdin and stdout. It refuses the handshake of earlier revisions, so that a legacy client
 * reaches it only through a bridge that translates; `--both` serves that handshake too.
 */
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import { createModernServer } from './modern-fixture.mjs';

serveStdio(() => createModernServer(), { legacy: process.argv.includes('--both') ? 'serve' : 'reject' });
