/**
 * Whether a series rises: pure. The first half is warm-up. The second half is cut into windows, and only the lowest
 * value of each counts: what is kept is never below it, while a peak says what came together in one moment. Through the
 * lows goes a straight line (least squares); the series rises when what the line gains over the half is more than
 * noise: more than 5 % of the mean, more than the series' own tolerance, and more than three standard errors of the
 * line itself.
 */
export interface Point {
  readonly atMs: number;
  readonly value: number;
}

export interface Trend {
  /** Of the lows. */
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
const WINDOWS = 10;
const SHARE_OF_MEAN = 0.05;
const STANDARD_ERRORS = 3;

export function trendOf(points: readonly Point[], noise: number): Trend {
  const first = points[0]?.atMs ?? 0;
  const last = points.at(-1)?.atMs ?? 0;
  const lengthMs = (last - first) / 2;
  const lows = lowsOf(points, first + lengthMs, lengthMs / WINDOWS);
  const n = lows.length;
  const mean = meanOf(lows.map(({ value }) => value));
  const middle = meanOf(lows.map(({ atMs }) => atMs));
  const spread = lows.reduce((sum, { atMs }) => sum + (atMs - middle) ** 2, 0);
  if (n < 3 || spread === 0) return { mean, perMinute: 0, gain: 0, allowed: noise, rises: false };
  const slope = lows.reduce((sum, { atMs, value }) => sum + (atMs - middle) * (value - mean), 0) / spread;
  const residual = lows.reduce(
    (sum, { atMs, value }) => sum + (value - mean - slope * (atMs - middle)) ** 2,
    0,
  );
  const error = Math.sqrt(residual / (n - 2) / spread) * lengthMs;
  const gain = slope * lengthMs;
  const allowed = Math.max(noise, SHARE_OF_MEAN * mean, STANDARD_ERRORS * error);
  return { mean, perMinute: slope * MS_PER_MINUTE, gain, allowed, rises: gain > allowed };
}

/** The lowest point of each window from `fromMs` on, where it has one. */
function lowsOf(points: readonly Point[], fromMs: number, windowMs: number): readonly Point[] {
  const lows = new Map<number, Point>();
  for (const point of points) {
    if (point.atMs < fromMs || windowMs === 0) continue;
    // The very last point belongs to the last window.
    const window = Math.min(WINDOWS - 1, Math.floor((point.atMs - fromMs) / windowMs));
    const low = lows.get(window);
    if (low === undefined || point.value < low.value) lows.set(window, point);
  }
  return [...lows.values()];
}

const meanOf = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
