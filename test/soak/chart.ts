/** The picture of a soak: one small panel for each series, as SVG text that follows the reader's light or dark theme. */
import { type Sample, SERIES, SERIES_NAMES, type SeriesName } from './samples.ts';
import type { Trend } from './trend.ts';

const WIDTH = 860;
const COLUMNS = 2;
const PANEL_HEIGHT = 170;
const TOP = 52;
const MARGIN = 16;
const LEFT = 44;
const PLOT_TOP = 34;
const PLOT_BOTTOM = 22;

export interface Picture {
  readonly title: string;
  /** Stands below, so that the picture carries its conditions. */
  readonly facts: string;
  readonly samples: readonly Sample[];
  readonly trends: ReadonlyMap<SeriesName, Trend>;
}

export function soakChart({ title, facts, samples, trends }: Picture): string {
  const rows = Math.ceil(SERIES_NAMES.length / COLUMNS);
  const height = TOP + rows * PANEL_HEIGHT + 30;
  const panels = SERIES_NAMES.map((name, index) => panel(name, index, samples, trends.get(name)));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escaped(title)}">
  <style>
    text { font: 12px system-ui, sans-serif; fill: #1f2328; }
    .title { font-size: 16px; font-weight: 600; } .name { font-weight: 600; }
    .quiet { fill: #656d76; font-size: 11px; }
    .axis { stroke: #8c959f; stroke-width: 0.5; } .warm { fill: #8c959f; opacity: 0.12; }
    .line { fill: none; stroke: #1f6feb; stroke-width: 1.5; }
    .fit { stroke: #d0a215; stroke-width: 1.5; stroke-dasharray: 5 3; }
    @media (prefers-color-scheme: dark) { text { fill: #e6edf3; } .quiet { fill: #8d96a0; } }
  </style>
  <text class="title" x="${MARGIN}" y="28">${escaped(title)}</text>
  ${panels.join('\n  ')}
  <text class="quiet" x="${MARGIN}" y="${height - 10}">${escaped(facts)}</text>
</svg>
`;
}

function panel(
  name: SeriesName,
  index: number,
  samples: readonly Sample[],
  trend: Trend | undefined,
): string {
  const { title, unit } = SERIES[name];
  const width = WIDTH / COLUMNS - 2 * MARGIN;
  const left = (index % COLUMNS) * (WIDTH / COLUMNS) + MARGIN;
  const top = TOP + Math.floor(index / COLUMNS) * PANEL_HEIGHT;
  const bottom = top + PANEL_HEIGHT - PLOT_BOTTOM;
  const endMs = samples.at(-1)?.atMs ?? 1;
  // From zero: a trend that matters is seen, noise is not made to look like one.
  const highest = Math.max(1, ...samples.map((sample) => sample[name])) * 1.15;
  const x = (atMs: number): number => left + LEFT + (atMs / endMs) * (width - LEFT);
  const y = (value: number): number => bottom - (value / highest) * (bottom - top - PLOT_TOP);
  const points = samples.map((one) => `${x(one.atMs).toFixed(1)},${y(one[name]).toFixed(1)}`).join(' ');
  const half = endMs / 2;
  const fit =
    trend === undefined
      ? ''
      : `<line class="fit" x1="${x(half).toFixed(1)}" y1="${y(trend.mean - trend.gain / 2).toFixed(1)}" x2="${x(endMs).toFixed(1)}" y2="${y(trend.mean + trend.gain / 2).toFixed(1)}"/>`;
  const slope = trend === undefined ? '' : `${signed(trend.perMinute)} ${unit}/min in the second half`;
  return [
    `<text class="name" x="${left}" y="${top + 16}">${escaped(title)}${unit && `, ${unit}`}</text>`,
    `<text class="quiet" x="${left + width}" y="${top + 16}" text-anchor="end">${slope.replace(' /', '/')}</text>`,
    `<rect class="warm" x="${x(0).toFixed(1)}" y="${top + PLOT_TOP}" width="${(x(half) - x(0)).toFixed(1)}" height="${bottom - top - PLOT_TOP}"/>`,
    `<line class="axis" x1="${x(0).toFixed(1)}" y1="${bottom}" x2="${x(endMs).toFixed(1)}" y2="${bottom}"/>`,
    ...[0, highest / 1.15].map(
      (value) =>
        `<text class="quiet" x="${left + LEFT - 6}" y="${(y(value) + 4).toFixed(1)}" text-anchor="end">${Math.round(value)}</text>`,
    ),
    ...[0, half, endMs].map(
      (atMs) =>
        `<text class="quiet" x="${x(atMs).toFixed(1)}" y="${bottom + 14}" text-anchor="${atMs === endMs ? 'end' : 'middle'}">${minutes(atMs)}</text>`,
    ),
    `<polyline class="line" points="${points}"/>`,
    fit,
  ].join('\n  ');
}

export const signed = (value: number): string => `${value < 0 ? '-' : '+'}${Math.abs(value).toFixed(2)}`;
const minutes = (ms: number): string => `${(ms / 60_000).toFixed(1).replace('.0', '')} min`;
const escaped = (text: string): string =>
  text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
