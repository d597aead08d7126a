/** Panels of a Grafana dashboard and their places, in the types of Grafana's own schema. Knows nothing of what is shown. */
import {
  BigValueColorMode,
  BigValueGraphMode,
  BigValueJustifyMode,
  BigValueTextMode,
  GraphDrawStyle,
  LegendDisplayMode,
  type Panel,
  PercentChangeColorMode,
  type RowPanel,
  SortOrder,
  StackingMode,
  ThresholdsMode,
  TooltipDisplayMode,
  VizOrientation,
} from '@grafana/schema';
import type { Options as StatOptions } from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type {
  FieldConfig as LineConfig,
  Options as LineOptions,
} from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';

/** Names of Grafana's units. */
export type Unit = 'short' | 'reqps' | 's' | 'bytes' | 'percentunit';

export interface Query {
  readonly expr: string;
  /** Of each series, with `{{label}}`. */
  readonly legend: string;
}

export interface Shown {
  readonly title: string;
  readonly description: string;
  readonly unit: Unit;
  readonly queries: readonly Query[];
}

/** A panel that does not know its place yet. */
export type Unplaced = Omit<Panel, 'gridPos' | 'id'> & { readonly type: 'timeseries' | 'stat' };

export interface Section {
  readonly title: string;
  readonly panels: readonly Unplaced[];
}

/** The variable that holds the data source. */
// biome-ignore lint/suspicious/noTemplateCurlyInString: Grafana's own way to name a variable
export const DATASOURCE = { type: 'prometheus', uid: '${datasource}' };
const GRID_WIDTH = 24;
const SIZES = { stat: { w: 4, h: 4 }, timeseries: { w: 8, h: 8 } };

const LINE_OPTIONS: LineOptions = {
  legend: { showLegend: true, displayMode: LegendDisplayMode.List, placement: 'bottom', calcs: [] },
  tooltip: { mode: TooltipDisplayMode.Multi, sort: SortOrder.Descending },
};

const STAT_OPTIONS: StatOptions = {
  reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false },
  colorMode: BigValueColorMode.Value,
  graphMode: BigValueGraphMode.Area,
  justifyMode: BigValueJustifyMode.Auto,
  textMode: BigValueTextMode.Auto,
  percentChangeColorMode: PercentChangeColorMode.Standard,
  showPercentChange: false,
  orientation: VizOrientation.Auto,
  wideLayout: true,
};

/** Lines over time; `stacked` for parts of a whole. */
export function lines(shown: Shown, stacked = false): Unplaced {
  const custom: LineConfig = {
    drawStyle: GraphDrawStyle.Line,
    lineWidth: 1,
    fillOpacity: stacked ? 30 : 5,
    stacking: { mode: stacked ? StackingMode.Normal : StackingMode.None, group: 'A' },
  };
  return {
    ...common(shown),
    type: 'timeseries',
    options: { ...LINE_OPTIONS },
    fieldConfig: { defaults: { unit: shown.unit, min: 0, custom: { ...custom } }, overrides: [] },
  };
}

/** One number, green; from `bad` on red. */
export function number(shown: Shown, bad?: number): Unplaced {
  const steps = [
    { color: 'green', value: null },
    ...(bad === undefined ? [] : [{ color: 'red', value: bad }]),
  ];
  return {
    ...common(shown),
    type: 'stat',
    options: { ...STAT_OPTIONS },
    fieldConfig: {
      defaults: { unit: shown.unit, thresholds: { mode: ThresholdsMode.Absolute, steps } },
      overrides: [],
    },
  };
}

function common({ title, description, queries }: Shown) {
  const targets = queries.map(({ expr, legend }, index) => ({
    refId: String.fromCharCode(65 + index),
    datasource: DATASOURCE,
    expr,
    legendFormat: legend,
    range: true,
  }));
  return { title, description, datasource: DATASOURCE, targets };
}

/** Each section below the former one, its panels from left to right. */
export function placed(sections: readonly Section[]): (Panel | RowPanel)[] {
  const all: (Panel | RowPanel)[] = [];
  let y = 0;
  for (const { title, panels } of sections) {
    all.push({
      id: all.length + 1,
      type: 'row',
      title,
      collapsed: false,
      panels: [],
      gridPos: { x: 0, y, w: GRID_WIDTH, h: 1 },
    });
    y += 1;
    let x = 0;
    let height = 0;
    for (const panel of panels) {
      const { w, h } = SIZES[panel.type];
      if (x + w > GRID_WIDTH) {
        x = 0;
        y += height;
        height = 0;
      }
      all.push({ ...panel, id: all.length + 1, gridPos: { x, y, w, h } });
      x += w;
      height = Math.max(height, h);
    }
    y += height;
  }
  return all;
}
