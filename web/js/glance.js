// A picture's room at the moment it is opened: the picture that hangs on the wall, until the room's own scripts and the
// large picture are here. On a slow network that takes seconds, and all the while the picture is in hand.

import { part } from './dom.js';
import { likeness } from './picture.js';
import { title } from './recipe.js';
import { model } from './settings.js';

/**
 * Opens the room with what is in hand.
 * @param {HTMLDialogElement} dialog
 * @param {import('./router.js').RoomPlace} place
 * @param {import('./wall.js').Wall} wall
 */
export function glance(dialog, place, wall) {
  if (dialog.open) return;
  part(dialog, 'h2').textContent = title(place.recipe);
  const tile = wall.tileOf(place.recipe);
  const frame = part(dialog, '.stage-frame');
  frame.replaceChildren();
  if (tile?.picture && tile.psi === place.psi) {
    const picture = likeness(tile.picture, model.width, model.height);
    picture.className = 'stage-picture glance';
    picture.setAttribute('role', 'img');
    picture.setAttribute('aria-label', tile.alt);
    frame.append(picture);
  }
  // Until its scripts are here.
  dialog.setAttribute('aria-busy', 'true');
  dialog.showModal();
  dialog.scrollTop = 0;
}
