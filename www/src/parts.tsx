// The parts that several pages are made of.
import React, {
  Component,
  createContext,
  useContext,
  useEffect,
  useLayoutEffect,
  useRef,
  useState,
  type ReactNode,
} from "react";
import { NavLink } from "react-router-dom";
import { ApiError, post } from "./api";
import { absolute, clock, duration, progressText, relative, safeLink } from "./format";
import type { Down } from "./types";

export type Tone = "good" | "busy" | "waiting" | "bad" | "odd" | "off";

/** A word on a colored ground: color alone never carries a meaning. */
export function Badge({
  tone,
  children,
  title,
}: {
  tone: Tone;
  children: ReactNode;
  title?: string;
}) {
  return (
    <span className={`koji-badge koji-${tone}`} title={title}>
      {children}
    </span>
  );
}

/** A moment, as seen from now; its title has the full date. */
export function When({
  at,
  now,
  none = "never",
}: {
  at: number | null;
  now: number;
  none?: string;
}) {
  if (at === null) return <span className="koji-muted">{none}</span>;
  const date = new Date(at * 1000);
  if (Number.isNaN(date.getTime())) return <span className="koji-muted">unknown</span>;
  return (
    <time dateTime={date.toISOString()} title={absolute(at)}>
      {relative(at, now)}
    </time>
  );
}

/** A link out of Buildbot, if the address is harmless; else its text alone. */
export function Out({ to, children }: { to: string | null | undefined; children: ReactNode }) {
  const href = safeLink(to);
  if (href === null) return <>{children}</>;
  return (
    <a href={href} rel="noopener noreferrer">
      {children}
    </a>
  );
}

/** Return the links to a task and to its log; null, which is an empty cell, if there are none. */
export function taskLinks(url: string | null, log: string | null): ReactNode {
  if (!url && !log) return null;
  return (
    <span className="koji-links">
      {url && <Out to={url}>Koji</Out>} {log && <Out to={log}>log</Out>}
    </span>
  );
}

/** Why something failed, and on which architecture unless the reason says so. */
export function Why({ arch, reason }: { arch?: string | null; reason: string | null }) {
  return (
    <>
      {arch && !reason?.includes(arch) && <strong>{arch}: </strong>}
      {reason}
    </>
  );
}

/** A link to one of Buildbot's own builds. */
export function BuildLink(props: {
  builder: string | null;
  id: number | null;
  number: number | null;
}) {
  const { builder, id, number } = props;
  if (builder === null) return null;
  const text = number === null ? builder : `${builder} #${number}`;
  if (id === null) return <>{text}</>;
  const path = number === null ? `/builders/${id}` : `/builders/${id}/builds/${number}`;
  return <NavLink to={path}>{text}</NavLink>;
}

/** How far something is, beside how long it usually takes. */
export function Progress({ elapsed, usual }: { elapsed: number | null; usual: number | null }) {
  const text = progressText(elapsed, usual);
  if (elapsed === null || usual === null || usual <= 0) return <small>{text}</small>;
  const long = elapsed > usual * 1.25 + 5;
  const percent = Math.min(100, Math.round((100 * elapsed) / usual));
  return (
    <div className="koji-progress-box">
      <div
        className={long ? "koji-progress koji-long" : "koji-progress"}
        role="progressbar"
        aria-valuenow={percent}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-label={text}
        title={`${percent} % of the usual ${duration(usual)}`}
      >
        <div style={{ width: `${percent}%` }} />
      </div>
      <small>{text}</small>
    </div>
  );
}

type Answer = { text: string; bad: boolean } | null;

/** Shows what the master answered to a button, which may be gone by then. */
const Answering = createContext<(answer: Answer) => void>(() => undefined);

/**
 * A button that asks the master to do something; the page shows what it answers.
 *
 * With `confirm`, the first click only changes the button's text to it for five seconds.
 */
export function Action(props: {
  path: string;
  label: string;
  body?: unknown;
  describedAs?: string;
  confirm?: string;
  disabled?: boolean;
  onDone?: () => void;
}) {
  const { path, label, body, describedAs, confirm, disabled, onDone } = props;
  const [busy, setBusy] = useState(false);
  const [asked, setAsked] = useState(false);
  const say = useContext(Answering);
  const mounted = useRef(true);
  const button = useRef<HTMLButtonElement>(null);
  useLayoutEffect(() => {
    const here = button.current;
    const place = here?.closest("section");
    return () => {
      if (!place || document.activeElement !== here) return;
      // What it was about is done. Tab continues from there, not from the top of the page.
      place.tabIndex = -1;
      // Later: what React moves now, as it sorts the reporters, loses the focus.
      queueMicrotask(() => place.focus({ preventScroll: true }));
    };
  }, []);
  useEffect(() => {
    mounted.current = true;
    return () => {
      mounted.current = false;
    };
  }, []);
  useEffect(() => {
    if (!asked) return undefined;
    const timer = setTimeout(() => setAsked(false), 5000);
    return () => clearTimeout(timer);
  }, [asked]);

  async function act(): Promise<void> {
    if (busy) return;
    say(null);
    if (confirm && !asked) {
      setAsked(true);
      return;
    }
    setAsked(false);
    setBusy(true);
    try {
      say({ text: await post(path, body), bad: false });
    } catch (error) {
      say({ text: error instanceof ApiError ? error.message : String(error), bad: true });
    }
    if (mounted.current) setBusy(false);
    onDone?.();
  }

  return (
    <button
      ref={button}
      type="button"
      className="btn btn-sm btn-outline-secondary"
      disabled={disabled}
      // A disabled button would lose the keyboard's focus.
      aria-disabled={busy || undefined}
      aria-label={describedAs ? `${asked && confirm ? confirm : label}: ${describedAs}` : undefined}
      onClick={() => void act()}
      onKeyDown={(event) => event.key === "Escape" && setAsked(false)}
      onBlur={() => setAsked(false)}
    >
      {asked && confirm ? confirm : label}
    </button>
  );
}

/** Says so when its content can't be shown, and retries with the next answer. */
class ErrorBoundary extends Component<{ children: ReactNode }, { failed: string | null }> {
  override state = { failed: null };

  static getDerivedStateFromError(error: unknown): { failed: string } {
    return { failed: error instanceof Error ? error.message : String(error) };
  }

  override componentDidUpdate(before: { children: ReactNode }): void {
    if (this.state.failed !== null && before.children !== this.props.children)
      this.setState({ failed: null });
  }

  override render(): ReactNode {
    if (this.state.failed === null) return this.props.children;
    return (
      <p role="alert" className="alert alert-danger">
        This page can’t show what the master says ({this.state.failed}).
      </p>
    );
  }
}

const PAGES: readonly (readonly [string, string])[] = [
  ["/koji", "Overview"],
  ["/koji/tasks", "In Koji now"],
  ["/koji/packages", "Packages"],
  ["/koji/sources", "Sources"],
  ["/koji/deliveries", "Gates and deliveries"],
  ["/koji/mass", "Mass builds"],
];

/** Whether a page was shown: the focus was on a link of it, which is gone with it. */
let wasShown = false;

/** The frame of each page: links to the others, and an error boundary around the content. */
export function Page({ title, children }: { title: string; children: ReactNode }) {
  const [answer, setAnswer] = useState<Answer>(null);
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    if (answer === null) return undefined;
    const timer = setTimeout(() => setAnswer(null), 20_000);
    return () => clearTimeout(timer);
  }, [answer]);
  useEffect(() => {
    const before = document.title;
    return () => {
      document.title = before;
    };
  }, []);
  useEffect(() => {
    // It returns a Promise in new browsers, which is no clean-up function.
    window.scrollTo(0, 0);
    document.title = title === "Koji" ? title : `${title} - Koji`;
    if (wasShown && document.activeElement === document.body)
      heading.current?.focus({ preventScroll: true });
    wasShown = true;
  }, [title]);
  return (
    <main className="koji container-fluid">
      <nav className="koji-nav" aria-label="Koji">
        {PAGES.map(([route, caption]) => (
          <NavLink key={route} to={route} end={route === "/koji"}>
            {caption}
          </NavLink>
        ))}
      </nav>
      <h1 ref={heading} tabIndex={-1}>
        {title}
      </h1>
      <Answering.Provider value={setAnswer}>
        <ErrorBoundary key={title}>{children}</ErrorBoundary>
      </Answering.Provider>
      <div role="status" aria-label="Answer" className="koji-answer">
        {answer && (
          <p className={answer.bad ? "alert alert-danger" : "alert alert-success"}>{answer.text}</p>
        )}
      </div>
    </main>
  );
}

/** What a page shows around polled data: the trouble, if any, and the data as long as there is some. */
export function Shown<T>(props: {
  data: T | null;
  error: string | null;
  children: (data: T) => ReactNode;
}) {
  const { data, error, children } = props;
  return (
    <>
      <div role="alert">
        {error !== null && (
          <p className="alert alert-danger">
            {error}
            {data !== null && " What you see is its last answer."}
          </p>
        )}
      </div>
      {data !== null ? children(data) : error === null && <p className="koji-muted">Loading …</p>}
    </>
  );
}

/** Say in one line since when and why a hub is down. */
export function hubLine({ since, reason }: Down, now: number): string {
  return [since === null ? null : `since ${clock(since, now)}`, reason].filter(Boolean).join(": ");
}

/** Say which hubs do not answer, above their last known state, and what that means for it. */
export function Outages(props: { down: Down[]; now: number; meanwhile?: string }) {
  const { down, now, meanwhile = "this page shows its last answers" } = props;
  return (
    <div role="alert">
      {down.map((hub) => (
        <p key={hub.name} className="alert alert-warning koji-break">
          <strong>{hub.name}</strong> is down{hub.since === null && ":"} {hubLine(hub, now)} –{" "}
          {meanwhile}.
        </p>
      ))}
    </div>
  );
}

export interface Row {
  key: string;
  cells: ReactNode[];
}

/**
 * A table whose first cell names the row. On a phone each row is a block, each cell with its caption.
 *
 * The roles are those of the elements: a block display takes them away.
 */
export function Table(props: {
  label: string;
  columns: string[];
  rows: Row[];
  caption?: ReactNode;
}) {
  const { label, columns, rows, caption } = props;
  return (
    <table className="table table-sm koji-table" role="table" aria-label={label}>
      <caption>{caption ?? label}</caption>
      <thead role="rowgroup">
        <tr role="row">
          {columns.map((each) => (
            <th scope="col" role="columnheader" key={each}>
              {each}
            </th>
          ))}
        </tr>
      </thead>
      <tbody role="rowgroup">
        {rows.map(({ key, cells: [first, ...rest] }) => (
          <tr key={key} role="row">
            <th scope="row" role="rowheader">
              {first}
            </th>
            {rest.map((cell, index) => (
              <td key={columns[index + 1]} role="cell" data-label={columns[index + 1]}>
                {cell}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
