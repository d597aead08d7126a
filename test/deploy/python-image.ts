/**
 * Builds the image with WITH_PYTHON=1 and starts a server by `uvx` in it. The registry of Python is not asked: a stand-in
 * takes the place of the package uv. As long as the other image's build, and rarely of interest, so it is not part of
 * the suite: node --import tsx --test test/deploy/python-image.ts
 */
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { runContainer } from '../harness/container.ts';
import { freePort } from '../harness/free-port.ts';
import { buildImage, must, skipWithoutImages } from '../harness/images.ts';
import { callTool } from '../harness/rpc.ts';
import { textOf } from '../harness/sdk-clients.ts';
import { temporaryFolder } from '../harness/temporary-folder.ts';
import { without } from '../harness/tool.ts';

const skip = skipWithoutImages() || without(['python3'], 'python3');

test('an image with Python starts servers by uvx', { skip }, async (t) => {
  const folder = temporaryFolder(t);
  const image = buildWithPython(t, folder);

  const servers = join(folder, 'mcp-servers.yaml');
  writeFileSync(servers, 'servers:\n  fetch:\n    command: uvx\n    args: [mcp-server-fetch]\n');
  const port = await freePort();
  const token = 'token-of-the-container-0123456789';
  const container = runContainer(t, {
    image,
    env: { ACCESS_TOKEN: token, HOST: '127.0.0.1', PORT: `${port}` },
    mounts: { '/app/mcp-servers.yaml': servers },
  });
  await container.printed(/bridge ready/);
  assert.match(textOf(await callTool({ port, token }, 'fetch', 'python_version')), /^3\.\d+/);
});

function buildWithPython(t: TestContext, folder: string): string {
  const [, version = ''] = /^ARG UV_VERSION=(.+)$/m.exec(readFileSync('Dockerfile', 'utf8')) ?? [];
  const info = join(folder, `uv-${version}.dist-info`);
  const wheels = join(folder, 'wheels');
  mkdirSync(info);
  mkdirSync(wheels);
  cpSync('test/fixtures/uv/uv.py', join(folder, 'uv.py'));
  writeFileSync(join(info, 'METADATA'), `Metadata-Version: 2.1\nName: uv\nVersion: ${version}\n`);
  writeFileSync(join(info, 'WHEEL'), 'Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n');
  writeFileSync(join(info, 'RECORD'), '');
  writeFileSync(join(info, 'entry_points.txt'), '[console_scripts]\nuv = uv:main\nuvx = uv:main\n');
  const wheel = join(wheels, `uv-${version}-py3-none-any.whl`);
  must('python3', ['-m', 'zipfile', '--create', wheel, join(folder, 'uv.py'), info]);
  const settings = join(folder, 'pip.conf');
  writeFileSync(settings, '[global]\nno-index = true\nfind-links = /wheels\n');
  return buildImage(t, {
    args: { WITH_PYTHON: '1' },
    mounts: { '/wheels': wheels, '/etc/pip.conf': settings },
  });
}
