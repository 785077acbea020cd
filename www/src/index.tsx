// Registers the Koji pages with Buildbot's UI.
import React, { type ReactElement } from "react";
import { DeliveriesPage } from "./pages/deliveries";
import { MassListPage, MassPage } from "./pages/mass";
import { OverviewPage } from "./pages/overview";
import { PackagePage, PackagesPage } from "./pages/packages";
import { SourcesPage } from "./pages/sources";
import { TasksPage } from "./pages/tasks";

interface Registrations {
  registerMenuGroup(group: {
    name: string;
    caption: string;
    icon?: ReactElement;
    order: number | null;
    route: string | null;
    parentName: string | null;
  }): void;
  registerRoute(route: { route: string; group: string | null; element: () => ReactElement }): void;
}

declare global {
  interface Window {
    BuildbotPluginSupport: { buildbotSetupPlugin(setup: (reg: Registrations) => void): void };
  }
}

const ELEMENTS: Record<string, () => ReactElement> = {
  "/koji": () => <OverviewPage />,
  "/koji/tasks": () => <TasksPage />,
  "/koji/packages": () => <PackagesPage />,
  "/koji/packages/:name": () => <PackagePage />,
  "/koji/sources": () => <SourcesPage />,
  "/koji/deliveries": () => <DeliveriesPage />,
  "/koji/mass": () => <MassListPage />,
  "/koji/mass/:id": () => <MassPage />,
};

const ICON = (
  <svg viewBox="0 0 16 16" width="1em" height="1em" fill="currentColor" aria-hidden="true">
    <path d="M8 0 15 4v8l-7 4-7-4V4zM3 5.2v5.7l4 2.3V7.5zm10 0L9 7.5v5.7l4-2.3zM8 1.9 4.1 4.1 8 6.3l3.9-2.2z" />
  </svg>
);

window.BuildbotPluginSupport.buildbotSetupPlugin((reg) => {
  reg.registerMenuGroup({
    name: "koji",
    caption: "Koji",
    icon: ICON,
    order: 20,
    route: "/koji",
    parentName: null,
  });
  for (const [route, element] of Object.entries(ELEMENTS))
    reg.registerRoute({ route, group: "koji", element });
});
