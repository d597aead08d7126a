/**
 * The manifests, as kustomize makes them: against the schemas of Kubernetes, against each other, against what the
 * bridge needs. Each kind of check is shown a fault, too.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { WORKER_METRICS } from '../../src/metrics/catalogue.ts';
import { ENTRY } from '../harness/bridge.ts';
import { must } from '../harness/images.ts';
import { temporaryFolder } from '../harness/temporary-folder.ts';
import { without } from '../harness/tool.ts';
import { type K8sObject, kustomize, theOnly } from './k8s/objects.ts';
import { referenceFaults } from './k8s/references.ts';
import { schemaFaults } from './k8s/schema.ts';

const skip = without(['kustomize'], 'kustomize');
const FOLDERS = ['base', 'overlays/development', 'overlays/production'];
const BY_HAND = new Set(['Secret mcp-bridge-secrets']);
/** What ending the servers may take after the drain. */
const END_SERVERS_SECONDS = 6;

const build = (folder: string): K8sObject[] => kustomize(`deploy/k8s/${folder}`);

for (const folder of FOLDERS) {
  test(`${folder}: every object fits its schema and finds the others`, { skip }, async () => {
    const objects = build(folder);
    assert.deepEqual(await schemaFaults(objects), []);
    assert.deepEqual(referenceFaults(objects, BY_HAND), []);
  });
}

test('the production overlay has all that the README promises', { skip }, () => {
  const kinds = build('overlays/production').map(({ kind }) => kind);
  assert.deepEqual(kinds.sort(), [
    'ConfigMap',
    'Deployment',
    'HorizontalPodAutoscaler',
    'Ingress',
    'Namespace',
    'NetworkPolicy',
    'PodDisruptionBudget',
    'Service',
    'ServiceMonitor',
  ]);
});

test('a pod has the time that its drain takes, and few rights', { skip }, () => {
  const { spec } = theOnly('Deployment', build('base')).spec.template;
  const [container] = spec.containers;
  const valueIn = (name: string): string =>
    container.env.find((variable: K8sObject) => variable.name === name).value;
  const preStopSeconds = Number(container.lifecycle.preStop.exec.command[1]);
  const drainSeconds = Number(valueIn('DRAIN_TIMEOUT_MS')) / 1000;
  assert.ok(preStopSeconds + drainSeconds + END_SERVERS_SECONDS < spec.terminationGracePeriodSeconds);

  assert.equal(spec.securityContext.runAsNonRoot, true);
  assert.deepEqual(container.securityContext, {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'] },
  });
  assert.equal(container.readinessProbe.httpGet.path, '/ready');
  assert.equal(container.livenessProbe.httpGet.path, '/health');
});

test('the bridge takes the mcp-servers.yaml of the ConfigMap', { skip }, (t) => {
  const dir = temporaryFolder(t);
  const file = join(dir, 'mcp-servers.yaml');
  writeFileSync(file, theOnly('ConfigMap', build('base')).data['mcp-servers.yaml']);
  assert.match(must(process.execPath, [ENTRY, '--check', '--config', file]), /everything/);
});

test('the autoscaler asks for a metric that there is', { skip }, () => {
  const { metrics } = theOnly('HorizontalPodAutoscaler', build('overlays/production')).spec;
  const { name } = metrics.find(({ type }: K8sObject) => type === 'Pods').pods.metric;
  assert.ok(Object.values(WORKER_METRICS).some((metric) => metric.name === name));
});

test('the schemas find unknown fields, wrong types and quantities that are none', { skip }, async () => {
  const objects = build('overlays/production');
  const [container] = theOnly('Deployment', objects).spec.template.spec.containers;
  container.livenesProbe = {};
  container.resources.limits.memory = '2 GB';
  theOnly('Service', objects).spec.ports[0].port = '80';
  const found = (await schemaFaults(objects)).join('\n');
  assert.match(found, /Deployment mcp-bridge: .*livenesProbe/);
  assert.match(found, /Deployment mcp-bridge: .*limits\/memory/);
  assert.match(found, /Service mcp-bridge: .*'string' is not assignable to type 'number'/);
});

const lost: readonly [what: string, seed: (objects: K8sObject[]) => void, says: RegExp][] = [
  [
    'a selector without pods',
    (objects) => {
      theOnly('Service', objects).spec.selector.app = 'bridge';
    },
    /^Service mcp-bridge: its selector finds no pods$/,
  ],
  [
    'a port that no container has',
    (objects) => {
      theOnly('Service', objects).spec.ports[0].targetPort = 8080;
    },
    /^Service mcp-bridge: no container has port 8080$/,
  ],
  [
    'a mount without its volume',
    (objects) => {
      theOnly('Deployment', objects).spec.template.spec.volumes.pop();
    },
    /^Deployment mcp-bridge: \/home\/node: there is no volume home$/,
  ],
  [
    'a file mounted by subPath',
    (objects) => {
      const [mount] = theOnly('Deployment', objects).spec.template.spec.containers[0].volumeMounts;
      mount.subPath = 'mcp-servers.yaml';
    },
    /^Deployment mcp-bridge: \/etc\/mcp-bridge: a subPath never sees a change$/,
  ],
  [
    'a Secret that nobody makes',
    (objects) => {
      theOnly('Deployment', objects).spec.template.spec.containers[0].envFrom[0].secretRef.name = 'other';
    },
    /^Deployment mcp-bridge: there is no Secret other$/,
  ],
];

for (const [what, seed, says] of lost) {
  test(`the reference check finds ${what}`, { skip }, () => {
    const objects = build('overlays/production');
    seed(objects);
    assert.match(referenceFaults(objects, BY_HAND).join('\n'), says);
  });
}
