import { element } from '../dom.ts';
import type { Curve, Points, Series } from './learning.ts';

/** Of a chart where there is room, and least. */
const WIDTH = { usual: 640, least: 260 };
const HEIGHT = 240;
const MARGIN = { top: 12, right: 14, bottom: 40, left: 56 };
/** Points of a line up to which each is marked. */
const DOTTED = 40;

const svg = (
  tag: string,
  attributes: Readonly<Record<string, string | number>>,
  ...content: readonly (string | Node)[]
): SVGElement => {
  const made = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  made.append(...content);
  return made;
};

/** Round numbers that cut a range into about five. */
const ticksOf = (from: number, to: number): readonly number[] => {
  const span = to - from || Math.abs(to) || 1;
  const power = 10 ** Math.floor(Math.log10(span / 5));
  const step = [1, 2, 5, 10].map((by) => by * power).find((size) => span / size <= 6) ?? span;
  const first = Math.ceil(from / step - 1e-9);
  const last = Math.floor(to / step + 1e-9);
  return Array.from({ length: Math.max(1, last - first + 1) }, (_, i) => (first + i) * step);
};

export const numberText = (value: number): string => String(Number(value.toPrecision(4)));

const extent = (values: readonly number[]): readonly [number, number] => {
  const low = Math.min(...values);
  const high = Math.max(...values);
  return low < high ? [low, high] : [low - 0.5, low + 0.5];
};

/** A curve as a picture for a place so wide; what it shows is in {@link tableOf} for those who don't see it. */
export const chartOf = ({ metric, series }: Curve, place: number): SVGElement => {
  const width = Math.min(WIDTH.usual, Math.max(WIDTH.least, place));
  const all = series.flatMap(({ points }) => points);
  const [x0, x1] = extent(all.map(([x]) => x));
  const [y0, y1] = extent(all.map(([, y]) => y));
  const inner = {
    width: width - MARGIN.left - MARGIN.right,
    height: HEIGHT - MARGIN.top - MARGIN.bottom,
  };
  const px = (x: number): string => (MARGIN.left + ((x - x0) / (x1 - x0)) * inner.width).toFixed(1);
  const py = (y: number): string =>
    (MARGIN.top + (1 - (y - y0) / (y1 - y0)) * inner.height).toFixed(1);
  const bottom = MARGIN.top + inner.height;
  const grid = ticksOf(y0, y1).flatMap((y) => [
    svg('path', { class: 'grid', d: `M${MARGIN.left} ${py(y)}h${inner.width}` }),
    svg('text', { x: MARGIN.left - 8, y: py(y), dy: '.35em', 'text-anchor': 'end' }, numberText(y)),
  ]);
  const rounds = ticksOf(x0, x1).filter(Number.isInteger);
  const marks = rounds.map((x) =>
    svg('text', { x: px(x), y: bottom + 18, 'text-anchor': 'middle' }, String(x)),
  );
  const axis = svg(
    'text',
    { x: MARGIN.left + inner.width, y: bottom + 36, 'text-anchor': 'end' },
    'rounds of training',
  );
  const line = (points: Points): string =>
    points.map(([x, y], i) => `${i === 0 ? 'M' : 'L'}${px(x)} ${py(y)}`).join('');
  const drawn = ({ points, faint }: Series): SVGElement[] => [
    svg('path', { class: faint ? 'faint' : 'curve', d: line(points) }),
    ...(faint || points.length > DOTTED ? [] : points).map(([x, y]) =>
      svg('circle', { class: 'point', cx: px(x), cy: py(y), r: 4 }),
    ),
  ];
  const inOrder = [...series].sort((a, b) => Number(b.faint) - Number(a.faint));
  const label = `${metric} by round; the numbers are in the table below`;
  return svg(
    'svg',
    { class: 'chart', viewBox: `0 0 ${width} ${HEIGHT}`, role: 'img', 'aria-label': label },
    ...grid,
    ...marks,
    axis,
    ...inOrder.flatMap(drawn),
  );
};

/** The same as numbers. */
export const tableOf = ({ metric, series }: Curve): HTMLElement => {
  const rounds = [...new Set(series.flatMap(({ points }) => points.map(([x]) => x)))];
  rounds.sort((a, b) => a - b);
  const head = element(
    'tr',
    {},
    element('th', { scope: 'col' }, 'Rounds'),
    ...series.map(({ name }) => element('th', { scope: 'col' }, name)),
  );
  const rows = rounds.map((round) =>
    element(
      'tr',
      {},
      element('th', { scope: 'row' }, String(round)),
      ...series.map(({ points }) => {
        const value = points.find(([x]) => x === round)?.[1];
        return element('td', {}, value === undefined ? '–' : numberText(value));
      }),
    ),
  );
  return element(
    'details',
    {},
    element('summary', {}, `${metric} as numbers`),
    element(
      'div',
      { class: 'scroll', tabindex: '0', role: 'group', 'aria-label': `${metric} as numbers` },
      element('table', {}, element('thead', {}, head), element('tbody', {}, ...rows)),
    ),
  );
};
