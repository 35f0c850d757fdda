//! The text about it all: its figures live.

use serde_json::json;

use crate::common::{TINY, generator};
use crate::visit::{BeforeScripts, Browsing, Visit, browse};

/// A number that changes whenever the first figure's picture does; 7 if nothing is painted. Read from a copy, as the
/// browser warns of pages that read their canvases.
const PRINT: &str = "(() => { const canvas = document.querySelector('#growth canvas');
    const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', { willReadFrequently: true });
    copy.drawImage(canvas, 0, 0);
    const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
    return data.some(Boolean) ? data.reduce((hash, byte) => (Math.imul(hash, 31) + byte) | 0, 7) : 7; })()";
const PSI: &str = "document.getElementById('growth-creativity').valueAsNumber";
const TOLD: &str = "document.querySelector('#growth canvas').getAttribute('aria-label')";

/// Unfolds the text and brings the figure into view.
fn unfold(visit: &Visit) {
    visit.go("/?speed=0");
    visit.click("#about-button");
    visit.until("document.querySelectorAll('#growth img').length === 5");
    visit.value("document.getElementById('growth').scrollIntoView()");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seed_grows_by_itself_and_under_the_hand() {
    browse(generator(TINY, 1), |browsing: &Browsing| {
        let visit = browsing.visit();
        unfold(&visit);
        visit.until(&format!("{PRINT} !== 7 && {PSI} >= 0.5"));
        let (psi, print) = (visit.number(PSI), visit.number(PRINT));
        visit.until(&format!("{PSI} !== {psi} && {PRINT} !== {print}"));
        // The hand takes over; a level that it chose stays.
        visit.slide("growth-creativity", "2");
        visit.until(&format!("{TOLD} === 'Generated anime picture: Seed 00042, creativity 2.0'"));
        assert_eq!(visit.text("document.getElementById('growth-value').textContent"), "2.0");
        let risky = visit.value("document.querySelector('#growth .control').classList.contains('risky')");
        assert_eq!(risky, true);
        visit.slide("growth-creativity", "0.3");
        let calm = visit.number(PRINT);
        visit.slide("growth-creativity", "1.4");
        visit.until(&format!("{PRINT} !== {calm}"));
        // And goes on from there.
        visit.click("#growth [data-act=toggle]");
        visit.until(&format!("{PSI} > 1.4"));
        visit.click("#growth [data-act=another]");
        visit.until(&format!("!{TOLD}.includes('00042')"));
        visit.was_clean();
    })
    .await;
}

/// Observers that say nothing before something is in view, and then all they have seen, the oldest first: so it happens in a page that was busy.
const BELATED: &str = "const Watching = IntersectionObserver;
    globalThis.IntersectionObserver = class extends Watching {
        constructor(told, options) {
            let seen = [];
            super((entries, observer) => {
                seen.push(...entries);
                if (!seen.some((entry) => entry.isIntersecting)) return;
                const all = seen;
                seen = [];
                told(all, observer);
            }, options);
        }
    };";

#[tokio::test(flavor = "multi_thread")]
async fn figures_begin_in_a_page_that_tells_of_several_changes_at_once() {
    browse(generator(TINY, 1), |browsing: &Browsing| {
        let visit = browsing.visit();
        visit.send(BeforeScripts(json!({ "source": BELATED })));
        unfold(&visit);
        visit.until(&format!("{PRINT} !== 7 && {PSI} >= 0.4"));
        visit.was_clean();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seed_stands_still_for_those_who_want_no_motion() {
    browse(generator(TINY, 1), |browsing: &Browsing| {
        let visit = browsing.visit();
        visit.set_media("prefers-reduced-motion", "reduce");
        unfold(&visit);
        visit.until(&format!("{PRINT} !== 7 && {PSI} === 1"));
        std::thread::sleep(std::time::Duration::from_millis(700));
        assert_eq!(visit.value(PSI), 1);
        visit.slide("growth-creativity", "1.8");
        visit.until(&format!("{TOLD}.endsWith('creativity 1.8')"));
        visit.was_clean();
    })
    .await;
}

const ROUNDS: &str = "Number(document.querySelector('#contest canvas').dataset.rounds)";
/// Sums of all bytes in the figure's row of real pictures and in that of drawn ones, which change when pictures come.
const FACES: &str = "(() => { const canvas = document.querySelector('#contest canvas');
    const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', { willReadFrequently: true });
    copy.drawImage(canvas, 0, 0);
    return [34, 164].map((top) => copy.getImageData(12, top, 616, 96).data.reduce((sum, byte) => sum + byte, 0)).join(' '); })()";

#[tokio::test(flavor = "multi_thread")]
async fn two_networks_learn_in_the_visitors_browser_while_they_are_looked_at() {
    browse(generator(TINY, 1), |browsing: &Browsing| {
        let visit = browsing.visit();
        visit.go("/?speed=0");
        visit.click("#about-button");
        visit.until("document.querySelectorAll('#growth img').length === 5");
        let empty = visit.text(FACES);
        visit.value("document.getElementById('contest').scrollIntoView()");
        visit.until(&format!("{ROUNDS} >= 20"));
        let early = visit.text(FACES);
        assert_ne!(empty, early);
        visit.until(&format!("{ROUNDS} >= 40 && {FACES} !== '{early}'"));
        // Paused it learns no more; nor out of sight.
        visit.click("#contest [data-act=toggle]");
        std::thread::sleep(std::time::Duration::from_secs(1));
        let paused = visit.value(ROUNDS);
        std::thread::sleep(std::time::Duration::from_secs(1));
        assert_eq!(visit.value(ROUNDS), paused);
        visit.click("#contest [data-act=toggle]");
        visit.until(&format!("{ROUNDS} > {paused}"));
        visit.value("document.getElementById('about-button').scrollIntoView()");
        std::thread::sleep(std::time::Duration::from_secs(1));
        let away = visit.value(ROUNDS);
        std::thread::sleep(std::time::Duration::from_secs(1));
        assert_eq!(visit.value(ROUNDS), away);
        // From the start means from nothing.
        visit.value("document.getElementById('contest').scrollIntoView()");
        visit.until(&format!("{ROUNDS} > {away}"));
        visit.click("#contest [data-act=again]");
        visit.until(&format!("{ROUNDS} > 0 && {ROUNDS} < {away}"));
        visit.was_clean();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_cannot_train_sees_the_contest_with_numbers() {
    browse(generator(TINY, 1), |browsing: &Browsing| {
        let visit = browsing.visit();
        visit.send(BeforeScripts(json!({ "source": "delete globalThis.WebAssembly" })));
        visit.go("/?speed=0");
        visit.click("#about-button");
        let caption = "document.querySelector('#contest figcaption').textContent";
        visit.until(&format!("{caption}.includes('numbers instead of pictures')"));
        assert_eq!(visit.value("document.querySelectorAll('#contest .figure-keys span').length"), 3);
        visit.was_clean();
    })
    .await;
}
