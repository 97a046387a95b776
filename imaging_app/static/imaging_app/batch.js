// The page of an imaging batch: what is typed survives a button that changes channels.
const form = document.getElementById("parameters");
const key = `imaging-batch:${location.pathname.replace(/(\/batches\/\d+\/).*/, "$1")}`;

function fields() {
  return [...form.elements].filter((field) => field.name.startsWith("row-"));
}

function valueOf(field) {
  return field.type === "checkbox" ? field.checked : field.value;
}

function storedOf(field) {
  if (field.type === "checkbox") return field.defaultChecked;
  if (field.tagName === "SELECT") return [...field.options].find((option) => option.defaultSelected)?.value ?? "";
  return field.defaultValue;
}

function typed() {
  return fields().filter((field) => valueOf(field) !== storedOf(field)).map((field) => [field.name, valueOf(field)]);
}

function putBack(values) {
  let count = 0;
  for (const [name, value] of values) {
    const field = form.elements.namedItem(name);
    if (!field || field.disabled || valueOf(field) === value) continue;
    if (field.type === "checkbox") field.checked = value;
    else field.value = value;
    field.dataset.typed = "";
    count += 1;
  }
  document.getElementById("typed-again").hidden = count === 0;
}

function showTicks() {
  for (const row of document.querySelectorAll(".batch-row")) {
    const tick = row.querySelector(".row-tick input");
    if (tick) row.classList.toggle("is-left", !tick.checked);
  }
}

const kept = sessionStorage.getItem(key);
sessionStorage.removeItem(key);
if (kept) putBack(JSON.parse(kept));
showTicks();

document.addEventListener("change", showTicks);
document.addEventListener("submit", (event) => {
  if (event.target === form) return;
  const values = typed();
  if (values.length) sessionStorage.setItem(key, JSON.stringify(values));
});
