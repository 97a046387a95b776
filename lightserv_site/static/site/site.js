// What every page does: theme switch, copy buttons, menus, search key, and safe htmx swaps.
const root = document.documentElement;

function say(text) {
  document.getElementById("announce").textContent = text;
}

// --- theme: system, light, dark, in turn ---
const THEMES = { auto: "light", light: "dark", dark: "auto" };
const THEME_WORDS = { auto: "system", light: "light", dark: "dark" };

function labelTheme(button) {
  const theme = root.dataset.theme;
  button.querySelector("[data-theme-word]").textContent = THEME_WORDS[theme];
}

function switchTheme(button) {
  localStorage.setItem("adminTheme", JSON.stringify(THEMES[root.dataset.theme]));
  window.dispatchEvent(new Event("storage"));
  labelTheme(button);
  say(`Theme: ${THEME_WORDS[root.dataset.theme]}`);
}

document.querySelectorAll("[data-theme-switch]").forEach(labelTheme);

// --- copy ---
async function toClipboard(source) {
  try {
    await navigator.clipboard.writeText(source.textContent.trim());
    return true;
  } catch {
    // Plain http on another host than localhost has no clipboard: select, so that Ctrl+C does it.
    getSelection().selectAllChildren(source);
    return false;
  }
}

async function copy(button) {
  const done = await toClipboard(button.closest(".copy").querySelector("[data-copy-text]"));
  const word = done ? "Copied" : "Selected: press Ctrl+C";
  button.dataset.said = word;
  say(word);
  setTimeout(() => delete button.dataset.said, 2000);
}

// --- clicks and keys, also on what htmx brought later ---
function closeMenus(except) {
  for (const menu of document.querySelectorAll("details[data-menu][open]")) {
    if (!menu.contains(except)) menu.open = false;
  }
}

document.addEventListener("click", (event) => {
  closeMenus(event.target);
  const button = event.target.closest("[data-copy], [data-theme-switch], [data-nav-toggle]");
  if (!button) return;
  if ("copy" in button.dataset) copy(button);
  else if ("themeSwitch" in button.dataset) switchTheme(button);
  else toggleNav(button);
});

function toggleNav(button) {
  const open = button.getAttribute("aria-expanded") !== "true";
  button.setAttribute("aria-expanded", open);
  document.getElementById("site-nav").classList.toggle("is-open", open);
}

function isTyping(element) {
  return element.closest("input, textarea, select, [contenteditable]") !== null;
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    const menu = document.activeElement.closest("details[data-menu][open]");
    closeMenus(null);
    menu?.querySelector("summary").focus();
  } else if (event.key === "/" && !isTyping(event.target) && !event.ctrlKey && !event.metaKey) {
    const search = document.querySelector("[data-search]");
    if (search) event.preventDefault();
    search?.focus();
  }
});

// --- signing out leaves nothing of this person on a shared computer ---
document.addEventListener("submit", (event) => {
  if (!event.target.getAttribute("action")?.endsWith("/accounts/logout/")) return;
  const who = document.querySelector(".menu-who strong")?.textContent.trim();
  const kept = Object.keys(localStorage).filter((key) => key.startsWith(`bench:${who}:`));
  const count = kept.length === 1 ? "1 entry was" : `${kept.length} entries were`;
  if (kept.length && !confirm(`${count} not sent yet. Sign out and throw them away?`)) event.preventDefault();
  else kept.forEach((key) => localStorage.removeItem(key));
});

document.querySelector("[data-focus-first]")?.focus();

// What scrolls sideways must be reachable by keyboard, and only that.
function reachScrollable() {
  for (const box of document.querySelectorAll(".table-box, pre")) {
    if (box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight) box.tabIndex = 0;
  }
}

reachScrollable();

// --- htmx: keep unfolded rows and the focus through a swap; say when the server is gone ---
let before = null;

document.addEventListener("htmx:beforeSwap", (event) => {
  const { xhr, target } = event.detail;
  // A session that ended answers a fragment with the sign-in page.
  if (new URL(xhr.responseURL || location.href, location.href).pathname.startsWith("/accounts/login/")) {
    event.detail.shouldSwap = false;
    location.assign(`/accounts/login/?next=${encodeURIComponent(location.pathname + location.search)}`);
    return;
  }
  const open = [...target.querySelectorAll("details[open][id]")].map((details) => details.id);
  before = { open, hadFocus: target.contains(document.activeElement), target: target.id };
});

document.addEventListener("htmx:afterSettle", () => {
  reachScrollable();
  if (!before) return;
  for (const id of before.open) {
    const details = document.getElementById(id);
    if (details) details.open = true;
  }
  if (before.hadFocus && document.activeElement === document.body) {
    const place = document.getElementById(before.target);
    place?.setAttribute("tabindex", "-1");
    place?.focus({ preventScroll: true });
  }
  before = null;
});

const offline = document.getElementById("offline");
function showOffline(event) {
  const { status } = event.detail.xhr;
  // Below 500 the site did answer: that a fragment is gone or refused is not its absence.
  offline.hidden = status >= 400 && status < 500;
}

for (const name of ["htmx:sendError", "htmx:timeout", "htmx:responseError"]) {
  document.addEventListener(name, showOffline);
}
document.addEventListener("htmx:afterOnLoad", (event) => {
  if (event.detail.xhr.status < 400) offline.hidden = true;
});
