// Saves a draft while somebody types: one save after the other, each based on the revision of the last.
// What cannot be sent is kept on the page and sent again; what somebody else changed is asked about.
const SETTLE_MS = 700;
const RETRY_MS = 4000;
const status = document.getElementById("saved");
const trouble = document.getElementById("draft-trouble");

function show(state, text) {
  status.className = `draft-saved is-${state}`;
  if (status.textContent.trim() !== text) status.textContent = text;
}

function warn(text, ...actions) {
  trouble.hidden = false;
  const words = document.createElement("div");
  const line = document.createElement("p");
  line.textContent = text;
  const row = document.createElement("div");
  row.className = "row-of-buttons";
  row.append(...actions);
  words.append(line, row);
  trouble.replaceChildren(words);
}

function action(word, run) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "btn btn-sm btn-outline-secondary";
  button.textContent = word;
  button.addEventListener("click", run);
  return button;
}

function link(word, address) {
  const anchor = document.createElement("a");
  anchor.href = address;
  anchor.textContent = word;
  return anchor;
}

// Signing in again in another window changes the token that every change has to bring.
function isStaleToken(answer) {
  return answer.status === 403 && !answer.headers.get("content-type")?.includes("json");
}

// True once there is a fresh one; false while nobody is signed in.
async function renewToken() {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" }, cache: "no-store" });
  if (answer.redirected && new URL(answer.url).pathname.startsWith("/accounts/")) return false;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const headers = page.body.getAttribute("hx-headers");
  if (!headers) return true;
  document.body.setAttribute("hx-headers", headers);
  const token = JSON.parse(headers)["X-CSRFToken"];
  for (const field of document.querySelectorAll("[name=csrfmiddlewaretoken]")) field.value = token;
  return true;
}

export class Saver {
  constructor({ address, revision, collect, onSaved }) {
    Object.assign(this, { address, revision, collect, onSaved });
    this.dirty = false;
    this.stuck = false;
    this.sending = null;
    this.timer = 0;
    addEventListener("beforeunload", (event) => {
      if (this.dirty || this.sending) event.preventDefault();
    });
    addEventListener("online", () => this.dirty && this.flush());
    // A page that the browser kept shows an old revision: read it anew.
    addEventListener("pageshow", (event) => event.persisted && location.reload());
    this.leaveSaved();
  }

  changed() {
    this.dirty = true;
    if (this.stuck) return;
    show("open", "Saving…");
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.flush(), SETTLE_MS);
  }

  // Send what is not sent yet. True if all of it is on the server then.
  async flush() {
    clearTimeout(this.timer);
    // Behind one save the next may be under way already, of what was typed meanwhile.
    while (this.sending) await this.sending;
    if (!this.dirty) return true;
    if (this.stuck) return false;
    this.sending = this.send();
    const done = await this.sending;
    this.sending = null;
    return done && (this.dirty ? this.flush() : true);
  }

  async send() {
    // What got no answer may be on the server: it is sent again as it was, then what came since.
    const again = this.unanswered;
    this.dirty = Boolean(again);
    const body = again ?? this.collect();
    if (!again && this.revision !== null) body.set("revision", this.revision);
    this.unanswered = null;
    let answer;
    try {
      answer = await this.post(body);
      if (isStaleToken(answer)) {
        if (!(await renewToken())) return this.signedOut();
        answer = await this.post(body);
      }
    } catch {
      this.unanswered = body;
      return this.later("Not saved: retrying");
    }
    if (answer.redirected) return this.signedOut();
    if (answer.status >= 500) return this.later("Not saved: retrying");
    const said = await answer.json().catch(() => ({}));
    return answer.ok ? this.done(said) : this.refused(said);
  }

  post(body) {
    const headers = { ...JSON.parse(document.body.getAttribute("hx-headers")), Accept: "application/json" };
    return fetch(this.address, { method: "POST", headers, body });
  }

  signedOut() {
    const anchor = link("Sign in", "/accounts/login/");
    anchor.target = "_blank";
    warn("You are signed out. What you typed is kept here: sign in in another window, then it is saved by itself.", anchor);
    return this.later("Not saved: signed out");
  }

  later(text) {
    this.dirty = true;
    show("failed", text);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.flush(), RETRY_MS);
    return false;
  }

  done(said) {
    this.revision = said.revision;
    for (const field of document.querySelectorAll("[data-revision]")) field.value = said.revision;
    trouble.hidden = true;
    if (said.notes?.length) warn(said.notes.join(". "));
    if (!this.dirty) show("done", `Saved ${said.saved_at}`);
    this.onSaved?.(said);
    return true;
  }

  refused(said) {
    this.dirty = true;
    this.stuck = true;
    show("failed", "Not saved");
    if (said.location) warn(said.message, link("Open its page", said.location));
    else if (said.is_outdated) this.ask(said);
    else warn(said.message ?? "The site refused what was sent. What you typed is kept on this page only: try again before you leave it.", action("Try again", () => this.again()));
    return false;
  }

  ask(said) {
    warn(
      said.message,
      action("Take the newer", () => {
        this.dirty = false;
        location.reload();
      }),
      action("Keep mine", () => {
        this.revision = said.revision;
        this.again();
      }),
    );
  }

  again() {
    this.stuck = false;
    trouble.hidden = true;
    return this.flush();
  }

  // Links and forms that leave the page wait until everything is saved.
  leaveSaved() {
    document.addEventListener("click", async (event) => {
      const anchor = event.target.closest("a[data-step], a[data-flush]");
      if (!anchor || !(this.dirty || this.sending) || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      if (await this.flush()) location.assign(anchor.href);
    });
    document.addEventListener("submit", async (event) => {
      const form = event.target;
      // Others, as that of signing out, go on; the browser asks whether to leave what is not saved.
      if (form.dataset.flushFirst === undefined) return;
      if (form.dataset.ready || !(this.dirty || this.sending)) return;
      event.preventDefault();
      if (!(await this.flush())) return;
      form.dataset.ready = "yes";
      form.requestSubmit(event.submitter);
    });
  }
}
