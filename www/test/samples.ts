// Records as the API gives them.
import type { Hub, Source, Tree } from "../src/types";

export const tree = (values: Partial<Tree> = {}): Tree => ({
  hub: "fedora",
  task_id: 1,
  label: "hello-1.0-1.f44",
  package: "hello",
  nvr: "hello-1.0-1.f44",
  builder: "official",
  builder_id: 3,
  build_number: 12,
  state: "OPEN",
  since: 10,
  started: 20,
  arches: [],
  queue_position: null,
  usual: 480,
  trouble: null,
  trouble_level: 0,
  url: "https://koji.example.test/koji/taskinfo?taskID=1",
  ...values,
});

export const hub = (values: Partial<Hub> = {}): Hub => ({
  link: "fedora",
  name: "fedora",
  weburl: "https://koji.example.test/koji",
  server: "https://koji.example.test/kojihub",
  state: "ok",
  since: 0,
  reason: null,
  last_heard: 100,
  latency: 0.04,
  version: "1.35.1",
  plugins: [],
  user: "buildbot",
  session_since: 50,
  credentials: [],
  requests_per_second: 1.25,
  watched: 1,
  watch_delay: 2,
  channels: [],
  counted_at: null,
  survey_trouble: null,
  clock_ahead: 0,
  bus: null,
  ...values,
});

export const source = (values: Partial<Source> = {}): Source => ({
  name: "fedora tags",
  hub: "fedora",
  state: "listening",
  active_here: true,
  since: 50,
  reason: null,
  next_poll: 160,
  polled_at: 97,
  complete_until: 97,
  held_back: 0,
  bus: null,
  last_changes: [],
  set_aside: [],
  set_aside_count: 0,
  ...values,
});

/** An answer of the master. */
export const answer = (
  body: unknown,
  status = 200,
  headers: Record<string, string> = {},
): Response => new Response(JSON.stringify(body), { status, headers });
