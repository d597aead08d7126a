/**
 * PM2: `pm2 start ecosystem.config.js --env production`. PM2 supervises, and each of its instances is a worker.
 * deploy/pm2/README.md tells the rest.
 *
 * Where the bridge's own supervisor is wanted under PM2 (a worker that hangs or grows is replaced, SIGUSR2 is a rolling
 * restart), PM2 runs one process, which forks the workers itself:
 *
 *   exec_mode: 'fork', instances: 1, max_memory_restart: undefined (WORKER_MAX_MEMORY_MB instead)
 */
import { fileURLToPath } from 'node:url';

/** A draining instance gets this long for its requests, and a moment to end its servers, before PM2 kills it. */
const drainMs = Number(process.env.DRAIN_TIMEOUT_MS) || 10_000;
const endServersMs = 6_000;

const workers = process.env.WORKERS || 'auto';

export const apps = [
  {
    name: 'mcp-bridge',
    script: 'dist/index.js',
    cwd: fileURLToPath(new URL('.', import.meta.url)),
    exec_mode: 'cluster',
    instances: workers === 'auto' ? 'max' : Number(workers),

    // An instance says when it serves. On SIGINT it drains and ends its servers itself, each with its whole group.
    wait_ready: true,
    listen_timeout: 30_000,
    kill_timeout: drainMs + endServersMs,
    treekill: false,

    autorestart: true,
    exp_backoff_restart_delay: 100,
    // Faults of the configuration: starting again does not help.
    stop_exit_codes: [78],
    max_memory_restart: '1G',
    watch: false,

    // The lines of all instances in one file each; every line names its slot.
    merge_logs: true,
    out_file: 'logs/pm2-out.log',
    error_file: 'logs/pm2-error.log',

    // What the shell sets wins over these, and reaches the bridge anyway: PORT, ACCESS_TOKEN, LOG_LEVEL … Also read:
    // .env.<NODE_ENV> and .env, which a value written here would hide.
    // The last gives the memory of large messages back to the system (glibc); without PM2 the bridge sets it by itself.
    env: { NODE_ENV: process.env.NODE_ENV || 'development', MALLOC_MMAP_THRESHOLD_: '1048576' },
    env_development: { NODE_ENV: 'development' },
    env_production: { NODE_ENV: 'production' },
  },
];
