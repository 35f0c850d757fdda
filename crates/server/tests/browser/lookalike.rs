//! Finding a face: a picture of the visitor's own, and the nearest on the wall.

use std::sync::Arc;

use synth::{Architecture, Generator, ModelFile, Seed, Upsample, WeightDtype};

use crate::common::TINY;
use crate::visit::{Browsing, Visit, browse_with};

const STATE: &str = "document.getElementById('lookalike-state').textContent";

/// A service whose visitors may draw.
async fn browse(journey: impl FnOnce(&Browsing) + Send + 'static) {
    let architecture = Architecture { upsample: Upsample::UpConv, ..Architecture::plain(16, 16, TINY) };
    let model = ModelFile::random(architecture, Seed(1)).unwrap();
    let file = model.to_bytes(WeightDtype::F32).unwrap();
    let config = server::Config { weights: Some(file.into()), ..crate::common::config() };
    browse_with(config, Arc::new(Generator::new(&model).unwrap()), journey).await;
}

/// Gives files to the page, as an event of a target: what a hand chose, or what it dropped.
fn hand_over(visit: &Visit, file: &str, target: &str, event: &str) {
    visit.value(&format!(
        "(async () => {{
            const data = new DataTransfer();
            data.items.add({file});
            const target = {target};
            if ('{event}' === 'change') target.files = data.files;
            target.dispatchEvent('{event}' === 'change'
                ? new Event('change', {{ bubbles: true }})
                : new DragEvent('{event}', {{ dataTransfer: data, bubbles: true, cancelable: true }}));
        }})()"
    ));
}

const DRAWN: &str =
    "new File([await (await fetch('/api/v1/pictures/1234.png?psi=1.0')).blob()], 'mine.png', { type: 'image/png' })";

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_of_the_walls_own_is_found_and_opens() {
    browse(|browsing: &Browsing| {
        let visit = browsing.at("/?speed=0");
        visit.until_full();
        visit.click("#to-lookalike");
        visit.until("document.getElementById('lookalike').open");
        let before = visit.asked("/api/v1/pictures/1234");
        hand_over(&visit, DRAWN, "document.getElementById('lookalike-file')", "change");
        visit.until(&format!("{STATE}.includes('01234')"));
        assert!(visit.number("document.querySelectorAll('#lookalike-way img').length") > 1.0, "the way there");
        assert!(visit.asked("/api/v1/pictures/1234") > before);
        visit.until("document.querySelector('#lookalike-found > *') !== null");
        visit.click("#lookalike-found");
        visit.until("location.pathname === '/p/1234' && document.getElementById('room').open");
        assert_eq!(visit.value("document.getElementById('lookalike').open"), false);
        visit.was_clean();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_file_opens_the_search_which_can_be_stopped_and_refuses_what_is_no_picture() {
    browse(|browsing: &Browsing| {
        let visit = browsing.at("/?speed=0");
        visit.until_full();
        hand_over(&visit, "new File(['no picture'], 'notes.txt')", "document.body", "drop");
        visit.until(&format!("{STATE}.includes('no picture that this browser can read')"));
        hand_over(&visit, DRAWN, "document.getElementById('lookalike')", "drop");
        visit.until("document.querySelectorAll('#lookalike-way img').length > 0");
        // The closer part of it is another picture: it looks again, from nothing.
        visit.slide("lookalike-closer", "2");
        visit.until(&format!("{STATE}.includes('%')"));
        visit.click("#lookalike-stop");
        visit.until("document.getElementById('lookalike-stop').hidden");
        let stopped = visit.text(STATE);
        std::thread::sleep(std::time::Duration::from_millis(600));
        assert_eq!(visit.text(STATE), stopped);
        visit.press("Escape");
        visit.until("!document.getElementById('lookalike').open");
        visit.was_clean();
    })
    .await;
}
