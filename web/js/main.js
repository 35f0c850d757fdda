// The page starts here: makes the parts and introduces them to each other.

import { introduce } from './about.js';
import { Camera } from './camera.js';
import { announce, furnish } from './controls.js';
import { listen } from './input.js';
import { Loader } from './loader.js';
import { say } from './strings.js';
import { Viewer } from './viewer.js';
import { Wall } from './wall.js';

const find = (id) => document.getElementById(id);

// Visitors who asked to save data get the smaller kind of file, and fewer at a time.
const saving = navigator.connection?.saveData ?? false;

const status = find('status');
const loader = new Loader(saving ? 3 : 6, (offline) => {
  status.hidden = !offline;
  status.textContent = offline ? say('status.offline') : '';
  announce(say(offline ? 'status.offline' : 'status.online'));
});
const wall = new Wall(find('wall'), new Camera(), loader, saving ? 'jpg' : 'webp');
const { togglePause } = furnish(wall);
const viewer = new Viewer(wall);
const placard = find('placard');

listen(wall, {
  open: (tile) => viewer.open(tile),
  togglePause,
  // On a narrow screen the placard lies across the bottom and would hide a focused picture.
  obstructed: () => (placard.offsetWidth > wall.width * 0.7 ? placard.offsetHeight : 0),
});
introduce(find('about-button'), find('facts'));
document.documentElement.classList.add('live');
