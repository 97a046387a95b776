// Save, share and snapshot. What the client shows is read from it; the site decides what is kept.
const keep = JSON.parse(document.getElementById("keep").textContent);
const dialog = document.querySelector("[data-keep-dialog]");
const form = dialog.querySelector("form");
const said = dialog.querySelector("[data-keep-said]");
const again = dialog.querySelector("[data-keep-again]");
let then = "save";

function client() {
  return document.querySelector("iframe").contentWindow.viewer;
}

function say(words, { trouble = false, link = "" } = {}) {
  const line = document.createElement("p");
  line.textContent = words;
  line.classList.toggle("is-trouble", trouble);
  if (link) {
    const anchor = document.createElement("a");
    anchor.href = link;
    anchor.textContent = "Its page: versions, links, annotations";
    line.append(" ", anchor);
  }
  said.append(line);
}

function open(what) {
  then = what;
  said.replaceChildren();
  dialog.querySelector("h2").textContent = what === "share" ? "Save and share" : "Save view";
  const save = dialog.querySelector("[data-keep-save]");
  if (save) save.textContent = what === "share" ? "Save and go on" : "Save";
  offerVersion();
  dialog.showModal();
}

function offerVersion() {
  if (!again) return;
  again.hidden = !keep.view;
  again.querySelector("[data-keep-of]").textContent = keep.name;
  nameMatters();
}

// A version has the name of its view.
function nameMatters() {
  if (form.elements.name) form.elements.name.disabled = addsVersion();
}

function addsVersion() {
  return Boolean(keep.view) && form.elements.again.checked;
}

async function save() {
  const body = {
    name: form.elements.name.value,
    view: addsVersion() ? keep.view : null,
    state: client().state.toJSON(),
  };
  const answer = await fetch(keep.save, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.error);
  return told;
}

function showSaved(told) {
  keep.view = told.view;
  keep.name = told.name;
  document.querySelector("header h1").textContent = told.name;
  offerVersion();
  for (const words of told.left_out) say(words, { trouble: true });
  say(`Saved as version ${told.version} of “${told.name}”.`, { link: told.page });
}

async function press() {
  said.replaceChildren();
  const button = dialog.querySelector("[data-keep-save]");
  button.disabled = true;
  try {
    const told = await save();
    showSaved(told);
    // What was left out is read first; its page is one press away.
    if (then === "share" && !told.left_out.length) location.assign(`${told.page}#share`);
  } catch (failure) {
    say(failure.message || "The site does not answer. Try again in a moment.", { trouble: true });
  } finally {
    button.disabled = false;
  }
}

function snapshot() {
  client().screenshotManager.takeScreenshot(document.querySelector("header h1").textContent);
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  press();
});
form.addEventListener("change", nameMatters);
document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.keep) open(button.dataset.keep);
  else if ("keepClose" in button.dataset) dialog.close();
  else if ("snapshot" in button.dataset) snapshot();
});
