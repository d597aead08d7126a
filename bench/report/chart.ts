/**
 * The chart of the README: requests/s as bars, as SVG text that follows the reader's light or dark theme.
 */
import type { Figures } from '../measure.ts';

const WIDTH = 860;
const LABEL_WIDTH = 250;
const NUMBER_WIDTH = 200;
const ROW_HEIGHT = 30;
const TOP = 58;

/** Bars from the longest to the shortest. `facts` stands below, so that the picture carries its conditions. */
export function barChart(title: string, figures: readonly Figures[], facts: string): string {
  const rows = figures.toSorted((a, b) => b.requestsPerSecond - a.requestsPerSecond);
  const longest = rows[0]?.requestsPerSecond ?? 1;
  const height = TOP + rows.length * ROW_HEIGHT + 34;
  const bars = rows.map((row, index) => {
    const y = TOP + index * ROW_HEIGHT;
    const room = WIDTH - LABEL_WIDTH - NUMBER_WIDTH;
    const length = Math.max(1, (row.requestsPerSecond / longest) * room);
    const ours = row.name.startsWith('bridge') ? 'ours' : /^(bare|direct)/.test(row.name) ? 'floor' : 'peer';
    const number = Math.round(row.requestsPerSecond).toLocaleString('en-US');
    return [
      `<text x="${LABEL_WIDTH - 10}" y="${y + 15}" text-anchor="end">${escaped(row.name)}</text>`,
      `<rect class="${ours}" x="${LABEL_WIDTH}" y="${y}" width="${length.toFixed(1)}" height="20" rx="3"/>`,
      `<text x="${(LABEL_WIDTH + length + 8).toFixed(1)}" y="${y + 15}">${number}` +
        `<tspan class="quiet"> · ${row.cpuUsPerRequest.toFixed(1)} us CPU</tspan></text>`,
    ].join('\n  ');
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escaped(title)}">
  <style>
    text { font: 13px system-ui, sans-serif; fill: #1f2328; }
    .title { font-size: 16px; font-weight: 600; }
    .quiet, .facts { fill: #656d76; }
    .facts { font-size: 11px; }
    .ours { fill: #1f6feb; } .floor { fill: #8c959f; } .peer { fill: #d0a215; }
    @media (prefers-color-scheme: dark) { text { fill: #e6edf3; } .quiet, .facts { fill: #8d96a0; } }
  </style>
  <text class="title" x="16" y="28">${escaped(title)}</text>
  ${bars.join('\n  ')}
  <text class="facts" x="16" y="${height - 12}">${escaped(facts)}</text>
</svg>
`;
}

const escaped = (text: string): string =>
  text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
