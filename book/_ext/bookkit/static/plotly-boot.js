// Draws every stored plotly figure once plotly.min.js is here, in the colours of the page, light or dark.
(() => {
  const root = document.documentElement, value = (name) => getComputedStyle(root).getPropertyValue(`--bk-${name}`).trim();
  const paint = (layout) => {
    const ink = value("ink"), rule = value("rule"), changes = { "font.color": ink };
    for (const axis of Object.keys(layout).filter((k) => /^[xy]axis\d*$/.test(k)).concat("xaxis", "yaxis"))
      for (const part of ["gridcolor", "zerolinecolor", "linecolor"]) changes[`${axis}.${part}`] = rule;
    for (const scene of Object.keys(layout).filter((k) => /^scene\d*$/.test(k)))
      for (const axis of ["xaxis", "yaxis", "zaxis"]) Object.assign(changes, { [`${scene}.${axis}.backgroundcolor`]: value("page"), [`${scene}.${axis}.gridcolor`]: rule });
    return changes;
  };
  const draw = async (box) => {
    const figure = JSON.parse(box.querySelector("script").textContent), el = document.createElement("div");
    box.append(el);
    await Plotly.newPlot(el, figure.data, figure.layout ?? {}, { responsive: true, displaylogo: false });
    if (figure.frames) await Plotly.addFrames(el, figure.frames);
    const follow = () => Plotly.relayout(el, paint(figure.layout ?? {}));
    await follow();
    new MutationObserver(follow).observe(root, { attributes: true, attributeFilter: ["data-theme"] });
  };
  document.querySelectorAll(".bk-plotly").forEach(draw);
})();
