// Controls that pick one of the results stored when the page was built.
import { clamp, frame, h, select, slider, status, toolbar } from "./controls.js";

async function unpack(view) {
  const stream = new Blob([view]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
}

async function render({ model, el }) {
  const knobs = model.get("knobs"), stage = h("div", { class: "bk-explore-stage", role: "img" }), note = status();
  const states = await unpack(model.get("states"));
  const place = () => knobs.map((knob, i) => clamp(Math.round(+model.get("at")[i]) || 0, 0, knob.values.length - 1));
  const controls = knobs.map((knob, i) => {
    const move = (v) => { const at = place(); at[i] = +v; model.set("at", at); model.save_changes(); };
    return knob.scale
      ? slider({ label: knob.label, min: 0, max: knob.values.length - 1, step: 1, value: place()[i], format: (v) => knob.values[v], oninput: move })
      : select({ label: knob.label, options: knob.values.map((v, n) => [n, v]), value: place()[i], onchange: move });
  });
  const show = () => {
    const at = place(), state = states[at.reduce((n, v, i) => n * knobs[i].values.length + v, 0)];
    controls.forEach((control, i) => control.set(at[i]));
    if (state.html) stage.innerHTML = state.html;                  // written by the chapter's own code, never by a reader
    else stage.replaceChildren(h("pre", { text: state.text }));
    stage.setAttribute("aria-label", `${model.get("label")} Now: ${knobs.map((k, i) => `${k.label} ${k.values[at[i]]}`).join(", ")}.`);
    note.textContent = state.note;
  };
  frame(model, el, "explore", stage, note, h("div", { class: "bk-controls" }, controls.map((c) => c.el)), toolbar(model));
  note.hidden = states.every((state) => !state.note);
  model.on("change:at", show);
  show();
  const resized = new ResizeObserver(() => {                       // what scrolls must be reachable by keys
    if (stage.scrollWidth > stage.clientWidth) stage.tabIndex = 0; else stage.removeAttribute("tabindex");
  });
  resized.observe(stage);
  return () => { model.off("change:at", show); resized.disconnect(); };
}

export default { render };
