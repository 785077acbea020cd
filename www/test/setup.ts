// What jsdom lacks and the pages need.
import { cleanup } from "@testing-library/react";
import { afterEach, vi } from "vitest";

window.matchMedia = ((query: string) => ({
  matches: false,
  media: query,
  addEventListener: () => undefined,
  removeEventListener: () => undefined,
})) as unknown as typeof window.matchMedia;
window.scrollTo = () => undefined;
window.ResizeObserver = class {
  observe() {}
  unobserve() {}
  disconnect() {}
};

// There is no canvas.
vi.mock("uplot", () => ({
  default: class {
    static paths = {};
    setData() {}
    setSize() {}
    destroy() {}
  },
}));

afterEach(cleanup);
