// Jobs: how far they are, and what can be done with them.
import { $, baseName, confirmed, counted, duration, get, h, inFolder, post, query, saying, say } from "./api.js";
import { hasFilm, play } from "./player.js";

const STATES = { waiting: "waiting", running: "dreaming", pausing: "stopping after this frame…", paused: "paused", done: "finished: it lies beside its source", failed: "failed" };
const cards = new Map(); // number -> parts of its card
let jobs = [];

export function startQueue() {
  $("resume-all").onclick = saying(() => Promise.all(jobs.filter((job) => job.state === "paused").map((job) => act(job, "resume"))));
  $("clear-done").onclick = saying(() => Promise.all(jobs.filter((job) => job.state === "done").map((job) => act(job, "remove"))));
}

const act = (job, action) => post(`jobs/${job.number}/${action}`);

export function showJobs(list) {
  jobs = list;
  const active = list.filter((job) => ["waiting", "running", "pausing"].includes(job.state)).length;
  $("queue-count").textContent = active;
  $("queue-count").hidden = !active;
  $("no-jobs").hidden = list.length > 0;
  $("resume-all").hidden = list.filter((job) => job.state === "paused").length < 2;
  $("clear-done").hidden = !list.some((job) => job.state === "done");
  const numbers = new Set(list.map((job) => job.number));
  for (const [number, card] of cards) if (!numbers.has(number)) { card.box.remove(); cards.delete(number); }
  for (const job of list) {
    if (!cards.has(job.number)) { cards.set(job.number, makeCard(job)); $("jobs").append(cards.get(job.number).box); }
    show(cards.get(job.number), job);
  }
}

function makeCard(job) {
  const card = { state: "", drawn: -1, job };
  card.picture = h("img", { class: "picture", alt: "", src: `api/frame?${query({ path: job.source, side: 480 })}` });
  card.stateText = h("span", { class: "state" });
  card.numbers = h("span", { class: "numbers muted" });
  card.bar = h("progress", { max: 1, value: 0, "aria-label": `Progress of ${baseName(job.output)}` });
  card.error = h("p", { class: "error" });
  card.buttons = h("div", { class: "row" });
  card.command = h("code", { tabindex: 0 });
  const details = h("details", { ontoggle: saying(async () => {
    if (!details.open) return;
    try {
      const answer = await get(`jobs/${job.number}/command`);
      card.command.textContent = answer.command;
      card.saved.textContent = `It is written as ${answer.saved}`;
    } catch (error) {
      card.command.textContent = error.message;
    }
  }) }, h("summary", {}, "Show the command"), h("div", { class: "command" }, card.command,
    h("button", { type: "button", class: "quiet", onclick: saying(async () => { await navigator.clipboard.writeText(card.command.textContent); say("copied"); }) }, "Copy")),
  card.saved = h("p", { class: "muted" }));
  card.box = h("li", { class: "job", "data-job": job.number }, card.picture, h("div", { class: "body" },
    h("div", {}, h("h3", {}, baseName(job.output)), h("p", { class: "muted" }, `${baseName(job.source)}, ${job.title}`)),
    card.bar, h("div", { class: "row spread" }, card.stateText, card.numbers), card.error, card.buttons, details));
  return card;
}

function show(card, job) {
  card.job = job;
  const share = job.state === "done" ? 1 : job.count ? Math.min(1, job.frames / job.count) : 0;
  card.bar.value = share;
  card.numbers.textContent = job.state === "done" ? "" : job.state === "paused" && job.count ? `${job.frames} of ${job.count} frames are kept` : [
    job.count ? `${job.frames} of ${job.count} frames` : job.frames ? counted(job.frames, "frame") : "",
    job.fps ? `${job.fps.toFixed(job.fps < 10 ? 1 : 0)} fps` : "", job.left ? `${duration(job.left)} left` : "",
  ].filter(Boolean).join(" · ");
  card.error.textContent = inFolder(job.error ?? "");
  if (job.drawn !== card.drawn && job.drawn > 0) card.picture.src = `api/jobs/${job.number}/frame?${query({ drawn: job.drawn, run: sessionRun })}`;
  card.drawn = job.drawn;
  if (card.state === job.state) return;
  if (card.state && job.state === "done") say(`${baseName(job.output)} is finished`);
  if (card.state && job.state === "failed") say(`${baseName(job.output)}: ${job.error}`, true);
  card.state = job.state;
  card.stateText.textContent = STATES[job.state];
  card.stateText.className = `state ${job.state}`;
  card.bar.hidden = job.state === "done";
  const focused = card.buttons.contains(document.activeElement);
  card.buttons.replaceChildren(...buttons(card, job));
  if (focused) card.buttons.querySelector("button, a")?.focus();
}

const sessionRun = Date.now(); // after a restart the numbers of pictures begin again

function buttons(card, job) {
  const button = (text, action, name = "") => h("button", { type: "button", class: name, onclick: saying(action) }, text);
  const made = [];
  if (job.state === "done") {
    const isPhoto = /\.(png|jpe?g|webp|bmp|tiff?|avif)$/i.test(job.output);
    made.push(isPhoto ? h("a", { class: "button", href: `api/film?${query({ path: job.output })}`, target: "_blank" }, "Look at it") : button(hasFilm(job) ? "Play beside its source" : "Play", () => play(job), "main"));
    made.push(h("a", { class: "button", href: `api/film?${query({ path: job.output, download: 1 })}`, download: baseName(job.output) }, "Download"));
    made.push(button("Remove from the list", () => act(job, "remove"), "quiet"));
    return made;
  }
  if (["waiting", "running"].includes(job.state)) made.push(button("Pause", () => act(job, "pause")));
  if (["paused", "failed"].includes(job.state)) made.push(button(job.state === "failed" ? "Try again" : "Resume", () => act(job, "resume"), "main"));
  if (job.state !== "pausing") made.push(button("Cancel", async () => {
    const started = card.job.frames > 0;
    if (!started || await confirmed(`Cancel ${baseName(job.output)}? What is dreamed of it, ${counted(card.job.frames, "frame")}, is deleted.`, "Cancel and delete")) await act(job, "remove");
  }, "quiet danger"));
  return made;
}
