// Where we look: drift, momentum and glides, advanced by time. Knows no element; the wall draws what it says.

/** Drift eases in and out of a pause in about this time. */
const EASE_S = 0.22;
/** Momentum falls to 1/e in this time, glides to 1/e of their way. */
const MOMENTUM_S = 0.38;
const GLIDE_S = 0.09;
/** Slower than this (CSS pixels a second) is standing still. */
const STILL = 1.5;
/** The way the wall drifts at positive speed: leftwards and gently up, so that we walk along it. */
const HEADING = { x: Math.cos(0.32), y: Math.sin(0.32) };

/**
 * Pixels a second for a position of the speed slider: fine steps near zero, up to about 200.
 * @param {number} speed
 */
export const pixelsPerSecond = (speed) => Math.sign(speed) * 8 * Math.abs(speed) ** 1.4;

export class Camera {
  x = 0;
  y = 0;
  /** CSS pixels a second along the heading, when nothing holds it. */
  speed = 0;
  paused = false;
  /** Reasons to stand still for a moment that are not the visitor's pause: an open picture, a focused tile, a drag. */
  holds = new Set();
  #drift = 0;
  #momentum = { x: 0, y: 0 };
  #glide = { x: 0, y: 0 };

  /**
   * Keeps the drift still as long as `on`.
   * @param {string} reason
   * @param {boolean} on
   */
  hold(reason, on) {
    if (on) this.holds.add(reason);
    else this.holds.delete(reason);
  }

  /**
   * Moves at once, as a finger does.
   * @param {number} dx
   * @param {number} dy
   */
  shift(dx, dy) {
    this.x += dx;
    this.y += dy;
  }

  /**
   * Moves smoothly by a distance, on top of whatever else moves.
   * @param {number} dx
   * @param {number} dy
   */
  glide(dx, dy) {
    this.#glide.x += dx;
    this.#glide.y += dy;
  }

  /**
   * Starts to coast, in CSS pixels a second.
   * @param {number} vx
   * @param {number} vy
   */
  push(vx, vy) {
    this.#momentum = { x: vx, y: vy };
  }

  /** Ends momentum and glides, as a hand laid on the wall does. */
  stop() {
    this.#momentum = { x: 0, y: 0 };
    this.#glide = { x: 0, y: 0 };
  }

  /**
   * Where the view will be in a moment, relative to now: pictures there are wanted first.
   * @param {number} seconds
   */
  ahead(seconds) {
    return {
      x: (HEADING.x * this.#drift + this.#momentum.x) * seconds + this.#glide.x,
      y: (HEADING.y * this.#drift + this.#momentum.y) * seconds + this.#glide.y,
    };
  }

  /**
   * Advances by `dt` seconds.
   * @param {number} dt
   * @returns {boolean} whether there is anything left to move
   */
  step(dt) {
    const goal = this.paused || this.holds.size > 0 ? 0 : this.speed;
    this.#drift += (goal - this.#drift) * (1 - Math.exp(-dt / EASE_S));
    if (goal === 0 && Math.abs(this.#drift) < STILL) this.#drift = 0;

    const eaten = 1 - Math.exp(-dt / GLIDE_S);
    const moved = { x: this.#glide.x * eaten, y: this.#glide.y * eaten };
    this.#glide.x -= moved.x;
    this.#glide.y -= moved.y;
    if (Math.hypot(this.#glide.x, this.#glide.y) < 0.1) this.#glide = { x: 0, y: 0 };

    this.x += (HEADING.x * this.#drift + this.#momentum.x) * dt + moved.x;
    this.y += (HEADING.y * this.#drift + this.#momentum.y) * dt + moved.y;

    const kept = Math.exp(-dt / MOMENTUM_S);
    this.#momentum.x *= kept;
    this.#momentum.y *= kept;
    if (Math.hypot(this.#momentum.x, this.#momentum.y) < STILL) this.#momentum = { x: 0, y: 0 };

    return [goal, this.#drift, this.#momentum.x, this.#momentum.y, this.#glide.x, this.#glide.y].some(Boolean);
  }
}
