/** A line of a chart. */
export interface Series {
  readonly name: string;
  /** x and y; ascending in x. */
  readonly points: readonly (readonly [number, number])[];
  readonly colour: string;
  /** Drawn thin and pale, behind the others. */
  readonly faint?: boolean;
}

export interface Chart {
  readonly title: string;
  readonly x: string;
  readonly series: readonly Series[];
}

const WIDTH = 720;
const HEIGHT = 280;
const MARGIN = { top: 36, right: 16, bottom: 44, left: 64 };
/** Points of a line beyond which it is thinned: a pixel shows one. */
const MOST = 700;
/** Points of a line up to which each is marked. */
const DOTTED = 20;

const escaped = (text: string): string => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

/** Round numbers that cut a range into about five. */
export const ticksOf = (from: number, to: number): readonly number[] => {
  const span = to - from || Math.abs(to) || 1;
  const power = 10 ** Math.floor(Math.log10(span / 5));
  const step = [1, 2, 5, 10].map((by) => by * power).find((size) => span / size <= 6) ?? span;
  const first = Math.ceil(from / step - 1e-9);
  const last = Math.floor(to / step + 1e-9);
  return Array.from({ length: Math.max(1, last - first + 1) }, (_, i) => (first + i) * step);
};

const numberText = (value: number): string => String(Number(value.toPrecision(6)));

/** Means of neighbours, at most `MOST` of them. */
const thinned = (points: Series['points']): Series['points'] => {
  const count = Math.min(MOST, points.length);
  return Array.from({ length: count }, (_, i) => {
    const [from, to] = [i, i + 1].map((at) => Math.floor((at * points.length) / count));
    const group = points.slice(from, to);
    const mean = (k: 0 | 1): number => group.reduce((sum, p) => sum + p[k], 0) / group.length;
    return [mean(0), mean(1)] as const;
  });
};

const extent = (values: readonly number[]): readonly [number, number] => {
  const low = values.reduce((a, b) => Math.min(a, b), Infinity);
  const high = values.reduce((a, b) => Math.max(a, b), -Infinity);
  return low <= high ? [low, high] : [0, 1];
};

const panel = ({ title, x: xName, series }: Chart, top: number): string => {
  const lines = series.map((line) => ({
    ...line,
    points: thinned(line.points.filter((point) => point.every(Number.isFinite))),
  }));
  const all = lines.flatMap(({ points }) => points);
  const [x0, x1] = extent(all.map(([x]) => x));
  const [y0, y1] = extent(all.map(([, y]) => y));
  const inner = {
    width: WIDTH - MARGIN.left - MARGIN.right,
    height: HEIGHT - MARGIN.top - MARGIN.bottom,
  };
  const px = (x: number): string =>
    (MARGIN.left + ((x - x0) / (x1 - x0 || 1)) * inner.width).toFixed(1);
  const py = (y: number): string =>
    (top + MARGIN.top + (1 - (y - y0) / (y1 - y0 || 1)) * inner.height).toFixed(1);
  const right = WIDTH - MARGIN.right;
  const bottom = top + MARGIN.top + inner.height;
  const grid = ticksOf(y0, y1).map(
    (y) =>
      `<path d="M${MARGIN.left} ${py(y)}H${right}" stroke="#ddd"/>` +
      `<text x="${MARGIN.left - 8}" y="${py(y)}" dy=".35em" text-anchor="end">${numberText(y)}</text>`,
  );
  const marks = ticksOf(x0, x1).map(
    (x) => `<text x="${px(x)}" y="${bottom + 18}" text-anchor="middle">${numberText(x)}</text>`,
  );
  const paths = [...lines]
    .sort((a, b) => Number(b.faint ?? false) - Number(a.faint ?? false))
    .map(({ points, colour, faint }) => {
      const d = points.map(([x, y], i) => `${i === 0 ? 'M' : 'L'}${px(x)} ${py(y)}`).join('');
      const style = faint ? 'stroke-opacity=".35"' : 'stroke-width="2"';
      const dots = points.length > DOTTED ? [] : points;
      return [
        `<path d="${d}" fill="none" stroke="${colour}" ${style}/>`,
        ...dots.map(([x, y]) => `<circle cx="${px(x)}" cy="${py(y)}" r="3" fill="${colour}"/>`),
      ].join('');
    });
  const legend = lines.map(
    ({ name, colour }, i) =>
      `<text x="${right - 150 * (lines.length - 1 - i)}" y="${top + 22}" fill="${colour}" text-anchor="end">${escaped(name)}</text>`,
  );
  const heading = `<text x="${MARGIN.left}" y="${top + 22}" font-weight="600">${escaped(title)}</text>`;
  const axis = `<text x="${right}" y="${bottom + 36}" text-anchor="end">${escaped(xName)}</text>`;
  return [heading, ...legend, ...grid, ...marks, axis, ...paths].join('\n');
};

/** Charts below each other as one SVG picture. */
export const learningCurve = (charts: readonly Chart[]): string => {
  const height = HEIGHT * charts.length;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, sans-serif" font-size="12" fill="#333">`,
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    ...charts.map((chart, i) => panel(chart, i * HEIGHT)),
    '</svg>',
    '',
  ].join('\n');
};
