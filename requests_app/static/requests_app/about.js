// The first step of a request: saved as it is typed; what is wrong with a field is said beside it.
import { Saver } from "./draft.js";

const form = document.getElementById("about-form");
const touched = new Set();

const saver = new Saver({
  address: form.getAttribute("action"),
  revision: form.elements.revision?.value ?? null,
  collect: typed,
  onSaved: take,
});

function typed() {
  const data = new FormData(form);
  for (const name of [...data.keys()]) if (name.startsWith("other-")) data.delete(name);
  data.set("action", "save");
  return data;
}

function take(said) {
  if (saver.address !== said.address) {
    saver.address = said.address;
    form.setAttribute("action", said.address);
    history.replaceState(null, "", said.address);
    openSteps(said.steps);
  }
  if (!form.elements.revision) {
    const field = document.createElement("input");
    Object.assign(field, { type: "hidden", name: "revision" });
    form.append(field);
  }
  form.elements.revision.value = said.revision;
  for (const name of touched) mark(name, said.problems[name] ?? []);
}

function openSteps(addresses) {
  for (const span of document.querySelectorAll("[data-step-later]")) {
    const anchor = document.createElement("a");
    anchor.className = "draft-step";
    anchor.href = addresses[span.dataset.stepLater];
    anchor.dataset.step = "";
    anchor.append(...span.childNodes);
    span.replaceWith(anchor);
  }
}

function mark(name, messages) {
  const field = document.getElementById(`id_about-${name}`);
  if (!field) return;
  const id = `live-error-${name}`;
  document.getElementById(id)?.remove();
  document.getElementById(`error_1_id_about-${name}`)?.remove();
  field.classList.toggle("is-invalid", messages.length > 0);
  field.setAttribute("aria-invalid", messages.length > 0);
  if (!messages.length) return;
  const text = document.createElement("p");
  text.id = id;
  text.className = "invalid-feedback d-block";
  text.textContent = messages.join(" ");
  field.after(text);
  field.setAttribute("aria-errormessage", id);
}

form.addEventListener("input", (event) => {
  if (event.target.name.startsWith("about-")) saver.changed();
});
form.addEventListener("change", (event) => {
  if (!event.target.name.startsWith("about-")) return;
  touched.add(event.target.name.slice("about-".length));
  saver.changed();
});
