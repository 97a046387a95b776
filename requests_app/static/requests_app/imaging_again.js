// Asking for a further round of imaging: which samples, and how each of them, by the dialog of the grid.
import { ImagingDialog, make, summary } from "./imaging.js";

const { options, species, samples } = JSON.parse(document.getElementById("again-data").textContent);
const form = document.getElementById("again-form");
const said = document.getElementById("again-said");
const ticks = samples.map((_, i) => document.getElementById(`tick-${i}`));
const cells = samples.map((_, i) => document.getElementById(`imaging-${i}`));
const dialog = new ImagingDialog({ options, species, onApply: apply, many: "ticked" });
let current = 0;
let isTyped = false;

const ticked = () => [...samples.keys()].filter((i) => ticks[i].checked);
const open = () => [...samples.keys()].filter((i) => samples[i].is_open);
const plural = (count) => `${count} sample${count === 1 ? "" : "s"}`;
const copyOf = (imaging) => structuredClone(imaging);

function draw() {
  for (const [i, cell] of cells.entries()) {
    const lines = summary(samples[i].imaging);
    cell.replaceChildren(...(lines.length ? lines : ["Choose…"]).map((line) => make("span", { textContent: line })));
    cell.classList.toggle("is-empty", !lines.length);
    cell.setAttribute("aria-label", `Imaging of ${samples[i].name}: ${lines.join("; ") || "nothing chosen yet"}`);
  }
  const count = ticked().length;
  document.getElementById("again-count").textContent = count ? `${plural(count)} ticked.` : "Nothing is ticked yet.";
  tool("all").disabled = open().every((i) => ticks[i].checked);
  tool("same").disabled = count < 2 || source() === undefined;
  tool("before").disabled = !ticked().some((i) => samples[i].before.length);
}

function tool(name) {
  return form.querySelector(`[data-tool="${name}"]`);
}

// The sample whose imaging the others get: the first ticked one for which something is chosen.
const source = () => ticked().find((i) => samples[i].imaging.length);

function apply(to, imaging) {
  const places = { this: [current], selected: ticked(), all: open() }[to];
  for (const i of places) {
    samples[i].imaging = copyOf(imaging);
    ticks[i].checked = true;
  }
  done(`Imaging of ${plural(places.length)} chosen.`);
}

function done(words) {
  isTyped = true;
  draw();
  said.textContent = words;
}

const TOOLS = {
  all() {
    for (const i of open()) ticks[i].checked = true;
    done(`${plural(open().length)} ticked.`);
  },
  same() {
    const from = source();
    const others = ticked().filter((i) => i !== from);
    for (const i of others) samples[i].imaging = copyOf(samples[from].imaging);
    done(`The imaging of ${samples[from].name} replaces that of ${plural(others.length)}.`);
  },
  before() {
    const places = ticked().filter((i) => samples[i].before.length);
    for (const i of places) samples[i].imaging = copyOf(samples[i].before);
    done(`${plural(places.length)} as in the newest round of each.`);
  },
};

form.addEventListener("click", (event) => {
  const cell = event.target.closest(".imaging-cell");
  const button = event.target.closest("[data-tool]");
  if (button) TOOLS[button.dataset.tool]();
  if (!cell) return;
  current = cells.indexOf(cell);
  const { imaging, name } = samples[current];
  dialog.open({ imaging, title: name, selected: ticked().length, all: open().length, opener: cell.id });
});

form.addEventListener("change", () => {
  isTyped = true;
  draw();
});

form.addEventListener("submit", () => {
  form.elements.payload.value = JSON.stringify(Object.fromEntries(samples.map(({ id, imaging }) => [id, imaging])));
  isTyped = false;
});

addEventListener("beforeunload", (event) => {
  if (isTyped) event.preventDefault();
});
// A page that the browser kept shows rounds that may not be the newest: read it anew.
addEventListener("pageshow", (event) => event.persisted && location.reload());

// A link of the list of problems leads to the button whose dialog mends it.
for (const link of document.querySelectorAll('a[href^="#imaging-"]')) {
  document.querySelector(link.getAttribute("href")).classList.add("is-wrong");
  link.addEventListener("click", (event) => {
    event.preventDefault();
    document.querySelector(link.getAttribute("href")).focus();
  });
}

draw();
