// Builds the page's script and style sheet into the Python package.
// React and its router come from Buildbot's own script: the page has no second copy of them.
import { build } from "esbuild";

const GLOBALS = {
  react: "React",
  "react-dom": "ReactDOM",
  "react-router-dom": "ReactRouterDOM",
};

const fromWindow = {
  name: "from-window",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^(react|react-dom|react-router-dom)$/ }, ({ path }) => ({
      path,
      namespace: "from-window",
    }));
    onLoad({ filter: /.*/, namespace: "from-window" }, ({ path }) => ({
      contents: `module.exports = window.${GLOBALS[path]};`,
      loader: "js",
    }));
  },
};

const LICENSES =
  "/*! The Koji pages of buildbot-koji (MIT), with uPlot (MIT, (c) Leon Sorokin)" +
  " and TanStack Virtual (MIT, (c) Tanner Linsley). Built from www/ by `make www`. */";

const out = process.argv[2] ?? "../buildbot_koji/www/static";

await build({
  entryPoints: { scripts: "src/index.tsx", styles: "src/styles.css" },
  outdir: out,
  bundle: true,
  format: "iife",
  target: "es2020",
  jsx: "transform",
  minify: true,
  legalComments: "none",
  charset: "utf8",
  banner: { js: LICENSES, css: LICENSES },
  define: { "process.env.NODE_ENV": '"production"' },
  plugins: [fromWindow],
  logLevel: "warning",
});
