// What browsers' own types leave open and the pages settle.

/** Elements by id: see ids.mjs. */
interface Document {
  getElementById<Id extends keyof Ids>(id: Id): Ids[Id];
}

/** Scripts of the page look for HTML elements only. */
interface ParentNode {
  querySelector<Tag extends keyof HTMLElementTagNameMap>(selectors: Tag): HTMLElementTagNameMap[Tag] | null;
  querySelector<Found extends HTMLElement = HTMLElement>(selectors: string): Found | null;
  querySelectorAll<Tag extends keyof HTMLElementTagNameMap>(selectors: Tag): NodeListOf<HTMLElementTagNameMap[Tag]>;
  querySelectorAll<Found extends HTMLElement = HTMLElement>(selectors: string): NodeListOf<Found>;
}

/** Browsers of one family say whether their visitor saves data. */
interface Navigator {
  connection?: { saveData?: boolean };
}

interface Element {
  closest<Tag extends keyof HTMLElementTagNameMap>(selectors: Tag): HTMLElementTagNameMap[Tag] | null;
  closest<Found extends HTMLElement = HTMLElement>(selectors: string): Found | null;
}

/** What scripts hang on elements of theirs. */
interface HTMLElement {
  /** On a tile of the wall. */
  tile?: import('../../web/js/tile.js').Tile;
  /** On ways to a picture. */
  creature?: import('../../web/js/recipe.js').Creature;
  place?: import('../../web/js/router.js').Place;
  /** On the button that removes it from a shelf. */
  kept?: import('../../web/js/store.js').Kept;
}

/** The wall's own events. */
interface HTMLElementEventMap {
  hung: CustomEvent<import('../../web/js/tile.js').Tile>;
}
