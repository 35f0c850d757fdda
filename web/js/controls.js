// The placard: pause, speed, creativity, size, surprise, and the parts that can be folded.

import { change, settings } from './settings.js';
import { pixelsPerSecond } from './camera.js';
import { around, find } from './dom.js';
import { here } from './easel.js';
import { numbers, say } from './strings.js';

/** While the creativity slider is being pulled, the wall follows at most this often. */
const REST_MS = 110;
/** One press of a button for the size. */
export const ZOOM_STEP = 1.25;
/** From here on creativity is marked as risky. */
const RISKY = 1.35;

/** Creativity in words, up to and including each value. */
const MOODS = [
  [0.5, 'calm'],
  [0.9, 'careful'],
  [1.2, 'balanced'],
  [1.5, 'adventurous'],
  [2.0, 'strange'],
];

/**
 * Lets the part of a slider's track up to the thumb (or between zero and the thumb) be drawn.
 * @param {HTMLInputElement} slider
 */
export function mark(slider) {
  /** @param {number} value */
  const share = (value) => ((value - Number(slider.min)) / (Number(slider.max) - Number(slider.min))) * 100;
  const value = slider.valueAsNumber;
  const zero = Math.max(0, Number(slider.min));
  slider.style.setProperty('--from', `${share(Math.min(zero, value))}%`);
  slider.style.setProperty('--to', `${share(Math.max(zero, value))}%`);
}

/**
 * Says something to those who cannot see it. What is behind an open dialog is not spoken, so each has a place for it.
 * @param {string} text
 */
export function announce(text) {
  const place = document.querySelector('dialog[open] .spoken') ?? find('spoken');
  place.textContent = text;
}

/**
 * Shows a creativity next to its slider, and lets it be spoken; returns what is spoken. An address may name one between
 * the slider's steps.
 * @param {HTMLInputElement} slider
 * @param {HTMLElement} value
 * @param {number} [psi]
 */
export function describeCreativity(slider, value, psi = slider.valueAsNumber) {
  const mood = MOODS.find(([limit]) => psi <= Number(limit) + 0.001)?.[1] ?? 'strange';
  value.textContent = numbers.tenths(psi);
  const spoken = say('creativity.spoken', { psi: numbers.tenths(psi), mood: say(`creativity.${mood}`) });
  slider.setAttribute('aria-valuetext', spoken);
  around(slider, '.control').classList.toggle('risky', psi > RISKY);
  mark(slider);
  return spoken;
}

/**
 * @param {import('./wall.js').Wall} wall
 * @param {import('./living.js').Living} living
 * @returns {{togglePause: () => void}}
 */
export function furnish(wall, living) {
  speed(wall);
  creativity(wall, living);
  surprise(wall);
  size(wall);
  folds();
  return { togglePause: pause(wall, living) };
}

/**
 * Makes a button that pauses and resumes look and sound like what it will do.
 * @param {HTMLButtonElement} button
 * @param {boolean} paused
 */
export function dressPause(button, paused) {
  button.classList.toggle('paused', paused);
  button.setAttribute('aria-label', say(paused ? 'pause.resume' : 'pause.pause'));
  button.title = `${say(paused ? 'pause.resume' : 'pause.pause')} (${say('keys.space')})`;
}

/**
 * @param {import('./wall.js').Wall} wall
 * @param {import('./living.js').Living} living
 */
function pause(wall, living) {
  const button = find('pause');
  const still = matchMedia('(prefers-reduced-motion: reduce)');
  /**
   * @param {boolean} paused
   * @param {boolean} aloud
   */
  const set = (paused, aloud) => {
    wall.camera.paused = paused;
    // Whoever stops the wall stops all of it.
    living.still = paused;
    dressPause(button, paused);
    if (aloud) announce(say(paused ? 'pause.paused' : 'pause.resumed'));
    wall.wake();
  };
  const toggle = () => set(!wall.camera.paused, true);
  set(still.matches, false);
  still.addEventListener('change', () => still.matches && set(true, true));
  button.addEventListener('click', toggle);
  return toggle;
}

/** @param {import('./wall.js').Wall} wall */
function speed(wall) {
  const slider = find('speed');
  const value = find('speed-value');
  const set = () => {
    const speed = slider.valueAsNumber;
    const pace = pixelsPerSecond(speed);
    const direction = speed === 0 ? 'still' : speed > 0 ? 'forward' : 'backward';
    value.textContent = numbers.signed(speed);
    const spoken = say(`speed.${direction}`, { pace: numbers.plain(Math.round(Math.abs(pace))) });
    slider.setAttribute('aria-valuetext', spoken);
    mark(slider);
    wall.camera.speed = pace;
    wall.wake();
  };
  slider.value = String(settings.speed);
  set();
  slider.addEventListener('input', () => {
    set();
    change({ speed: slider.valueAsNumber });
  });
}

/**
 * @param {import('./wall.js').Wall} wall
 * @param {import('./living.js').Living} living
 */
function creativity(wall, living) {
  const slider = find('creativity');
  const value = find('creativity-value');
  let timer = 0;
  slider.value = String(settings.psi);
  describeCreativity(slider, value);
  // Where this browser draws, every picture follows the hand, and between the tenths as well.
  const settle = () => {
    slider.step = '0.1';
    const spoken = describeCreativity(slider, value);
    change({ psi: Math.round(slider.valueAsNumber * 10) / 10 });
    wall.recreate();
    announce(say('creativity.changed', { spoken }));
  };
  slider.addEventListener('pointerdown', () => {
    if (here()) slider.step = '0.01';
  });
  slider.addEventListener('input', () => {
    describeCreativity(slider, value);
    if (here()) return living.follow(slider.valueAsNumber, settle);
    // The first step is followed at once, then at a steady pace, so that the wall changes under the hand.
    timer ||= setTimeout(() => {
      timer = 0;
      const psi = Math.round(slider.valueAsNumber * 10) / 10;
      if (psi === settings.psi) return;
      change({ psi });
      wall.recreate();
      announce(say('creativity.changed', { spoken: describeCreativity(slider, value) }));
    }, REST_MS);
  });
}

/** @param {import('./wall.js').Wall} wall */
function surprise(wall) {
  const button = find('surprise');
  const dress = () => button.setAttribute('aria-pressed', String(settings.surprise));
  dress();
  button.addEventListener('click', () => {
    change({ surprise: !settings.surprise });
    dress();
    wall.recreate();
    announce(say(settings.surprise ? 'surprise.on' : 'surprise.off'));
  });
}

/** @param {import('./wall.js').Wall} wall */
function size(wall) {
  const buttons = [find('smaller'), find('larger')];
  const dress = () => {
    const { atLeast, atMost } = wall.lattice;
    // Not `disabled`, which would take the focus away from whoever has just pressed it.
    buttons.forEach((button, index) => button.setAttribute('aria-disabled', String([atLeast, atMost][index])));
  };
  buttons.forEach((button, index) =>
    button.addEventListener('click', () => {
      if (button.getAttribute('aria-disabled') !== 'true') wall.zoom(ZOOM_STEP ** (2 * index - 1));
    }),
  );
  wall.view.addEventListener('laidout', dress);
  dress();
}

/** On screens smaller than this the placard begins folded: the pictures need the room. */
const SMALL = '(max-width: 560px) and (max-height: 640px)';

/** Buttons with aria-expanded and aria-controls fold what they control. */
function folds() {
  for (const button of document.querySelectorAll('button[aria-expanded]')) {
    const target = document.getElementById(button.getAttribute('aria-controls') ?? '');
    button.addEventListener('click', () => {
      const open = button.getAttribute('aria-expanded') !== 'true';
      button.setAttribute('aria-expanded', String(open));
      if (target) target.hidden = !open;
    });
  }
  if (matchMedia(SMALL).matches) find('fold').click();
}
