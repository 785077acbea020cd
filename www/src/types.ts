// What /plugins/koji/api/ answers. Times are UNIX seconds, durations seconds.

export type Time = number | null;
export type Text = string | null;
export type TaskState = "FREE" | "OPEN" | "ASSIGNED" | "CLOSED" | "CANCELED" | "FAILED";

export interface Channel {
  name: string;
  free: number;
  open: number;
  capacity: number;
  hosts: number;
  /** How many of the hosts take a task now: their builder runs, and is not full. */
  ready: number;
  ours: number;
  /** How many of the hosts build for each architecture. */
  arches: Record<string, number>;
}

export interface Credential {
  kind: string;
  name: string;
  expires: Time;
  state: "ok" | "warning" | "expired" | "broken";
  message: string;
}

export interface Hub {
  /** Differs where two users log in to one hub; `api/history` wants it. */
  link: string;
  name: string;
  weburl: Text;
  server: string;
  state: "ok" | "unreachable" | "unknown";
  since: Time;
  reason: Text;
  last_heard: Time;
  latency: number | null;
  version: Text;
  plugins: string[] | null;
  user: Text;
  session_since: Time;
  credentials: Credential[];
  requests_per_second: number;
  watched: number;
  watch_delay: number | null;
  channels: Channel[];
  /** When the queues of the channels were counted. */
  counted_at: Time;
  /** Why the hub did not say all of this, though it answers. */
  survey_trouble: Text;
  /** Seconds that the hub's clock is ahead of the master's. */
  clock_ahead: number;
  bus: "connected" | "disconnected" | null;
}

export interface Overview {
  master: string;
  masters: { name: string; active: boolean }[];
  hubs: Hub[];
  health: { ok: boolean; reasons: string[]; warnings: string[] };
  /** What needs a look, worst first. */
  attention?: { page: string; text: string }[];
}

/**
 * Time, free tasks, open tasks, watched trees, and how many of those ended and failed.
 *
 * Free and open tasks are null where the hub did not say.
 */
export type HistoryPoint = [number, number | null, number | null, number, number, number];

export interface History {
  hub: Text;
  step: number;
  points: HistoryPoint[];
}

export interface Arch {
  arch: Text;
  method: string;
  /** What the task works on, if that is no architecture. */
  label?: Text;
  state: TaskState;
  task_id: number;
  host: Text;
  url: Text;
  log_url: Text;
}

export interface Tree {
  hub: string;
  task_id: number;
  label: string;
  package: Text;
  nvr: Text;
  /** Buildbot's id of the build. */
  build_id?: number | null;
  builder: Text;
  builder_id: number | null;
  build_number: number | null;
  state: TaskState;
  since: Time;
  started: Time;
  arches: Arch[];
  /** How many tasks are before it; the hub's list is cut at 500. */
  queue_position: number | null;
  usual: number | null;
  trouble: Text;
  trouble_level: number;
  url: Text;
}

/** A hub that does not answer. */
export type Down = Pick<Hub, "name" | "state" | "since" | "reason">;

/** A running Koji step that follows no task now: it waits for a repo, a lock, the hub, ... */
export interface Step {
  hub: string;
  name: string;
  builder: string;
  builder_id: number | null;
  build_number: number;
  /** Its summary. */
  text: Text;
  since: Time;
}

export interface Tasks {
  down: Down[];
  steps?: Step[];
  trees: Tree[];
}

export interface PackageBuild {
  /** None of a package of a mass build. */
  buildid: number | null;
  builder: string;
  builder_id: number;
  build_number: number;
  /** None of a package that is being built. */
  results: number | null;
  state_string: string;
  started: Time;
  duration: number | null;
  nvr: Text;
  reason: Text;
  failed_arch: Text;
  url: Text;
  log_url: Text;
}

export interface PackageNames {
  packages: string[];
}

export interface Package {
  name: string;
  builds: PackageBuild[];
}

export interface Failures {
  builds: PackageBuild[];
  /** The mass builds in which packages failed, all of which are on their pages. */
  mass_builds: Pick<Mass, "id" | "builder" | "build_number" | "failed">[];
}

export interface Source {
  name: string;
  hub: string;
  state: "listening" | "paused" | "waiting" | "unreachable" | "stale" | "starting";
  active_here: boolean;
  /** The master that runs it. */
  master?: Text;
  since: Time;
  reason: Text;
  next_poll: Time;
  polled_at: Time;
  /** All that happened before is a change. */
  complete_until: Time;
  held_back: number;
  bus: "connected" | "disconnected" | null;
  bus_reason?: Text;
  last_changes: { at: Time; revision: Text; comments: string; url: Text }[];
  set_aside: { what: string; reason: string; since: Time; count: number }[];
  set_aside_count: number;
  /** Events that wait for the quiet time to pass. */
  pending?: number;
}

export interface Sources {
  down: Down[];
  sources: Source[];
}

/** The Buildbot build that a delivery is about, unless it was deleted. */
interface OfBuild {
  build_id?: number;
  builder?: Text;
  builder_id?: number | null;
  build_number?: number | null;
}

export interface Pending extends OfBuild {
  id: number | string;
  what: Text;
  since: Time;
  attempts: number;
  reason: Text;
}

export interface DeadLetter extends OfBuild {
  id: number | string;
  /** It ends with the NVR, if that is known before the hub is asked. */
  what: Text;
  nvr: Text;
  since: Time;
  reason: string;
}

export interface Gate {
  nvr: string;
  since: Time;
  votes_there: { builder: string; result: string }[];
  votes_missing: { builder: string; builder_id: number | null }[];
  url: Text;
}

export interface Reporter {
  name: string;
  kind: string;
  hub?: Text;
  /** What it does for each result. */
  does?: Text;
  pending: Pending[];
  /** How many there are: the lists are cut. */
  pending_count?: number;
  dead: DeadLetter[];
  dead_count?: number;
  gates: Gate[];
}

export interface Cancellation {
  hub: string;
  task_id: number | null;
  method?: Text;
  since: Time;
  reason: Text;
  url: Text;
}

export interface Deliveries {
  down: Down[];
  reporters: Reporter[];
  cancellations: Cancellation[];
}

export interface Mass {
  id: number | string;
  hub: string;
  builder: Text;
  builder_id: number | null;
  build_number: number | null;
  state: "running" | "paused" | "stopping" | "ended";
  summary: string;
  total: number;
  done: number;
  failed: number;
  skipped: number;
  running: number;
  waiting: number;
  started: Time;
  eta: number | null;
  at_once: number | null;
  progress: [number, number, number][];
  failures_by_reason: [string, number][];
  failures_by_owner: [string, number][];
}

export interface MassBuilds {
  down: Down[];
  mass_builds: Mass[];
}

export interface MassPackage {
  package: string;
  owner: Text;
  state: "waiting" | "held" | "running" | "built" | "failed" | "skipped" | "adopted" | "left";
  reason: Text;
  task_id: number | null;
  url: Text;
  log_url: Text;
  nvr: Text;
  arch: Text;
  since: number | null;
  duration: number | null;
  regression: boolean;
}

export interface MassPackages {
  packages: MassPackage[];
}
