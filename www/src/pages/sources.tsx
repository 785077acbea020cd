// Do the change sources listen, and what did they find?
import React from "react";
import { usePolled } from "../api";
import { clock, count, duration } from "../format";
import { Action, Badge, Out, Outages, Page, Shown, Table, When, type Tone } from "../parts";
import type { Source, Sources } from "../types";

const TONES: Record<Source["state"], Tone> = {
  listening: "good",
  paused: "off",
  waiting: "waiting",
  starting: "waiting",
  unreachable: "bad",
  stale: "bad",
};

export function SourcesPage() {
  const { data, error, now, refresh } = usePolled<Sources>("sources");
  return (
    <Page title="Sources">
      <Shown data={data} error={error}>
        {({ down, sources }) =>
          sources.length ? (
            <>
              <Outages down={down} now={now} />
              {sources.map((source) => (
                <SourceCard key={source.name} source={source} now={now} refresh={refresh} />
              ))}
            </>
          ) : (
            <p>This master has no Koji change source.</p>
          )
        }
      </Shown>
    </Page>
  );
}

export function SourceCard({
  source,
  now,
  refresh,
}: {
  source: Source;
  now: number;
  refresh: () => void;
}) {
  const path = `sources/${encodeURIComponent(source.name)}`;
  const paused = source.state === "paused";
  return (
    <section className="card" aria-label={`Source ${source.name}`}>
      <div className="card-header">
        <h2>{source.name}</h2>
        <Badge tone={TONES[source.state] ?? "off"}>{source.state}</Badge>
        <span>
          {[source.since !== null && `since ${clock(source.since, now)}`, source.reason]
            .filter(Boolean)
            .join(": ")}
        </span>
      </div>
      <div className="card-body">
        {!source.active_here && (
          <p className="koji-muted">
            {source.master
              ? `The master ${source.master} runs this source: its page shows the polls. The buttons work here, too.`
              : "No master runs this source now."}
          </p>
        )}
        <div className="koji-actions">
          {paused ? (
            <Action
              path={`${path}/resume`}
              label="Resume"
              describedAs={source.name}
              onDone={refresh}
            />
          ) : (
            <Action
              path={`${path}/pause`}
              label="Pause"
              describedAs={source.name}
              onDone={refresh}
            />
          )}
          <Action
            path={`${path}/poll`}
            label="Poll now"
            describedAs={source.name}
            disabled={!source.active_here && !source.master}
            onDone={refresh}
          />
        </div>
        <dl className="koji-facts">
          <div>
            <dt>Hub</dt>
            <dd>{source.hub}</dd>
          </div>
          {source.active_here && <Polls source={source} now={now} />}
          {source.bus !== null && (
            <div>
              <dt>Message bus</dt>
              <dd>
                <Badge tone={source.bus === "connected" ? "good" : "bad"}>{source.bus}</Badge>{" "}
                {source.bus === "disconnected" && source.bus_reason}
              </dd>
            </div>
          )}
        </dl>
        {source.set_aside_count > 0 && (
          <Table
            label="Set aside"
            caption={`Set aside: ${count(source.set_aside_count, "item")} that can’t become a change`}
            columns={["Item", "Why", "Since", "Times"]}
            rows={source.set_aside.map((each) => ({
              key: each.what,
              cells: [
                each.what,
                each.reason,
                <When at={each.since} now={now} none="" />,
                each.count,
              ],
            }))}
          />
        )}
        {source.last_changes.length > 0 && (
          <Table
            label="Last changes"
            columns={["Revision", "What", "When"]}
            rows={source.last_changes.map((each, index) => ({
              key: `${each.revision} ${each.at} ${index}`,
              cells: [
                each.revision,
                <Out to={each.url}>{each.comments}</Out>,
                <When at={each.at} now={now} />,
              ],
            }))}
          />
        )}
      </div>
    </section>
  );
}

function Polls({ source, now }: { source: Source; now: number }) {
  return (
    <>
      <div>
        <dt>Next poll</dt>
        <dd>
          {source.state === "paused" ? (
            "once it is resumed"
          ) : source.next_poll !== null && source.next_poll <= now ? (
            source.state === "unreachable" ? (
              "once the hub answers"
            ) : (
              "now"
            )
          ) : (
            <When at={source.next_poll} now={now} none="none planned" />
          )}
        </dd>
      </div>
      <div>
        <dt>Last poll</dt>
        <dd>
          <When at={source.polled_at} now={now} none="none yet" />
        </dd>
      </div>
      <div>
        <dt>Lag</dt>
        <dd>
          {source.complete_until === null
            ? "unknown before the first poll"
            : `at most ${duration(now - source.complete_until)}`}
        </dd>
      </div>
      {source.pending !== undefined && source.pending > 0 && (
        <div>
          <dt>Waiting</dt>
          <dd>{count(source.pending, "event")}, for the quiet time to pass</dd>
        </div>
      )}
      <div>
        <dt>Held back</dt>
        <dd>
          {count(source.held_back, "change")}
          {source.held_back > 0 && " over the hourly limit"}
        </dd>
      </div>
    </>
  );
}
