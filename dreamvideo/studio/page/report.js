// What is in a film, and what a dream keeps of it.
import { $, duration, h, size } from "./api.js";

const KEPT = { dreamed: ["good", "dreamed"], copied: ["good", "kept"], transcoded: ["warn", "converted"], converted: ["warn", "converted"], dropped: ["bad", "lost"] };

export function showReport(report) {
  const lines = [];
  const input = report.input;
  const facts = [input.container, size(input.size), input.duration && input.container !== "folder of pictures" ? duration(input.duration) : null].filter(Boolean).join(", ");
  lines.push(h("p", { class: "muted" }, facts));
  const plans = new Map((report.output?.streams ?? []).map((plan) => [plan.stream, plan]));
  for (const stream of input.streams) {
    const plan = plans.get(stream.index);
    const [kind, word] = plan ? KEPT[plan.action] : ["good", stream.kind];
    const why = plan && plan.action !== "copied" && plan.action !== "dreamed" ? [plan.codec, plan.reason].filter(Boolean).join(", ") : null;
    lines.push(line(kind, word, describe(stream), why));
  }
  if (input.chapters.length) {
    const kept = report.output?.chapters;
    lines.push(line(kept ? "good" : "bad", kept ? "kept" : "lost", `${input.chapters.length} chapters`));
  }
  for (const warning of report.output?.warnings ?? []) lines.push(line("warn", "note", warning));
  $("report").replaceChildren(...lines);
}

const line = (kind, word, text, why = null) => h("div", { class: "report-line" }, h("span", { class: `badge ${kind}` }, word), h("span", {}, text),
  why ? h("span", { class: "why" }, why) : null);

function describe(stream) {
  const words = [`${stream.kind}: ${stream.codec ?? "unknown"}`];
  if (stream.video) {
    words.push(`${stream.video.shown_width} × ${stream.video.shown_height}`);
    if (stream.video.frame_rate) words.push(`${rate(stream.video.frame_rate)} fps`);
    if (stream.video.hdr) words.push(stream.video.hdr);
    if (stream.video.interlaced) words.push("interlaced");
  }
  if (stream.audio) words.push(`${stream.audio.rate / 1000} kHz`, stream.audio.layout);
  if (stream.language) words.push(stream.language);
  if (stream.title) words.push(`“${stream.title}”`);
  return words.join(", ");
}

export function rate(text) {
  const [over, under] = text.split("/").map(Number);
  return Number((over / (under || 1)).toFixed(2));
}
