// The page around the client. The client is silent when data is refused and does not know that a
// permission ends, so this page renews it, asks for the data itself, and says what is the matter.
const page = JSON.parse(document.getElementById("page").textContent);
const presets = JSON.parse(document.getElementById("presets").textContent);
const frame = document.querySelector("iframe");
const banner = document.querySelector("[data-banner]");
const contrast = document.querySelector("[data-contrast]");
const MARGIN = 1.08;
const NARROW_PX = 600;
const CLIENT_HEAD_PX = 52;
const NO_ANSWER = "The site does not answer. Data is loaded again when it is back.";
const MAKING = /\/data\/([0-9a-f-]{36})\/@([0-9a-f]+)/g; // as in the addresses of data

// --- the client ---
// Of a view with a process, the process holds the state.
function address() {
  if (!frame.dataset.state) return frame.dataset.client;
  const size = `${frame.clientWidth}x${frame.clientHeight}`;
  return `${frame.dataset.client}#!${frame.dataset.state}?size=${size}`;
}

function viewer() {
  return frame.contentWindow.viewer;
}

// A process sends its state a moment after the client has begun.
function hasState() {
  return Boolean(frame.dataset.state || viewer().layerManager?.managedLayers.length);
}

function whenReady(then) {
  const timer = setInterval(() => {
    if (!viewer()?.state || !hasState()) return;
    clearInterval(timer);
    then();
  }, 100);
}

// The process tells every page the same first view, which is made for a large screen.
function fit() {
  if (!frame.dataset.state && frame.clientWidth < NARROW_PX) turn(page.pressed);
}

function enable() {
  document.querySelector("[data-loading]").hidden = true;
  for (const button of document.querySelectorAll("button")) button.disabled = false;
  // The panel of one layer has a close button of its own.
  viewer().selectedLayer?.changed?.add(showContrast);
  fit();
  // Keys are the client's, without a click into it first.
  frame.contentWindow.focus();
}

function start() {
  frame.addEventListener("load", () => whenReady(enable));
  frame.src = address();
}

async function reload() {
  press(page.pressed);
  contrast.setAttribute("aria-pressed", false);
  if (!frame.dataset.state) {
    const size = `${frame.clientWidth}x${frame.clientHeight}`;
    const answer = await fetch(`${frame.dataset.first}?size=${size}`, { cache: "no-store" });
    if (answer.ok) viewer().state.restoreState(await answer.json());
    return;
  }
  frame.contentWindow.location.replace(address());
  frame.contentWindow.location.reload();
}

// --- orientation ---
function press(key) {
  for (const button of document.querySelectorAll("[data-preset]")) {
    button.setAttribute("aria-pressed", button.dataset.preset === key);
  }
}

// Four panels on a phone would be four stamps. Panels of a recipe stay as they are.
function layoutFor(preset, state) {
  if (state.layout?.type === "row" || state.layout?.type === "column") return state.layout;
  return frame.clientWidth < NARROW_PX ? "xy" : preset.layout;
}

// How many panels stand beside each other, and how many below: [columns, rows].
function panelsOf(layout) {
  if (layout === "4panel") return [2, 2];
  const sizes = (layout.children ?? []).map(panelsOf);
  const [columns, rows] = [0, 1].map((axis) => sizes.map((size) => size[axis]));
  const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);
  if (layout.type === "row") return [sum(columns), Math.max(...rows)];
  if (layout.type === "column") return [Math.max(...columns), sum(rows)];
  return [1, 1];
}

function scaleFor(preset, layout) {
  const [columns, rows] = panelsOf(layout);
  const [right, down] = preset.across;
  const height = frame.clientHeight - CLIENT_HEAD_PX;
  return MARGIN * Math.max((right * columns) / frame.clientWidth, (down * rows) / height);
}

function turn(key) {
  const preset = presets.find((each) => each.key === key);
  const state = viewer().state.toJSON();
  state.crossSectionOrientation = preset.quaternion;
  state.layout = layoutFor(preset, state);
  state.crossSectionScale = scaleFor(preset, state.layout);
  viewer().state.restoreState(state);
  press(key);
}

function toggleContrast() {
  const state = viewer().state.toJSON();
  const layer = state.selectedLayer?.layer ?? state.layers[0]?.name;
  state.selectedLayer = { ...state.selectedLayer, layer, visible: !state.selectedLayer?.visible };
  viewer().state.restoreState(state);
  showContrast();
}

function showContrast() {
  contrast.setAttribute("aria-pressed", viewer().state.toJSON().selectedLayer?.visible ?? false);
}

// --- permission and time ---
let endsAt = Date.now() + page.seconds_left * 1000;

function showTime() {
  const minutes = Math.max(0, Math.round((endsAt - Date.now()) / 60000));
  const place = document.querySelector("[data-time-left]");
  place.textContent = minutes >= 120 ? `${Math.floor(minutes / 60)} h left` : `${minutes} min left`;
  place.classList.toggle("is-short", minutes <= 10);
}

function say(words, { again = false, reload = false }) {
  banner.querySelector("[data-banner-words]").textContent = words;
  banner.querySelector("[data-banner-again]").hidden = !again;
  banner.querySelector("[data-banner-reload]").hidden = !reload;
  banner.hidden = false;
}

// What was drawn and set stays; the addresses alone are those of the volumes that are there now.
async function showAnew() {
  try {
    const answer = await fetch(frame.dataset.first, { cache: "no-store" });
    if (answer.ok) moveTo(revisionsIn(await answer.text()));
    await check();
  } catch {
    say(NO_ANSWER, {});
  }
}

function revisionsIn(state) {
  return new Map([...state.matchAll(MAKING)].map(([, uuid, revision]) => [uuid, revision]));
}

function moveTo(revisions) {
  const before = JSON.stringify(viewer().state.toJSON());
  const moved = before.replace(MAKING, (whole, uuid) => {
    return revisions.has(uuid) ? `/data/${uuid}/@${revisions.get(uuid)}` : whole;
  });
  viewer().state.restoreState(JSON.parse(moved));
  for (const shown of document.querySelectorAll("[data-showing]")) {
    const [uuid] = shown.dataset.showing.split("@");
    if (revisions.has(uuid)) shown.dataset.showing = `${uuid}@${revisions.get(uuid)}`;
  }
}

// Which making of each volume the client was told; the site knows whether it is still there.
function showing() {
  const shown = document.querySelectorAll("[data-showing]");
  return new URLSearchParams([...shown].map((each) => ["showing", each.dataset.showing]));
}

async function denied() {
  const layers = [...document.querySelectorAll("[data-layer]")];
  const answers = await Promise.all(
    layers.map((layer) => fetch(`/data/${layer.dataset.layer}/info`, { method: "HEAD", cache: "no-store" })),
  );
  return layers.filter((_, index) => !answers[index].ok).map((layer) => layer.textContent);
}

async function check() {
  try {
    const answer = await fetch(page.renew, { method: "POST", body: showing() });
    if (!answer.ok) {
      say("This view has ended, so no more data is loaded. What is on the screen stays: open it again, and if you were only away, go on here.", { again: true });
      return;
    }
    const renewed = await answer.json();
    endsAt = Date.now() + renewed.seconds_left * 1000;
    const names = await denied();
    if (names.length) say(`These volumes are no longer yours to see, or are gone: ${names.join(", ")}.`, { again: true });
    else if (renewed.outdated) say("A volume of this view was made anew, so no more of the old one is loaded. Place, contrast and drawings stay when you show the new one.", { reload: true });
    else banner.hidden = true;
  } catch {
    say(NO_ANSWER, {});
  }
}

async function tick() {
  await check();
  showTime();
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.preset) turn(button.dataset.preset);
  else if ("contrast" in button.dataset) toggleContrast();
  else if ("reload" in button.dataset) reload();
  else if ("bannerReload" in button.dataset) showAnew();
});
document.addEventListener("visibilitychange", () => document.hidden || tick());

showTime();
start();
tick();
setInterval(tick, page.renew_every_s * 1000);
