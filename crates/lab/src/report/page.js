"use strict";
// Values on hover or by arrow keys, and series switched on and off. Everything it needs is in the page.
(() => {
  const tip = document.getElementById("tip");
  const number = (v) => {
    const a = Math.abs(v);
    return a !== 0 && (a < 1e-3 || a >= 1e5) ? v.toExponential(3) : String(Number(v.toPrecision(5)));
  };
  // Place of a number on an axis, from 0 to 1: the inverse of what drew the figure.
  const scale = (text) => {
    const [word, low, high] = text.split(" ");
    const [kind, linear] = word.split(":");
    const f = kind === "log" ? Math.log10
      : kind === "symlog" ? (v) => Math.sign(v) * Math.log10(1 + Math.abs(v) / Number(linear)) : (v) => v;
    const [a, b] = [f(Number(low)), f(Number(high))];
    return (v) => (f(v) - a) / (b - a);
  };
  const points = (panel, group) => {
    const [left, top, width, height] = group.dataset.place.split(" ").map(Number);
    const [sx, sy] = [scale(group.dataset.x), scale(group.dataset.y)];
    return panel.series.map((s) => s.x.map((x, i) => {
      const y = s.y[i];
      const at = [left + width * sx(x), top + height * (1 - sy(y))];
      return x === null || y === null || !at.every(Number.isFinite) ? null : { s, i, x, y, at };
    }).filter(Boolean));
  };
  const show = (svg, panel, p) => {
    const name = panel.x.categories.length ? panel.x.categories[p.x] : number(p.x);
    const unit = (axis) => (axis.unit ? " " + axis.unit : "");
    let text = `${p.s.label}\n${panel.x.label}: ${name}${unit(panel.x)}\n${panel.y.label}: ${number(p.y)}${unit(panel.y)}`;
    const [low, high] = [p.s.low[p.i], p.s.high[p.i]];
    if (Number.isFinite(low) && Number.isFinite(high)) text += `\nfrom ${number(low)} to ${number(high)}`;
    tip.textContent = text;
    tip.hidden = false;
    const corner = svg.getScreenCTM();
    const [x, y] = [corner.a * p.at[0] + corner.e, corner.d * p.at[1] + corner.f];
    const box = tip.getBoundingClientRect();
    tip.style.left = Math.max(4, Math.min(x + 12, innerWidth - box.width - 4)) + "px";
    tip.style.top = Math.max(4, Math.min(y + 12, innerHeight - box.height - 4)) + "px";
  };
  const hide = () => { tip.hidden = true; };

  for (const figure of document.querySelectorAll("figure")) {
    const svg = figure.querySelector("svg.figure");
    const data = JSON.parse(figure.querySelector("script.plot").textContent);
    svg.setAttribute("role", "group");
    const hidden = new Set();
    for (const group of svg.querySelectorAll(".panel")) {
      const panel = data.panels[Number(group.dataset.panel)];
      const all = points(panel, group);
      const seen = () => all.filter((list) => list.length && !hidden.has(list[0].s.label));
      group.setAttribute("tabindex", "0");
      group.setAttribute("role", "group");
      group.setAttribute("aria-label", `${panel.title || data.title}: ${panel.y.label} against ${panel.x.label}; arrow keys read values`);
      group.addEventListener("pointermove", (event) => {
        const m = svg.getScreenCTM().inverse();
        const [x, y] = [m.a * event.clientX + m.e, m.d * event.clientY + m.f];
        let best = null;
        let nearest = 40 * 40;
        for (const p of seen().flat()) {
          const d = (p.at[0] - x) ** 2 + (p.at[1] - y) ** 2;
          if (d < nearest) [best, nearest] = [p, d];
        }
        if (best) show(svg, panel, best); else hide();
      });
      group.addEventListener("pointerleave", hide);
      group.addEventListener("blur", hide);
      let [line, index] = [0, -1];
      group.addEventListener("keydown", (event) => {
        const step = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[event.key];
        if (event.key === "Escape") hide();
        const lists = seen();
        if (!step || !lists.length) return;
        event.preventDefault();
        line = (line + step[0] + lists.length) % lists.length;
        index = Math.max(0, Math.min(index + step[1], lists[line].length - 1));
        show(svg, panel, lists[line][index]);
      });
    }
    for (const key of svg.querySelectorAll(".key")) {
      const label = key.dataset.series;
      key.setAttribute("tabindex", "0");
      key.setAttribute("role", "button");
      key.setAttribute("aria-pressed", "true");
      key.setAttribute("aria-label", `Show ${label}`);
      const toggle = () => {
        const off = !hidden.has(label);
        if (off) hidden.add(label); else hidden.delete(label);
        key.classList.toggle("off", off);
        key.setAttribute("aria-pressed", String(!off));
        for (const s of svg.querySelectorAll(".series")) if (s.dataset.series === label) s.classList.toggle("off", off);
      };
      key.addEventListener("click", toggle);
      key.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        toggle();
      });
    }
  }
  addEventListener("scroll", hide, { passive: true });
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((d) => { d.open = true; }));
})();
