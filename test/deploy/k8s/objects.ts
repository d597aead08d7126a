/** What kustomize makes of a folder below deploy/k8s. */
import { parseAllDocuments } from 'yaml';
import { must } from '../../harness/images.ts';

/** An object of Kubernetes as parsed YAML: looked into by path. */
// biome-ignore lint/suspicious/noExplicitAny: its shape is what the checks are about
export type K8sObject = any;

export function kustomize(folder: string): K8sObject[] {
  return objectsOf(must('kustomize', ['build', folder]));
}

export function objectsOf(yaml: string): K8sObject[] {
  return parseAllDocuments(yaml).map((document) => {
    if (document.errors.length > 0) throw document.errors[0];
    return document.toJS() as K8sObject;
  });
}

/** Throws unless there is exactly one. */
export function theOnly(kind: string, objects: readonly K8sObject[]): K8sObject {
  const found = objects.filter((object) => object.kind === kind);
  if (found.length !== 1) throw new Error(`${found.length} objects of kind ${kind}; expected one`);
  return found[0];
}

export const nameOf = (object: K8sObject): string => `${object.kind} ${object.metadata.name}`;
