// The fields of the key that is selected: its value, how it is reached, its time.
import { $, fill, h } from "./api.js";

const NUMBERS = [["", "evenly (linear)"], ["ease", "slow at both ends (ease)"], ["step", "at once (step)"]];
const SETS = [["", "in the second after the key"], ["linear", "evenly, from the key before (linear)"], ["ease", "slowly at both ends, from the key before (ease)"], ["step", "at once (step)"]];
let host = {}; // change(make, said), label(name), values(name), close()
let edited = null; // { row, key }

export function startEditor(given) {
  host = given;
  $("key-value").onchange = $("key-how").onchange = () => host.change(() => ({ do: "change", name: edited.row.name, key: edited.key, value: $("key-value").value, how: $("key-how").value || null }), "changed");
  $("key-time").onchange = () => host.change(() => ({ do: "move", name: edited.row.name, key: edited.key, time: $("key-time").value }), "moved");
  $("key-delete").onclick = () => { const { row, key } = edited; endEdit(); host.change(() => ({ do: "remove", name: row.name, key }), "key removed"); host.close(); };
  $("key-close").onclick = () => { endEdit(); host.close(); };
  $("key-editor").onkeydown = (event) => { if (event.key === "Escape") { endEdit(); host.close(); } };
}

export function editKey(row, key, focus) {
  edited = { row, key };
  const { value, how, time, at } = row.keys[key];
  $("key-title").textContent = `${host.label(row.name)} at ${at}`;
  fill($("key-value"), value);
  $("key-values").replaceChildren(...host.values(row.name).map((name) => h("option", { value: name })));
  $("key-how").replaceChildren(...(row.sets ? SETS : NUMBERS).map(([word, text]) => h("option", { value: word }, text)));
  $("key-how").value = how === "linear" && !row.sets ? "" : how ?? "";
  fill($("key-time"), Number(time.toFixed(3)));
  $("key-editor").hidden = false;
  if (focus) $("key-value").focus();
}

export function endEdit() {
  edited = null;
  $("key-editor").hidden = true;
}
