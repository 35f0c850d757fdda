//! The text about it all: its figures live.

use crate::common::{TINY, generator};
use crate::visit::{Browsing, Visit, browse};

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
