#!/usr/bin/env node
// Checks what is in deploy/ against the program and against docs/RUNBOOK.md, so that none of them drifts away:
//   - every YAML and JSON file parses, and what a Compose file refers to is there;
//   - every metric, and every outcome, that the dashboard and the alerts use is one of relayer/src/metrics.rs;
//   - every alert has its anchor in the runbook and a test that it is quiet, and the runbook has no chapter of an alert
//     that is gone, nor a link that leads nowhere;
//   - every RING_RELAYER__… variable is a field of the configuration;
//   - every value that a Helm template reads is in values.yaml;
//   - versions are those of Cargo.toml and rust-toolchain.toml, and every crate is sent to the image's build.
// Helm's templates are not rendered here: that takes `helm lint --strict deploy/helm/ring-relayer`.

import { readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parse, parseAllDocuments } from "yaml";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const read = (file) => readFileSync(path.join(root, file), "utf8");
const problems = [];
const problem = (file, what) => problems.push(`${file}: ${what}`);

const DASHBOARD = "deploy/grafana/ring.json";
const ALERTS = "deploy/prometheus/alerts.yaml";
const ALERT_TESTS = "deploy/prometheus/alerts.test.yaml";
const COMPOSE = "deploy/docker/compose.yaml";
const CHART = "deploy/helm/ring-relayer";
const RUNBOOK = "docs/RUNBOOK.md";
const METRICS = "relayer/src/metrics.rs";
const RAW_CONFIG = "relayer/src/config/raw.rs";

/** Metrics of others than the relayer that alerts may use. */
const FOREIGN = new Set(["up", "node_filesystem_avail_bytes"]);

/** All files of a folder, as paths from the root. */
function filesIn(folder) {
  const entries = readdirSync(path.join(root, folder), { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return files.map((entry) => path.relative(root, path.join(entry.parentPath ?? entry.path, entry.name))).sort();
}

/** The names under which the relayer's metrics are scraped. */
function metricNames(source) {
  const prefix = source.match(/with_prefix\("(\w+)"\)/)?.[1];
  const kinds = new Map();
  // One line a metric: its field, type, how it is made, name, what it is.
  for (const [, kind, name] of source.matchAll(/^\s+\w+: (\w+) = [\w:]+, "(\w+)", "/gm)) kinds.set(name, kind);
  for (const [, name] of source.matchAll(/registry\.register\("(\w+)"/g)) kinds.set(name, "Counter");
  for (const [, name] of source.matchAll(/\bwrite\("(\w+)"/g)) kinds.set(name, "Number");
  const endings = { Counter: ["_total"], Number: [""], Histogram: ["_bucket", "_sum", "_count"] };
  const scraped = [...kinds].flatMap(([name, kind]) => (endings[kind] ?? []).map((end) => `${prefix}_${name}${end}`));
  if (prefix === undefined || scraped.length < 10) {
    throw new Error(`${METRICS}: its metrics are written in a way that is not known here`);
  }
  return new Set(scraped);
}

/** What an expression of PromQL reads. */
function checkExpression(file, where, expression, { metrics, outcomes }) {
  const bare = expression.replaceAll(/"(\\.|[^"\\])*"/g, '""');
  const read = new Set([...bare.matchAll(/\bring_\w+/g)].map(([name]) => name));
  for (const [, name] of bare.matchAll(/\b([a-z]\w*)\s*[{[]/g)) read.add(name);
  if (read.size === 0) problem(file, `${where} reads no metric`);
  for (const name of read) {
    if (metrics.has(name) || FOREIGN.has(name)) continue;
    problem(file, `${where} reads ${name}, which ${METRICS} does not have`);
  }
  for (const [, outcome] of expression.matchAll(/outcome=~?"([^"]*)"/g)) {
    if (outcomes.has(outcome)) continue;
    problem(file, `${where} asks for the outcome ${outcome}, which ${METRICS} does not have`);
  }
}

function checkDashboard(dashboard, known) {
  const ids = new Set();
  for (const panel of dashboard.panels) {
    if (ids.has(panel.id)) problem(DASHBOARD, `two panels have the id ${panel.id}`);
    ids.add(panel.id);
    for (const { expr } of panel.targets ?? []) checkExpression(DASHBOARD, `the panel "${panel.title}"`, expr, known);
  }
  for (const { name, expr } of dashboard.annotations.list) {
    checkExpression(DASHBOARD, `the annotation "${name}"`, expr, known);
  }
  for (const { name, query } of dashboard.templating.list.filter(({ type }) => type === "query")) {
    checkExpression(DASHBOARD, `the variable ${name}`, query.query.replace(/,\s*\w+\)$/, ")"), known);
  }
  const alerts = JSON.stringify(dashboard).matchAll(/RUNBOOK: ([\w, ]+)/g);
  return [...alerts].flatMap(([, names]) => names.split(", "));
}

/** How GitHub names the anchors of headings. */
function anchorsOf(markdown) {
  const headings = [...markdown.matchAll(/^#+ (.+)$/gm)].map(([, heading]) => heading);
  return new Set(headings.map((heading) => heading.toLowerCase().replaceAll(/[^\w\- ]/g, "").replaceAll(" ", "-")));
}

function checkAlerts({ groups }, tests, known) {
  const runbook = read(RUNBOOK);
  const anchors = anchorsOf(runbook);
  const rules = groups.flatMap((group) => group.rules);
  const quiet = new Set(tests.tests.flatMap((test) => test.alert_rule_test ?? []).map((test) => test.alertname));
  const used = new Set();
  for (const { alert, expr, labels, annotations } of rules) {
    checkExpression(ALERTS, alert, expr, known);
    const [file, anchor] = (annotations?.runbook_url ?? "").split("#");
    used.add(anchor);
    if (file !== RUNBOOK || !anchors.has(anchor)) {
      problem(ALERTS, `${alert} has no anchor in ${RUNBOOK}: ${annotations?.runbook_url}`);
    }
    if (!["page", "ticket"].includes(labels?.severity)) problem(ALERTS, `${alert} is neither a page nor a ticket`);
    if (!quiet.has(alert)) problem(ALERT_TESTS, `nothing shows that ${alert} is quiet while a ring works`);
    if (!runbook.includes(`\`${alert}\``) && !anchors.has(alert.toLowerCase())) {
      problem(RUNBOOK, `${alert} is not mentioned`);
    }
  }
  for (const [, heading] of runbook.matchAll(/^#+ (Ring[A-Z]\w+)$/gm)) {
    if (!used.has(heading.toLowerCase())) problem(RUNBOOK, `no alert leads to the chapter ${heading}`);
  }
  for (const [, anchor] of runbook.matchAll(/\]\(#([^)]+)\)/g)) {
    if (!anchors.has(anchor)) problem(RUNBOOK, `a link leads to #${anchor}, which is no chapter`);
  }
  return new Set(rules.map(({ alert }) => alert));
}

/** The fields of the configuration, as the environment names them. */
function variables(source) {
  const structs = new Map();
  for (const [, name, body] of source.matchAll(/struct (\w+) \{\n([^}]*)\}/g)) {
    const fields = body.matchAll(/pub\(super\) (\w+): (?:Option<)?(\w+)/g);
    structs.set(name, [...fields].map(([, field, type]) => [field, type]));
  }
  // Tables that there can be several of are in the file alone.
  const tables = structs.get("Raw").filter(([, type]) => structs.has(type));
  const fields = ([name, type]) =>
    structs.has(type) ? structs.get(type).flatMap(fields).map((inner) => `${name}__${inner}`) : [name];
  return new Set(tables.flatMap(fields).map((field) => `RING_RELAYER__${field}`.toUpperCase()));
}

function checkVariables(files) {
  const known = variables(read(RAW_CONFIG));
  for (const file of [...files, RUNBOOK]) {
    for (const [name] of read(file).matchAll(/\bRING_RELAYER__[A-Z0-9_]+/g)) {
      if (!known.has(name)) problem(file, `${name} is no field of ${RAW_CONFIG}`);
    }
  }
}

function checkCompose(compose) {
  for (const [name, service] of Object.entries(compose.services)) {
    const missing = (kind, used) => used.filter((item) => !(item in (compose[kind] ?? {})));
    const sources = (service.volumes ?? []).map((volume) => volume.split(":")[0]);
    const volumes = sources.filter((source) => !/^[./]/.test(source));
    const unknown = [
      ...missing("networks", Object.keys(service.networks ?? {})),
      ...missing("secrets", (service.secrets ?? []).map((secret) => secret.source)),
      ...missing("volumes", volumes),
    ];
    for (const item of unknown) problem(COMPOSE, `${name} uses ${item}, which is not defined`);
  }
  const stores = Object.values(compose.services).map((service) => service.volumes[0]);
  if (new Set(stores).size < stores.length) problem(COMPOSE, "two seats share a store");
}

function checkChartValues(files, values) {
  for (const file of files.filter((file) => file.startsWith(`${CHART}/templates/`))) {
    const paths = [...read(file).matchAll(/\.Values\.([\w.]+)/g)].map(([, dotted]) => dotted);
    for (const dotted of paths) {
      const value = dotted.split(".").reduce((inside, key) => inside?.[key], values);
      if (value === undefined) problem(file, `.Values.${dotted} is not in values.yaml`);
    }
  }
}

function checkVersions(chart, compose) {
  const version = read("Cargo.toml").match(/^\[workspace\.package\]\nversion = "([^"]+)"/m)?.[1];
  const rust = read("rust-toolchain.toml").match(/^channel = "([^"]+)"/m)?.[1];
  if (chart.appVersion !== version) {
    problem(`${CHART}/Chart.yaml`, `appVersion is ${chart.appVersion}, the workspace has ${version}`);
  }
  for (const { image } of Object.values(compose.services)) {
    if (!image.endsWith(`:${version}`)) problem(COMPOSE, `the image is ${image}, the workspace has version ${version}`);
  }
  const dockerfile = read("deploy/docker/Dockerfile");
  for (const wanted of [`/rust:${rust}-`, `RUSTUP_TOOLCHAIN=${rust} `]) {
    if (dockerfile.includes(wanted)) continue;
    problem("deploy/docker/Dockerfile", `"${wanted}" is not there: rust-toolchain.toml has ${rust}`);
  }
}

/** Cargo reads the manifests of all members, whichever of them is built. */
function checkBuildContext() {
  const file = "deploy/docker/Dockerfile.dockerignore";
  const members = [...read("Cargo.toml").match(/^members = \[([^\]]*)\]/m)[1].matchAll(/"([^"]+)"/g)];
  const sent = [...read(file).matchAll(/^!(.+)$/gm)].map(([, name]) => name);
  for (const [, member] of members) {
    if (sent.some((name) => member === name || member.startsWith(`${name}/`))) continue;
    problem(file, `${member}, a member of the workspace, is not sent to the build`);
  }
}

const files = filesIn("deploy");
const parsed = new Map();
for (const file of files) {
  try {
    if (file.endsWith(".json")) parsed.set(file, JSON.parse(read(file)));
    if (/\.ya?ml$/.test(file) && !file.startsWith(`${CHART}/templates/`)) {
      const errors = parseAllDocuments(read(file)).flatMap((document) => document.errors);
      if (errors.length > 0) throw errors[0];
      parsed.set(file, parse(read(file), { merge: true }));
    }
  } catch (error) {
    problem(file, `does not parse: ${error.message.split("\n")[0]}`);
  }
}

// Where something does not parse the rest would be told about that again.
let alerts = new Set();
if (problems.length === 0) {
  const metrics = read(METRICS);
  const outcomes = new Set(metrics.match(/enum Ending \{([^}]*)\}/)?.[1].match(/\w+/g));
  const known = { metrics: metricNames(metrics), outcomes };
  alerts = checkAlerts(parsed.get(ALERTS), parsed.get(ALERT_TESTS), known);
  for (const name of checkDashboard(parsed.get(DASHBOARD), known)) {
    if (!alerts.has(name)) problem(DASHBOARD, `it names the alert ${name}, which is not in ${ALERTS}`);
  }
  checkVariables(files);
  checkCompose(parsed.get(COMPOSE));
  checkChartValues(files, parsed.get(`${CHART}/values.yaml`));
  checkVersions(parsed.get(`${CHART}/Chart.yaml`), parsed.get(COMPOSE));
  checkBuildContext();
}

if (problems.length > 0) {
  for (const text of problems) console.error(text);
  process.exit(1);
}
console.log(`${files.length} files of deploy/ and ${alerts.size} alerts fit the program and ${RUNBOOK}`);
