/**
 * Objects against the schemas of Kubernetes. Two libraries, because each sees what the other does not: the types find
 * unknown fields, the models find values that are no quantity, no port, not one of an enumeration.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { type K8sObject, nameOf } from './objects.ts';

interface Model {
  new (object: K8sObject): { validate(): void };
}

/** apiVersion to the module of its models, and of its types where they have any. */
const MODULES: Readonly<Record<string, readonly [models: string, types?: string]>> = {
  v1: ['kubernetes-models/v1', 'kubernetes-types/core/v1'],
  'apps/v1': ['kubernetes-models/apps/v1', 'kubernetes-types/apps/v1'],
  'policy/v1': ['kubernetes-models/policy/v1', 'kubernetes-types/policy/v1'],
  'autoscaling/v2': ['kubernetes-models/autoscaling/v2', 'kubernetes-types/autoscaling/v2'],
  'networking.k8s.io/v1': ['kubernetes-models/networking.k8s.io/v1', 'kubernetes-types/networking/v1'],
  'monitoring.coreos.com/v1': ['@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1'],
};

/** One line per fault; empty where there is none. */
export async function schemaFaults(objects: readonly K8sObject[]): Promise<string[]> {
  return [...(await modelFaults(objects)), ...typeFaults(objects)];
}

async function modelFaults(objects: readonly K8sObject[]): Promise<string[]> {
  const faults: string[] = [];
  for (const object of objects) {
    const [module] = MODULES[object.apiVersion] ?? [];
    if (module === undefined) {
      faults.push(`${nameOf(object)}: unknown apiVersion ${object.apiVersion}`);
      continue;
    }
    const models = (await import(module)) as Record<string, Model | undefined>;
    const ModelOfKind = models[object.kind];
    try {
      if (ModelOfKind === undefined) throw new Error(`${object.apiVersion} has no such kind`);
      new ModelOfKind(object).validate();
    } catch (error) {
      faults.push(`${nameOf(object)}: ${error instanceof Error ? error.message : error}`);
    }
  }
  return faults;
}

/** The objects as literals of their types, one a line, read by the compiler. */
function typeFaults(objects: readonly K8sObject[]): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'bridge-k8s-'));
  try {
    symlinkSync(resolve('node_modules'), join(folder, 'node_modules'));
    const lines = objects.map((object, i) => {
      const types = MODULES[object.apiVersion]?.[1];
      if (types === undefined) return '// checked by its model alone';
      return `export const o${i}: import('${types}').${object.kind} = ${JSON.stringify(object)};`;
    });
    writeFileSync(join(folder, 'objects.ts'), lines.join('\n'));
    const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc');
    const flags = ['--noEmit', '--strict', '--skipLibCheck', '--module', 'nodenext', '--types', ''];
    const { stdout } = spawnSync(process.execPath, [tsc, ...flags, 'objects.ts'], {
      cwd: folder,
      encoding: 'utf8',
    });
    return stdout.split('\n').flatMap((line) => {
      const [, at, fault] = /^objects\.ts\((\d+),\d+\): error TS\d+: (.*)$/.exec(line) ?? [];
      if (at === undefined) return line.includes('error TS') ? [line] : [];
      return [`${nameOf(objects[Number(at) - 1])}: ${fault}`];
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}
