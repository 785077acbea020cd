// A plot over time, by uPlot, in the colors of the page.
import React, { useEffect, useRef, useState } from "react";
import uPlot from "uplot";
import { absolute, duration, grouped } from "./format";

export interface Line {
  label: string;
  /** The name of one of the page's colors: a custom property without `--koji-`. */
  color: string;
  bars?: boolean;
  /** Whether the area below is tinted; the color is then one of six hexadecimal digits. */
  area?: boolean;
}

interface Props {
  label: string;
  lines: Line[];
  /** The x values, then those of each line. */
  data: uPlot.AlignedData;
  height?: number;
  /** Whether x is a moment; else it is a number of its own. */
  time?: boolean;
  /** Whether y is a duration, in seconds. */
  durations?: boolean;
}

const DARK = "(prefers-color-scheme: dark)";

const times = (unit: number, ...steps: number[]) => steps.map((step) => unit * step);
/** What may be between two ticks: a duration's fall on what a clock has, a number's are whole. */
const DURATIONS = [
  ...times(1, 1, 5, 10, 15, 30),
  ...times(60, 1, 5, 10, 15, 30),
  ...times(3600, 1, 2, 3, 6, 12, 24, 72, 240, 720),
];
const NUMBERS = Array.from({ length: 9 }, (_, power) => times(10 ** power, 1, 2, 5)).flat();

/** Say the moments of an axis: with the date where they span more than two days, or with seconds. */
function moments(splits: number[]): string[] {
  const span = (splits[splits.length - 1] ?? 0) - (splits[0] ?? 0);
  return splits.map((at) =>
    absolute(at).slice(...(span > 172800 ? [5, 10] : span < 600 ? [11, 19] : [11, 16])),
  );
}

function last(u: uPlot): void {
  u.setLegend({ idx: u.data[0].length - 1 }, false);
}

/** Plot some lines or bars; the label is what a screen reader says. */
export function Chart({ label, lines, data, height = 180, time = true, durations = false }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = useRef(data);
  latest.current = data;
  const [dark, setDark] = useState(() => window.matchMedia(DARK).matches);
  const shape = JSON.stringify([lines, time, height, durations]);

  useEffect(() => {
    const media = window.matchMedia(DARK);
    const follow = () => setDark(media.matches);
    media.addEventListener("change", follow);
    return () => media.removeEventListener("change", follow);
  }, []);

  useEffect(() => {
    const element = place.current;
    if (element === null) return undefined;
    const style = getComputedStyle(element);
    const color = (name: string) => style.getPropertyValue(`--koji-${name}`).trim() || "gray";
    const axis = {
      stroke: color("text"),
      grid: { stroke: color("line") },
      ticks: { stroke: color("line") },
    };
    const say = durations ? duration : grouped;
    const value = (_: uPlot, raw: number | null) =>
      raw === null || raw === undefined ? "–" : say(raw);
    // Room for a whole bar at both ends: it stands for an hour, or for a number.
    const edge = !time ? 0.5 : lines.some((line) => line.bars) ? 1800 : 0;
    const bars = uPlot.paths.bars?.({ size: [0.7, 24] });
    const made = new uPlot(
      {
        width: Math.max(200, element.clientWidth),
        height,
        scales: {
          x: {
            time,
            // Around one moment alone uPlot makes three years.
            range: (u, min, max) => [min - edge, (u.data[0].length > 1 ? max : min + 1) + edge],
          },
          y: { range: (_u, _min, max) => [0, Math.max(1, max * 1.1)] },
        },
        cursor: { points: { show: false } },
        hooks: {
          // The last values, where the pointer is not over the plot.
          setCursor: [(u) => (u.cursor.idx ?? null) === null && last(u)],
          setData: [last],
          ready: [last],
        },
        axes: [
          time
            ? { ...axis, space: 80, values: (_u, splits) => moments(splits) }
            : { ...axis, show: false },
          {
            ...axis,
            size: 60,
            values: (_u, splits) => splits.map(say),
            incrs: durations ? DURATIONS : NUMBERS,
          },
        ],
        series: [
          time
            ? { value: (_u, raw) => (raw === null ? "–" : absolute(raw)) }
            : { label: "build", value: (_u, raw) => (raw === null ? "–" : String(raw)) },
          ...lines.map((line) => ({
            label: line.label,
            stroke: color(line.color),
            width: line.bars ? 0 : 2,
            ...(line.area ? { fill: `${color(line.color)}22` } : {}),
            value,
            ...(line.bars && bars ? { paths: bars, fill: color(line.color) } : {}),
            points: { show: false },
          })),
        ],
      },
      latest.current,
      element,
    );
    plot.current = made;
    const observer = new ResizeObserver(() =>
      made.setSize({ width: Math.max(200, element.clientWidth), height }),
    );
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = null;
    };
    // `shape` stands for lines, time, height and durations.
  }, [shape, dark]);

  useEffect(() => {
    plot.current?.setData(data);
  }, [data]);

  return <div ref={place} role="img" aria-label={label} className="koji-chart" />;
}
