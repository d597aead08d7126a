/** Whether PM2's cluster mode runs this process. In its fork mode the bridge is its own primary, as without PM2. */
import cluster from 'node:cluster';

export function isPm2Instance({ NODE_APP_INSTANCE, exec_mode, MCP_BRIDGE_ROLE }: NodeJS.ProcessEnv): boolean {
  return (
    NODE_APP_INSTANCE !== undefined &&
    exec_mode === 'cluster_mode' &&
    MCP_BRIDGE_ROLE === undefined &&
    cluster.isWorker
  );
}
