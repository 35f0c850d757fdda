// A line chart of a few series over kimg, in SVG; the caption tells the values at the pointer, or the newest.

const NS = "http://www.w3.org/2000/svg";
const SIZE = { width: 400, height: 150, left: 44, right: 6, top: 8, bottom: 18 };
const make = (name, attributes) => {
  const element = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
};
const short = (v) => (v === 0 ? "0" : Math.abs(v) >= 1000 || Math.abs(v) < 0.01 ? v.toExponential(1) : v.toPrecision(3));

export class Chart {
  /** `series`: [{name, of: row => number | undefined}], at most three; a class a, b or c gives each its colour. */
  constructor(title, series) {
    this.series = series;
    this.rows = [];
    this.figure = document.createElement("figure");
    this.caption = document.createElement("figcaption");
    this.caption.append(Object.assign(document.createElement("b"), { textContent: title }));
    this.labels = series.map((s, i) => {
      const label = Object.assign(document.createElement("span"), { className: "abc"[i] });
      this.caption.append(label);
      return label;
    });
    this.svg = make("svg", { viewBox: `0 0 ${SIZE.width} ${SIZE.height}`, preserveAspectRatio: "none", role: "img", "aria-label": title });
    this.figure.append(this.caption, this.svg);
    this.svg.addEventListener("pointermove", (event) => this.point(event));
    this.svg.addEventListener("pointerleave", () => this.point(null));
  }

  show(rows) {
    this.rows = rows;
    this.draw();
  }

  points(series) {
    return this.rows.map((row) => [row.kimg, series.of(row)]).filter(([, v]) => Number.isFinite(v));
  }

  draw() {
    const all = this.series.map((s) => this.points(s));
    const flat = all.flat();
    this.figure.hidden = flat.length === 0;
    if (flat.length === 0) return;
    const xs = flat.map(([x]) => x);
    const sorted = flat.map(([, y]) => y).sort((a, b) => a - b);
    // A first wild value must not flatten the rest.
    const cut = Math.floor(sorted.length * 0.005);
    let [low, high] = [sorted[cut], sorted[sorted.length - 1 - cut]];
    if (low === high) [low, high] = [low - 0.5, high + 0.5];
    const [first, last] = [Math.min(...xs), Math.max(...xs)];
    this.x = (v) => SIZE.left + ((v - first) / (last - first || 1)) * (SIZE.width - SIZE.left - SIZE.right);
    this.kimg = (px) => first + ((px - SIZE.left) / (SIZE.width - SIZE.left - SIZE.right)) * (last - first);
    const y = (v) => SIZE.top + (1 - (Math.min(Math.max(v, low), high) - low) / (high - low)) * (SIZE.height - SIZE.top - SIZE.bottom);
    const bottom = SIZE.height - SIZE.bottom;
    const parts = [make("line", { class: "axis", x1: SIZE.left, x2: SIZE.width - SIZE.right, y1: bottom, y2: bottom })];
    const text = (x, yy, anchor, content) => {
      const t = make("text", { x, y: yy, "text-anchor": anchor });
      t.textContent = content;
      parts.push(t);
    };
    text(SIZE.left - 6, SIZE.top + 8, "end", short(high));
    text(SIZE.left - 6, bottom, "end", short(low));
    text(SIZE.left, SIZE.height - 4, "start", `${short(first)} kimg`);
    text(SIZE.width - SIZE.right, SIZE.height - 4, "end", short(last));
    all.forEach((points, i) => {
      const path = points.map(([px, v]) => `${this.x(px).toFixed(1)},${y(v).toFixed(1)}`).join(" ");
      parts.push(make("polyline", { class: "abc"[i], points: path }));
    });
    this.cursor = make("line", { class: "cursor", y1: SIZE.top, y2: bottom, visibility: "hidden" });
    this.svg.replaceChildren(...parts, this.cursor);
    this.tell(Infinity);
  }

  /** Writes the values of the last row up to `kimg` into the caption. */
  tell(kimg) {
    this.series.forEach((s, i) => {
      const known = this.points(s).filter(([x]) => x <= kimg);
      const value = known.length ? short(known[known.length - 1][1]) : "";
      this.labels[i].textContent = `${s.name} ${value}`;
    });
  }

  point(event) {
    if (!this.cursor) return;
    this.cursor.setAttribute("visibility", event ? "visible" : "hidden");
    if (!event) return this.tell(Infinity);
    const box = this.svg.getBoundingClientRect();
    const kimg = this.kimg(((event.clientX - box.left) / box.width) * SIZE.width);
    this.cursor.setAttribute("x1", this.x(kimg));
    this.cursor.setAttribute("x2", this.x(kimg));
    this.tell(kimg);
  }
}
