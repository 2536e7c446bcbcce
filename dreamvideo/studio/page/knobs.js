// The knobs of a look, made of what the studio says of its options.
import { $, fill, h } from "./api.js";

let knobs = [];
let change = () => {};
let setKey = () => {};
const parts = new Map(); // name -> { box, show(value, isSet) }
let names = {}; // network -> { classes, layers, groups }

export function startKnobs(described, onChange, onKey) {
  [knobs, change, setKey] = [described, onChange, onKey];
  const folded = new Map();
  const top = knobs.filter((knob) => knob.group === "main" || knob.group === "lists").map(make);
  for (const knob of knobs) {
    if (knob.group === "main" || knob.group === "lists") continue;
    if (!folded.has(knob.group)) folded.set(knob.group, h("details", {}, h("summary", {}, knob.group)));
    folded.get(knob.group).append(make(knob));
  }
  $("knobs").replaceChildren(...top, ...folded.values());
}

export const labelOf = (name) => (name === "preset" ? "Look" : knobs.find((knob) => knob.name === name)?.label ?? name);

// Shows the values of a look; `typed` are those that were set by hand, `timeline` those that change, `keyHere` says
// which key one has at the frame that is shown.
export function showKnobs(values, typed, isPhoto, timeline, keyHere) {
  for (const knob of knobs) {
    const part = parts.get(knob.name);
    const isSet = typed[knob.name] !== undefined;
    part.box.classList.toggle("set", isSet);
    part.box.hidden = isPhoto && knob.film;
    part.box.classList.toggle("keyed", timeline[knob.name] !== undefined);
    if (part.key) {
      part.key.hidden = isPhoto;
      part.key.disabled = false; // now it has a value for a key
      part.key.setAttribute("aria-pressed", String(keyHere(knob.name) >= 0));
    }
    part.clear.hidden = !isSet;
    part.show(isSet ? typed[knob.name] : values[knob.name]);
  }
}

export const rememberNames = (answer) => { names[answer.model] = answer; };
export const namesOf = (model) => names[model];

function make(knob) {
  const id = `knob-${knob.name}`;
  const help = h("p", { class: "help", id: `${id}-help`, hidden: true }, sentence(knob.help), " ", h("code", {}, knob.flag));
  const ask = h("button", { type: "button", class: "quiet ask", "aria-expanded": "false", "aria-controls": help.id, "aria-label": `Help on ${knob.label}`,
    onclick: () => { help.hidden = !help.hidden; ask.setAttribute("aria-expanded", String(!help.hidden)); } }, "?");
  const clear = h("button", { type: "button", class: "quiet", hidden: true, "aria-label": `Set ${knob.label} back`, onclick: () => change(knob.name, undefined) }, "↺");
  const key = knob.keyed ? h("button", { type: "button", class: "quiet key-button", disabled: true, "aria-pressed": "false", "data-key-of": knob.name, "aria-label": `Key of ${knob.label} at this frame`, onclick: () => setKey(knob.name) }, "◆") : null;
  const widget = widgets[knob.kind](knob, id);
  const label = widget.control ? h("label", { for: id }, knob.label) : h("span", { class: "label" }, knob.label);
  const box = h("div", { class: "knob" }, h("div", { class: "top" }, label, widget.beside, clear, key, ask), widget.below, help);
  parts.set(knob.name, { box, clear, key, show: widget.show });
  return box;
}

const sentence = (text) => text[0].toUpperCase() + text.slice(1) + ".";

const widgets = {
  number(knob, id) {
    if (knob.step === null) {
      const input = h("input", { id, type: "number", step: "any", onchange: () => change(knob.name, input.value === "" ? undefined : input.value) });
      return { control: true, below: input, beside: null, show: (value) => { fill(input, value ?? ""); input.placeholder = "auto"; } };
    }
    const value = h("span", { class: "value" });
    const input = h("input", { id, type: "range", min: knob.least, max: knob.most, step: knob.step,
      oninput: () => { value.textContent = short(input.value); }, onchange: () => change(knob.name, input.value) });
    return { control: true, below: input, beside: value, show: (given) => {
      if (input.matches(":active")) return; // it is dragged
      input.value = given ?? knob.most;
      value.textContent = given === null || given === undefined ? "auto" : short(given);
      input.setAttribute("aria-valuetext", value.textContent);
    } };
  },
  text(knob, id) {
    const input = h("input", { id, type: "text", placeholder: "none", autocomplete: "off", onchange: () => change(knob.name, input.value.trim() || undefined) });
    return { control: true, below: input, beside: null, show: (value) => fill(input, value ?? "") };
  },
  file(knob, id) {
    const widget = widgets.text(knob, id);
    widget.below.placeholder = "a file of the folder, or drop one here";
    widget.below.setAttribute("list", "folder-files");
    return widget;
  },
  choice(knob, id) {
    const input = h("select", { id, onchange: () => change(knob.name, input.value || undefined) }, h("option", { value: "" }, "auto"),
      ...knob.choices.filter((choice) => choice !== "auto").map((choice) => h("option", { value: choice }, choice)));
    return { control: true, below: input, beside: null, show: (value) => { input.value = value === "auto" || !value ? "" : value; } };
  },
  switch(knob, id) {
    // What a look has switched on, or is on without it, has no word on the command line to switch it off again.
    const negative = knob.flag.startsWith("--no-");
    const input = h("input", { id, type: "checkbox", onchange: () => change(knob.name, input.checked ? !negative : undefined) });
    return { control: true, below: null, beside: input, show: (value) => { input.checked = Boolean(value) !== negative; } };
  },
  list(knob, id) {
    const chips = h("div", { class: "chips" });
    let shown = [];
    const set = (values) => change(knob.name, values.length ? values : undefined);
    const input = h("input", { id, type: "text", placeholder: knob.name === "classes" ? "add, such as owl or owl:0.5" : "add by name", autocomplete: "off",
      onchange: () => { if (input.value.trim()) set([...shown, input.value.trim()]); input.value = ""; } });
    return { control: true, below: h("div", {}, chips, input), beside: null, show: (values) => {
      shown = Array.isArray(values) ? values : [];
      chips.replaceChildren(...shown.map((value) => h("span", { class: "chip" }, value,
        h("button", { type: "button", class: "quiet", "aria-label": `Remove ${value}`, onclick: () => set(shown.filter((each) => each !== value)) }, "×"))));
    } };
  },
};

const short = (value) => String(Number(Number(value).toPrecision(3)));
