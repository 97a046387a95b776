// The bench page on a bad network: what cannot be sent waits here and is sent again; what somebody is
// typing survives a colleague's entry; a second tap does not log the step after.
const RESEND_MS = 10_000;
const SETTLE_MS = 1_000;
const list = document.querySelector("[data-unsent]");
const PREFIX = `bench:${list?.dataset.person ?? ""}:`;

// --- entries that wait to be sent, one per batch and step ---
function waiting() {
  return Object.keys(localStorage)
    .filter((key) => key.startsWith(PREFIX))
    .map((key) => ({ key, ...JSON.parse(localStorage.getItem(key)) }));
}

function keep(form, values, address) {
  const key = PREFIX + address;
  const earlier = JSON.parse(localStorage.getItem(key) ?? "null");
  const entry = { address, values, label: form.dataset.label, page: location.pathname, tapped: Date.now() };
  // A second tap on what waits already says nothing new about when it was done.
  if (earlier?.values.when === "now" && values.when === "now") entry.tapped = earlier.tapped;
  localStorage.setItem(key, JSON.stringify(entry));
  show();
}

function line(entry) {
  const item = document.createElement("li");
  const time = new Date(entry.tapped).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  item.textContent = `${entry.label}, tapped at ${time}`;
  if (entry.refused) {
    const link = document.createElement("a");
    link.href = entry.page;
    link.textContent = "was refused: open its batch";
    item.append(" ", link);
  }
  return item;
}

function show(note = "Sent again by itself as soon as the site answers.") {
  if (!list) return;
  const entries = waiting();
  list.hidden = entries.length === 0;
  const box = document.createElement("div");
  const title = document.createElement("strong");
  title.textContent = `${entries.length === 1 ? "1 entry is" : `${entries.length} entries are`} waiting to be sent.`;
  const items = document.createElement("ul");
  items.className = "unsent-list";
  items.append(...entries.map(line));
  box.append(title, ` ${note}`, items);
  list.replaceChildren(box);
}

async function send(entry) {
  const seconds = Math.max(0, Math.round((Date.now() - entry.tapped) / 1000));
  const answer = await fetch(entry.address, {
    method: "POST",
    headers: { ...JSON.parse(document.body.getAttribute("hx-headers")), "HX-Request": "true" },
    body: new URLSearchParams({ ...entry.values, seconds_ago: seconds }),
  });
  if (answer.redirected) return show("Sign in again, so that they can be sent.");
  if (answer.status === 403) return show("Reload the page, so that they can be sent.");
  if (answer.ok) localStorage.removeItem(entry.key);
  else if (answer.status < 500) await refused(entry, answer);
  return show();
}

async function refused(entry, answer) {
  if (entry.page === location.pathname && answer.status === 422) {
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const card = document.adoptNode(page.getElementById("bench-refusal"));
    document.getElementById("bench-refusal").replaceWith(card);
    htmx.process(card);
    localStorage.removeItem(entry.key);
  } else {
    const { key, ...rest } = entry;
    localStorage.setItem(key, JSON.stringify({ ...rest, refused: true }));
  }
}

let sending = false;

async function resend() {
  if (sending || !navigator.onLine) return;
  sending = true;
  try {
    // What was refused elsewhere is sent once more on its own page, where the answer can be shown.
    for (const entry of waiting().filter((e) => !e.refused || e.page === location.pathname)) {
      await send(entry);
    }
  } catch {
    show(); // still no network: the next round tries again
  } finally {
    sending = false;
  }
}

if (list) {
  show();
  resend();
  addEventListener("online", resend);
  setInterval(() => waiting().length && resend(), RESEND_MS);
}

function couldNotSend(event) {
  const { elt, requestConfig, xhr } = event.detail;
  const form = elt.closest?.("form[data-entry]");
  if (!form || requestConfig.verb !== "post" || "takeBack" in elt.dataset) return;
  if (xhr.status && xhr.status < 500) return;
  const values = Object.fromEntries(new FormData(form));
  delete values.csrfmiddlewaretoken;
  const given = requestConfig.parameters;
  values.when = (given.get ? given.get("when") : given.when) ?? "typed";
  keep(form, values, new URL(requestConfig.path, location.href).pathname);
}

for (const name of ["htmx:sendError", "htmx:timeout", "htmx:responseError"]) {
  document.addEventListener(name, couldNotSend);
}

// --- typed text survives the swap of the steps ---
let typed = [];
let left = [];
let focused = "";
let ending = null;
let logged = "";
let latest = document.getElementById("bench-steps")?.dataset.latest ?? "";

function isTouched(form) {
  return [...form.elements].some((e) => e.type !== "hidden" && "defaultValue" in e && e.value !== e.defaultValue);
}

function remember(form) {
  const fields = [...form.elements].filter((e) => e.name && e.type !== "submit");
  const values = fields.map((e) => [e.name, e.value]);
  return { id: form.id, slug: form.dataset.entry, label: form.dataset.label, values };
}

function putBack(entry) {
  const { id, slug, values } = entry;
  // A colleague may have logged the very step: then what was typed goes on among all steps.
  const form = document.getElementById(id) ?? document.getElementById(`all-${slug}`);
  if (!form) return left.push(entry);
  for (const [name, value] of values) {
    if (name !== "csrfmiddlewaretoken" && form.elements[name]) form.elements[name].value = value;
  }
  for (let place = form; place; place = place.parentElement?.closest("details")) {
    if (place.tagName === "DETAILS") place.open = true;
  }
  form.querySelectorAll("details").forEach((details) => (details.open = true));
}

document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.target.id !== "bench-steps") return;
  focused = event.detail.requestConfig?.verb === "get" ? document.activeElement.id : "";
  const sent = event.detail.requestConfig?.elt?.closest("form");
  const forms = [...event.detail.target.querySelectorAll("form[data-entry]")];
  typed = forms.filter((form) => form !== sent && isTouched(form)).map(remember);
  logged = sent?.id.startsWith("all-") ? sent.dataset.entry : "";
  const finish = document.getElementById("complete-form")?.elements;
  ending = finish && { leftOut: finish.left_out?.checked, link: finish.link?.value };
});

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target.id !== "bench-steps") return;
  left = [];
  typed.forEach(putBack);
  typed = [];
  const finish = document.getElementById("complete-form")?.elements;
  if (finish?.left_out && ending?.leftOut) finish.left_out.checked = true;
  if (finish?.link && ending?.link) finish.link.value = ending.link;
  tell(event.detail.requestConfig?.verb);
  // htmx cannot give the focus back to what lay in a fold that is closed again.
  const place = focused && document.getElementById(focused);
  if (place && place !== document.activeElement) place.focus({ preventScroll: true });
  if (event.detail.requestConfig?.verb === "post") settle();
  stay();
});

// Who logs out of order stays at the step that was logged.
function stay() {
  const row = logged && document.getElementById(`all-details-${logged}`);
  logged = "";
  if (!row) return;
  for (let place = row.parentElement; place; place = place.parentElement) {
    if (place.tagName === "DETAILS") place.open = true;
  }
  row.querySelector("summary").focus({ preventScroll: true });
  row.scrollIntoView({ block: "center" });
}

// --- what a colleague did meanwhile is said ---
function tell(verb) {
  const steps = document.getElementById("bench-steps");
  const { latest: now, latestBy, latestName, person } = steps.dataset;
  const box = document.getElementById("bench-told");
  const isNews = now && now !== latest && latestBy !== person;
  latest = now;
  if (!box || verb !== "get" || !isNews) return;
  box.textContent = `${latestName} logged: ${now}`;
  box.hidden = false;
}

// --- the batch was completed, started or given away: reload, unless somebody types here ---
document.addEventListener("bench-moved", () => {
  const notes = [...document.querySelectorAll(".remark textarea")].filter((e) => e.value !== e.defaultValue);
  const texts = left.map((entry) => `${entry.label}: ${ownWords(entry)}`);
  texts.push(...notes.map((note) => note.value));
  if (!texts.length) return location.reload();
  showLeft(texts);
});

function ownWords(entry) {
  const given = Object.fromEntries(entry.values);
  return [given.performed_at, given.note, given.lot && `lot ${given.lot}`].filter(Boolean).join(", ");
}

function showLeft(texts) {
  const box = document.getElementById("bench-left");
  const body = document.createElement("div");
  const title = document.createElement("strong");
  title.textContent = "A colleague completed or moved this batch while you were typing; your entry was not saved.";
  const list = document.createElement("ul");
  for (const text of texts) {
    const item = document.createElement("li");
    item.textContent = text;
    list.append(item);
  }
  const link = document.createElement("a");
  link.href = location.pathname;
  link.textContent = "Reload the page";
  body.append(title, " Copy what you typed: ", list, link);
  box.replaceChildren(body);
  box.hidden = false;
}

// --- a remark that could not be saved says so, and is sent when the network is back ---
for (const name of ["htmx:sendError", "htmx:timeout", "htmx:responseError"]) {
  document.addEventListener(name, (event) => {
    const form = event.detail.elt.closest?.("form[data-remark]");
    if (!form) return;
    form.dataset.unsaved = "yes";
    form.querySelector(".remark-status span").textContent = "Not saved yet: the site does not answer. It is tried again.";
  });
}

// While a colleague's text is shown, only the button saves: an answer would take it from under the hand.
document.addEventListener("htmx:beforeRequest", (event) => {
  const { elt, requestConfig } = event.detail;
  const inConflict = elt.matches("form[data-remark]") && elt.querySelector(".remark-status .notice");
  if (inConflict && requestConfig.triggeringEvent?.type !== "submit") event.preventDefault();
});

function resendRemarks() {
  for (const form of document.querySelectorAll("form[data-unsaved]")) {
    delete form.dataset.unsaved;
    htmx.trigger(form, "resend");
  }
}

addEventListener("online", resendRemarks);
setInterval(() => navigator.onLine && resendRemarks(), RESEND_MS);

// --- the next step's button comes to lie under the same thumb ---
function settle() {
  for (const button of document.querySelectorAll("#bench-steps .done-now")) {
    button.disabled = true;
    setTimeout(() => (button.disabled = false), SETTLE_MS);
  }
}
