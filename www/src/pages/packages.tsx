// How did the builds of a package go?
import React, { useEffect, useMemo, useState } from "react";
import { Link, useParams } from "react-router-dom";
import { usePolled } from "../api";
import { Chart } from "../chart";
import { byName, duration, resultName } from "../format";
import { Badge, BuildLink, Page, Shown, Table, taskLinks, When, Why, type Tone } from "../parts";
import type { Package, PackageBuild, PackageNames } from "../types";

const TONES: Record<string, Tone> = {
  SUCCESS: "good",
  WARNINGS: "waiting",
  FAILURE: "bad",
  EXCEPTION: "odd",
  RETRY: "waiting",
  RUNNING: "busy",
};
const BARS = [
  { label: "succeeded", color: "good", bars: true },
  { label: "failed", color: "bad", bars: true },
];

export function PackagesPage() {
  const [typed, setTyped] = useState("");
  const [query, setQuery] = useState("");
  useEffect(() => {
    const timer = setTimeout(() => setQuery(typed.trim()), 250);
    return () => clearTimeout(timer);
  }, [typed]);
  const { data, error } = usePolled<PackageNames>(`packages?q=${encodeURIComponent(query)}`, 5);
  return (
    <Page title="Packages">
      <form className="koji-filter" role="search" onSubmit={(event) => event.preventDefault()}>
        <label>
          Package
          <input
            type="search"
            className="form-control form-control-sm"
            value={typed}
            onChange={(event) => setTyped(event.target.value)}
          />
        </label>
      </form>
      <Shown data={data} error={error}>
        {({ packages }) =>
          packages.length ? (
            <ul className="koji-columns">
              {[...packages].sort(byName).map((name) => (
                <li key={name}>
                  <Link to={`/koji/packages/${encodeURIComponent(name)}`}>{name}</Link>
                </li>
              ))}
            </ul>
          ) : (
            <p>
              {query
                ? `No package matches “${query}”.`
                : "No Koji step of this master has built a package yet."}
            </p>
          )
        }
      </Shown>
    </Page>
  );
}

export function PackagePage() {
  const { name = "" } = useParams();
  const { data, error, now } = usePolled<Package>(`package/${encodeURIComponent(name)}`, 5);
  return (
    <Page title={name}>
      <Shown data={data} error={error}>
        {({ builds }) =>
          builds.length ? (
            <Builds builds={builds} now={now} />
          ) : (
            <p>No builds of this package are known.</p>
          )
        }
      </Shown>
    </Page>
  );
}

export function Builds({ builds, now }: { builds: PackageBuild[]; now: number }) {
  const data = useMemo(() => {
    const ended = builds.filter((each) => each.duration !== null).reverse();
    const good = (each: PackageBuild) => each.results === 0 || each.results === 1;
    return [
      ended.map((_, index) => index + 1),
      ended.map((each) => (good(each) ? each.duration : null)),
      ended.map((each) => (good(each) ? null : each.duration)),
    ] as [number[], (number | null)[], (number | null)[]];
  }, [builds]);
  return (
    <>
      {data[0].length > 1 && (
        <figure>
          <figcaption>Duration of the last builds, oldest first</figcaption>
          <Chart
            label={`Durations of ${data[0].length} builds; the table has the figures`}
            lines={BARS}
            data={data}
            time={false}
            durations
          />
        </figure>
      )}
      <Table
        label="Builds"
        columns={["Build", "Result", "NVR", "Started", "Took", "Outcome", "Links"]}
        rows={builds.map((each) => {
          const result = resultName(each.results);
          return {
            key: `${each.builder} ${each.build_number} ${each.url}`,
            cells: [
              <BuildLink builder={each.builder} id={each.builder_id} number={each.build_number} />,
              <Badge tone={TONES[result] ?? "off"}>{result}</Badge>,
              each.nvr,
              <When at={each.started} now={now} />,
              each.duration === null ? "" : duration(each.duration),
              <Why arch={each.failed_arch} reason={each.reason ?? each.state_string} />,
              taskLinks(each.url, each.log_url),
            ],
          };
        })}
      />
    </>
  );
}
