//! The page for everybody: its languages, any screen, no scripts, no barriers.

use serde_json::json;

use crate::common::{TINY, generator, measured_generator};
use crate::visit::{Browsing, ExtraHeaders, IN_VIEW, ScriptsDisabled, Visit, browse};

/// Every view, by its address, and what to wait for.
const VIEWS: [(&str, &str); 10] = [
    ("/?speed=0", "document.querySelector('.tile.filled') !== null"),
    ("/p/42?psi=1.5", "document.querySelector('.stage-frame').lastElementChild?.naturalWidth > 0"),
    ("/p/42-3b?tool=children", "document.querySelectorAll('#children img').length === 16"),
    ("/p/42@0p15?tool=edit", "document.querySelectorAll('#edits input').length === 2"),
    ("/p/42?tool=like", "document.querySelectorAll('#like img').length === 12"),
    ("/p/42~7~50", "document.querySelectorAll('#candidates img').length === 12"),
    ("/p/42_7_3", "document.querySelectorAll('#candidates img').length === 12"),
    ("/walk/42", "document.querySelector('.walk-canvas.drawn') !== null"),
    ("/collection", "document.getElementById('collection').open"),
    ("/slider.html?seed=00077", "document.querySelectorAll('.psi-value').length === 18"),
];

#[tokio::test(flavor = "multi_thread")]
async fn the_page_reads_in_its_languages() {
    browse(generator(TINY, 1), |browsing: &Browsing| {
        for (accept, tag, creativity, value, spoken) in [
            ("en-GB", "en", "Creativity", "1.6", "1.6, confused and strange"),
            ("it-IT,it;q=0.9", "it", "Creatività", "1,6", "1,6, confusa e bizzarra"),
            ("ja", "ja", "創造性", "1.6", "1.6、混乱して奇妙"),
        ] {
            let visit = browsing.visit();
            visit.send(ExtraHeaders(json!({ "headers": { "Accept-Language": accept } })));
            visit.go("/?speed=0");
            visit.until_full();
            assert_eq!(visit.text("document.documentElement.lang"), tag);
            assert_eq!(visit.text("document.querySelector('label[for=creativity]').textContent"), creativity);
            visit.slide("creativity", "1.6");
            assert_eq!(visit.text("document.getElementById('creativity-value').textContent"), value);
            let aria = visit.text("document.getElementById('creativity').getAttribute('aria-valuetext')");
            assert_eq!(aria, spoken);
            // Each language of the menu, and the one for everybody else.
            let all = "document.querySelectorAll('.languages a').length > 1
                && document.querySelectorAll('link[hreflang]').length === document.querySelectorAll('.languages a').length + 1";
            assert_eq!(visit.value(all), true);
            visit.was_clean();
        }
        // The switch: another language, the same place, and it stays while one goes on.
        let visit = browsing.at("/p/42~7~50?psi=1.1");
        visit.click(".languages a[lang=it]");
        visit.until("document.documentElement.lang === 'it' && document.readyState === 'complete'");
        visit.until("document.getElementById('room').open && location.pathname === '/p/42~7~50'");
        assert_eq!(visit.text("document.getElementById('room-title').textContent"), "Tra 00042 e 00007");
        visit.press("Escape");
        visit.until("location.pathname === '/' && location.search.includes('lang=it')");
        visit.was_clean();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_view_fits_a_small_phone_and_a_large_screen() {
    browse(measured_generator(), |browsing: &Browsing| {
        for (width, height, mobile) in [(320, 568, true), (3840, 2160, false)] {
            let visit = browsing.visit();
            visit.set_window(width, height, mobile);
            for (path, ready) in VIEWS {
                visit.go(path);
                visit.until(ready);
                let wide = visit.number("(document.querySelector('dialog[open]') ?? document.documentElement).scrollWidth");
                assert!(wide <= f64::from(width), "{path} is {wide} pixels wide on {width}");
                // Whatever can be pressed is inside the window's width and at least 24 pixels each way (WCAG 2.5.8).
                let small = visit.text(
                    "JSON.stringify([...(document.querySelector('dialog[open]') ?? document).querySelectorAll('button, input:not(.unseen), summary')]
                         .filter((one) => one.checkVisibility({ visibilityProperty: true }) && !one.closest('p, .control-check'))
                         .map((one) => [one.id || one.className, one.getBoundingClientRect()])
                         .filter(([, box]) => box.width < 24 || box.height < 24 || box.left < 0 || box.right > innerWidth)
                         .map(([name, box]) => `${name} ${box.width}x${box.height} at ${box.left}`))",
                );
                assert_eq!(small, "[]", "{path} on {width}");
            }
            visit.go("/?speed=0");
            visit.until_full();
            // The pictures cover the window: no hole is larger than a gap.
            let covered = visit.number(&format!(
                "{IN_VIEW}.map((tile) => tile.getBoundingClientRect()).map((box) =>
                     (Math.min(innerWidth, box.right) - Math.max(0, box.left)) * (Math.min(innerHeight, box.bottom) - Math.max(0, box.top)))
                     .reduce((a, b) => a + b) / (innerWidth * innerHeight)"
            ));
            assert!(covered > 0.78, "pictures cover only {covered} of {width} x {height}");
            visit.was_clean();
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_scripts_there_are_pictures_and_links_that_work() {
    browse(generator(TINY, 1), |browsing: &Browsing| {
        let visit = browsing.visit();
        visit.send(ScriptsDisabled(json!({ "value": true })));
        let go = |path: &str| {
            visit.tab.navigate_to(&format!("{}{path}", browsing.origin)).unwrap();
            visit.until("document.readyState === 'complete'");
        };
        go("/");
        let loaded = "[...document.querySelectorAll('.still img')].filter((image) => image.naturalWidth > 0).length";
        visit.until(&format!("{loaded} >= 6"));
        assert_eq!(visit.value("document.querySelectorAll('.still .pictures img').length"), 24);
        assert_eq!(visit.value("document.querySelector('#speed').checkVisibility()"), false);
        for (link, there) in [
            (".still-links a", "location.search === '?from=24'"),
            (".pictures a", "location.pathname === '/p/24'"),
            (".pictures li:last-child a", "location.search === '?psi=2.0'"),
            (".still-links:last-child a:last-child", "location.pathname === '/'"),
        ] {
            visit.click(link);
            visit.until(&format!("{there} && document.readyState === 'complete'"));
            visit.until(&format!("{loaded} >= 1"));
        }
        visit.was_clean();
    })
    .await;
}

/// What axe-core finds wrong with the page as it is now: rules and the elements that break them.
fn barriers(visit: &Visit) -> String {
    const AXE: &str = include_str!("axe/axe.min.js");
    if visit.value("typeof axe === 'undefined'") == true {
        visit.value(&format!("{AXE}; null"));
    }
    visit.text(
        "axe.run(document, { resultTypes: ['violations'] }).then(({ violations, passes }) => passes.length < 20 ? 'axe looked at nothing' : violations.map(({ id, help, nodes }) =>
             `${id}: ${help}\\n` + nodes.map(({ target, any }) => `    ${target.join(' ')} ${any[0]?.message ?? ''}`).join('\\n')).join('\\n'))",
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn no_view_has_a_barrier_that_axe_knows() {
    browse(measured_generator(), |browsing: &Browsing| {
        let mut found = Vec::new();
        for (scheme, language, width) in [("dark", "en", 1440), ("light", "it", 390)] {
            {
                let visit = browsing.visit();
                visit.set_media("prefers-color-scheme", scheme);
                visit.set_window(width, 900, false);
                visit.send(ExtraHeaders(json!({ "headers": { "Accept-Language": language } })));
                let mut check = |name: &str| {
                    // What fades in is not judged half-way.
                    visit.until("document.getAnimations().every((one) => one.playState !== 'running' || one.effect.getTiming().iterations === Infinity)");
                    let barriers = barriers(&visit);
                    if !barriers.is_empty() {
                        found.push(format!("{name}, {scheme}, {width} wide\n{barriers}"));
                    }
                };
                for (path, ready) in VIEWS {
                    visit.go(path);
                    visit.until(ready);
                    check(path);
                }
                visit.go("/?speed=0");
                visit.click("#about-button");
                visit.until("document.querySelectorAll('#growth img').length === 5");
                check("the text about it all");
                visit.value("import('/js/lookalike.js').then(({ Lookalike }) => new Lookalike().show())");
                visit.until("document.getElementById('lookalike').open");
                check("the search for a face");
                visit.go("/p/42");
                visit.click("#downloads summary");
                check("the menu of downloads");
                visit.was_clean();
            }
        }
        assert!(found.is_empty(), "{}", found.join("\n\n"));
    })
    .await;
}
