// The sample grid with its slider through time: follows the newest until someone takes the slider.

const STEP_MS = 250;

export class Grids {
  constructor({ image, slider, moment, play, psi }) {
    Object.assign(this, { image, slider, moment, play, psi, all: [], chosen: "0.7", following: true });
    slider.addEventListener("input", () => {
      this.following = Number(slider.value) === Number(slider.max);
      this.stop();
      this.show();
    });
    play.addEventListener("click", () => (this.timer ? this.stop() : this.start()));
  }

  /** `grids`: [{images, psi, file}] in order of time. */
  update(grids) {
    if (grids.length === this.all.length) return;
    this.all = grids;
    const kinds = [...new Set(grids.map((g) => g.psi))];
    if (!kinds.includes(this.chosen)) this.chosen = kinds[0];
    if (this.psi.querySelectorAll("input").length !== kinds.length) {
      this.psi.querySelectorAll("label").forEach((label) => label.remove());
      for (const kind of kinds) {
        const input = Object.assign(document.createElement("input"), { type: "radio", name: "psi", value: kind, checked: kind === this.chosen });
        input.addEventListener("change", () => { this.chosen = kind; this.show(); });
        const label = document.createElement("label");
        label.append(input, kind);
        this.psi.append(label);
      }
    }
    this.slider.max = Math.max(0, this.moments().length - 1);
    if (this.following) this.slider.value = this.slider.max;
    this.show();
  }

  moments() {
    return this.all.filter((g) => g.psi === this.chosen);
  }

  show() {
    const grid = this.moments()[Number(this.slider.value)];
    if (!grid) return;
    const url = `grids/${grid.file}`;
    if (this.image.getAttribute("src") !== url) this.image.src = url;
    this.image.alt = `Samples of fixed seeds after ${(grid.images / 1000).toFixed(0)} kimg at psi ${grid.psi}`;
    this.moment.textContent = `${(grid.images / 1000).toFixed(0)} kimg`;
  }

  start() {
    if (Number(this.slider.value) === Number(this.slider.max)) this.slider.value = 0;
    this.play.textContent = "Stop";
    this.play.setAttribute("aria-pressed", "true");
    this.timer = setInterval(() => {
      // A picture still under way is waited for.
      if (!this.image.complete) return;
      if (Number(this.slider.value) >= Number(this.slider.max)) return this.stop();
      this.slider.value = Number(this.slider.value) + 1;
      this.show();
    }, STEP_MS);
  }

  stop() {
    clearInterval(this.timer);
    this.timer = null;
    this.play.textContent = "Play";
    this.play.setAttribute("aria-pressed", "false");
  }
}
