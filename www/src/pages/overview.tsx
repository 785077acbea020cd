// Is Koji up, and how busy is it?
import React, { useMemo } from "react";
import { Link } from "react-router-dom";
import type uPlot from "uplot";
import { usePolled } from "../api";
import { Chart } from "../chart";
import { count, duration, grouped, latency } from "../format";
import { Badge, BuildLink, hubLine, Out, Page, Shown, Table, When, Why, type Tone } from "../parts";
import type { Channel, Credential, Failures, History, Hub, Overview } from "../types";

const QUEUE = [
  { label: "waiting", color: "waiting", area: true },
  { label: "building", color: "busy", area: true },
  { label: "ours", color: "odd" },
];
const THROUGHPUT = [
  { label: "ended", color: "good", bars: true },
  { label: "failed", color: "bad", bars: true },
];
/** Seconds below which a plot has no time axis that one could read. */
const SHORTEST = 60;
/** Seconds of an answer from which on a hub is called slow. */
const SLOW = 2;
const CREDENTIAL_TONES: Record<Credential["state"], Tone> = {
  ok: "good",
  warning: "waiting",
  expired: "bad",
  broken: "bad",
};

export function OverviewPage() {
  const { data, error, now } = usePolled<Overview>("overview");
  return (
    <Page title="Koji">
      <Shown data={data} error={error}>
        {(overview) => (
          <>
            {!overview.health.ok && (
              <div className="alert alert-warning" role="alert">
                <strong>This master is not healthy.</strong>
                <ul>
                  {overview.health.reasons.map((reason) => (
                    <li key={reason}>{reason}</li>
                  ))}
                </ul>
              </div>
            )}
            <Tiles overview={overview} now={now} />
            {(overview.attention ?? []).length > (overview.hubs.length ? 1 : 0) && (
              <section className="card" aria-label="Needs a look">
                <div className="card-header">
                  <h2>Needs a look</h2>
                </div>
                <ul className="koji-plain koji-attention">
                  {overview.attention?.map(({ page, text }, index) => (
                    <li key={index}>
                      <Found page={page} text={text} />
                    </li>
                  ))}
                </ul>
              </section>
            )}
            {overview.hubs.length === 0 && (
              <p>
                No hub is in use: no step, change source or reporter of this master has asked one
                yet. If its master.cfg has none, <code>buildbot-koji example</code> prints a
                configuration to copy from; else the hub shows here as soon as one of them asks it.
              </p>
            )}
            <FailedLately now={now} />
            {overview.hubs.map((hub) => (
              <HubCard
                key={hub.link}
                hub={hub}
                isTwin={overview.hubs.some(
                  ({ link, name }) => link !== hub.link && name === hub.name,
                )}
                now={now}
              />
            ))}
            <p className="koji-muted">
              Seen from the master {overview.master}
              {overview.masters.length > 1 &&
                `. All masters: ${overview.masters
                  .map((each) => `${each.name}${each.active ? "" : " (inactive)"}`)
                  .join(", ")}`}
              .
            </p>
          </>
        )}
      </Shown>
    </Page>
  );
}

/** The answers at a glance: is Koji up, what are we building, what waits, what is stuck. */
export function Tiles(props: { overview: Overview; now: number }) {
  const { hubs, attention = [] } = props.overview;
  if (hubs.length === 0) return null;
  // Two users may log in to one hub: its queue and its outage are the same for both.
  const byName = (some: Hub[]) => [...new Map(some.map((hub) => [hub.name, hub])).values()];
  const names = byName(hubs).length;
  const down = byName(hubs.filter((hub) => hub.state === "unreachable"));
  const asked = hubs.some((hub) => hub.state === "ok");
  const queues = new Map(
    hubs.flatMap((hub) => hub.channels.map((each) => [`${hub.name} ${each.name}`, each])),
  );
  const channels = [...queues.values()];
  const sum = (numbers: number[]) => numbers.reduce((a, b) => a + b, 0);
  const watched = sum(hubs.map((hub) => hub.watched));
  const free = sum(channels.map((each) => each.free));
  const open = sum(channels.map((each) => each.open));
  const [gone] = down;
  const slowest = Math.max(...hubs.map((hub) => hub.latency ?? 0));
  const moments = hubs.flatMap((hub) => (hub.channels.length ? (hub.counted_at ?? []) : []));
  const counted = moments.length ? Math.min(...moments) : null;
  const stuck = attention[0];
  return (
    <ul className="koji-tiles" aria-label="At a glance">
      <Tile
        tone={down.length ? "bad" : asked ? "good" : "off"}
        title="Koji"
        value={
          down.length
            ? `${down.map((hub) => hub.name).join(", ")} down`
            : asked
              ? "up"
              : "not asked yet"
        }
      >
        {gone && names === 1
          ? hubLine(gone, props.now)
          : down.length
            ? `${names - down.length} of ${count(names, "hub")} up`
            : slowest >= SLOW
              ? `slow: ${latency(slowest)} an answer`
              : count(names, "hub")}
      </Tile>
      <Tile tone={watched ? "busy" : "off"} title="We are building" value={count(watched, "task")}>
        <Link to="/koji/tasks">see the tasks</Link>
      </Tile>
      <Tile
        tone={free ? "waiting" : "off"}
        title="Queue"
        value={channels.length ? `${grouped(free)} waiting` : "unknown"}
      >
        {!channels.length ? (
          down.length === names ? (
            "until Koji answers"
          ) : (
            "Koji did not say"
          )
        ) : (
          <>
            {open ? grouped(open) : "none"} building, counted <When at={counted} now={props.now} />
          </>
        )}
      </Tile>
      <Tile
        tone={stuck ? "bad" : "good"}
        title="Needs a look"
        value={stuck ? count(attention.length, "thing") : down.length ? "nothing else" : "nothing"}
      >
        {stuck ? (
          <Found page={stuck.page} text={stuck.text} />
        ) : down.length ? (
          "besides the outage"
        ) : (
          "nothing is stuck"
        )}
      </Tile>
    </ul>
  );
}

/** What needs a look: a link to the page that says more, unless that is this one. */
function Found({ page, text }: { page: string; text: string }) {
  return page ? <Link to={`/koji/${page}`}>{text}</Link> : <>{text}</>;
}

function Tile(props: { tone: Tone; title: string; value: string; children: React.ReactNode }) {
  const { tone, title, value, children } = props;
  return (
    <li className={`koji-tile koji-tile-${tone}`}>
      <span className="koji-muted">{title}</span>
      <strong>{value}</strong>
      <small>{children}</small>
    </li>
  );
}

/** The last builds that failed, each with the reason and the way to its log. */
function FailedLately({ now }: { now: number }) {
  const { data } = usePolled<Failures>("failures", 5);
  if (!data || data.builds.length === 0) return null;
  return (
    <section className="card" aria-label="Failed lately">
      <div className="card-header">
        <h2>Failed lately</h2>
        <span className="koji-muted">in the last day</span>
      </div>
      <ul className="koji-plain koji-attention koji-failures">
        {data.builds.map((each) => (
          <li key={`${each.builder} ${each.build_number} ${each.nvr}`}>
            {each.nvr && <strong>{each.nvr} </strong>}
            <BuildLink
              builder={each.builder}
              id={each.builder_id}
              number={each.build_number}
            />{" "}
            <span className="koji-muted">
              <When at={each.started && each.started + (each.duration ?? 0)} now={now} />
            </span>
            <div className="koji-break">
              <Why arch={each.failed_arch} reason={each.reason ?? each.state_string} />{" "}
              {each.log_url ? (
                <Out to={each.log_url}>log</Out>
              ) : (
                each.url && <Out to={each.url}>task</Out>
              )}
            </div>
          </li>
        ))}
        {data.mass_builds.map((each) => (
          <li key={each.id}>
            <Link to={`/koji/mass/${encodeURIComponent(String(each.id))}`}>
              {`All ${count(each.failed, "package")} that failed in ${each.builder} #${each.build_number}`}
            </Link>
          </li>
        ))}
      </ul>
    </section>
  );
}

function HubCard({ hub, isTwin, now }: { hub: Hub; isTwin: boolean; now: number }) {
  const user = hub.user ?? (hub.session_since === null ? "anonymous" : "a user");
  const tone: Tone = hub.state === "ok" ? "good" : hub.state === "unreachable" ? "bad" : "off";
  return (
    <section className="card" aria-label={`Hub ${hub.name}${isTwin ? ` as ${user}` : ""}`}>
      <div className="card-header">
        <h2>
          <Out to={hub.weburl}>{hub.name}</Out>
        </h2>
        {isTwin && <span className="koji-muted">as {user}</span>}
        <Badge tone={tone}>
          {hub.state === "ok" ? "up" : hub.state === "unreachable" ? "down" : "not asked yet"}
        </Badge>
        {hub.state === "unreachable" && <span>{hubLine(hub, now)}</span>}
      </div>
      <div className="card-body">
        <dl className="koji-facts">
          <Fact name="Last heard">
            <When at={hub.last_heard} now={now} />
          </Fact>
          <Fact name="Latency">{hub.latency === null ? "unknown" : latency(hub.latency)}</Fact>
          <Fact name="Requests">{`${hub.requests_per_second.toFixed(1)} per second`}</Fact>
          <Fact name="Watched">{count(hub.watched, "task")}</Fact>
          <Fact name="Watch delay">
            {hub.watch_delay === null ? "unknown" : latency(hub.watch_delay)}
          </Fact>
          <Fact name="Logged in" wide>
            {user}
            {hub.session_since !== null && (
              <>
                {", session from "}
                <When at={hub.session_since} now={now} />
              </>
            )}
          </Fact>
          <Fact name="Version">{hub.version ?? "unknown"}</Fact>
          {hub.clock_ahead !== 0 && (
            <Fact name="Clock">
              {duration(Math.abs(hub.clock_ahead))}{" "}
              {hub.clock_ahead > 0 ? "ahead of this master’s" : "behind this master’s"}
            </Fact>
          )}
          {hub.bus !== null && (
            <Fact name="Message bus">
              <Badge tone={hub.bus === "connected" ? "good" : "bad"}>{hub.bus}</Badge>
            </Fact>
          )}
          <Fact name="Server" wide>
            <code>{hub.server}</code>
          </Fact>
          {hub.state === "ok" && hub.survey_trouble && (
            <Fact name="Not answered" wide>
              {hub.survey_trouble}
            </Fact>
          )}
          {hub.plugins !== null && hub.plugins.length > 0 && (
            <Fact name="Plugins" wide>
              {hub.plugins.join(", ")}
            </Fact>
          )}
        </dl>
        {hub.credentials.length > 0 && (
          <ul className="koji-plain" aria-label="Credentials">
            {hub.credentials.map((each) => (
              <li key={`${each.kind} ${each.name}`}>
                <Badge tone={CREDENTIAL_TONES[each.state]}>{each.state}</Badge>{" "}
                {each.message || (
                  <>
                    {each.kind} <code>{each.name}</code>
                    {each.expires !== null && (
                      <>
                        {", expires "}
                        <When at={each.expires} now={now} />
                      </>
                    )}
                  </>
                )}
              </li>
            ))}
          </ul>
        )}
        {hub.channels.length > 0 && <Channels channels={hub.channels} />}
        <Day hub={hub.link} />
      </div>
    </section>
  );
}

function Fact(props: { name: string; wide?: boolean; children: React.ReactNode }) {
  const { name, wide, children } = props;
  return (
    <div className={wide ? "koji-wide" : undefined}>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

/** Say how many hosts a channel has, and for which architectures: "3 (x86_64, aarch64 1), 2 ready". */
function hostsText({ hosts, ready, arches }: Channel): string {
  const each = Object.entries(arches).map(([arch, count]) =>
    count === hosts ? arch : `${arch} ${count}`,
  );
  const said = each.length ? `${hosts} (${each.join(", ")})` : `${hosts}`;
  return ready < hosts ? `${said}, ${ready || "none"} ready` : said;
}

function Channels({ channels }: { channels: Channel[] }) {
  return (
    <Table
      label="Queue per channel"
      columns={["Channel", "Waiting", "Building", "Ours", "Hosts", "Capacity"]}
      rows={channels.map((each) => ({
        key: each.name,
        cells: [
          each.name,
          each.free,
          each.open,
          each.ours,
          each.hosts === 0 ? <Badge tone="bad">no host</Badge> : hostsText(each),
          Math.round(each.capacity * 10) / 10,
        ],
      }))}
    />
  );
}

function Day({ hub }: { hub: string }) {
  const { data, error } = usePolled<History>(`history?hub=${encodeURIComponent(hub)}`, 30);
  const [queue, throughput] = useMemo(() => {
    const points = data?.points ?? [];
    const column = <I extends 0 | 1 | 2 | 3>(index: I) => points.map((point) => point[index]);
    return [[column(0), column(1), column(2), column(3)] as uPlot.AlignedData, perHour(points)];
  }, [data]);
  if (data === null) return error === null ? null : <p className="koji-muted">{error}</p>;
  const [first, last] = [data.points[0], data.points[data.points.length - 1]];
  if (!first || !last || last[0] - first[0] < SHORTEST)
    return <p className="koji-muted">The plot of the last day starts in a few minutes.</p>;
  return (
    <div className="koji-charts">
      <figure>
        <figcaption>Queue, last day</figcaption>
        <Chart
          label={`Queue of the last day; last ${last[1] ?? "unknown"} waiting, ${last[2] ?? "unknown"} building, ${last[3]} ours`}
          lines={QUEUE}
          data={queue}
        />
      </figure>
      <figure>
        <figcaption>Our tasks that ended, per hour, last day</figcaption>
        <Chart
          label={`Tasks of this master that ended in the last day: ${throughput[1].reduce((a, b) => a + b, 0)}, failed ${throughput[2].reduce((a, b) => a + b, 0)}`}
          lines={THROUGHPUT}
          data={throughput}
        />
      </figure>
    </div>
  );
}

/** Return the hours of a history, each with how many tasks ended and failed in it. */
export function perHour(points: History["points"]): [number[], number[], number[]] {
  const found = new Map<number, [number, number]>();
  for (const [at, , , , ended, failed] of points) {
    const hour = Math.floor(at / 3600) * 3600;
    const [a, b] = found.get(hour) ?? [0, 0];
    found.set(hour, [a + ended, b + failed]);
  }
  const hours = [...found].sort(([a], [b]) => a - b);
  return [
    hours.map(([at]) => at + 1800),
    hours.map(([, [ended]]) => ended),
    hours.map(([, [, failed]]) => failed),
  ];
}
