// A finger on the large picture: sideways to the neighbours, down to close. Everything else stays the browser's: upwards
// scrolls, two fingers enlarge.

/** A finger that has gone so far (CSS pixels) means it. */
const FAR_PX = 56;
/** Below this nothing can be told yet. */
const SLOP_PX = 10;

/**
 * @param {HTMLElement} stage
 * @param {{scrolled: () => boolean, sideways: (step: number) => void, down: () => void}} actions `sideways` gets 1 for
 *   the next and -1 for the previous picture
 */
export function swipe(stage, { scrolled, sideways, down }) {
  /** @type {{x: number, y: number} | null} */
  let start = null;
  /**
   * 'x' or 'y' once the finger has chosen, '' if it chose what is not ours.
   * @type {'x' | 'y' | '' | null}
   */
  let way = null;

  const moved = (/** @type {TouchEvent} */ { touches, changedTouches }, /** @type {{x: number, y: number}} */ from) => {
    const { clientX, clientY } = touches[0] ?? changedTouches[0];
    return { x: clientX - from.x, y: clientY - from.y };
  };
  const rest = () => {
    stage.style.removeProperty('translate');
    start = null;
    way = null;
  };

  const move = (/** @type {TouchEvent} */ event) => {
    if (!start) return;
    if (event.touches.length > 1) return rest();
    const { x, y } = moved(event, start);
    if (way === null) {
      if (Math.hypot(x, y) < SLOP_PX) return;
      if (Math.abs(x) > Math.abs(y)) way = 'x';
      else way = y > 0 && !scrolled() ? 'y' : '';
    }
    if (way === '') return;
    if (event.cancelable) event.preventDefault();
    // The picture follows the finger, so that it is felt what would happen.
    stage.style.translate = way === 'x' ? `${x / 2}px 0` : `0 ${Math.max(0, y / 2)}px`;
  };
  const end = (/** @type {TouchEvent} */ event) => {
    if (!start) return;
    const { x, y } = moved(event, start);
    const [chosen, far] = [way, way === 'x' ? Math.abs(x) : y];
    rest();
    if (!chosen || far < FAR_PX) return;
    if (chosen === 'x') sideways(x < 0 ? 1 : -1);
    else down();
  };

  stage.addEventListener(
    'touchstart',
    ({ touches, target }) => {
      rest();
      // On a page that was enlarged a finger moves what is seen of it.
      if ((visualViewport?.scale ?? 1) > 1.01) return;
      if (touches.length > 1 || !(target instanceof HTMLElement || target instanceof SVGElement) || target.closest('button')) return;
      start = { x: touches[0].clientX, y: touches[0].clientY };
      // A touch belongs to the picture it began on, even when another one has taken its place meanwhile: there it is heard.
      /** @type {GlobalEventHandlers} */
      const touched = target;
      touched.addEventListener('touchmove', move, { passive: false });
      touched.addEventListener('touchend', end, { once: true });
      touched.addEventListener('touchcancel', rest, { once: true });
    },
    { passive: true },
  );
}
