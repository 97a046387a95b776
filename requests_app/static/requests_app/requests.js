// Lists: a chosen filter takes effect at once. Request page: unfold all, and stay unfolded.

// --- filters ---
const filters = document.querySelector("[data-filters]");
filters?.addEventListener("change", (event) => {
  if (event.target.matches("select")) filters.requestSubmit();
});

// On a phone the menus stay folded until somebody wants them, unless one of them is in use.
const menus = document.getElementById("menus");
if (menus && window.matchMedia("(max-width: 640px)").matches && !menus.querySelector(".is-on")) {
  menus.open = false;
}

// Empty menus would only make the address long.
filters?.addEventListener("submit", () => {
  for (const field of filters.elements) {
    if (field.name && field.value === "") field.disabled = true;
  }
});
window.addEventListener("pageshow", () => {
  for (const field of filters?.elements ?? []) field.disabled = false;
});

// --- samples of a request ---
const LIVE = "request-live";

function samples() {
  return [...document.querySelectorAll("details[data-sample]")];
}

function label(button) {
  const all = samples().every((details) => details.open);
  button.setAttribute("aria-pressed", String(all));
  button.textContent = all ? "Fold all" : "Unfold all";
}

function labelAll() {
  document.querySelectorAll("[data-unfold]").forEach(label);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-unfold]");
  if (!button) return;
  const open = !samples().every((details) => details.open);
  for (const details of samples()) details.open = open;
  labelAll();
});
document.addEventListener("toggle", (event) => {
  if (event.target.matches?.("details[data-sample]")) labelAll();
}, true);

// A link to one sample (from a tube's code, the list, a mail) unfolds it.
function unfoldLinked() {
  if (!location.hash.startsWith("#sample-")) return;
  const place = document.getElementById(location.hash.slice(1));
  const details = place?.querySelector("details[data-sample]");
  if (details) {
    details.open = true;
    place.scrollIntoView();
  }
}
window.addEventListener("hashchange", unfoldLinked);
unfoldLinked();

// The server is told what is unfolded, so that a refresh comes unfolded and nothing jumps.
document.addEventListener("htmx:configRequest", (event) => {
  if (event.target.id !== LIVE) return;
  const open = [...event.target.querySelectorAll("details[open][id]")];
  event.detail.parameters.open = open.map((details) => details.id).join(",");
});
document.addEventListener("htmx:afterSwap", labelAll);
labelAll();
