// How far is a rebuild of many packages?
import React, { useMemo, useState } from "react";
import { Link, useParams } from "react-router-dom";
import { usePolled } from "../api";
import { Chart } from "../chart";
import { byName, count, duration, grouped } from "../format";
import {
  Action,
  Badge,
  BuildLink,
  Outages,
  Page,
  Shown,
  Table,
  taskLinks,
  When,
  Why,
  type Tone,
} from "../parts";
import type { Mass, MassBuilds, MassPackage, MassPackages } from "../types";

const STATES: Record<Mass["state"], Tone> = {
  running: "busy",
  paused: "off",
  stopping: "waiting",
  ended: "good",
};
/** The states of a package, in the order in which they are listed. */
const PACKAGES: Record<MassPackage["state"], Tone> = {
  failed: "bad",
  held: "waiting",
  running: "busy",
  waiting: "waiting",
  left: "off",
  built: "good",
  adopted: "good",
  skipped: "off",
};
const ORDER = Object.keys(PACKAGES);
const LINES = [
  { label: "done", color: "good" },
  { label: "failed", color: "bad" },
];
const SHOWN = 500;

export function MassListPage() {
  const { data, error, now } = usePolled<MassBuilds>("mass");
  return (
    <Page title="Mass builds">
      <Shown data={data} error={error}>
        {({ down, mass_builds }) =>
          mass_builds.length ? (
            <>
              <Outages down={down} now={now} />
              <Table
                label="Mass builds that run, or ended lately"
                columns={["Mass build", "State", "Done", "Failed", "Left", "Started", "Ends"]}
                rows={mass_builds.map((each) => ({
                  key: String(each.id),
                  cells: [
                    <Link to={`/koji/mass/${encodeURIComponent(String(each.id))}`}>
                      {nameOf(each)}
                    </Link>,
                    <Badge tone={toneOf(each)}>{each.state}</Badge>,
                    `${grouped(each.done)} of ${grouped(each.total)}`,
                    grouped(each.failed),
                    grouped(each.running + each.waiting),
                    <When at={each.started} now={now} />,
                    each.eta !== null
                      ? `in ${duration(each.eta)}`
                      : each.state === "ended"
                        ? ""
                        : "unknown",
                  ],
                }))}
              />
            </>
          ) : (
            <p>No mass build runs on this master, and none ended lately.</p>
          )
        }
      </Shown>
    </Page>
  );
}

const toneOf = ({ state, failed, done, total }: Mass): Tone =>
  state !== "ended" ? (STATES[state] ?? "off") : failed ? "bad" : done < total ? "off" : "good";

const nameOf = (mass: Mass): string =>
  mass.builder === null ? `Mass build ${mass.id}` : `${mass.builder} #${mass.build_number ?? "?"}`;

export function MassPage() {
  const { id = "" } = useParams();
  const { data, error, now, refresh } = usePolled<MassBuilds>("mass");
  return (
    <Page title="Mass build">
      <Shown data={data} error={error}>
        {({ down, mass_builds }) => {
          const mass = mass_builds.find((each) => String(each.id) === id);
          return mass ? (
            <>
              <Outages down={down} now={now} />
              <MassView mass={mass} now={now} refresh={refresh} />
            </>
          ) : (
            <p>
              It does not run on this master, and did not end lately.{" "}
              <Link to="/koji/mass">All mass builds</Link>
            </p>
          );
        }}
      </Shown>
    </Page>
  );
}

export function MassView({ mass, now, refresh }: { mass: Mass; now: number; refresh: () => void }) {
  const path = `mass/${encodeURIComponent(String(mass.id))}`;
  const name = nameOf(mass);
  const progress = useMemo(
    () =>
      [0, 1, 2].map((index) => mass.progress.map((point) => point[index as 0 | 1 | 2])) as [
        number[],
        number[],
        number[],
      ],
    [mass.progress],
  );
  return (
    <>
      <section className="card" aria-label={name}>
        <div className="card-header">
          <h2>
            <BuildLink builder={mass.builder} id={mass.builder_id} number={mass.build_number} />
          </h2>
          <Badge tone={toneOf(mass)}>{mass.state}</Badge>
          <span>{mass.summary}</span>
        </div>
        <div className="card-body">
          {mass.state !== "ended" && (
            <div className="koji-actions">
              {mass.state === "paused" ? (
                <Action
                  path={`${path}/resume`}
                  label="Resume"
                  describedAs={name}
                  onDone={refresh}
                />
              ) : (
                <Action path={`${path}/pause`} label="Pause" describedAs={name} onDone={refresh} />
              )}
              <Action
                path={`${path}/stop`}
                label="Stop"
                confirm="Really stop it?"
                describedAs={name}
                onDone={refresh}
              />
            </div>
          )}
          <Bar mass={mass} />
          <dl className="koji-facts">
            {(
              [
                ["Built", grouped(mass.done - mass.failed - mass.skipped)],
                ["Failed", grouped(mass.failed)],
                ["Skipped", grouped(mass.skipped)],
                ...(mass.state === "ended"
                  ? [["Left", grouped(mass.total - mass.done)]]
                  : [
                      [
                        "Running",
                        mass.at_once === null
                          ? grouped(mass.running)
                          : `${grouped(mass.running)}, at most ${grouped(mass.at_once)} at once`,
                      ],
                      ["Waiting", grouped(mass.waiting)],
                    ]),
                ["Started", <When at={mass.started} now={now} />],
                ...(mass.state === "ended"
                  ? []
                  : [["Ends", mass.eta === null ? "unknown" : `in ${duration(mass.eta)}`]]),
              ] as [string, React.ReactNode][]
            ).map(([caption, value]) => (
              <div key={caption}>
                <dt>{caption}</dt>
                <dd>{value}</dd>
              </div>
            ))}
          </dl>
          {mass.progress.length > 1 && (
            <figure>
              <figcaption>Progress</figcaption>
              <Chart
                label={`Progress: ${grouped(mass.done)} of ${grouped(mass.total)} done, ${grouped(mass.failed)} failed`}
                lines={LINES}
                data={progress}
              />
            </figure>
          )}
          <div className="koji-charts">
            {mass.failures_by_reason.length > 0 && (
              <Table
                label="Failures by reason"
                columns={["Reason", "Packages"]}
                rows={mass.failures_by_reason.map(([reason, n]) => ({
                  key: reason,
                  cells: [reason, n],
                }))}
              />
            )}
            {mass.failures_by_owner.length > 0 && (
              <Table
                label="Failures by owner"
                columns={["Owner", "Packages"]}
                rows={mass.failures_by_owner.map(([owner, n]) => ({
                  key: owner,
                  cells: [owner, n],
                }))}
              />
            )}
          </div>
        </div>
      </section>
      <MassTable path={path} />
    </>
  );
}

/** The parts of all packages, as one bar. */
function Bar({ mass }: { mass: Mass }) {
  const parts: [string, Tone, number][] = [
    ["built", "good", mass.done - mass.failed - mass.skipped],
    ["failed", "bad", mass.failed],
    ["skipped", "off", mass.skipped],
    ["running", "busy", mass.running],
  ];
  const shown = parts.filter(([, , n]) => n > 0);
  const label = [
    ...shown.map(([name, , n]) => `${grouped(n)} ${name}`),
    `${grouped(mass.waiting)} waiting`,
  ];
  return (
    <div className="koji-bar" role="img" aria-label={label.join(", ")}>
      {shown.map(([name, tone, n]) => (
        <span
          key={name}
          className={`koji-bar-${tone}`}
          style={{ width: `${(100 * n) / mass.total}%` }}
          title={`${grouped(n)} ${name}`}
        />
      ))}
    </div>
  );
}

function MassTable({ path }: { path: string }) {
  const { data, error, now } = usePolled<MassPackages>(`${path}/packages`, 5);
  return (
    <Shown data={data} error={error}>
      {({ packages }) => <Packages packages={packages} now={now} />}
    </Shown>
  );
}

/** How long a package's task took, or has taken so far. */
function took({ duration: whole, state, since }: MassPackage, now: number): string {
  if (whole !== null) return duration(whole);
  return state === "running" && since !== null ? `${duration(now - since)} so far` : "";
}

export function Packages({ packages, now }: { packages: MassPackage[]; now: number }) {
  const [text, setText] = useState("");
  const [state, setState] = useState("");
  const rows = useMemo(() => {
    const word = text.trim().toLowerCase();
    return packages
      .filter(
        (each) =>
          (!state || each.state === state) &&
          `${each.package} ${each.owner ?? ""} ${each.reason ?? ""}`.toLowerCase().includes(word),
      )
      .sort(
        (a, b) =>
          ORDER.indexOf(a.state) - ORDER.indexOf(b.state) ||
          Number(b.regression) - Number(a.regression) ||
          byName(a.package, b.package),
      );
  }, [packages, text, state]);
  return (
    <>
      <form className="koji-filter" role="search" onSubmit={(event) => event.preventDefault()}>
        <label>
          Package, owner or reason
          <input
            type="search"
            className="form-control form-control-sm"
            value={text}
            onChange={(event) => setText(event.target.value)}
          />
        </label>
        <label>
          State
          <select
            className="form-control form-control-sm"
            value={state}
            onChange={(event) => setState(event.target.value)}
          >
            <option value="">all</option>
            {Object.keys(PACKAGES).map((each) => (
              <option key={each}>{each}</option>
            ))}
          </select>
        </label>
      </form>
      <p role="status">
        {rows.length < packages.length && `${grouped(rows.length)} of `}
        {count(packages.length, "package")}
        {rows.length > SHOWN && `; the first ${SHOWN} are shown, the filter finds the others`}
      </p>
      <Table
        label="Packages"
        columns={["Package", "State", "Owner", "Why", "Took", "Links"]}
        rows={rows.slice(0, SHOWN).map((each) => ({
          key: each.package,
          cells: [
            <Link
              className="koji-word koji-name"
              to={`/koji/packages/${encodeURIComponent(each.package)}`}
            >
              {each.nvr ?? each.package}
            </Link>,
            <Badge tone={PACKAGES[each.state] ?? "off"}>
              {each.regression ? "regression" : each.state}
            </Badge>,
            <span className="koji-word">{each.owner}</span>,
            <Why arch={each.arch} reason={each.reason} />,
            took(each, now) && <span className="koji-nowrap">{took(each, now)}</span>,
            taskLinks(each.url, each.log_url),
          ],
        }))}
      />
    </>
  );
}
