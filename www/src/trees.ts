// Which of the watched task trees are shown, and in which order.
import { count } from "./format";
import type { Tone } from "./parts";
import type { Down, Step, TaskState, Tree } from "./types";

export const STATE_TEXT: Record<TaskState, string> = {
  FREE: "waiting",
  ASSIGNED: "assigned",
  OPEN: "building",
  CLOSED: "done",
  CANCELED: "canceled",
  FAILED: "failed",
};

export const STATE_TONE: Record<TaskState, Tone> = {
  FREE: "waiting",
  ASSIGNED: "waiting",
  OPEN: "busy",
  CLOSED: "good",
  CANCELED: "off",
  FAILED: "bad",
};

/** A watched tree is over when its task is: what may have ended are parts of it. */
export const ENDED = new Set<string>(["CLOSED", "FAILED", "CANCELED"]);

export interface Filter {
  text: string;
  builder: string;
  state: string;
}

/** Return the trees that match a filter, trouble first, then the longest running. */
export function chosen(trees: readonly Tree[], filter: Filter): Tree[] {
  const hasWords = wordsOf(filter);
  return trees
    .filter((tree) => {
      if (filter.builder && tree.builder !== filter.builder) return false;
      if (
        filter.state === "trouble"
          ? !tree.trouble_level
          : filter.state &&
            (isWaiting(tree) ? "FREE" : tree.state) !== filter.state &&
            !(ENDED.has(filter.state) && tree.arches.some(({ state }) => state === filter.state))
      )
        return false;
      return hasWords(`${tree.label} ${tree.package ?? ""} ${tree.nvr ?? ""} ${tree.task_id}`);
    })
    .sort(
      (a, b) =>
        b.trouble_level - a.trouble_level ||
        (a.started ?? a.since ?? Infinity) - (b.started ?? b.since ?? Infinity) ||
        a.task_id - b.task_id,
    );
}

/** Return the steps without a task that match a filter: all of them wait. */
export function chosenSteps(steps: readonly Step[], filter: Filter): Step[] {
  const hasWords = wordsOf(filter);
  return ["", "FREE"].includes(filter.state)
    ? steps.filter(
        ({ builder, name, text }) =>
          (!filter.builder || builder === filter.builder) && hasWords(`${name} ${text ?? ""}`),
      )
    : [];
}

function wordsOf(filter: Filter): (text: string) => boolean {
  const words = filter.text.toLowerCase().split(/\s+/).filter(Boolean);
  return (text) => words.every((word) => text.toLowerCase().includes(word));
}

/** Tell whether a tree, or all that is left of it, waits for a builder. */
export function isWaiting({ state, arches }: Tree): boolean {
  const waits = (each: TaskState) => each === "FREE" || each === "ASSIGNED";
  const left = arches.filter((each) => waits(each.state) || each.state === "OPEN");
  return state === "FREE" || (left.length > 0 && left.every((each) => waits(each.state)));
}

/** The most tasks of a queue that the master reads. */
const QUEUE_LIMIT = 500;

/** Say how many tasks are before one, as the page of its build does. */
export function queueText(before: number): string {
  if (before === 0) return "next in the queue";
  const words = count(before, "task");
  return `${before >= QUEUE_LIMIT ? words.replace(" ", " or more ") : words} before it`;
}

/** Return when a hub's tasks were last known: while it is unreachable, they may have ended. */
export function until(hub: string, down: readonly Down[], now: number): number {
  return down.find(({ name }) => name === hub)?.since ?? now;
}

/** Return how long a tree has been building, in seconds, or null before it does. */
export function elapsed(tree: Tree, now: number): number | null {
  return tree.started === null ? null : Math.max(0, now - tree.started);
}
