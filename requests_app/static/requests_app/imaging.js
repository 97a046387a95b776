// The dialog in which the imaging of a sample is chosen: a matrix of channels and purposes per objective.
const WORDS = {
  registration: "reg",
  injection_detection: "injection",
  probe_detection: "probe",
  cell_detection: "cells",
  generic_imaging: "image",
};
const GENERIC = "generic_imaging";
const DEFAULT_CHANNEL = "488";

export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

// "1.3x: 488 reg · 647 cells"
export function summary(imaging) {
  return imaging.map((wanted) => {
    const channels = Object.entries(wanted.channels)
      .map(([name, purposes]) => `${name} ${purposes.map((p) => WORDS[p] ?? p).join("+")}`);
    return `${wanted.objective}: ${channels.join(" · ") || "no channel"}`;
  });
}

export class ImagingDialog {
  // `many` is what the page calls the samples that are chosen together.
  constructor({ options, species, onApply, many = "selected" }) {
    Object.assign(this, { options, species, onApply, many });
    this.onlyGeneric = options.generic_only_species.includes(species);
    this.dialog = make("dialog", { className: "imaging-dialog" });
    this.dialog.setAttribute("aria-labelledby", "imaging-title");
    document.body.append(this.dialog);
  }

  open({ imaging, title, selected, all, opener }) {
    this.chosen = new Map(imaging.map((wanted) => [wanted.objective, structuredClone(wanted)]));
    this.opener = opener;
    this.body = make("div", { className: "imaging-body" });
    this.said = make("p", { className: "imaging-said muted small" });
    this.said.setAttribute("role", "status");
    this.fill();
    this.dialog.replaceChildren(
      make("h2", { id: "imaging-title", textContent: `Imaging of ${title}` }),
      this.help(),
      this.body,
      this.said,
      this.foot(selected, all),
    );
    this.dialog.showModal();
  }

  help() {
    const lines = this.options.purposes.map((p) => make("li", {}, make("strong", { textContent: p.label }), `: ${p.help}`));
    return make("details", { className: "imaging-help" },
      make("summary", { textContent: "What the purposes mean" }), make("ul", {}, ...lines));
  }

  fill() {
    this.body.replaceChildren(...this.options.microscopes.map((scope) => {
      const group = make("fieldset", { className: "imaging-scope" }, make("legend", { textContent: scope.label }));
      if (scope.notice) group.append(this.notice(scope));
      group.append(...scope.objectives.map((objective) => this.block(objective, scope)));
      return group;
    }), ...this.strange());
  }

  notice(scope) {
    const then = scope.is_stopped
      ? "It cannot be ordered now: choose an objective of another microscope, or write to the facility."
      : "You can order it; imaging may take longer.";
    return make("p", { className: `imaging-notice ${scope.is_stopped ? "is-failed" : "is-needs-you"}` },
      make("strong", { textContent: scope.is_stopped ? "Down. " : "Look here. " }), `${scope.notice}. ${then}`);
  }

  // Objectives that are not offered (any more) can only be taken out.
  strange() {
    const known = new Set(this.options.microscopes.flatMap((s) => s.objectives.map((o) => o.name)));
    return [...this.chosen.keys()].filter((name) => !known.has(name)).map((name) => {
      const button = make("button", { type: "button", className: "btn btn-sm btn-outline-danger", textContent: `Remove ${name}` });
      button.addEventListener("click", () => {
        this.chosen.delete(name);
        this.fill();
      });
      return make("p", {}, `${name || "An objective without a name"} is not offered. `, button);
    });
  }

  block(objective, scope) {
    const wanted = this.chosen.get(objective.name);
    const tick = make("input", { type: "checkbox", className: "form-check-input", checked: Boolean(wanted) });
    // What was chosen before the microscope went down can still be taken out.
    tick.disabled = !wanted && (scope.is_stopped || this.chosen.size >= this.options.limits.objectives);
    tick.addEventListener("change", () => this.choose(objective, tick.checked));
    const head = make("label", { className: "imaging-head plain" }, tick,
      make("strong", { textContent: objective.name }),
      make("span", { className: "muted small", textContent: objective.implies }));
    const block = make("div", { className: `imaging-objective${wanted ? " is-chosen" : ""}` }, head);
    if (wanted) block.append(this.matrix(objective, wanted), this.fields(objective, wanted));
    return block;
  }

  choose(objective, isChosen) {
    if (isChosen) this.chosen.set(objective.name, this.fresh(objective));
    else this.chosen.delete(objective.name);
    const most = this.options.limits.objectives;
    this.said.textContent = this.chosen.size >= most ? `${most} objectives are the most for one sample.` : "";
    this.fill();
    this.focusOn(objective.name);
  }

  fresh(objective) {
    const registers = this.species === "mouse" && this.options.preset_objectives.includes(objective.name)
      && objective.channels.some((c) => c.name === DEFAULT_CHANNEL && c.may_register);
    return {
      objective: objective.name,
      channels: registers ? { [DEFAULT_CHANNEL]: ["registration"] } : {},
      notes_for_imager: "",
      notes_for_processor: "",
      atlas: this.hasProcessing(objective) ? (this.options.atlases[0]?.name ?? "") : "",
      final_orientation: this.options.orientations[0],
    };
  }

  hasProcessing(objective) {
    return !objective.generic_only && objective.is_processed;
  }

  focusOn(name) {
    const place = [...this.body.querySelectorAll(".imaging-head")]
      .find((head) => head.querySelector("strong").textContent === name);
    place?.querySelector("input").focus();
  }

  isOpen(objective, channel, purpose) {
    if (purpose === GENERIC) return true;
    if (objective.generic_only || this.onlyGeneric) return false;
    return purpose !== "registration" || channel.may_register;
  }

  matrix(objective, wanted) {
    const purposes = this.options.purposes;
    const head = make("tr", {}, make("th", { scope: "col", textContent: "nm" }),
      ...purposes.map((p) => make("th", { scope: "col", textContent: p.label, title: p.help })));
    const rows = objective.channels.map((channel) => make("tr", {},
      make("th", { scope: "row", textContent: channel.name, title: `${channel.name} nm` }),
      ...purposes.map((purpose) => make("td", {}, this.box(objective, wanted, channel, purpose)))));
    const table = make("table", { className: "matrix" }, make("thead", {}, head), make("tbody", {}, ...rows));
    const box = make("div", { className: "matrix-box" }, table);
    if (objective.generic_only) box.append(make("p", { className: "muted small", textContent: "This objective is for imaging only: nothing is registered or detected." }));
    else if (this.onlyGeneric) box.append(make("p", { className: "muted small", textContent: `For ${this.species} there is no atlas: nothing is registered or detected.` }));
    return box;
  }

  box(objective, wanted, channel, purpose) {
    const ticked = (wanted.channels[channel.name] ?? []).includes(purpose.name);
    const box = make("input", { type: "checkbox", className: "form-check-input", checked: ticked });
    // What is ticked against the rules can still be unticked.
    box.disabled = !ticked && !this.isOpen(objective, channel, purpose.name);
    box.setAttribute("aria-label", `${objective.name} ${channel.name} ${purpose.label}`);
    box.addEventListener("change", () => {
      this.set(wanted, channel.name, purpose.name, box.checked);
      this.fill();
      this.body.querySelector(`[aria-label="${CSS.escape(objective.name)} ${channel.name} ${purpose.label}"]`)?.focus();
    });
    return make("label", { className: "box" }, box);
  }

  set(wanted, channel, purpose, isTicked) {
    if (purpose === "registration" && isTicked) {
      // One channel of an objective is registered: the last one that was ticked.
      for (const name of Object.keys(wanted.channels)) this.drop(wanted, name, "registration");
      wanted.final_orientation = this.options.orientations[0];
    }
    if (!isTicked) return this.drop(wanted, channel, purpose);
    const order = this.options.purposes.map((p) => p.name);
    const purposes = [...(wanted.channels[channel] ?? []), purpose];
    wanted.channels[channel] = purposes.sort((a, b) => order.indexOf(a) - order.indexOf(b));
    return undefined;
  }

  drop(wanted, channel, purpose) {
    const left = (wanted.channels[channel] ?? []).filter((p) => p !== purpose);
    if (left.length) wanted.channels[channel] = left;
    else delete wanted.channels[channel];
  }

  fields(objective, wanted) {
    const fields = make("div", { className: "imaging-fields" },
      this.text(wanted, "notes_for_imager", "Notes for the imager", "Without a note the whole brain is imaged"));
    if (!this.hasProcessing(objective)) return fields;
    const registers = Object.values(wanted.channels).some((p) => p.includes("registration"));
    const atlases = [["", "None"], ...this.options.atlases.map((a) => [a.name, a.label])];
    fields.append(
      this.text(wanted, "notes_for_processor", "Notes for the processor", ""),
      this.pick(wanted, "atlas", "Atlas", atlases, false),
      this.pick(wanted, "final_orientation", registers ? "Orientation (registered: sagittal)" : "Orientation",
        this.options.orientations.map((o) => [o, o]), registers && wanted.final_orientation === this.options.orientations[0]),
    );
    return fields;
  }

  text(wanted, name, label, placeholder) {
    const field = make("input", { type: "text", className: "form-control", value: wanted[name], placeholder, maxLength: this.options.limits[name] });
    field.addEventListener("input", () => { wanted[name] = field.value; });
    return make("label", { className: "plain" }, make("span", { textContent: label }), field);
  }

  pick(wanted, name, label, choices, isFixed) {
    const known = choices.some(([value]) => value === wanted[name]) ? choices : [...choices, [wanted[name], `${wanted[name]} (not offered)`]];
    const field = make("select", { className: "form-select", disabled: isFixed },
      ...known.map(([value, word]) => make("option", { value, textContent: word, selected: value === wanted[name] })));
    field.addEventListener("change", () => { wanted[name] = field.value; });
    return make("label", { className: "plain" }, make("span", { textContent: label }), field);
  }

  foot(selected, all) {
    const buttons = [this.button("Apply to this sample", "btn-primary", "this")];
    if (selected) buttons.push(this.button(`Apply to ${selected} ${this.many}`, "btn-outline-secondary", "selected"));
    if (all > 1) buttons.push(this.button(`Apply to all ${all}`, "btn-outline-secondary", "all"));
    buttons.push(this.button("Cancel", "btn-link", ""));
    return make("div", { className: "row-of-buttons imaging-foot" }, ...buttons);
  }

  button(word, look, to) {
    const button = make("button", { type: "button", className: `btn ${look}`, textContent: word });
    button.addEventListener("click", () => {
      this.dialog.close();
      if (to) this.onApply(to, [...this.chosen.values()]);
      document.getElementById(this.opener)?.focus();
    });
    return button;
  }
}
