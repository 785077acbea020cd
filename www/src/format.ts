// How times, durations, numbers and links read.

/** Say a duration in its two largest units: "45 s", "8 min", "1 h 5 min". */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "unknown";
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.round(whole / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  const days = Math.floor(hours / 24);
  return hours % 24 ? `${days} d ${hours % 24} h` : `${days} d`;
}

/** Say a latency: milliseconds below a second. */
export function latency(seconds: number): string {
  if (seconds >= 60) return duration(seconds);
  return seconds < 1 ? `${Math.round(seconds * 1000)} ms` : `${seconds.toFixed(1)} s`;
}

/** Say when something was or will be, as seen from now. */
export function relative(at: number, now: number): string {
  const distance = now - at;
  if (Math.abs(distance) < 2) return "now";
  return distance > 0 ? `${duration(distance)} ago` : `in ${duration(-distance)}`;
}

const two = (value: number): string => String(value).padStart(2, "0");

/** Say a moment in full, in the viewer's time zone: "2026-11-26 14:02:11". */
export function absolute(at: number): string {
  const date = new Date(at * 1000);
  if (Number.isNaN(date.getTime())) return "unknown";
  return (
    `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ` +
    `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
  );
}

/** Say a moment as people do: "14:02" today, "2026-11-25 14:02" on another day. */
export function clock(at: number, now: number): string {
  const full = absolute(at);
  if (full === "unknown") return full;
  return full.slice(0, 10) === absolute(now).slice(0, 10) ? full.slice(11, 16) : full.slice(0, 16);
}

/** Say how long something takes beside what it usually takes: "usual 8 min, now 11 min". */
export function progressText(elapsed: number | null, usual: number | null): string {
  if (elapsed === null) return usual === null ? "" : `usual ${duration(usual)}`;
  if (usual === null) return `now ${duration(elapsed)}`;
  return `usual ${duration(usual)}, now ${duration(elapsed)}`;
}

/** Return the address if a click on it is harmless, which means http or https; else null. */
export function safeLink(address: string | null | undefined): string | null {
  if (!address) return null;
  try {
    const url = new URL(address);
    return url.protocol === "http:" || url.protocol === "https:" ? url.href : null;
  } catch {
    return null;
  }
}

/** Order names as people do: "package-9" before "package-10". */
export const byName = new Intl.Collator("en", { numeric: true }).compare;

/** Group the digits of a number: "16,352". */
export function grouped(n: number): string {
  return n.toLocaleString("en");
}

/** Say a count with its noun: "1 task", "3,000 tasks". */
export function count(n: number, noun: string): string {
  return `${grouped(n)} ${noun}${n === 1 ? "" : "s"}`;
}

const RESULTS = ["SUCCESS", "WARNINGS", "FAILURE", "SKIPPED", "EXCEPTION", "RETRY", "CANCELED"];

/** Name one of Buildbot's results. */
export function resultName(results: number | null): string {
  return RESULTS[results ?? -1] ?? "RUNNING";
}
