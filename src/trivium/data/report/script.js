"use strict";
// The list of questions: searched and filtered in memory, drawn as far as it is scrolled to. What a question holds
// beyond its row (passages, citations, trace) lies compressed in blocks and is unpacked when the row is opened.
// Every text is put in by textContent: nothing that a document or a model says becomes markup.
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

  const index = JSON.parse(document.getElementById("index").textContent);
  const list = document.getElementById("rows");
  const status = document.getElementById("status");
  const find = document.getElementById("find");
  const total = index.question.length;
  const PAGE = 60;
  const RIGHT = 1, WRONG = 0, ERROR = 2, UNKNOWN = 3;
  const KIND = { [RIGHT]: "right", [WRONG]: "wrong", [ERROR]: "error", [UNKNOWN]: "" };
  const filters = { kind: "all", point: "", tag: "", order: "" };
  let shown = [];
  let drawn = 0;
  let words = null; // what is searched, made at the first search

  const make = (tag, name, text) => {
    const node = document.createElement(tag);
    if (name) node.className = name;
    if (text !== undefined && text !== null) node.textContent = text;
    return node;
  };

  const kinds = {
    all: () => true,
    right: (i) => index.kind[i] === RIGHT,
    wrong: (i) => index.kind[i] === WRONG,
    refused: (i) => index.refused[i] === 1,
    error: (i) => index.kind[i] === ERROR,
    changed: (i) => Boolean(index.change && index.change[i]),
  };

  function choose() {
    const asked = find.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    if (asked.length && !words) {
      words = index.question.map((q, i) =>
        [index.id[i], q, index.answer[i], index.gold[i]].join("\n").toLowerCase());
    }
    shown = [];
    for (let i = 0; i < total; i++) {
      if (!kinds[filters.kind](i)) continue;
      if (filters.point && index.point[i] !== filters.point) continue;
      if (filters.tag && !(index.tags[i] || []).includes(filters.tag)) continue;
      if (asked.length && !asked.every((word) => words[i].includes(word))) continue;
      shown.push(i);
    }
    if (filters.order) {
      const column = filters.order === "seconds" ? index.seconds : index.scores[filters.order];
      const down = filters.order === "seconds" ? -1 : 1;
      const value = (i) => (column[i] === null ? Infinity : down * column[i]);
      shown.sort((a, b) => value(a) - value(b) || a - b);
    }
    list.replaceChildren();
    drawn = 0;
    draw();
    status.textContent = shown.length === total
      ? `${total.toLocaleString("en")} questions`
      : `${shown.length.toLocaleString("en")} of ${total.toLocaleString("en")} questions`;
    if (!shown.length) list.append(make("div", "more", "No question matches."));
  }

  function draw() {
    const part = document.createDocumentFragment();
    for (const i of shown.slice(drawn, drawn + PAGE)) part.append(row(i));
    drawn = Math.min(drawn + PAGE, shown.length);
    list.append(part);
  }

  function row(i) {
    const item = make("div", "row");
    const head = make("button");
    head.type = "button";
    head.setAttribute("aria-expanded", "false");
    head.append(make("span", `dot ${KIND[index.kind[i]]}`));
    const middle = make("span");
    middle.append(make("span", "question", index.question[i]));
    middle.append(make("span", "answer", index.answer[i] || "(nothing)"));
    head.append(middle);
    const side = make("span", "side");
    if (index.kind[i] === ERROR) side.append(make("span", "tag error", "error"));
    else if (index.point[i]) side.append(make("span", "tag wrong", short(index.point[i])));
    if (index.change && index.change[i]) {
      side.append(make("span", `tag ${index.change[i] > 0 ? "right" : "wrong"}`,
        index.change[i] > 0 ? "now right" : "now wrong"));
    }
    if (index.refused[i]) side.append(make("span", "tag plain", "refused"));
    if (index.seconds[i] !== null) side.append(make("span", "", `${index.seconds[i].toFixed(index.seconds[i] < 10 ? 2 : 0)} s`));
    head.append(side);
    head.addEventListener("click", () => toggle(item, head, i));
    item.append(head);
    return item;
  }

  const short = (point) => (point.length > 4 ? point.replaceAll("_", " ") : point);

  async function toggle(item, head, i) {
    if (item.children.length > 1) {
      item.lastChild.remove();
      head.setAttribute("aria-expanded", "false");
      return;
    }
    head.setAttribute("aria-expanded", "true");
    const place = make("div", "open", "…");
    item.append(place);
    try {
      const block = await unpack(Math.floor(i / index.block));
      place.replaceChildren(...open(block.rows[i % index.block], block.passages, i));
    } catch (error) {
      place.textContent = `This question cannot be unpacked: ${error}`;
    }
  }

  const blocks = new Map();
  function unpack(number) {
    if (!blocks.has(number)) {
      if (blocks.size > 20) blocks.delete(blocks.keys().next().value);
      blocks.set(number, (async () => {
        const packed = atob(document.getElementById(`block-${number}`).textContent);
        const bytes = Uint8Array.from(packed, (c) => c.charCodeAt(0));
        const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
        return JSON.parse(await new Response(stream).text());
      })());
    }
    return blocks.get(number);
  }

  function section(title, ...nodes) {
    const part = make("section");
    part.append(make("h3", "", title), ...nodes);
    return part;
  }

  function open(d, passages, i) {
    const parts = [];
    if (d.error) parts.push(section("Not answered", make("div", "text mono", d.error)));
    if (d.failure) {
      const line = make("div");
      line.append(make("span", "tag wrong", short(d.failure.point)), ` ${index.titles[d.failure.point] || ""}: `,
        d.failure.evidence, ` (${d.failure.sure})`);
      parts.push(section("Why it is wrong", line));
    }
    if (d.answer !== null) {
      const said = make("div", "text");
      let at = 0;
      for (const [start, end] of d.unsupported) {
        said.append(d.answer.slice(at, start), make("span", "unsupported", d.answer.slice(start, end)));
        at = end;
      }
      said.append(d.answer.slice(at));
      const nodes = [said];
      if (d.unsupported.length) nodes.push(make("div", "note small", "Underlined: no passage supports it."));
      parts.push(section(d.refused ? "Answer (a refusal)" : "Answer", ...nodes));
    }
    parts.push(section("Expected", make("div", "text", d.gold || "(nothing is known)")));
    const scores = make("div", "chips");
    for (const [name, value] of Object.entries(d.scores)) {
      const chip = make("span", "chip", `${name} `);
      chip.append(make("b", "", Number.isInteger(value) ? value : value.toFixed(3)));
      scores.append(chip);
    }
    if (scores.children.length) parts.push(section("Scores", scores));
    if (d.citations.length) {
      parts.push(section("Citations", ...d.citations.map((c) => {
        const quote = make("div", "quote");
        const head = make("div", "head");
        head.append(make("b", "", `[${c.marker}]`), make("span", "", c.page ? `${c.source}, page ${c.page}` : c.source));
        quote.append(head, make("div", "text", c.quote));
        return quote;
      })));
    }
    if (d.hits.length) {
      parts.push(section("Passages, as they were retrieved", ...d.hits.map((hit, n) => passage(hit, n, passages, d))));
    }
    if (d.evidence.length) {
      parts.push(section("Gold evidence", ...d.evidence.map((gold, n) => {
        const box = make("div", "quote");
        const head = make("div", "head");
        head.append(make("span", "", gold.source || "(source not given)"));
        if (d.hits.length || d.searched) {
          head.append(d.ranks[n] ? make("span", "tag right", `found at rank ${d.ranks[n]}`) : make("span", "tag wrong", "not found"));
        }
        box.append(head, make("div", "text", gold.text));
        return box;
      })));
    }
    if (d.trace.length) {
      parts.push(section("Trace", ...d.trace.map((step) => {
        const line = make("div", "step");
        line.append(make("span", "", step.name), make("span", "", `${(1000 * step.seconds).toFixed(1)} ms`),
          make("span", "mono", step.detail));
        return line;
      })));
    }
    const about = [`id ${index.id[i]}`, ...(index.tags[i] || [])];
    if (d.tokens) about.push(`${d.tokens.toLocaleString("en")} tokens`);
    parts.push(make("div", "note small", about.join(" · ")));
    return parts;
  }

  function passage(hit, n, passages, d) {
    const [place, score, foundBy] = hit;
    const { source, page, text } = passages[place];
    const box = make("div", "passage");
    const head = make("div", "head");
    head.append(make("b", "", `${n + 1}.`), make("span", "", page ? `${source}, page ${page}` : source),
      make("span", "", `${score.toPrecision(3)} ${foundBy}`));
    if (d.ranks.includes(n + 1)) head.append(make("span", "tag right", "gold evidence"));
    const body = make("div", "text", text);
    body.addEventListener("click", () => body.classList.add("whole"));
    box.append(head, body);
    return box;
  }

  // -- controls ---------------------------------------------------------------------------------------------------

  for (const button of document.querySelectorAll("[data-kind]")) {
    button.addEventListener("click", () => setKind(button.dataset.kind));
  }
  function setKind(kind) {
    filters.kind = kind;
    for (const button of document.querySelectorAll("[data-kind]")) {
      button.setAttribute("aria-pressed", String(button.dataset.kind === kind));
    }
    choose();
  }
  for (const name of ["point", "tag", "order"]) {
    const select = document.getElementById(`by-${name}`);
    if (select) select.addEventListener("change", () => { filters[name] = select.value; choose(); });
  }
  let waiting = 0;
  find.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(choose, 150); });
  new IntersectionObserver((seen) => {
    if (seen[0].isIntersecting && drawn < shown.length) draw();
  }, { rootMargin: "600px" }).observe(document.getElementById("end"));

  function jump() {
    const [kind, value] = decodeURIComponent(location.hash.slice(1)).split(/=(.*)/s);
    if (kind === "question") {
      const i = index.id.indexOf(value);
      if (i < 0) return;
      find.value = "";
      filters.point = filters.tag = "";
      for (const name of ["point", "tag"]) {
        const select = document.getElementById(`by-${name}`);
        if (select) select.value = "";
      }
      setKind("all");
      while (drawn <= shown.indexOf(i)) draw();
      const item = list.children[shown.indexOf(i)];
      if (item.children.length === 1) item.firstChild.click();
      item.scrollIntoView({ block: "start" });
    } else if (kind === "point") {
      filters.point = value;
      document.getElementById("by-point").value = value;
      setKind("all");
      document.getElementById("questions").scrollIntoView();
    }
  }
  addEventListener("hashchange", jump);
  choose();
  jump();
})();
