// What waits to be delivered, and what needs a person to be delivered?
import React from "react";
import { usePolled } from "../api";
import { count } from "../format";
import { Action, Badge, BuildLink, Out, Outages, Page, Shown, Table, When } from "../parts";
import type { DeadLetter, Deliveries, Gate, Pending, Reporter } from "../types";

const PASSED = new Set(["success", "warnings"]);

export function DeliveriesPage() {
  const { data, error, now, refresh } = usePolled<Deliveries>("deliveries");
  return (
    <Page title="Gates and deliveries">
      <Shown data={data} error={error}>
        {({ down, reporters, cancellations }) => (
          <>
            <Outages down={down} now={now} meanwhile="deliveries and cancellations wait for it" />
            {reporters.length === 0 && <p>This master has no Koji reporter.</p>}
            {reporters.map((reporter) => (
              <ReporterCard key={reporter.name} reporter={reporter} now={now} refresh={refresh} />
            ))}
            <section className="card" aria-label="Pending cancellations">
              <div className="card-header">
                <h2>Pending cancellations</h2>
                <Badge tone={cancellations.length ? "waiting" : "good"}>
                  {cancellations.length ? `${cancellations.length} pending` : "none"}
                </Badge>
              </div>
              {cancellations.length > 0 && (
                <div className="card-body">
                  <Table
                    label="Cancellations"
                    columns={["Task", "Hub", "Since", "Why"]}
                    rows={cancellations.map((each, index) => ({
                      key: `${each.hub} ${each.task_id ?? index}`,
                      cells: [
                        <Out to={each.url}>
                          {each.task_id ?? `a ${each.method ?? "task"} that may not have begun`}
                        </Out>,
                        each.hub,
                        <When at={each.since} now={now} none="" />,
                        each.reason,
                      ],
                    }))}
                  />
                </div>
              )}
            </section>
          </>
        )}
      </Shown>
    </Page>
  );
}

export function ReporterCard({
  reporter,
  now,
  refresh,
}: {
  reporter: Reporter;
  now: number;
  refresh: () => void;
}) {
  const { pending, dead, gates } = reporter;
  const deadCount = Math.max(reporter.dead_count ?? 0, dead.length);
  const pendingCount = Math.max(reporter.pending_count ?? 0, pending.length);
  const path = `deliveries/${encodeURIComponent(reporter.name)}/redeliver`;
  return (
    <section className="card" aria-label={`Reporter ${reporter.name}`}>
      <div className="card-header">
        <h2>{reporter.name}</h2>
        <span className="koji-muted">{reporter.kind}</span>
        <Badge tone={deadCount ? "bad" : "good"}>
          {deadCount ? count(deadCount, "dead letter") : "no dead letters"}
        </Badge>
        <Badge tone={pendingCount ? "waiting" : "good"}>
          {pendingCount ? `${pendingCount} pending` : "nothing pending"}
        </Badge>
        {gates.length > 0 && (
          <Badge tone="waiting">{count(gates.length, "build")} waiting for votes</Badge>
        )}
      </div>
      <div className="card-body">
        {reporter.does && <p className="koji-break">{reporter.does}</p>}
        {dead.length > 0 && (
          <>
            <div className="koji-actions">
              <Action
                path={path}
                body={{ ids: null }}
                label="Redeliver all"
                describedAs={reporter.name}
                onDone={refresh}
              />
            </div>
            <Table
              label="Dead letters"
              columns={["Delivery", "Build", "Since", "Why it was refused", "Action"]}
              rows={dead.map((each) => ({
                key: String(each.id),
                cells: [
                  each.what,
                  <BuildOf delivery={each} />,
                  <When at={each.since} now={now} none="" />,
                  each.reason,
                  <Action
                    path={path}
                    body={{ ids: [each.id] }}
                    label="Redeliver"
                    describedAs={
                      each.nvr ??
                      `${each.what} of ${each.builder ?? "build"} #${each.build_number ?? each.id}`
                    }
                    onDone={refresh}
                  />,
                ],
              }))}
            />
          </>
        )}
        {gates.length > 0 && (
          <Table
            label="Gates"
            columns={["Koji build", "Waits since", "Votes there", "Votes missing"]}
            rows={gates.map((each) => ({
              key: each.nvr,
              cells: [
                <Out to={each.url}>{each.nvr}</Out>,
                <When at={each.since} now={now} none="" />,
                <VotesThere votes={each.votes_there} />,
                <VotesMissing votes={each.votes_missing} />,
              ],
            }))}
          />
        )}
        {pending.length > 0 && (
          <Table
            label="Pending deliveries"
            columns={["Delivery", "Build", "Since", "Attempts", "Why it waits"]}
            rows={pending.map((each) => ({
              key: String(each.id),
              cells: [
                each.what,
                <BuildOf delivery={each} />,
                <When at={each.since} now={now} none="" />,
                each.attempts,
                each.reason,
              ],
            }))}
          />
        )}
      </div>
    </section>
  );
}

function BuildOf({ delivery }: { delivery: DeadLetter | Pending }) {
  const { builder = null, builder_id = null, build_number = null } = delivery;
  return <BuildLink builder={builder} id={builder_id} number={build_number} />;
}

function VotesThere({ votes }: { votes: Gate["votes_there"] }) {
  return (
    <span className="koji-arches">
      {votes.map(({ builder, result }) => (
        <Badge key={builder} tone={PASSED.has(result) ? "good" : "bad"}>
          {builder}: {result}
        </Badge>
      ))}
    </span>
  );
}

function VotesMissing({ votes }: { votes: Gate["votes_missing"] }) {
  return (
    <span className="koji-arches">
      {votes.map(({ builder, builder_id }) => (
        <Badge key={builder} tone="waiting">
          <BuildLink builder={builder} id={builder_id} number={null} /> missing
        </Badge>
      ))}
    </span>
  );
}
