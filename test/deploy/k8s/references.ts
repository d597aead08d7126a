/**
 * What no schema sees: whether the objects find each other. Selectors against labels, ports against ports, volumes
 * against mounts, names against names.
 */
import { type K8sObject, nameOf } from './objects.ts';

interface World {
  readonly of: (kind: string) => readonly K8sObject[];
  /** `Kind name`: whether it is here, or made by hand. */
  readonly knows: (name: string) => boolean;
  /** The pod templates. */
  readonly pods: readonly K8sObject[];
}

/** What must hold, and the fault where it does not. */
type Expectation = readonly [holds: boolean, fault: string];
type Check = (object: K8sObject, world: World) => readonly Expectation[];

/** One line per fault. `byHand`: objects that are referred to but made elsewhere, as `Kind name`. */
export function referenceFaults(objects: readonly K8sObject[], byHand: ReadonlySet<string>): string[] {
  const names = new Set([...objects.map(nameOf), ...byHand]);
  const of = (kind: string): K8sObject[] => objects.filter((object) => object.kind === kind);
  const world: World = {
    of,
    knows: (name) => names.has(name),
    pods: of('Deployment').map((deployment) => deployment.spec.template),
  };
  return objects.flatMap((object) => {
    const expectations = [...namespaceOf(object, world), ...(CHECKS[object.kind]?.(object, world) ?? [])];
    return expectations.flatMap(([holds, fault]) => (holds ? [] : [`${nameOf(object)}: ${fault}`]));
  });
}

const namespaceOf: Check = ({ kind, metadata: { namespace } }, { knows }) =>
  kind === 'Namespace' ? [] : [[knows(`Namespace ${namespace}`), `there is no namespace ${namespace}`]];

const CHECKS: Readonly<Record<string, Check>> = {
  Deployment: ({ spec: { selector, template } }, { knows }) => {
    const { labels } = template.metadata;
    const { containers, volumes = [], topologySpreadConstraints = [] } = template.spec;
    return [
      [matches(selector.matchLabels, labels), 'its selector misses its own pods'],
      ...topologySpreadConstraints.map(({ topologyKey, labelSelector }: K8sObject) => [
        matches(labelSelector.matchLabels, labels),
        `${topologyKey} spreads other pods`,
      ]),
      ...volumes.map(({ name, configMap }: K8sObject) => [
        configMap === undefined || knows(`ConfigMap ${configMap.name}`),
        `volume ${name}: there is no ConfigMap ${configMap?.name}`,
      ]),
      ...containers.flatMap((container: K8sObject) => [
        ...mountsOf(container, volumes),
        ...probesOf(container),
        ...secretsOf(container).map((name) => [knows(`Secret ${name}`), `there is no Secret ${name}`]),
      ]),
    ];
  },

  Service: ({ spec: { selector, ports } }, { pods }) => [
    [selects(selector, pods), 'its selector finds no pods'],
    ...ports.map(({ targetPort }: K8sObject) => [
      portsOf(pods).some((port) => isPort(targetPort, port)),
      `no container has port ${targetPort}`,
    ]),
  ],

  PodDisruptionBudget: ({ spec }, { pods }) => [
    [selects(spec.selector.matchLabels, pods), 'its selector finds no pods'],
  ],

  NetworkPolicy: ({ spec: { podSelector, ingress } }, { pods }) => {
    const open = new Set(ingress.flatMap(({ ports }: K8sObject) => ports.map(({ port }: K8sObject) => port)));
    return [
      [selects(podSelector.matchLabels, pods), 'its selector finds no pods'],
      ...portsOf(pods).map(
        ({ containerPort }) => [open.has(containerPort), `it closes port ${containerPort}`] as const,
      ),
    ];
  },

  ServiceMonitor: ({ spec: { selector, endpoints } }, { of, knows }) => {
    const services = of('Service').filter(({ metadata }) => matches(selector.matchLabels, metadata.labels));
    return [
      [services.length > 0, 'its selector finds no service'],
      ...endpoints.flatMap(({ port, authorization }: K8sObject) => [
        [services.every((service) => hasPort(service, port)), `the service has no port named ${port}`],
        [knows(`Secret ${authorization.credentials.name}`), `no Secret ${authorization.credentials.name}`],
      ]),
    ];
  },

  Ingress: ({ spec: { rules } }, { of }) =>
    rules
      .flatMap(({ http }: K8sObject) => http.paths.map(({ backend }: K8sObject) => backend.service))
      .map(({ name, port }: K8sObject) => [
        of('Service').some(
          (service) => service.metadata.name === name && hasPort(service, port.name ?? port.number),
        ),
        `there is no Service ${name} with port ${port.name ?? port.number}`,
      ]),

  HorizontalPodAutoscaler: ({ spec: { scaleTargetRef } }, { of, knows }) => {
    const target = `${scaleTargetRef.kind} ${scaleTargetRef.name}`;
    const fixed = of(scaleTargetRef.kind).some((one) => nameOf(one) === target && 'replicas' in one.spec);
    return [
      [knows(target), `there is no ${target}`],
      [!fixed, `${target} has replicas, which each apply would restore`],
    ];
  },
};

type Labels = Readonly<Record<string, string>>;

/** An empty selector finds everything, which is never what is meant here. */
function matches(selector: Labels | undefined, labels: Labels | undefined): boolean {
  const wanted = Object.entries(selector ?? {});
  return wanted.length > 0 && wanted.every(([key, value]) => labels?.[key] === value);
}

const selects = (selector: Labels | undefined, pods: readonly K8sObject[]): boolean =>
  pods.some(({ metadata }) => matches(selector, metadata.labels));

const portsOf = (pods: readonly K8sObject[]): K8sObject[] =>
  pods.flatMap(({ spec }) => spec.containers.flatMap(({ ports }: K8sObject) => ports));

const isPort = (wanted: string | number, { name, containerPort }: K8sObject): boolean =>
  wanted === name || wanted === containerPort;

const hasPort = (service: K8sObject, wanted: string | number): boolean =>
  service.spec.ports.some(({ name, port }: K8sObject) => wanted === name || wanted === port);

const mountsOf = ({ volumeMounts }: K8sObject, volumes: readonly K8sObject[]): Expectation[] =>
  volumeMounts.flatMap(({ name, mountPath, subPath }: K8sObject) => [
    [volumes.some((volume) => volume.name === name), `${mountPath}: there is no volume ${name}`],
    [subPath === undefined, `${mountPath}: a subPath never sees a change`],
  ]);

const probesOf = (container: K8sObject): Expectation[] =>
  ['startupProbe', 'livenessProbe', 'readinessProbe'].map((probe) => {
    const { port } = container[probe].httpGet;
    return [
      container.ports.some((one: K8sObject) => isPort(port, one)),
      `${probe}: there is no port ${port}`,
    ];
  });

const secretsOf = ({ env, envFrom }: K8sObject): string[] =>
  [
    ...envFrom.map(({ secretRef }: K8sObject) => secretRef?.name),
    ...env.map(({ valueFrom }: K8sObject) => valueFrom?.secretKeyRef?.name),
  ].filter((name) => name !== undefined);
