// A hosted wall cannot ask what its visitors read: its first page is in English, and leads those who read another of its
// languages to theirs, unless they chose.

/** Where the choice is remembered, as in js/offline.js. */
const KEY = 'tadne.language';

const root = document.documentElement;
const pages = [...document.querySelectorAll('link')].filter((link) => link.rel === 'alternate').map((link) => link.hreflang).filter(Boolean);

function wanted() {
  let chosen = null;
  try {
    chosen = localStorage.getItem(KEY);
  } catch {
    // Then what the browser says counts.
  }
  const read = chosen ? [chosen] : navigator.languages.map((tag) => tag.split('-')[0].toLowerCase());
  return read.find((tag) => pages.includes(tag)) ?? root.lang;
}

// Pages of a language are for those who chose it; only the folder's own page is for everybody.
const forEverybody = root.dataset.site === 'hosted' && root.lang === 'en' && !location.pathname.endsWith('/slider.html');
if (forEverybody && wanted() !== 'en') {
  location.replace(`${wanted()}.html${location.search}${location.hash}`);
  // What imports this page's language never begins: a change of the address would call the visitor back.
  await new Promise(() => {});
}
