import React from "react";
import { act, cleanup, render, screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { MemoryRouter, Route, Routes } from "react-router-dom";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { DeliveriesPage } from "../src/pages/deliveries";
import { MassListPage, MassPage, Packages } from "../src/pages/mass";
import { OverviewPage, perHour } from "../src/pages/overview";
import { hubLine } from "../src/parts";
import { PackagePage, PackagesPage } from "../src/pages/packages";
import { SourcesPage } from "../src/pages/sources";
import { Row, TasksPage } from "../src/pages/tasks";
import { answer, hub, source, tree } from "./samples";

const asked: string[] = [];
const bodies: unknown[] = [];
let answers: Record<string, () => Response | Promise<Response>> = {};

beforeEach(() => {
  asked.length = bodies.length = 0;
  answers = {};
  vi.stubGlobal("fetch", async (input: string, init?: RequestInit) => {
    const path = input.replace("plugins/koji/api/", "");
    asked.push(`${init?.method ?? "GET"} ${path}`);
    if (init?.body) bodies.push(JSON.parse(String(init.body)));
    const made = answers[path.split("?")[0] ?? ""];
    return made ? made() : answer({ message: "there is no such page" }, 404);
  });
});

afterEach(() => vi.useRealTimers());

const pass = (milliseconds: number) => act(() => vi.advanceTimersByTimeAsync(milliseconds));

const show = (path: string, element: React.ReactElement, route = path) =>
  render(
    <MemoryRouter initialEntries={[path]}>
      <Routes>
        <Route path={route} element={element} />
      </Routes>
    </MemoryRouter>,
  );

const overview = (...hubs: ReturnType<typeof hub>[]) => ({
  master: "m",
  masters: [],
  hubs,
  health: { ok: true, reasons: [] },
});

const DEFAULT = { name: "default", free: 0, open: 0, capacity: 8, hosts: 3, ready: 3, ours: 0 };

describe("the overview", () => {
  it("says since when and why a hub does not answer", () => {
    const at = new Date(2026, 10, 26, 14, 2).getTime() / 1000;
    const down = hub({ state: "unreachable", since: at, reason: "connection refused" });
    expect(hubLine(down, at + 60)).toBe("since 14:02: connection refused");
  });

  it("shows hubs, credentials that run out, and channels without a host", async () => {
    const credential = { kind: "certificate", name: "a.pem", expires: 900 };
    answers["overview"] = () =>
      answer(
        overview(
          hub({
            credentials: [{ ...credential, state: "warning", message: "expires in 9 days" }],
            channels: [
              {
                name: "sparc",
                free: 2,
                open: 0,
                capacity: 0,
                hosts: 0,
                ready: 0,
                ours: 2,
                arches: {},
              },
              { ...DEFAULT, arches: { x86_64: 3, aarch64: 1 } },
              { ...DEFAULT, name: "images", ready: 0, arches: {} },
            ],
          }),
        ),
      );
    const points = [100, 101].map((at) => [at, 0, 4, 1, 1, 0]);
    answers["history"] = () => answer({ hub: "fedora", step: 300, points });
    show("/koji", <OverviewPage />);
    const card = await screen.findByRole("region", { name: "Hub fedora" });
    expect(await within(card).findByText(/starts in a few minutes/)).toBeTruthy();
    expect(within(card).getByText("up")).toBeTruthy();
    expect(within(card).getByText("warning")).toBeTruthy();
    expect(within(card).getByText(/expires in 9 days/)).toBeTruthy();
    const row = within(card).getByRole("row", { name: /sparc/ });
    expect(within(row).getByText("no host")).toBeTruthy();
    expect(within(card).getByText("3 (x86_64, aarch64 1)")).toBeTruthy();
    expect(within(card).getByText("3, none ready")).toBeTruthy();
  });

  it("leads to what a person should look at", async () => {
    const attention = [{ page: "deliveries", text: "2 dead letters of stable" }];
    answers["overview"] = () => answer({ ...overview(), attention });
    show("/koji", <OverviewPage />);
    const link = await screen.findByRole("link", { name: "2 dead letters of stable" });
    expect(link.getAttribute("href")).toBe("/koji/deliveries");
  });

  it("answers at a glance, and says why the last builds failed", async () => {
    const channels = [{ ...DEFAULT, free: 3, open: 2, arches: {} }];
    answers["overview"] = () =>
      answer(
        overview(hub({ channels, watched: 4, counted_at: 0, clock_ahead: -7200, latency: 5 })),
      );
    const build = { buildid: 1, builder: "official", builder_id: 3, build_number: 7, results: 2 };
    const failed = { ...build, nvr: "hello-1.0-1", failed_arch: "s390x", reason: "no space left" };
    const log_url = "https://koji.example.test/build.log";
    const mass_builds = [{ id: "17", builder: "rebuild", build_number: 3, failed: 1200 }];
    answers["failures"] = () =>
      answer({ builds: [{ ...failed, started: 1, log_url }], mass_builds });
    show("/koji", <OverviewPage />);
    const tiles = within(await screen.findByRole("list", { name: "At a glance" }));
    expect(tiles.getAllByRole("listitem").map((each) => each.textContent)).toEqual([
      "Kojiupslow: 5.0 s an answer",
      "We are building4 taskssee the tasks",
      expect.stringMatching(/^Queue3 waiting2 building, counted \d+ d( \d+ h)? ago$/),
      "Needs a looknothingnothing is stuck",
    ]);
    expect(screen.getByText("2 h behind this master’s")).toBeTruthy();
    const failures = within(await screen.findByRole("region", { name: "Failed lately" }));
    expect(failures.getByText(/no space left/)).toBeTruthy();
    expect(failures.getByRole("link", { name: "log" }).getAttribute("href")).toBe(log_url);
    expect(failures.getByRole("link", { name: "official #7" })).toBeTruthy();
    const all = failures.getByRole("link", {
      name: "All 1,200 packages that failed in rebuild #3",
    });
    expect(all.getAttribute("href")).toBe("/koji/mass/17");
    expect(document.title).toBe("Koji");
  });

  it("says at a glance why Koji is down, and no number that nobody asked for", async () => {
    const down = hub({ state: "unreachable", since: null, reason: "refused", channels: [] });
    answers["overview"] = () => answer(overview(down));
    show("/koji", <OverviewPage />);
    const tiles = within(await screen.findByRole("list", { name: "At a glance" }));
    const said = tiles.getAllByRole("listitem").map((each) => each.textContent);
    expect(said[0]).toBe("Kojifedora downrefused");
    expect(said[2]).toBe("Queueunknownuntil Koji answers");
  });

  it("counts a hub once to which two users log in, and no queue that it did not tell", async () => {
    const channels = [{ ...DEFAULT, free: 3, open: 2, arches: {} }];
    const one = hub({ channels, counted_at: 0 });
    answers["overview"] = () => answer(overview(one, { ...one, link: "fedora-1", user: null }));
    const shown = show("/koji", <OverviewPage />);
    const said = async () =>
      within(await screen.findByRole("list", { name: "At a glance" }))
        .getAllByRole("listitem")
        .map((each) => each.textContent);
    const [koji, , queue] = await said();
    expect(koji).toBe("Kojiup1 hub");
    expect(screen.getByRole("region", { name: "Hub fedora as buildbot" })).toBeTruthy();
    expect(queue).toMatch(/^Queue3 waiting2 building, counted/);
    shown.unmount();
    answers["overview"] = () => answer(overview(hub({ survey_trouble: "its reply is too large" })));
    show("/koji", <OverviewPage />);
    expect((await said())[2]).toBe("QueueunknownKoji did not say");
    expect(screen.getByText("its reply is too large")).toBeTruthy();
  });

  it("plots no queue of a hub that said nothing, and says what to do without a hub", async () => {
    answers["overview"] = () => answer(overview(hub()));
    const points = [100, 400].map((at) => [at, null, null, 1, 1, 0]);
    answers["history"] = () => answer({ hub: "fedora", step: 300, points });
    const shown = show("/koji", <OverviewPage />);
    expect(
      await screen.findByRole("img", { name: /last unknown waiting, unknown building, 1 ours/ }),
    ).toBeTruthy();
    shown.unmount();
    answers["overview"] = () => answer(overview());
    show("/koji", <OverviewPage />);
    expect(await screen.findByText("buildbot-koji example")).toBeTruthy();
  });

  it("adds up what ended in an hour", () => {
    const points: Parameters<typeof perHour>[0] = [
      [7200, 0, 0, 0, 2, 1],
      [7500, 0, 0, 0, 3, 0],
      [10800, 0, 0, 0, 1, 0],
    ];
    expect(perHour(points)).toEqual([
      [9000, 12600],
      [5, 1],
      [1, 0],
    ]);
  });

  it("keeps a hub's text as text", async () => {
    const evil = "<img src=x onerror=alert(1)>";
    answers["overview"] = () =>
      answer(overview(hub({ state: "unreachable", reason: evil, weburl: "javascript:alert(1)" })));
    const { container } = show("/koji", <OverviewPage />);
    expect(await screen.findAllByText(/onerror/)).toHaveLength(2);
    expect(container.querySelector("img")).toBeNull();
    expect(container.querySelector("a[href^=javascript]")).toBeNull();
  });
});

describe("what goes wrong", () => {
  it("is one line while the master does not answer, above its last answer", async () => {
    vi.useFakeTimers();
    answers["sources"] = () => answer({ down: [], sources: [source()] });
    show("/koji/sources", <SourcesPage />);
    await pass(100);
    answers["sources"] = () => Promise.reject(new TypeError("Failed to fetch"));
    await pass(3000);
    expect(screen.getByText(/The master has not answered since/)).toBeTruthy();
    expect(screen.getByRole("region", { name: "Source fedora tags" })).toBeTruthy();
    answers["sources"] = () => answer({ down: [], sources: [source()] });
    await pass(3000);
    expect(screen.queryByText(/does not answer/)).toBeNull();
  });

  it("is a master that never answers", async () => {
    vi.useFakeTimers();
    vi.stubGlobal(
      "fetch",
      (_: string, init: RequestInit) =>
        new Promise((_resolve, reject) =>
          init.signal?.addEventListener("abort", () => reject(new DOMException("", "AbortError"))),
        ),
    );
    show("/koji/sources", <SourcesPage />);
    await pass(16_000);
    expect(screen.getByText(/The master has not answered since/)).toBeTruthy();
  });

  it("is the master's own message where it has one", async () => {
    answers["sources"] = () => answer({ message: "the master's log has the reason" }, 500);
    show("/koji/sources", <SourcesPage />);
    expect(await screen.findByText("the master's log has the reason")).toBeTruthy();
  });

  it("never leaves a blank page where an answer is odd, and recovers with the next", async () => {
    vi.useFakeTimers();
    vi.spyOn(console, "error").mockImplementation(() => undefined);
    answers["sources"] = () => answer({ down: [], sources: null });
    show("/koji/sources", <SourcesPage />);
    await pass(3000);
    expect(screen.getByText(/can’t show what the master says/)).toBeTruthy();
    expect(screen.getByRole("link", { name: "Overview" })).toBeTruthy();
    answers["sources"] = () => answer({ down: [], sources: [source()] });
    await pass(3000);
    expect(screen.getByRole("region", { name: "Source fedora tags" })).toBeTruthy();
  });

  it("is a proxy's page instead of JSON", async () => {
    answers["sources"] = () => new Response("<html>", { status: 200 });
    show("/koji/sources", <SourcesPage />);
    expect(await screen.findByText(/The master has not answered since/)).toBeTruthy();
  });
});

describe("polling", () => {
  beforeEach(() => {
    vi.useFakeTimers();
    answers["sources"] = () => answer({ down: [], sources: [] });
  });

  it("stops while the tab is hidden, and asks at once when it is seen again", async () => {
    const hidden = vi.spyOn(document, "hidden", "get").mockReturnValue(false);
    show("/koji/sources", <SourcesPage />);
    await pass(5000);
    expect(asked.length).toBe(3);
    hidden.mockReturnValue(true);
    document.dispatchEvent(new Event("visibilitychange"));
    await pass(60_000);
    expect(asked.length).toBe(3);
    hidden.mockReturnValue(false);
    document.dispatchEvent(new Event("visibilitychange"));
    await pass(10);
    expect(asked.length).toBe(4);
  });

  it("ends with the page", async () => {
    const { unmount } = show("/koji/sources", <SourcesPage />);
    await pass(10);
    unmount();
    await pass(60_000);
    expect(asked.length).toBe(1);
  });

  it("does not read an answer again that has the same ETag", async () => {
    let name = "first";
    answers["sources"] = () =>
      answer({ down: [], sources: [source({ name })] }, 200, { ETag: '"same"' });
    show("/koji/sources", <SourcesPage />);
    await pass(10);
    name = "second";
    await pass(3000);
    expect(screen.getByRole("region", { name: "Source first" })).toBeTruthy();
  });
});

describe("buttons", () => {
  it("show the master's answer, and the page is asked anew", async () => {
    answers["sources"] = () => answer({ down: [], sources: [source()] });
    answers["sources/fedora%20tags/pause"] = () => answer({ message: "fedora tags is paused" });
    show("/koji/sources", <SourcesPage />);
    await userEvent.click(await screen.findByRole("button", { name: "Pause: fedora tags" }));
    expect(await screen.findByText("fedora tags is paused")).toBeTruthy();
    expect(asked).toEqual(["GET sources", "POST sources/fedora%20tags/pause", "GET sources"]);
  });

  it("say that events of a source wait for its quiet time", async () => {
    answers["sources"] = () => answer({ down: [], sources: [source({ pending: 3 })] });
    show("/koji/sources", <SourcesPage />);
    await screen.findByText("3 events, for the quiet time to pass");
  });

  it("say how far a source is behind its hub", async () => {
    const held = source({ complete_until: Date.now() / 1000 - 7200, held_back: 2 });
    answers["sources"] = () => answer({ down: [], sources: [held] });
    show("/koji/sources", <SourcesPage />);
    const lag = await screen.findByText("Lag");
    expect(lag.nextElementSibling?.textContent).toBe("at most 2 h");
    cleanup();
    answers["sources"] = () => answer({ down: [], sources: [source({ complete_until: null })] });
    show("/koji/sources", <SourcesPage />);
    await screen.findByText("unknown before the first poll");
  });

  it("plan no poll in the past", async () => {
    answers["sources"] = () =>
      answer({ down: [], sources: [source({ state: "unreachable", next_poll: 1 })] });
    show("/koji/sources", <SourcesPage />);
    expect(await screen.findByText("once the hub answers")).toBeTruthy();
    cleanup();
    const paused = source({ state: "paused", since: null, reason: "connection refused" });
    answers["sources"] = () => answer({ down: [], sources: [paused] });
    show("/koji/sources", <SourcesPage />);
    expect(await screen.findByText("once it is resumed")).toBeTruthy();
    expect(screen.getByText("connection refused")).toBeTruthy();
    cleanup();
    answers["sources"] = () => answer({ down: [], sources: [source({ next_poll: 1 })] });
    show("/koji/sources", <SourcesPage />);
    const next = await screen.findByText("Next poll");
    expect(next.nextElementSibling?.textContent).toBe("now");
  });

  it("keep their answer when it changes which button there is", async () => {
    let state: "listening" | "paused" = "listening";
    answers["sources"] = () => answer({ down: [], sources: [source({ state })] });
    answers["sources/fedora%20tags/pause"] = () => {
      state = "paused";
      return answer({ message: "fedora tags is paused" });
    };
    show("/koji/sources", <SourcesPage />);
    await userEvent.click(await screen.findByRole("button", { name: "Pause: fedora tags" }));
    const resume = await screen.findByRole("button", { name: "Resume: fedora tags" });
    expect(screen.getByText("fedora tags is paused")).toBeTruthy();
    expect(document.activeElement).toBe(resume);
  });

  it("say what a person may not do, also by keyboard", async () => {
    answers["sources"] = () => answer({ down: [], sources: [source({ state: "paused" })] });
    answers["sources/fedora%20tags/resume"] = () =>
      answer({ message: "you need to have role 'admins'" }, 403);
    show("/koji/sources", <SourcesPage />);
    (await screen.findByRole("button", { name: "Resume: fedora tags" })).focus();
    await userEvent.keyboard("{Enter}");
    expect(
      await screen.findByText("You may not do that: you need to have role 'admins'"),
    ).toBeTruthy();
  });

  it("say it when the master does not answer", async () => {
    answers["sources"] = () => answer({ down: [], sources: [source()] });
    answers["sources/fedora%20tags/poll"] = () => Promise.reject(new TypeError("Failed"));
    show("/koji/sources", <SourcesPage />);
    await userEvent.click(await screen.findByRole("button", { name: "Poll now: fedora tags" }));
    expect(await screen.findByText("The master does not answer: try again.")).toBeTruthy();
  });

  it("redeliver one dead letter or all", async () => {
    const of = { builder: "official", builder_id: 3, build_number: 12 };
    const letter = { what: "tag x", nvr: "x-1-1", since: 1, reason: "the tag is locked", ...of };
    const dead = [{ ...letter, id: "a:1" }];
    const reporter = { name: "stable", kind: "KojiTagReporter", pending: [], dead, gates: [] };
    answers["deliveries"] = () => answer({ down: [], reporters: [reporter], cancellations: [] });
    answers["deliveries/stable/redeliver"] = () => answer({ message: "1 delivery is sent again" });
    show("/koji/deliveries", <DeliveriesPage />);
    await userEvent.click(await screen.findByRole("button", { name: "Redeliver: x-1-1" }));
    const link = screen.getByRole("link", { name: "official #12" });
    expect(link.getAttribute("href")).toBe("/builders/3/builds/12");
    await userEvent.click(screen.getByRole("button", { name: "Redeliver all: stable" }));
    expect(bodies).toEqual([{ ids: ["a:1"] }, { ids: null }]);
    expect(await screen.findByText("1 delivery is sent again")).toBeTruthy();
  });

  it("lead from a missing vote to the builder that may have to be started", async () => {
    const votes_missing = [
      { builder: "approve", builder_id: 7 },
      { builder: "gone", builder_id: null },
    ];
    const votes_there = [{ builder: "tests", result: "success" }];
    const gates = [{ nvr: "x-1-1", since: 1, votes_there, votes_missing, url: null }];
    const does = "on success: move from f44-candidate to f44";
    const reporter = { name: "gate", kind: "KojiTagReporter", does, pending: [], dead: [], gates };
    answers["deliveries"] = () => answer({ down: [], reporters: [reporter], cancellations: [] });
    show("/koji/deliveries", <DeliveriesPage />);
    expect(await screen.findByText(does)).toBeTruthy();
    const link = await screen.findByRole("link", { name: "approve" });
    expect(link.getAttribute("href")).toBe("/builders/7");
    expect(screen.getByText("gone missing")).toBeTruthy();
  });

  it("show an answer also when the button is gone", async () => {
    const dead = [{ id: "a:1", what: "tag x", nvr: "x-1-1", since: 1, reason: "locked" }];
    const reporter = { name: "stable", kind: "KojiTagReporter", pending: [], dead, gates: [] };
    answers["deliveries"] = () => answer({ down: [], reporters: [reporter], cancellations: [] });
    answers["deliveries/stable/redeliver"] = () => {
      answers["deliveries"] = () =>
        answer({ down: [], reporters: [{ ...reporter, dead: [] }], cancellations: [] });
      return answer({ message: "1 delivery is sent again" });
    };
    show("/koji/deliveries", <DeliveriesPage />);
    await userEvent.click(await screen.findByRole("button", { name: "Redeliver all: stable" }));
    expect(await screen.findByText("no dead letters")).toBeTruthy();
    // Tab continues from there.
    expect(document.activeElement?.getAttribute("aria-label")).toBe("Reporter stable");
    expect(screen.getByRole("status", { name: "Answer" }).textContent).toBe(
      "1 delivery is sent again",
    );
  });

  it("ask before a mass build is stopped", async () => {
    const mass = {
      ...{ id: 17, hub: "fedora", builder: "mass", builder_id: 1, build_number: 2 },
      ...{ state: "running", summary: "1 of 2", total: 2, done: 1, failed: 0, skipped: 0 },
      ...{ running: 1, waiting: 0, started: 1, eta: null, at_once: 5, progress: [] },
      ...{ failures_by_reason: [], failures_by_owner: [] },
    };
    answers["mass"] = () => answer({ down: [], mass_builds: [mass] });
    answers["mass/17/packages"] = () => answer({ packages: [] });
    answers["mass/17/stop"] = () => answer({ message: "stopping" });
    show("/koji/mass/17", <MassPage />, "/koji/mass/:id");
    await userEvent.click(await screen.findByRole("button", { name: "Stop: mass #2" }));
    expect(bodies).toEqual([]);
    await userEvent.click(screen.getByRole("button", { name: "Really stop it?: mass #2" }));
    expect(await screen.findByText("stopping")).toBeTruthy();
    expect(asked).toContain("POST mass/17/stop");
  });
});

describe("a task's row", () => {
  const row = (values: Parameters<typeof tree>[0]) =>
    render(
      <MemoryRouter>
        <Row tree={tree(values)} now={680} until={680} />
      </MemoryRouter>,
    );

  it("says states in words, and links what is harmless", () => {
    const one = { method: "buildArch", task_id: 2, host: "x86-01", log_url: "https://k.test/l" };
    const other = { method: "buildArch", task_id: 3, host: null, log_url: null };
    const { container } = row({
      arches: [
        { ...one, arch: "x86_64", state: "FAILED", url: "https://k.test/2" },
        { ...other, arch: "s390x", state: "FREE", url: "javascript:x" },
      ],
    });
    const link = (name: string) => screen.getByRole("link", { name }).getAttribute("href");
    expect(link("x86_64 failed")).toBe("https://k.test/2");
    expect(link("log")).toBe("https://k.test/l");
    expect(link("official #12")).toBe("/builders/3/builds/12");
    expect(screen.getByText("s390x waiting")).toBeTruthy();
    expect(container.querySelector("a[href^=javascript]")).toBeNull();
    expect(screen.getByRole("progressbar").getAttribute("aria-valuenow")).toBe("100");
    expect(screen.getByText("usual 8 min, now 11 min")).toBeTruthy();
  });

  it("says the place in the queue", () => {
    row({ state: "FREE", started: null, queue_position: 7, since: 80 });
    expect(screen.getByText("7 tasks before it")).toBeTruthy();
    cleanup();
    const srpm = { arch: null, method: "buildSRPMFromSCM", host: null, log_url: null, url: null };
    row({ arches: [{ ...srpm, task_id: 9, state: "FREE" }] });
    expect(screen.getByText("buildSRPMFromSCM waiting")).toBeTruthy();
    expect(screen.getByText("waiting for a builder")).toBeTruthy();
    cleanup();
    row({ state: "FREE", started: null, queue_position: 7, since: 80 });
    expect(screen.getByText(/asked/).textContent).toBe("asked 10 min ago; usual 8 min");
  });

  it("shows no progress of what only waits", () => {
    const build = { method: "build", label: "world", host: null, log_url: null, url: null };
    row({ arches: [{ ...build, arch: null, task_id: 9, state: "FREE" }], started: 80 });
    expect(screen.queryByRole("progressbar")).toBeNull();
    expect(screen.getByText("world waiting")).toBeTruthy();
    expect(screen.getByText(/^for/).textContent).toBe("for 10 min; usual 8 min");
  });
});

describe("the other pages", () => {
  it("say why a source's bus is lost, and what was set aside", async () => {
    const aside = { what: "event 812", reason: "no build has id 99", since: 1, count: 3 };
    const values = { set_aside_count: 120, state: "stale" } as const;
    const bus = { bus: "disconnected", bus_reason: "the broker refuses the password" } as const;
    answers["sources"] = () =>
      answer({ down: [], sources: [source({ ...values, set_aside: [aside], ...bus })] });
    show("/koji/sources", <SourcesPage />);
    expect(await screen.findByText(/the broker refuses the password/)).toBeTruthy();
    expect(screen.getByText("stale")).toBeTruthy();
    expect(screen.getByText("Set aside: 120 items that can’t become a change")).toBeTruthy();
    expect(screen.getByRole("row", { name: /event 812 no build has id 99/ })).toBeTruthy();
  });

  it("count tasks and those in trouble", async () => {
    const trees = [tree(), tree({ task_id: 2, trouble_level: 2 })];
    const down = [{ name: "fedora", state: "unreachable", since: null, reason: "no route" }];
    answers["tasks"] = () => answer({ down, trees });
    show("/koji/tasks", <TasksPage />);
    expect(await screen.findByText("2 tasks, 1 in trouble")).toBeTruthy();
    expect(screen.getByText(/is down: no route – this page shows its last/)).toBeTruthy();
    await userEvent.selectOptions(screen.getByLabelText("State"), "in trouble");
    expect(await screen.findByText("1 of 2 tasks, 1 in trouble")).toBeTruthy();
    await userEvent.type(screen.getByLabelText("Package or NVR"), "nothing like it");
    expect(await screen.findByText("No task matches the filter.")).toBeTruthy();
  });

  it("list the steps without a task below the filter, which chooses among them", async () => {
    const step = { hub: "fedora", builder: "official", builder_id: 3, text: "waits", since: 1 };
    const steps = Array.from({ length: 12 }, (_, i) => ({
      ...{ ...step, build_number: i, name: `step ${i}` },
    }));
    answers["tasks"] = () => answer({ down: [], steps, trees: [tree()] });
    show("/koji/tasks", <TasksPage />);
    expect(await screen.findByText("1 task; 12 steps without a task")).toBeTruthy();
    expect(screen.getByText("The first 10 steps without a task")).toBeTruthy();
    const [search, table] = [
      screen.getByRole("search"),
      screen.getByRole("table", { name: "Steps without a task" }),
    ];
    expect(search.compareDocumentPosition(table)).toBe(Node.DOCUMENT_POSITION_FOLLOWING);
    await userEvent.type(screen.getByLabelText("Package or NVR"), "step 11");
    expect(screen.getByText("step 11")).toBeTruthy();
    expect(screen.queryByText("step 1")).toBeNull();
    expect(screen.getByText("Steps without a task")).toBeTruthy();
    await userEvent.selectOptions(screen.getByLabelText("State"), "building");
    expect(screen.queryByText("step 11")).toBeNull();
  });

  it("find packages", async () => {
    answers["packages"] = () => answer({ packages: ["gtk+/odd name"] });
    show("/koji/packages", <PackagesPage />);
    const link = await screen.findByRole("link", { name: "gtk+/odd name" });
    expect(link.getAttribute("href")).toBe("/koji/packages/gtk%2B%2Fodd%20name");
    await userEvent.type(screen.getByLabelText("Package"), "gt&k");
    await vi.waitFor(() => expect(asked).toContain("GET packages?q=gt%26k"));
  });

  it("show why the builds of a package failed", async () => {
    const build = {
      ...{ builder: "official", builder_id: 3, build_number: 4, buildid: 5, results: 2 },
      ...{ state_string: "failed", started: 50, duration: 120, nvr: null, failed_arch: "s390x" },
      ...{ reason: "mock exited with status 1", url: "https://k.test/", log_url: "ftp://k.test/" },
    };
    answers["package/gtk%2B"] = () => answer({ name: "gtk+", builds: [build] });
    show("/koji/packages/gtk%2B", <PackagePage />, "/koji/packages/:name");
    const row = await screen.findByRole("row", { name: /official #4/ });
    expect(within(row).getByText("FAILURE")).toBeTruthy();
    expect(row.textContent).toContain("s390x: mock exited with status 1");
    const links = within(row).getAllByRole("link");
    expect(links.map((each) => each.textContent)).toEqual(["official #4", "Koji"]);
  });

  it("list the packages of a mass build, failures first", async () => {
    const row = (name: string, state: "built" | "failed" | "running", owner: string) => ({
      ...{ package: name, state, owner, reason: null, task_id: null, url: null },
      ...{ log_url: null, nvr: null, arch: null, duration: null, since: 400, regression: false },
    });
    render(
      <MemoryRouter>
        <Packages
          now={500}
          packages={[
            row("zlib", "failed", "ann"),
            row("bash", "built", "bob"),
            row("gcc", "running", "ann"),
            row("acl", "failed", "bob"),
            { ...row("zsh", "failed", "bob"), regression: true },
          ]}
        />
      </MemoryRouter>,
    );
    const names = () => screen.getAllByRole("rowheader").map((each) => each.textContent);
    expect(names()).toEqual(["zsh", "acl", "zlib", "gcc", "bash"]);
    expect(screen.getByText("regression")).toBeTruthy();
    expect(screen.getByText("2 min so far")).toBeTruthy();
    await userEvent.type(screen.getByRole("searchbox"), "Ann");
    expect(names()).toEqual(["zlib", "gcc"]);
    await userEvent.selectOptions(screen.getByLabelText("State"), "failed");
    expect(names()).toEqual(["zlib"]);
  });

  it("say it when there is nothing", async () => {
    answers["mass"] = () => answer({ down: [], mass_builds: [] });
    show("/koji/mass", <MassListPage />);
    expect(
      await screen.findByText("No mass build runs on this master, and none ended lately."),
    ).toBeTruthy();
  });
});
