import { expect, it } from "vitest";
import { chosen, elapsed, queueText, until } from "../src/trees";
import { tree } from "./samples";

const ALL = { text: "", builder: "", state: "" };
const ids = (filter: Partial<typeof ALL>, ...trees: ReturnType<typeof tree>[]) =>
  chosen(trees, { ...ALL, ...filter }).map((each) => each.task_id);

it("puts trouble first, then what runs longest, then what waits longest", () =>
  expect(
    ids(
      {},
      tree({ task_id: 1, started: 50 }),
      tree({ task_id: 2, started: 40, trouble_level: 1 }),
      tree({ task_id: 3, started: 60, trouble_level: 2 }),
      tree({ task_id: 4, started: 30 }),
      tree({ task_id: 5, started: null, since: null }),
      tree({ task_id: 6, started: 30 }),
    ),
  ).toEqual([3, 2, 4, 6, 1, 5]));

it("filters by words of package, NVR and task, by builder and by state", () => {
  const hello = tree({ task_id: 1, label: "hello-1.0-1", package: "hello", builder: "scratch" });
  const world = tree({
    task_id: 2,
    label: "World-2.0-1",
    package: null,
    nvr: null,
    state: "FREE",
  });
  const bad = tree({
    task_id: 3,
    label: "x",
    package: "x",
    nvr: null,
    trouble_level: 2,
    arches: [
      {
        arch: "s390x",
        method: "",
        state: "FAILED",
        task_id: 4,
        url: null,
        log_url: null,
        host: null,
      },
    ],
  });
  expect(ids({ text: " HELLO 1.0" }, hello, world, bad)).toEqual([1]);
  expect(ids({ text: "world" }, hello, world, bad)).toEqual([2]);
  expect(ids({ text: "hello world" }, hello, world, bad)).toEqual([]);
  expect(ids({ builder: "scratch" }, hello, world, bad)).toEqual([1]);
  expect(ids({ state: "FREE" }, hello, world, bad)).toEqual([2]);
  expect(ids({ state: "trouble" }, hello, world, bad)).toEqual([3]);
  expect(ids({ state: "FAILED" }, hello, world, bad)).toEqual([3]);
  expect(ids({ state: "OPEN" }, hello, world, bad)).toEqual([3, 1]);
});

it("says how many tasks are before one, as far as the master knows", () =>
  expect([0, 1, 2, 500].map(queueText)).toEqual([
    "next in the queue",
    "1 task before it",
    "2 tasks before it",
    "500 or more tasks before it",
  ]));

it("leaves the answer as it was", () => {
  const trees = [tree({ task_id: 2 }), tree({ task_id: 1, trouble_level: 1 })];
  chosen(trees, ALL);
  expect(trees[0]?.task_id).toBe(2);
});

it("stops counting while the hub is away", () => {
  const down = [{ name: "fedora", state: "unreachable" as const, since: 130, reason: null }];
  expect(until("fedora", down, 160)).toBe(130);
  expect(until("other", down, 160)).toBe(160);
});

it("counts on from the start, whatever the answer's age", () => {
  expect(elapsed(tree({ started: 100 }), 160)).toBe(60);
  expect(elapsed(tree({ started: null }), 160)).toBeNull();
  expect(elapsed(tree({ started: 200 }), 160)).toBe(0);
});
