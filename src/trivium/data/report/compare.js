"use strict";
// Light or dark, and the list of questions: filtered by words and by which arms were right. Nothing is drawn here; the
// page holds every text already, escaped.
(() => {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const wanted = new URLSearchParams(location.search).get("theme");
  let theme = wanted || (dark.matches ? "dark" : "light");
  const paint = () => { root.dataset.theme = theme; };
  paint();
  dark.addEventListener("change", () => { theme = dark.matches ? "dark" : "light"; paint(); });
  document.getElementById("theme").addEventListener("click", () => {
    theme = theme === "dark" ? "light" : "dark";
    paint();
  });

  const find = document.getElementById("find");
  if (!find) return;
  const rows = [...document.querySelectorAll(".asked")];
  const buttons = [...document.querySelectorAll("button[data-kind]")];
  const status = document.getElementById("status");
  let kind = "all";
  const show = () => {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      const fits = (kind === "all" || row.dataset.kind === kind) && words.every((word) => text.includes(word));
      row.hidden = !fits;
      shown += fits;
    }
    status.textContent = `${shown.toLocaleString("en")} of ${rows.length.toLocaleString("en")}`;
  };
  find.addEventListener("input", show);
  for (const button of buttons) {
    button.addEventListener("click", () => {
      kind = button.dataset.kind;
      for (const one of buttons) one.setAttribute("aria-pressed", String(one === button));
      show();
    });
  }
  show();
})();
