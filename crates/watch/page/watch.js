// Asks for what is new every few seconds and shows it.

import { Chart } from "./chart.js";
import { Grids } from "./grids.js";

const EVERY_MS = 3000;
/** Seconds without news after which a run counts as not running. */
const QUIET = 300;

const $ = (id) => document.getElementById(id);
const grids = new Grids({ image: $("grid"), slider: $("when"), moment: $("moment"), play: $("play"), psi: $("psi") });
const average = (key) => (t) => t.averages[key];
const charts = [
  ["loss", new Chart("Loss", [{ name: "D", of: average("loss_d") }, { name: "G", of: average("loss_g") }])],
  ["outputs", new Chart("D's outputs", [{ name: "real", of: average("real") }, { name: "drawn", of: average("fake") }])],
  ["penalty", new Chart("Squared gradient of D", [{ name: "", of: average("penalty") }])],
  ["overfitting", new Chart("Pairs told apart, and augmentation", [{ name: "apart", of: average("apart") }, { name: "augment", of: (t) => t.p }])],
  ["critic", new Chart("Feature critic", [
    { name: "real", of: (t) => (t.critic > 0 ? t.averages.critic_real : undefined) },
    { name: "drawn", of: (t) => (t.critic > 0 ? t.averages.critic_fake : undefined) },
  ])],
  ["kd", new Chart("Kernel distance × 1000", [{ name: "", of: (m) => m.kd * 1000 }])],
  ["speed", new Chart("Pictures a second", [{ name: "", of: (t) => t.images_per_second }])],
];
$("charts").append(...charts.map(([, chart]) => chart.figure));

let ticks = [];

const duration = (seconds) => {
  const units = [["d", 86400], ["h", 3600], ["min", 60]];
  for (const [i, [unit, size]] of units.entries()) {
    if (seconds >= size) {
      const next = units[i + 1];
      const rest = next ? Math.floor((seconds % size) / next[1]) : 0;
      return `${Math.floor(seconds / size)} ${unit}${rest ? ` ${rest} ${next[0]}` : ""}`;
    }
  }
  return `${Math.round(seconds)} s`;
};

const facts = (run) => {
  const tick = ticks[ticks.length - 1];
  const list = [];
  if (tick) {
    list.push(["kimg", `${tick.kimg.toFixed(1)} of ${run.config?.kimg ?? "?"}`]);
    list.push(["s/kimg", tick.seconds_per_kimg.toFixed(1)]);
    list.push(["pictures/s", tick.images_per_second.toFixed(1)]);
    list.push(["left", duration(tick.eta_seconds)]);
    list.push(["trained", duration(tick.seconds)]);
  }
  const best = run.measurements.reduce((b, m) => (!b || m.kd < b.kd ? m : b), null);
  if (best) {
    const newest = run.measurements[run.measurements.length - 1];
    list.push(["KD × 1000", (newest.kd * 1000).toFixed(2)], ["best", `${(best.kd * 1000).toFixed(2)} at ${best.kimg.toFixed(0)}`]);
  }
  $("facts").replaceChildren(...list.map(([name, value]) => {
    const div = document.createElement("div");
    div.append(Object.assign(document.createElement("dt"), { textContent: name }), Object.assign(document.createElement("dd"), { textContent: value }));
    return div;
  }));
};

const show = (run) => {
  $("name").textContent = document.title = run.name;
  const live = run.age !== null && run.age < QUIET;
  $("state").textContent = run.age === null ? "not a step yet" : live ? "training" : `last news ${duration(run.age)} ago`;
  $("state").classList.toggle("live", live);
  $("config").textContent = JSON.stringify(run.config, null, 2);
  facts(run);
  grids.update(run.grids);
  for (const [name, chart] of charts) chart.show(name === "kd" ? run.measurements : ticks);
};

const ask = async () => {
  if (!document.hidden) {
    try {
      const since = ticks.length ? ticks[ticks.length - 1].kimg : -1;
      const answer = await fetch(`run.json?since=${since}`);
      if (!answer.ok) throw new Error(answer.statusText);
      const run = await answer.json();
      ticks = ticks.concat(run.ticks);
      show(run);
    } catch {
      $("state").textContent = "no answer; trying again";
      $("state").classList.remove("live");
    }
  }
  setTimeout(ask, EVERY_MS);
};
ask();
