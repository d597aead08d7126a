// autocannon ships no types; this is the part of it that is used.
declare module 'autocannon' {
  interface Options {
    url: string;
    connections: number;
    duration: number;
    timeout: number;
    requests: { method: string; path: string; headers: Record<string, string>; body: string }[];
    verifyBody(body: string): boolean;
  }
  interface Result {
    duration: number;
    errors: number;
    mismatches: number;
    non2xx: number;
    requests: { total: number };
    /** Milliseconds. */
    latency: { p50: number; p99: number };
  }
  export default function autocannon(options: Options): Promise<Result>;
}
