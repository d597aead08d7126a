/** Builds a sandbox template at E2B from one of the Dockerfiles: template.ts dev|prod [--minimal]. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Template } from 'e2b';
import { apiKey, type Main, ROOT, runCommand, UsageError } from './command.ts';
import { layOutContext } from './context.ts';

/** Chrome and a few servers fit into either. */
const TEMPLATES = {
  dev: { name: 'mcp-bridge-dev', cpuCount: 2, memoryMB: 2048 },
  prod: { name: 'mcp-bridge', cpuCount: 2, memoryMB: 4096 },
} as const;

const USAGE = 'usage: template.ts dev|prod [--minimal]';

export const buildTemplate: Main = async ([stage = '', option, ...rest], print) => {
  if (stage !== 'dev' && stage !== 'prod') {
    throw new UsageError(`unknown template "${stage}"; allowed: dev, prod (${USAGE})`);
  }
  if ((option !== undefined && option !== '--minimal') || rest.length > 0) {
    throw new UsageError(`unknown option "${option === '--minimal' ? rest[0] : option}" (${USAGE})`);
  }
  const key = apiKey();
  const dockerfile = option === undefined ? 'e2b.Dockerfile' : 'e2b.Dockerfile.minimal';
  const { name, cpuCount, memoryMB } = TEMPLATES[stage];
  const fileContextPath = mkdtempSync(join(tmpdir(), 'mcp-bridge-e2b-'));
  try {
    layOutContext(fileContextPath);
    const template = Template({ fileContextPath }).fromDockerfile(join(ROOT, 'deploy/e2b', dockerfile));
    print(`Building ${name} from ${dockerfile}\n`);
    const { templateId } = await Template.build(template, name, {
      apiKey: key,
      cpuCount,
      memoryMB,
      onBuildLogs: ({ message }) => print(`  ${message}\n`),
    });
    print(`Template ${name} is ready: ${templateId}\n`);
  } finally {
    rmSync(fileContextPath, { recursive: true, force: true });
  }
};

await runCommand(import.meta.url, buildTemplate);
