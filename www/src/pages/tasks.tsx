// What is Koji doing for us right now?
import React, { memo, useCallback, useLayoutEffect, useMemo, useRef, useState } from "react";
import { useSearchParams } from "react-router-dom";
import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { usePolled } from "../api";
import { count, duration, grouped } from "../format";
import { Badge, BuildLink, Out, Outages, Page, Progress, Shown, Table, When } from "../parts";
import {
  chosen,
  chosenSteps,
  elapsed,
  ENDED,
  isWaiting,
  queueText,
  until,
  STATE_TEXT,
  STATE_TONE,
} from "../trees";
import type { Down, Step, Tasks, Tree } from "../types";

/** The smallest heights of rows, in pixels, as in the style sheet. */
const ROW = 64;
const TROUBLED_ROW = 76;
/** Steps without a task that are listed: the tasks below them must not go out of sight. */
const SHOWN_STEPS = 10;

export function TasksPage() {
  const { data, error, now } = usePolled<Tasks>("tasks");
  return (
    <Page title="In Koji now">
      <Shown data={data} error={error}>
        {({ down, steps = [], trees }) => (
          <>
            <Outages down={down} now={now} />
            <TaskList trees={trees} steps={steps} now={now} down={down} />
          </>
        )}
      </Shown>
    </Page>
  );
}

/** What waits without a task: for a repo, for another build of this master, for the hub. */
function Steps({ steps, now }: { steps: Step[]; now: number }) {
  return (
    <Table
      label="Steps without a task"
      caption={
        steps.length > SHOWN_STEPS ? `The first ${SHOWN_STEPS} steps without a task` : undefined
      }
      columns={["Build", "Step", "What it does", "Started"]}
      rows={steps.slice(0, SHOWN_STEPS).map((each) => ({
        key: `${each.builder} ${each.build_number} ${each.name}`,
        cells: [
          <BuildLink builder={each.builder} id={each.builder_id} number={each.build_number} />,
          each.name,
          each.text,
          <When at={each.since} now={now} />,
        ],
      }))}
    />
  );
}

export function TaskList(props: { trees: Tree[]; steps?: Step[]; now: number; down: Down[] }) {
  const { trees, steps = [], now, down } = props;
  const [params, setParams] = useSearchParams();
  const filter = {
    text: params.get("text") ?? "",
    builder: params.get("builder") ?? "",
    state: params.get("state") ?? "",
  };
  const { text, builder, state } = filter;
  const rows = useMemo(
    () => chosen(trees, { text, builder, state }),
    [trees, text, builder, state],
  );
  const idle = chosenSteps(steps, { text, builder, state });
  const builders = useMemo(
    () => [...new Set([...trees, ...steps].flatMap((each) => each.builder ?? []))].sort(),
    [trees, steps],
  );
  const troubles = trees.filter((tree) => tree.trouble_level > 0).length;

  function change(name: string, value: string): void {
    setParams(
      (old) => {
        const next = new URLSearchParams(old);
        if (value) next.set(name, value);
        else next.delete(name);
        return next;
      },
      { replace: true },
    );
  }

  return (
    <>
      <form className="koji-filter" role="search" onSubmit={(event) => event.preventDefault()}>
        <label>
          Package or NVR
          <input
            type="search"
            className="form-control form-control-sm"
            value={text}
            onChange={(event) => change("text", event.target.value)}
          />
        </label>
        <label>
          Builder
          <select
            className="form-control form-control-sm"
            value={builder}
            onChange={(event) => change("builder", event.target.value)}
          >
            <option value="">all</option>
            {builders.map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
        <label>
          State
          <select
            className="form-control form-control-sm"
            value={state}
            onChange={(event) => change("state", event.target.value)}
          >
            <option value="">all</option>
            <option value="trouble">in trouble</option>
            {Object.entries(STATE_TEXT).map(([value, caption]) => (
              <option key={value} value={value}>
                {caption}
              </option>
            ))}
          </select>
        </label>
      </form>
      <p role="status">
        {rows.length === trees.length
          ? count(trees.length, "task")
          : `${grouped(rows.length)} of ${count(trees.length, "task")}`}
        {troubles > 0 && `, ${grouped(troubles)} in trouble`}
        {steps.length > 0 && `; ${count(steps.length, "step")} without a task`}
      </p>
      {idle.length > 0 && <Steps steps={idle} now={now} />}
      {rows.length > 0 ? (
        <Rows rows={rows} now={now} down={down} />
      ) : (
        <p>
          {trees.length
            ? "No task matches the filter."
            : "No step or reporter waits for a task right now."}
        </p>
      )}
    </>
  );
}

/** A table of which only the rows in sight exist. */
function Rows({ rows, now, down }: { rows: Tree[]; now: number; down: Down[] }) {
  const place = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  useLayoutEffect(() => {
    setTop((place.current?.getBoundingClientRect().top ?? 0) + window.scrollY);
  }, [rows.length]);
  // The list computes the places of all rows again when it gets a new function, or a row is not as
  // high as estimated: in a scroll that would be in each frame.
  const keyOf = useCallback(
    (index: number) => `${rows[index]?.hub} ${rows[index]?.task_id}`,
    [rows],
  );
  const virtual = useWindowVirtualizer({
    count: rows.length,
    estimateSize: (index) => (rows[index]?.trouble_level ? TROUBLED_ROW : ROW),
    overscan: 8,
    scrollMargin: top,
    getItemKey: keyOf,
  });
  return (
    <div role="table" aria-label="Tasks" aria-rowcount={rows.length + 1} className="koji-tasks">
      <div role="rowgroup">
        <div role="row" aria-rowindex={1} className="koji-task koji-task-head">
          {["Task", "Build", "Architectures", "Progress"].map((caption) => (
            <span role="columnheader" key={caption}>
              {caption}
            </span>
          ))}
        </div>
      </div>
      <div
        role="rowgroup"
        ref={place}
        style={{ height: virtual.getTotalSize(), position: "relative" }}
      >
        {virtual.getVirtualItems().map((item) => {
          const tree = rows[item.index];
          return (
            tree && (
              <div
                key={item.key}
                role="row"
                aria-rowindex={item.index + 2}
                data-index={item.index}
                ref={virtual.measureElement}
                className={`koji-task koji-level-${tree.trouble_level}`}
                style={{ transform: `translateY(${item.start - virtual.options.scrollMargin}px)` }}
              >
                <Row tree={tree} now={now} until={until(tree.hub, down, now)} />
              </div>
            )
          );
        })}
      </div>
    </div>
  );
}

interface RowProps {
  tree: Tree;
  now: number;
  /** When the task's state was last known. */
  until: number;
}

export const Row = memo(function Row({ tree, now, until }: RowProps) {
  const free = tree.state === "FREE" || tree.state === "ASSIGNED";
  return (
    <>
      <div role="cell">
        <strong className="koji-break">
          <Out to={tree.url}>{tree.label}</Out>
        </strong>
        <small className="koji-muted"> task {tree.task_id}</small>
        {tree.trouble !== null && (
          <div className={`koji-break koji-trouble-${tree.trouble_level}`}>{tree.trouble}</div>
        )}
      </div>
      <div role="cell">
        <BuildLink builder={tree.builder} id={tree.builder_id} number={tree.build_number} />
      </div>
      <div role="cell" className="koji-arches">
        {tree.arches.length === 0 && (
          <Badge tone={STATE_TONE[tree.state]}>{STATE_TEXT[tree.state]}</Badge>
        )}
        {tree.arches.map((each) => (
          <span key={each.task_id}>
            <Badge
              tone={STATE_TONE[each.state]}
              title={`${each.method}${each.host ? ` on ${each.host}` : ""}`}
            >
              <Out to={each.url}>
                {each.arch || each.label || each.method} {STATE_TEXT[each.state]}
              </Out>
            </Badge>
            {each.log_url !== null && (
              <>
                {" "}
                <Out to={each.log_url}>log</Out>
              </>
            )}
          </span>
        ))}
      </div>
      <div role="cell">
        {tree.queue_position !== null ? (
          <div>{queueText(tree.queue_position)}</div>
        ) : (
          isWaiting(tree) && <div>waiting for a builder</div>
        )}
        {free ? (
          <small className="koji-muted">
            asked <When at={tree.since} now={now} none="at an unknown time" />
            {tree.usual !== null && <Usual seconds={tree.usual} />}
          </small>
        ) : isWaiting(tree) && !tree.arches.some(({ state }) => ENDED.has(state)) ? (
          <small className="koji-muted">
            for {duration(elapsed(tree, until) ?? 0)}
            {tree.usual !== null && <Usual seconds={tree.usual} />}
          </small>
        ) : (
          <Progress elapsed={elapsed(tree, until)} usual={tree.usual} />
        )}
      </div>
    </>
  );
});

function Usual({ seconds }: { seconds: number }) {
  return (
    <>
      {"; "}
      <Progress elapsed={null} usual={seconds} />
    </>
  );
}
