// A GAN small enough to watch: numbers instead of pictures, a generator of 40 and a discriminator of 25 parameters,
// trained here and now. Pure arithmetic; contest.js draws it.

export const LOW = -3;
export const HIGH = 3;

const KNOTS = 40;
const BUMPS = 25;
const WIDTH = 0.36;
const BATCH = 48;
const JUDGE_RATE = 0.12;
const JUDGE_DECAY = 0.02;
const PUPIL_RATE = 0.011;

/**
 * What people "draw": two kinds of numbers, one twice as common. Density at x.
 * @param {number} x
 */
export function realDensity(x) {
  /**
   * @param {number} mean
   * @param {number} spread
   */
  const bell = (mean, spread) => Math.exp(-(((x - mean) / spread) ** 2) / 2) / (spread * Math.sqrt(2 * Math.PI));
  return 0.62 * bell(-1.05, 0.42) + 0.38 * bell(1.25, 0.5);
}

/** @param {number} index */
const centre = (index) => LOW + ((HIGH - LOW) * index) / (BUMPS - 1);
/**
 * @param {number} x
 * @param {number} index
 */
const bump = (x, index) => Math.exp(-(((x - centre(index)) / WIDTH) ** 2) / 2);
/** @param {number} v */
const sigmoid = (v) => 1 / (1 + Math.exp(-v));

export class Duel {
  /** @param {() => number} random 0 to 1 */
  constructor(random = Math.random) {
    this.random = random;
    /**
     * The generator: where it sends each of so many equal shares of its random input.
     * @type {number[]}
     */
    this.knots = [];
    /** The discriminator: a height for each of so many bumps. */
    this.heights = new Float64Array(BUMPS);
    this.rounds = 0;
    this.restart();
  }

  /** The generator knows nothing: all its numbers are alike. The discriminator has no opinion. */
  restart() {
    const start = -2.4 + 4.8 * this.random();
    this.knots = Array.from({ length: KNOTS }, () => start + 0.3 * (this.random() - 0.5)).sort((a, b) => a - b);
    this.heights = new Float64Array(BUMPS);
    this.rounds = 0;
  }

  /**
   * The discriminator's opinion of a number before it is squeezed between 0 and 1, and its slope.
   * @param {number} x
   */
  #logit(x) {
    let value = 0;
    let slope = 0;
    for (let index = 0; index < BUMPS; index += 1) {
      const b = this.heights[index] * bump(x, index);
      value += b;
      slope -= (b * (x - centre(index))) / WIDTH ** 2;
    }
    return { value, slope };
  }

  /**
   * How sure the discriminator is that a number is real, 0 to 1.
   * @param {number} x
   */
  opinion(x) {
    return sigmoid(this.#logit(x).value);
  }

  #real() {
    const [u, v, kind] = [1 - this.random(), this.random(), this.random()];
    const normal = Math.sqrt(-2 * Math.log(u)) * Math.cos(2 * Math.PI * v);
    return kind < 0.62 ? -1.05 + 0.42 * normal : 1.25 + 0.5 * normal;
  }

  #drawn() {
    const place = this.random() * (KNOTS - 1);
    const index = Math.floor(place);
    return this.knots[index] + (place - index) * (this.knots[index + 1] - this.knots[index]);
  }

  /** One round: the discriminator learns from a few numbers of each kind, then the generator from its opinion. */
  round() {
    const change = new Float64Array(BUMPS);
    /**
     * @param {number} x
     * @param {number} truth
     */
    const learn = (x, truth) => {
      const error = truth - this.opinion(x);
      for (let index = 0; index < BUMPS; index += 1) change[index] += error * bump(x, index);
    };
    for (let n = 0; n < BATCH; n += 1) {
      learn(this.#real(), 1);
      learn(this.#drawn(), 0);
    }
    for (let index = 0; index < BUMPS; index += 1) {
      this.heights[index] += JUDGE_RATE * ((change[index] * 4) / BATCH - JUDGE_DECAY * this.heights[index]);
    }
    for (let index = 0; index < KNOTS; index += 1) {
      const x = this.knots[index];
      const { slope } = this.#logit(x);
      this.knots[index] = Math.min(HIGH, Math.max(LOW, x + PUPIL_RATE * Math.max(-6, Math.min(6, slope))));
    }
    this.knots.sort((a, b) => a - b);
    this.rounds += 1;
  }

  /**
   * Density of the generator's numbers at x.
   * @param {number} x
   */
  drawnDensity(x) {
    const spread = 0.17;
    const sum = this.knots.reduce((total, knot) => total + Math.exp(-(((x - knot) / spread) ** 2) / 2), 0);
    return sum / (KNOTS * spread * Math.sqrt(2 * Math.PI));
  }

  /** Half the area between the two densities: 1 when they have nothing in common, 0 when they are one. */
  difference() {
    const step = 0.05;
    let sum = 0;
    for (let x = LOW - 1; x < HIGH + 1; x += step) sum += Math.abs(realDensity(x) - this.drawnDensity(x)) * step;
    return sum / 2;
  }
}
