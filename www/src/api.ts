// The master's answers, polled while a page is visible.
import { useCallback, useEffect, useRef, useState } from "react";
import { clock } from "./format";

const BASE = "plugins/koji/api/";
const PATIENCE = 15_000;

/** What went wrong with a request, in one line for the user. */
export class ApiError extends Error {
  constructor(
    message: string,
    readonly status: number | null,
  ) {
    super(message);
  }
}

/** Run a request that ends, one way or another, within fifteen seconds. */
async function request(
  path: string,
  options: RequestInit,
  signal?: AbortSignal,
): Promise<Response> {
  const controller = new AbortController();
  const abort = () => controller.abort();
  const timer = setTimeout(abort, PATIENCE);
  signal?.addEventListener("abort", abort);
  try {
    return await fetch(BASE + path, {
      credentials: "same-origin",
      ...options,
      signal: controller.signal,
    });
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
}

async function messageOf(response: Response): Promise<string | null> {
  try {
    const body: unknown = await response.json();
    const message = (body as { message?: unknown } | null)?.message;
    return typeof message === "string" && message ? message : null;
  } catch {
    return null;
  }
}

/** Ask the master to do something; returns its answer's message, or throws an ApiError. */
export async function post(path: string, body: unknown = {}): Promise<string> {
  let response: Response;
  try {
    response = await request(path, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Requested-With": "buildbot-koji" },
      body: JSON.stringify(body),
    });
  } catch {
    throw new ApiError("The master does not answer: try again.", null);
  }
  const message = await messageOf(response);
  if (response.ok) return message ?? "Done.";
  if (response.status === 403 && !message?.startsWith("You may not"))
    throw new ApiError(`You may not do that${message ? `: ${message}` : "."}`, 403);
  throw new ApiError(
    message ?? `The master answers with an error (${response.status}).`,
    response.status,
  );
}

export interface Polled<T> {
  data: T | null;
  /** A line that says what is wrong, while something is. */
  error: string | null;
  /** The master's clock, in UNIX seconds; it ticks with each answer. */
  now: number;
  /** Ask now instead of at the next tick. */
  refresh: () => void;
}

const here = () => Date.now() / 1000;

/**
 * Poll a path of the API while the page is visible.
 *
 * The browser's cache sends the ETag; an answer that did not change costs no rendering of the data.
 */
export function usePolled<T>(path: string | null, seconds = 2): Polled<T> {
  const [answer, setAnswer] = useState<{ path: string | null; data: T | null }>({
    path,
    data: null,
  });
  const [error, setError] = useState<string | null>(null);
  const [now, setNow] = useState(here);
  const wake = useRef<() => void>(() => undefined);

  useEffect(() => {
    if (path === null) return undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let ended = false;
    let tag: string | null = null;
    let failing: number | null = null;
    let current: AbortController | null = null;

    async function ask(target: string): Promise<void> {
      const controller = new AbortController();
      current = controller;
      const asked = Date.now();
      try {
        const response = await request(target, { cache: "no-cache" }, controller.signal);
        const theirs = Date.parse(response.headers.get("Date") ?? "") / 1000;
        const changed = response.headers.get("ETag");
        if (response.ok) {
          if (tag === null || changed !== tag) {
            const data = (await response.json()) as T;
            if (ended) return;
            tag = changed;
            setAnswer({ path: target, data });
          }
          failing = null;
          setError(null);
        } else {
          const message = await messageOf(response);
          if (ended) return;
          failing ??= here();
          setError(trouble(response.status, message, failing));
        }
        setNow(Number.isFinite(theirs) ? theirs : here());
      } catch {
        if (ended || controller.signal.aborted) return;
        failing ??= here();
        setError(`The master has not answered since ${clock(failing, here())}.`);
        setNow(here());
      } finally {
        if (current === controller) {
          current = null;
          // A large answer over a slow connection must not keep master and browser busy all the time.
          schedule(Math.max(seconds * 1000, 5 * (Date.now() - asked)));
        }
      }
    }

    function schedule(pause: number): void {
      clearTimeout(timer);
      if (!ended && !document.hidden) timer = setTimeout(start, Math.min(pause, 60_000));
    }

    function start(): void {
      clearTimeout(timer);
      if (!ended && current === null && !document.hidden) void ask(path as string);
    }

    const onVisibility = () => (document.hidden ? clearTimeout(timer) : start());
    document.addEventListener("visibilitychange", onVisibility);
    wake.current = start;
    setError(null);
    start();
    return () => {
      ended = true;
      clearTimeout(timer);
      current?.abort();
      document.removeEventListener("visibilitychange", onVisibility);
    };
  }, [path, seconds]);

  const refresh = useCallback(() => wake.current(), []);
  return { data: answer.path === path ? answer.data : null, error, now, refresh };
}

function trouble(status: number, message: string | null, since: number): string {
  if (message) return message;
  if (status === 404) return "The master does not know this page.";
  if (status === 401 || status === 403) return "You may not see this page.";
  return `The master answers with an error (${status}) since ${clock(since, here())}.`;
}
