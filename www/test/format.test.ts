import { describe, expect, it } from "vitest";
import {
  absolute,
  clock,
  count,
  duration,
  latency,
  progressText,
  relative,
  resultName,
  safeLink,
} from "../src/format";

const at = new Date(2026, 10, 26, 14, 2, 11).getTime() / 1000;

describe("duration", () => {
  it.each([
    [-5, "0 s"],
    [45.4, "45 s"],
    [59.6, "1 min"],
    [480, "8 min"],
    [3599, "1 h"],
    [3900, "1 h 5 min"],
    [47 * 3600, "47 h"],
    [49 * 3600, "2 d 1 h"],
    [Infinity, "unknown"],
    [NaN, "unknown"],
  ])("says %d s as %s", (seconds, text) => expect(duration(seconds)).toBe(text));
});

describe("moments", () => {
  it("are relative to now", () => {
    expect(relative(100, 100.5)).toBe("now");
    expect(relative(100, 160)).toBe("1 min ago");
    expect(relative(160, 100)).toBe("in 1 min");
  });

  it("have a full form in the viewer's time zone", () =>
    expect(absolute(at)).toBe("2026-11-26 14:02:11"));

  it("are a time of the day today, and have a date on others", () => {
    expect(clock(at, at + 60)).toBe("14:02");
    expect(clock(at, at + 86400)).toBe("2026-11-26 14:02");
  });

  it("that no calendar has are unknown", () => {
    expect(absolute(1e20)).toBe("unknown");
    expect(clock(1e20, at)).toBe("unknown");
  });
});

describe("safeLink", () => {
  it.each(["http://koji.example.test/", "https://koji.example.test/koji/taskinfo?taskID=1"])(
    "lets %s through",
    (url) => expect(safeLink(url)).toBe(url),
  );

  it.each([
    "javascript:alert(1)",
    " JaVaScript:alert(1)",
    "java\nscript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:x",
    "file:///etc/passwd",
    "//koji.example.test/",
    "/relative",
    "http://",
    "",
    null,
    undefined,
  ])("refuses %j", (url) => expect(safeLink(url)).toBeNull());
});

it("says how long something takes beside the usual", () => {
  expect(progressText(660, 480)).toBe("usual 8 min, now 11 min");
  expect(progressText(660, null)).toBe("now 11 min");
  expect(progressText(null, 480)).toBe("usual 8 min");
  expect(progressText(null, null)).toBe("");
});

it("counts with a noun, names results, and says latencies", () => {
  expect(count(1, "task")).toBe("1 task");
  expect(count(10000, "task")).toBe("10,000 tasks");
  expect(resultName(2)).toBe("FAILURE");
  expect(resultName(null)).toBe("RUNNING");
  expect(resultName(99)).toBe("RUNNING");
  expect(latency(0.0421)).toBe("42 ms");
  expect(latency(2.34)).toBe("2.3 s");
  expect(latency(86400)).toBe("24 h");
});
