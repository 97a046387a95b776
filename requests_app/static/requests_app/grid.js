// The sample grid: rows are samples, columns are fields. Everything typed is saved on the server.
import { Saver } from "./draft.js";
import { ImagingDialog, make, summary } from "./imaging.js";
import { COLUMNS, FILLED, Table, readBlock } from "./table.js";

const data = JSON.parse(document.getElementById("grid-data").textContent);
const { options, addresses } = data;
const place = document.getElementById("grid");
const summaryBox = document.getElementById("grid-found");
const ISO = /^\d{4}-\d\d-\d\d$/;
const table = new Table(data.samples, { most: options.limits.samples, requestName: data.request_name });
const selected = new Set();
let found = data.found.problems ? data.found : null;
let checking = found !== null;

const saver = new Saver({ address: addresses.save, revision: data.revision, collect, onSaved: take });
const dialog = new ImagingDialog({ options, species: data.species, onApply: applyImaging });

// What an answer speaks of: rows may have moved, or hold something else, when it arrives.
let sent = [];

function collect() {
  sent = table.rows.map((row) => ({ row, text: row.imaging_text }));
  const body = new FormData();
  body.set("payload", JSON.stringify(table.rows));
  if (checking) body.set("check", "1");
  return body;
}

function take(said) {
  for (const [index, imaging] of Object.entries(said.imaging ?? {})) {
    const { row, text } = sent[index] ?? {};
    const now = table.rows.indexOf(row);
    if (now < 0 || !text || row.imaging_text !== text) continue;
    Object.assign(row, { imaging, imaging_text: "" });
    redrawCell(now, "imaging");
  }
  if (said.problems) {
    found = said;
    showFound();
  }
}

// --- what is wrong ---
const cellId = (row, field) => `cell-${row}-${field}`;

function cellOf(address) {
  const [part, index, field] = address.split(".");
  if (part !== "samples" || index === undefined) return null;
  return cellId(index, field === "resolutions" ? "imaging" : field);
}

function messagesByCell() {
  const cells = new Map();
  for (const [address, messages] of Object.entries(found?.problems ?? {})) {
    const id = cellOf(address);
    if (id) cells.set(id, [...(cells.get(id) ?? []), ...messages]);
  }
  return cells;
}

function showFound() {
  const cells = messagesByCell();
  for (const cell of place.querySelectorAll("[data-cell]")) {
    const wrong = cells.has(cell.id);
    cell.classList.toggle("is-wrong", wrong);
    if (wrong) cell.setAttribute("aria-invalid", "true");
    else cell.removeAttribute("aria-invalid");
  }
  for (const [index, row] of [...place.querySelectorAll("tbody tr")].entries()) {
    row.classList.toggle("has-problem", [...cells.keys()].some((id) => id.startsWith(`cell-${index}-`)));
  }
  if (found) listFound(cells);
  const here = document.activeElement.closest?.("[data-cell]");
  if (here) tell(here);
}

function linkTo(id, textContent) {
  const link = make("a", { href: `#${id}`, textContent });
  link.addEventListener("click", (event) => {
    event.preventDefault();
    focusCell(id);
  });
  return link;
}

// The same message in many rows is one line with a link for each row.
function grouped(cells) {
  const groups = new Map();
  for (const [id, messages] of cells) {
    const [, row, field] = id.match(/^cell-(\d+)-(.+)$/);
    const label = COLUMNS.find((c) => c.field === field)?.label ?? field;
    const message = messages.join(" ");
    const group = groups.get(`${field} ${message}`) ?? { label, message, places: [] };
    group.places.push([id, Number(row)]);
    groups.set(`${field} ${message}`, group);
  }
  return groups.values();
}

function listFound(cells) {
  const elsewhere = Object.entries(found.problems).filter(([address]) => !cellOf(address));
  summaryBox.hidden = false;
  summaryBox.className = `notice is-${found.count ? "failed" : "done"}`;
  const title = make("strong", { textContent: found.count
    ? `${found.count} thing${found.count > 1 ? "s" : ""} to correct, in ${found.rows_with_problems} sample${found.rows_with_problems === 1 ? "" : "s"}.`
    : "Nothing to correct." });
  const list = make("ul", { className: "long-list" });
  for (const { label, message, places } of grouped(cells)) {
    const links = places.map(([id, row]) => linkTo(id, places.length > 1 ? String(row + 1) : table.rows[row]?.name || `Sample ${row + 1}`));
    const line = places.length > 1 ? [`${label}: ${message} Samples `] : [`${label}: ${message} `];
    list.append(make("li", {}, ...line, make("span", { className: "found-samples" }, ...links)));
  }
  for (const [address, messages] of elsewhere) {
    const link = make("a", { href: `${document.querySelector("[data-step]").getAttribute("href")}?check=1#id_about-${address}`, textContent: address === "samples" ? "Samples" : "First step" });
    link.dataset.step = "";
    list.append(make("li", {}, link, `: ${messages.join(" ")}`));
  }
  for (const warning of found.warnings ?? []) list.append(make("li", { textContent: warning }));
  summaryBox.replaceChildren(make("div", {}, title, list));
}

// --- cells ---
function protocolOf(name) {
  return options.protocols.find((p) => p.name === name);
}

function takesAntibody(row) {
  return protocolOf(row.protocol)?.takes_antibody ?? true;
}

function makeCell(row, index, column) {
  const value = row[column.field];
  const id = cellId(index, column.field);
  const cell = { protocol: protocolCell, imaging: imagingCell }[column.kind]?.(row) ?? textCell(column, value);
  cell.id = id;
  cell.dataset.cell = column.field;
  cell.dataset.row = index;
  cell.setAttribute("aria-label", `Sample ${index + 1}, ${column.label.toLowerCase()}`);
  cell.setAttribute("aria-describedby", "grid-help");
  if (column.field.startsWith("antibody")) dress(cell, row, column.field);
  return cell;
}

// A field of one line shows a line end as a sign, and gives it back.
const shown = (value) => value.replace(/\r\n?|\n/g, " ↵ ");
const typed = (value) => value.replace(/ ?↵ ?/g, "\n");

function textCell(column, value) {
  // What is no date is shown as typed, so that nothing seems lost.
  const isDate = column.kind === "date" && (!value || ISO.test(value));
  const cell = make("input", { type: isDate ? "date" : "text", value: shown(value), autocomplete: "off", spellcheck: false });
  if (column.kind === "subject") cell.setAttribute("list", "animals");
  return cell;
}

function protocolCell(row) {
  const names = options.protocols.filter((p) => p.species.includes(data.species)).map((p) => [p.name, p.name, p.title]);
  const cell = make("select", {}, make("option", { value: "", textContent: "Choose…" }));
  if (row.protocol && !names.some(([name]) => name === row.protocol)) {
    names.unshift([row.protocol, `${row.protocol} (not for ${data.species || "this species"})`, ""]);
  }
  for (const [value, textContent, title] of names) cell.append(make("option", { value, textContent, title, selected: value === row.protocol }));
  return cell;
}

function imagingCell(row) {
  const cell = make("button", { type: "button", className: "imaging-cell" });
  fillImaging(cell, row);
  return cell;
}

function fillImaging(cell, row) {
  const lines = summary(row.imaging);
  if (row.imaging_text) lines.push(`“${row.imaging_text}”`);
  cell.replaceChildren(...(lines.length ? lines : ["Choose…"]).map((line) => make("span", { textContent: line })));
  cell.classList.toggle("is-empty", !lines.length);
}

function dress(cell, row, field) {
  const needed = field === "antibody1" && protocolOf(row.protocol)?.needs_antibody;
  // Not disabled: a block can be pasted from here on, and whoever comes here is told why.
  cell.readOnly = !row[field] && !takesAntibody(row);
  cell.classList.toggle("is-off", cell.readOnly);
  cell.placeholder = needed ? "required" : "";
  if (needed) cell.setAttribute("aria-required", "true");
  else cell.removeAttribute("aria-required");
}

function redrawCell(index, field) {
  const old = document.getElementById(cellId(index, field));
  if (!old) return;
  const hadFocus = old === document.activeElement;
  const cell = makeCell(table.rows[index], index, COLUMNS.find((c) => c.field === field));
  old.replaceWith(cell);
  if (hadFocus) cell.focus();
}

// --- rows ---
function makeRow(row, index) {
  const tick = make("input", { type: "checkbox", className: "form-check-input", checked: selected.has(index) });
  tick.dataset.select = index;
  tick.setAttribute("aria-label", `Select sample ${index + 1}`);
  const head = make("th", { scope: "row", className: "sticky-cell" },
    make("span", { className: "row-head" }, tick, make("span", { className: "row-number", textContent: index + 1 }), makeCell(row, index, COLUMNS[0])));
  const cells = FILLED.map((column) => make("td", { className: `is-${column.kind} of-${column.field}` }, makeCell(row, index, column)));
  return make("tr", {}, head, ...cells, make("td", { className: "row-actions" },
    rowButton(copySign(), `Duplicate sample ${index + 1}`, "duplicate", index),
    rowButton("×", `Remove sample ${index + 1}`, "remove", index)));
}

function copySign() {
  return document.getElementById("copy-sign").content.firstElementChild.cloneNode(true);
}

function rowButton(sign, label, act, index) {
  const button = make("button", { type: "button", className: "btn btn-sm btn-link", title: label }, sign);
  button.setAttribute("aria-label", label);
  Object.assign(button.dataset, { act, row: index });
  return button;
}

function header() {
  const all = make("input", { type: "checkbox", className: "form-check-input" });
  all.dataset.selectAll = "";
  all.setAttribute("aria-label", "Select all samples");
  const name = make("th", { scope: "col", className: "sticky-cell" }, make("span", { className: "row-head" }, all, "Sample"));
  const rest = FILLED.map((column) => {
    const fill = make("button", { type: "button", className: "fill-down", textContent: "↓", title: `Fill down: ${column.label.toLowerCase()} of the row you are in, to the selected rows or all below` });
    fill.setAttribute("aria-label", `Fill down ${column.label.toLowerCase()}`);
    Object.assign(fill.dataset, { act: "fill", field: column.field });
    return make("th", { scope: "col" }, make("span", { className: "column-head" }, column.label, fill));
  });
  return make("tr", {}, name, ...rest, make("th", { scope: "col" }, make("span", { className: "visually-hidden", textContent: "Row" })));
}

function draw() {
  const focused = document.activeElement?.id;
  const body = make("tbody", {}, ...table.rows.map(makeRow));
  const old = place.querySelector("tbody");
  if (old) old.replaceWith(body);
  else build(body);
  place.querySelector("[data-empty]").hidden = table.rows.length > 0;
  place.querySelector(".grid-box").hidden = table.rows.length === 0;
  if (focused && document.activeElement === document.body) document.getElementById(focused)?.focus();
  dressTools();
  showFound();
}

// --- tools above the grid ---
function tool(word, act, look = "btn-outline-secondary") {
  const button = make("button", { type: "button", className: `btn btn-sm ${look}`, textContent: word });
  button.dataset.act = act;
  return button;
}

function build(body) {
  const count = make("input", { type: "number", className: "form-control form-control-sm count", id: "add-count", value: 1, min: 1, max: options.limits.samples });
  count.setAttribute("aria-label", "Number of samples to add");
  const tools = make("div", { className: "grid-tools" },
    make("span", { className: "tool-group" }, tool("Add", "add"), count),
    make("span", { className: "tool-group" }, tool("Copy sample 1 to all", "copy-all"), tool("Copy sample 1 to selected", "copy-selected")),
    make("span", { className: "tool-group" }, tool("Duplicate selected", "duplicate-selected"), tool("Remove selected", "remove-selected")),
    tool("Undo", "undo"),
    make("span", { className: "muted small numbers", id: "grid-count" }));
  const empty = make("p", { className: "muted", textContent: "No samples yet. Add some, paste rows of a spreadsheet here after adding the first, or upload a table below." });
  empty.dataset.empty = "";
  const box = make("div", { className: "table-box grid-box" }, make("table", { className: "table grid" }, make("thead", {}, header()), body));
  box.setAttribute("role", "region");
  box.setAttribute("aria-label", "Samples");
  box.tabIndex = 0;
  const help = make("p", { className: "grid-help", id: "grid-help" });
  help.setAttribute("role", "status");
  const keys = make("p", { className: "muted small grid-keys" }, "Enter goes down, Shift+Enter up; Ctrl+D fills down; rows of a spreadsheet can be pasted into any cell.");
  const animals = make("datalist", { id: "animals" });
  place.append(tools, empty, box, keys, animals);
  // Where it is seen from every row: beside the buttons that stay on the screen.
  document.querySelector(".form-foot").prepend(help);
}

function dressTools() {
  const size = table.rows.length;
  const button = (act) => place.querySelector(`[data-act="${act}"]`);
  button("add").disabled = size >= table.most;
  button("copy-all").disabled = size < 2;
  for (const act of ["copy-selected", "duplicate-selected", "remove-selected"]) button(act).disabled = selected.size === 0;
  const last = table.history.at(-1);
  button("undo").disabled = !last;
  button("undo").textContent = last ? `Undo: ${last.what}` : "Undo";
  place.querySelector("[data-select-all]").checked = size > 0 && selected.size === size;
  document.getElementById("grid-count").textContent = `${size} of at most ${table.most} samples${selected.size ? `, ${selected.size} selected` : ""}`;
}

function say(text) {
  document.getElementById("grid-help").textContent = text;
}

function bulk(what, change) {
  const answer = table.bulk(what, change);
  changed();
  draw();
  return answer;
}

function changed() {
  saver.changed();
}

const indices = () => (selected.size ? [...selected].sort((a, b) => a - b) : [...table.rows.keys()]);
const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

const ACTS = {
  add() {
    const wanted = Number(document.getElementById("add-count").value) || 1;
    const fits = bulk(`add ${plural(wanted, "sample")}`, () => table.add(wanted));
    say(fits < wanted ? `${plural(fits, "sample")} added; ${table.most} are the most.` : `${plural(fits, "sample")} added.`);
    focusCell(cellId(table.rows.length - fits, "name"));
  },
  "copy-all"() {
    bulk("copy sample 1 to all", () => table.copyRow(0, table.rows.keys()));
    say("Every sample has the fields of sample 1; names and animals stay.");
  },
  "copy-selected"() {
    bulk("copy sample 1", () => table.copyRow(0, selected));
    say(`${plural(selected.size, "sample")} changed; names and animals stay.`);
  },
  "duplicate-selected"() {
    bulk("duplicate", () => [...indices()].reverse().forEach((i) => table.duplicate(i)));
    selected.clear();
    draw();
  },
  "remove-selected"() {
    removeRows(new Set(selected));
  },
  undo() {
    const what = table.undo();
    selected.clear();
    changed();
    draw();
    say(what ? `Taken back: ${what}.` : "");
  },
  duplicate(index) {
    bulk("duplicate", () => table.duplicate(index));
    selected.clear();
    draw();
    focusCell(cellId(Math.min(index + 1, table.rows.length - 1), "name"));
  },
  remove(index) {
    removeRows(new Set([index]));
    focusCell(cellId(Math.min(index, table.rows.length - 1), "name"));
  },
};

function removeRows(which) {
  bulk(`remove ${plural(which.size, "sample")}`, () => table.remove(which));
  selected.clear();
  found = null;
  summaryBox.hidden = true;
  draw();
  say(`${plural(which.size, "sample")} removed. Undo brings ${which.size === 1 ? "it" : "them"} back.`);
}

let lastRow = 0;

function fill(field, from = lastRow) {
  const start = Math.min(from, table.rows.length - 1);
  const to = selected.size ? [...selected] : [...table.rows.keys()].slice(start + 1);
  const label = COLUMNS.find((c) => c.field === field).label.toLowerCase();
  bulk(`fill down ${label}`, () => table.fill(field, start, to));
  say(`${label} of sample ${start + 1} copied to ${plural(to.filter((i) => i !== start).length, "sample")}.`);
}

function applyImaging(to, imaging) {
  const rows = { this: [lastRow], selected: [...selected], all: [...table.rows.keys()] }[to];
  bulk("imaging", () => {
    for (const i of rows) Object.assign(table.rows[i], { imaging: structuredClone(imaging), imaging_text: "" });
  });
  say(`Imaging of ${plural(rows.length, "sample")} changed.`);
}

// --- focus and help ---
function focusCell(id) {
  const cell = document.getElementById(id);
  cell?.focus();
  cell?.scrollIntoView({ block: "nearest", inline: "nearest" });
}

function tell(cell) {
  const row = table.rows[cell.dataset.row];
  if (!row) return;
  const messages = messagesByCell().get(cell.id) ?? [];
  if (cell.dataset.cell === "expected_handoff_date") messages.push(dayWords(row.expected_handoff_date));
  if (cell.readOnly) messages.push("This protocol takes no antibody; choose a staining one first.");
  if (cell.dataset.cell === "protocol" && protocolOf(row.protocol)) messages.push(protocolOf(row.protocol).title);
  say(messages.filter(Boolean).join(" "));
}

function dayWords(day) {
  if (data.self_clearing) return "You clear yourselves, so no hand-off is needed.";
  const rule = options.days[day];
  const closed = Object.keys(options.days).filter((d) => options.days[d].left === 0).slice(0, 6);
  if (!rule) return day || !closed.length ? "" : `Closed or full: ${closed.join(", ")}.`;
  const mine = table.rows.filter((row) => row.expected_handoff_date === day).length;
  if (rule.left >= mine) return `${day} takes ${rule.left} in all.`;
  const why = rule.note ? ` (${rule.note})` : "";
  const state = rule.left ? `${day} takes only ${rule.left} more` : `${day} is closed or full${why}`;
  const next = nextOpen(day, mine);
  return `${state}. ${next ? `Open: ${next}.` : ""}`;
}

function nextOpen(day, count) {
  const open = [];
  const at = new Date(`${day}T12:00:00Z`);
  for (let i = 0; i < 60 && open.length < 3; i += 1) {
    at.setUTCDate(at.getUTCDate() + 1);
    const name = at.toISOString().slice(0, 10);
    if ((options.days[name]?.left ?? Infinity) >= count) open.push(name);
  }
  return open.join(", ");
}

let asked = "";
let hintTimer = 0;

function hint(row) {
  if (!addresses.hints) return;
  clearTimeout(hintTimer);
  hintTimer = setTimeout(async () => {
    const box = document.getElementById("hints");
    const isFull = row?.antibody1.trim() && row.protocol && data.species;
    box.hidden = !isFull;
    if (!isFull) return;
    const query = new URLSearchParams({ primary: row.antibody1, secondary: row.antibody2, protocol: row.protocol, species: data.species }).toString();
    if (query === asked) return;
    asked = query;
    const answer = await fetch(`${addresses.hints}?${query}`, { headers: { "HX-Request": "true" } }).catch(() => null);
    if (answer?.ok && !answer.redirected && query === asked) document.getElementById("hints-body").innerHTML = await answer.text();
    box.hidden = !document.getElementById("hints-body").textContent.trim();
  }, 400);
}

let animalTimer = 0;

function offerAnimals(typed) {
  clearTimeout(animalTimer);
  animalTimer = setTimeout(async () => {
    const answer = await fetch(`${addresses.subjects}?${new URLSearchParams({ q: typed })}`, { headers: { Accept: "application/json" } }).catch(() => null);
    if (!answer?.ok) return;
    const { subjects } = await answer.json();
    document.getElementById("animals").replaceChildren(...subjects.map((value) => make("option", { value })));
  }, 150);
}

// --- events ---
place.addEventListener("input", (event) => {
  const { cell: field, row: index } = event.target.dataset;
  if (!field) return;
  const row = table.rows[index];
  table.typing(index, field);
  row[field] = typed(event.target.value);
  changed();
  dressTools();
  if (field === "subject") offerAnimals(row.subject);
  if (field === "protocol") for (const name of ["antibody1", "antibody2"]) dress(document.getElementById(cellId(index, name)), row, name);
  if (field === "antibody1" || field === "antibody2" || field === "protocol") hint(row);
  if (field === "expected_handoff_date" || field === "protocol") tell(event.target);
});

place.addEventListener("focusin", (event) => {
  const cell = event.target.closest("[data-cell]");
  if (!cell) return;
  lastRow = Number(cell.dataset.row);
  cell.scrollIntoView({ block: "nearest", inline: "nearest" });
  tell(cell);
  hint(table.rows[lastRow]);
  if (cell.dataset.cell === "subject") offerAnimals(cell.value);
});

place.addEventListener("change", (event) => {
  const { select, selectAll } = event.target.dataset;
  if (selectAll !== undefined) {
    selected.clear();
    if (event.target.checked) for (const i of table.rows.keys()) selected.add(i);
    for (const box of place.querySelectorAll("[data-select]")) box.checked = event.target.checked;
  } else if (select !== undefined) {
    if (event.target.checked) selected.add(Number(select));
    else selected.delete(Number(select));
  } else return;
  dressTools();
});

place.addEventListener("click", (event) => {
  const cell = event.target.closest(".imaging-cell");
  if (cell) return openImaging(cell);
  const button = event.target.closest("[data-act]");
  if (!button) return undefined;
  if (button.dataset.act === "fill") return fill(button.dataset.field);
  return ACTS[button.dataset.act](Number(button.dataset.row));
});

function openImaging(cell) {
  lastRow = Number(cell.dataset.row);
  const row = table.rows[lastRow];
  dialog.open({ imaging: row.imaging, title: row.name || `sample ${lastRow + 1}`, selected: selected.size, all: table.rows.length, opener: cell.id });
}

function move(cell, by) {
  const next = Number(cell.dataset.row) + by;
  if (next < 0 || next >= table.rows.length) return;
  focusCell(cellId(next, cell.dataset.cell));
  document.activeElement.select?.();
}

place.addEventListener("keydown", (event) => {
  const cell = event.target.closest("[data-cell]");
  if (!cell) return;
  const isButton = cell.tagName === "BUTTON";
  const isText = cell.tagName === "INPUT" && cell.type === "text";
  if (event.key === "Enter" && !isButton) {
    event.preventDefault();
    move(cell, event.shiftKey ? -1 : 1);
  } else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && (isText || isButton) && !event.altKey && cell.dataset.cell !== "subject") {
    event.preventDefault();
    move(cell, event.key === "ArrowDown" ? 1 : -1);
  } else if (event.key.toLowerCase() === "d" && (event.ctrlKey || event.metaKey) && cell.dataset.cell !== "name") {
    event.preventDefault();
    fill(cell.dataset.cell, Number(cell.dataset.row));
  }
});

function chosen(field, value) {
  if (field !== "protocol") return value;
  const wanted = value.toLowerCase();
  return options.protocols.find((p) => p.name.toLowerCase() === wanted || p.title.toLowerCase() === wanted)?.name ?? value;
}

place.addEventListener("paste", (event) => {
  const cell = event.target.closest("[data-cell]");
  const text = event.clipboardData?.getData("text/plain") ?? "";
  const isBlock = /[\t\n]/.test(text.replace(/\r\n?/g, "\n").replace(/\n$/, ""));
  const takesText = cell?.tagName === "INPUT" && cell.type === "text";
  if (!cell || (!isBlock && takesText)) return;
  event.preventDefault();
  const column = COLUMNS.findIndex((c) => c.field === cell.dataset.cell);
  const done = bulk("paste", () => table.paste(readBlock(text), Number(cell.dataset.row), column, chosen));
  const cut = [done.rowsCut && `${plural(done.rowsCut, "row")} beyond ${table.most} samples`, done.columnsCut && `${plural(done.columnsCut, "column")} to the right`, done.unknown.length && `${done.unknown.map((name) => `“${name.slice(0, 40)}”`).join(", ")} (“Upload or paste a table” below takes all columns of a downloaded table)`].filter(Boolean);
  say(`${plural(done.rows, "row")} pasted.${cut.length ? ` Left out: ${cut.join(" and ")}.` : ""}`);
});

document.querySelector("[data-check]").addEventListener("click", async () => {
  checking = true;
  saver.changed();
  if (await saver.flush()) summaryBox.querySelector("a")?.focus();
});

draw();
if (location.hash.startsWith("#cell-")) focusCell(location.hash.slice(1));
