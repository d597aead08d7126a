/** Writes mcp-bridge.json: node --import tsx deploy/grafana/generate.ts */
import { writeFileSync } from 'node:fs';
import { dashboardText } from './dashboard.ts';

writeFileSync(new URL('mcp-bridge.json', import.meta.url), dashboardText());
