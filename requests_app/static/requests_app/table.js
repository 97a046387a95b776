// The rows of the sample grid and what is done to many of them at once. Knows nothing of the page.
// What every sample needs comes first, so that it is in view on a laptop.
export const COLUMNS = [
  { field: "name", label: "Sample", kind: "text" },
  { field: "protocol", label: "Clearing protocol", kind: "protocol" },
  { field: "imaging", label: "Imaging", kind: "imaging" },
  { field: "antibody1", label: "Primary antibody", kind: "text" },
  { field: "antibody2", label: "Secondary antibody", kind: "text" },
  { field: "expected_handoff_date", label: "Hand-off", kind: "date" },
  { field: "subject", label: "Animal", kind: "subject" },
  { field: "perfusion_date", label: "Perfused", kind: "date" },
  { field: "notes_for_clearer", label: "Notes for the clearer", kind: "text" },
];
export const FILLED = COLUMNS.filter((column) => column.field !== "name");
const OWN = ["name", "subject"]; // never copied from one sample to another
const MOST_UNDO = 100;

export class Table {
  constructor(rows, { most, requestName }) {
    Object.assign(this, { rows, most, requestName });
    this.history = [];
  }

  // Do something to many rows, so that it can be taken back.
  bulk(what, change) {
    this.history.push({ what, rows: structuredClone(this.rows) });
    if (this.history.length > MOST_UNDO) this.history.shift();
    return change();
  }

  // What is typed into one cell is a step of its own, so that undoing an act keeps it.
  typing(index, field) {
    const cell = `${index} ${field}`;
    if (this.history.at(-1)?.cell === cell) return;
    this.bulk("typing", () => undefined);
    this.history.at(-1).cell = cell;
  }

  undo() {
    const last = this.history.pop();
    if (last) this.rows = last.rows;
    return last?.what;
  }

  usualName(number) {
    const stem = this.requestName.trim().replace(/\s+/g, "_").replace(/[^A-Za-z0-9_-]/g, "").replace(/^[_-]+/, "").slice(0, 60);
    return `${stem || "sample"}-${String(number).padStart(3, "0")}`;
  }

  freeName(number) {
    const used = new Set(this.rows.map((row) => row.name.toLowerCase()));
    let next = number;
    while (used.has(this.usualName(next).toLowerCase())) next += 1;
    return this.usualName(next);
  }

  blank() {
    const row = { imaging_text: "", imaging: [] };
    for (const { field } of COLUMNS) if (field !== "imaging") row[field] = "";
    return { ...row, name: this.freeName(this.rows.length + 1), protocol: this.rows.at(-1)?.protocol ?? "" };
  }

  // Returns how many fitted.
  add(count) {
    const fits = Math.max(0, Math.min(count, this.most - this.rows.length));
    for (let i = 0; i < fits; i += 1) this.rows.push(this.blank());
    return fits;
  }

  duplicate(index) {
    if (this.rows.length >= this.most) return false;
    const copy = { ...structuredClone(this.rows[index]), name: this.freeName(this.rows.length + 1), subject: "" };
    this.rows.splice(index + 1, 0, copy);
    return true;
  }

  remove(indices) {
    this.rows = this.rows.filter((_, i) => !indices.has(i));
  }

  copyRow(from, indices) {
    for (const i of indices) {
      if (i === from) continue;
      const own = Object.fromEntries(OWN.map((field) => [field, this.rows[i][field]]));
      this.rows[i] = { ...structuredClone(this.rows[from]), ...own };
    }
  }

  fill(field, from, indices) {
    for (const i of indices) {
      if (i !== from) this.set(i, field, this.rows[from]);
    }
  }

  set(index, field, source) {
    this.rows[index][field] = structuredClone(source[field]);
    if (field === "imaging") this.rows[index].imaging_text = source.imaging_text;
  }

  // Lay a block of cells over the table. Returns what was left out.
  paste(block, row, column, choose) {
    let cells = block;
    let fields = COLUMNS.slice(column).map((c) => c.field);
    const named = headerOf(block[0]);
    if (named) {
      fields = named;
      cells = block.slice(1);
    }
    this.add(row + cells.length - this.rows.length);
    const unknown = named ? block[0].filter((header, i) => header.trim() && !named[i]) : [];
    const rows = cells.slice(0, this.rows.length - row);
    rows.forEach((values, i) => values.slice(0, fields.length).forEach((value, j) => {
      if (fields[j]) this.type(row + i, fields[j], choose(fields[j], value.trim()));
    }));
    return {
      rows: rows.length,
      unknown,
      rowsCut: cells.length - rows.length,
      columnsCut: named ? 0 : Math.max(0, Math.max(...cells.map((values) => values.length)) - fields.length),
    };
  }

  type(index, field, value) {
    if (field === "imaging") {
      this.rows[index].imaging = [];
      this.rows[index].imaging_text = value;
    } else {
      this.rows[index][field] = value;
    }
  }
}

const plain = (text) => text.toLowerCase().replace(/[^a-z0-9]/g, "");
const HEADERS = new Map(COLUMNS.flatMap(({ field, label }) => [[plain(label), field], [plain(field), field]]));
for (const [word, field] of [["protocol", "protocol"], ["notes", "notes_for_clearer"], ["notesforclearer", "notes_for_clearer"], ["handoffdate", "expected_handoff_date"], ["perfusiondate", "perfusion_date"], ["perfusion", "perfusion_date"], ["samplename", "name"], ["mouse", "subject"]]) HEADERS.set(word, field);

// The fields of a first row that names columns; null if it holds values.
function headerOf(cells) {
  const fields = cells.map((cell) => HEADERS.get(plain(cell)) ?? "");
  return fields.filter(Boolean).length >= 2 ? fields : null;
}

// What a spreadsheet puts on the clipboard: tabs, line ends, quotes around what holds them.
export function readBlock(text) {
  const rows = [[""]];
  let quoted = false;
  const body = text.replace(/\r\n?/g, "\n").replace(/\n$/, "");
  for (let i = 0; i < body.length; i += 1) {
    const row = rows.at(-1);
    const sign = body[i];
    if (quoted) {
      if (sign !== '"') row[row.length - 1] += sign;
      else if (body[i + 1] === '"') { row[row.length - 1] += '"'; i += 1; } else quoted = false;
    } else if (sign === '"' && row.at(-1) === "") quoted = true;
    else if (sign === "\t") row.push("");
    else if (sign === "\n") rows.push([""]);
    else row[row.length - 1] += sign;
  }
  return rows;
}
