/**
 * Whether a series rises: pure. The first half is warm-up. Through the second half goes a straight line (least
 * squares); it rises when what it gains over that half is more than noise: more than 5 % of the mean, more than the
 * series' own tolerance, and more than three standard errors of the line itself.
 */
export interface Point {
  readonly atMs: number;
  readonly value: number;
}

export interface Trend {
  readonly mean: number;
  /** Units per minute. */
  readonly perMinute: number;
  /** What the line gains over the second half. */
  readonly gain: number;
  /** The most it may gain. */
  readonly allowed: number;
  readonly rises: boolean;
}

const MS_PER_MINUTE = 60_000;
const SHARE_OF_MEAN = 0.05;
const STANDARD_ERRORS = 3;

export function trendOf(points: readonly Point[], noise: number): Trend {
  const first = points[0]?.atMs ?? 0;
  const last = points.at(-1)?.atMs ?? 0;
  const half = points.filter(({ atMs }) => atMs >= (first + last) / 2);
  const n = half.length;
  const mean = half.reduce((sum, { value }) => sum + value, 0) / Math.max(1, n);
  const middle = half.reduce((sum, { atMs }) => sum + atMs, 0) / Math.max(1, n);
  const spread = half.reduce((sum, { atMs }) => sum + (atMs - middle) ** 2, 0);
  if (n < 3 || spread === 0) return { mean, perMinute: 0, gain: 0, allowed: noise, rises: false };
  const slope = half.reduce((sum, { atMs, value }) => sum + (atMs - middle) * (value - mean), 0) / spread;
  const residual = half.reduce(
    (sum, { atMs, value }) => sum + (value - mean - slope * (atMs - middle)) ** 2,
    0,
  );
  const lengthMs = last - (half[0]?.atMs ?? first);
  const error = Math.sqrt(residual / (n - 2) / spread) * lengthMs;
  const gain = slope * lengthMs;
  const allowed = Math.max(noise, SHARE_OF_MEAN * mean, STANDARD_ERRORS * error);
  return { mean, perMinute: slope * MS_PER_MINUTE, gain, allowed, rises: gain > allowed };
}
