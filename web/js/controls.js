// The placard: pause, speed, creativity, and the text that can be unfolded.

import { change, settings } from './settings.js';
import { pixelsPerSecond } from './camera.js';
import { numbers, say } from './strings.js';

/** While the creativity slider is being pulled, the wall waits for it to rest this long. */
const REST_MS = 110;

/** Creativity in words, up to and including each value. */
const MOODS = [
  [0.5, 'calm'],
  [0.9, 'careful'],
  [1.2, 'balanced'],
  [1.5, 'adventurous'],
  [2.0, 'strange'],
];

const find = (id) => document.getElementById(id);

/** Lets the part of the track up to the thumb (or between zero and the thumb) be drawn. */
function mark(slider) {
  const share = (value) => ((value - slider.min) / (slider.max - slider.min)) * 100;
  const value = slider.valueAsNumber;
  const zero = Math.max(0, Number(slider.min));
  slider.style.setProperty('--from', `${share(Math.min(zero, value))}%`);
  slider.style.setProperty('--to', `${share(Math.max(zero, value))}%`);
}

/** Says something to those who cannot see it. */
export function announce(text) {
  find('spoken').textContent = text;
}

/**
 * @param {import('./wall.js').Wall} wall
 * @returns {{togglePause: () => void}}
 */
export function furnish(wall) {
  speed(wall);
  creativity(wall);
  folds();
  return { togglePause: pause(wall) };
}

function pause(wall) {
  const button = find('pause');
  const still = matchMedia('(prefers-reduced-motion: reduce)');
  const set = (paused, aloud) => {
    wall.camera.paused = paused;
    button.classList.toggle('paused', paused);
    button.setAttribute('aria-label', say(paused ? 'pause.resume' : 'pause.pause'));
    button.title = say(paused ? 'pause.resume.title' : 'pause.pause.title');
    if (aloud) announce(say(paused ? 'pause.paused' : 'pause.resumed'));
    wall.wake();
  };
  const toggle = () => set(!wall.camera.paused, true);
  set(still.matches, false);
  still.addEventListener('change', () => still.matches && set(true, true));
  button.addEventListener('click', toggle);
  return toggle;
}

function speed(wall) {
  const slider = find('speed');
  const value = find('speed-value');
  const set = () => {
    const speed = slider.valueAsNumber;
    const pace = pixelsPerSecond(speed);
    const direction = speed === 0 ? 'speed.still' : speed > 0 ? 'speed.forward' : 'speed.backward';
    value.textContent = numbers.signed(speed);
    slider.setAttribute('aria-valuetext', say(direction, { pace: numbers.plain(Math.round(Math.abs(pace))) }));
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

function creativity(wall) {
  const slider = find('creativity');
  const value = find('creativity-value');
  const block = slider.closest('.control');
  let timer = 0;
  const set = () => {
    const psi = slider.valueAsNumber;
    const mood = MOODS.find(([limit]) => psi <= limit + 0.001)?.[1] ?? 'strange';
    value.textContent = numbers.tenths(psi);
    const spoken = say('creativity.spoken', { psi: numbers.tenths(psi), mood: say(`creativity.${mood}`) });
    slider.setAttribute('aria-valuetext', spoken);
    block.classList.toggle('risky', psi > 1.35);
    mark(slider);
    return spoken;
  };
  slider.value = String(settings.psi);
  set();
  slider.addEventListener('input', () => {
    const spoken = set();
    clearTimeout(timer);
    timer = setTimeout(() => {
      const psi = Math.round(slider.valueAsNumber * 10) / 10;
      if (psi === settings.psi) return;
      change({ psi });
      wall.recreate(psi);
      announce(say('creativity.changed', { spoken }));
    }, REST_MS);
  });
}

/** Buttons with aria-expanded and aria-controls fold what they control. */
function folds() {
  for (const button of document.querySelectorAll('button[aria-expanded]')) {
    const target = find(button.getAttribute('aria-controls'));
    button.addEventListener('click', () => {
      const open = button.getAttribute('aria-expanded') !== 'true';
      button.setAttribute('aria-expanded', String(open));
      target.hidden = !open;
    });
  }
}
