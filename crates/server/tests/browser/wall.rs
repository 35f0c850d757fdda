//! The wall: it fills, drifts, obeys, and is left as it was found.

use std::time::Duration;

use serde_json::json;

use crate::common::{TINY, generator};
use crate::visit::{ACROSS, Browsing, DataSaver, IN_VIEW, NetworkConditions, Touch, TouchScreen, browse};

#[tokio::test(flavor = "multi_thread")]
async fn the_wall_fills_and_drifts_and_pauses() {
    browse(generator(TINY, 1), |browsing: &Browsing| {
        let visit = browsing.at("/?wall=0000beef");
        visit.until_full();
        eprintln!("the first screen was full {:.0} ms after navigation began", visit.number("performance.now()"));

        // The same place has the same picture: the wall is a function of its name and the cell.
        let spread = "import('/js/cells.js').then(({ cellSeed }) => {
            const seeds = new Set();
            for (let x = -50; x < 50; x += 1) for (let y = -50; y < 50; y += 1) seeds.add(cellSeed(7, x, y));
            return seeds.size > 9_990 && cellSeed(7, -3, 5) === cellSeed(7, -3, 5) && cellSeed(7, 1, 2) !== cellSeed(8, 1, 2);
        })";
        assert_eq!(visit.value(spread), true, "cells do not spread over the seeds");

        // It drifts, and the pause button stops it and lets it go.
        assert!(visit.moves_within(Duration::from_secs(2)), "the wall does not drift");
        visit.click("#pause");
        visit.comes_to_rest();
        assert_eq!(visit.text("document.getElementById('pause').getAttribute('aria-label')"), "Let it move");
        visit.click("#pause");
        assert!(visit.moves_within(Duration::from_secs(2)), "the wall does not go on");

        // Speed zero stands still; a negative speed drifts the other way.
        visit.stand_still();
        assert_eq!(visit.text("document.getElementById('speed').getAttribute('aria-valuetext')"), "stands still");
        let before = visit.number(ACROSS);
        visit.slide("speed", "-6");
        visit.until(&format!("{ACROSS} > {}", before + 10.0));
        visit.until("location.search.includes('speed=-6') && location.search.includes('wall=0000beef')");
        visit.was_clean();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_view_comes_first_and_no_larger_than_its_place_needs() {
    // 256 pixels.
    browse(generator(&[8; 7], 1), |browsing: &Browsing| {
        let visit = browsing.at("/?wall=0000beef&speed=0");
        visit.until_full();
        let asked = "performance.getEntriesByType('resource').filter(({ name }) => name.includes('/pictures/'))";
        visit.until(&format!("{asked}.length >= document.querySelectorAll('.tile').length"));
        let early = format!(
            "(() => {{ const seen = new Set({IN_VIEW}.map((tile) => new URL(tile.tile.wished, location.href).href));
                 return {asked}.slice(0, seen.size).filter(({{ name }}) => !seen.has(name)).length; }})()"
        );
        assert!(visit.number("document.querySelectorAll('.tile').length") > visit.number(&format!("{IN_VIEW}.length")));
        assert_eq!(visit.number(&early) as u32, 0, "pictures outside the window were asked for before some inside it");

        // Tiles between 128 and 160 pixels want 160 of 256; larger and smaller places theirs, and what is nearly as large all.
        let across = visit.number(&format!("{IN_VIEW}[0].clientWidth"));
        assert!((129.0..=160.0).contains(&across), "tiles of {across} pixels");
        assert_eq!(visit.number(&format!("{IN_VIEW}[0].tile.picture.naturalWidth")) as u32, 160);
        let sizes = "Promise.all([import('/js/address.js'), import('/js/recipe.js')]).then(([{ suitableAddress }, { ofSeed }]) => [10, 64, 65, 96, 97, 190, 193, 256, 500].map((across) =>
            new URL(suitableAddress(ofSeed(1), 1, across), location.href).searchParams.get('size') ?? '').join())";
        assert_eq!(visit.text(sizes), "64,64,96,96,128,192,,,512");
        visit.was_clean();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drag_moves_the_wall_and_lets_it_coast() {
    browse(generator(TINY, 1), |browsing: &Browsing| {
        let visit = browsing.at("/?speed=0");
        visit.until_full();
        visit.comes_to_rest();
        // Momentum needs the events close together, which a busy computer does not promise every time.
        let coasted = (0..12).any(|_| {
            let before = visit.number(ACROSS);
            visit.drag(-240.0, 60.0);
            visit.until(&format!("{ACROSS} < {}", before - 200.0));
            visit.comes_to_rest();
            visit.number(ACROSS) < before - 262.0
        });
        assert!(coasted, "the wall stops dead when the hand lets go");
        assert_eq!(visit.value("location.pathname"), "/", "a drag was taken for a click");
        assert_eq!(visit.value("document.querySelector('dialog[open]')"), serde_json::Value::Null);
        visit.was_clean();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_grow_and_shrink_by_key_wheel_and_fingers() {
    browse(generator(TINY, 1), |browsing: &Browsing| {
        let visit = browsing.visit();
        visit.send(TouchScreen(json!({ "enabled": true, "maxTouchPoints": 2 })));
        visit.go("/?speed=0");
        visit.until_full();
        let width = "document.querySelector('.tile').offsetWidth";
        let first = visit.number(width);
        visit.press("+");
        visit.until(&format!("{width} > {first} * 1.2"));
        visit.press("-");
        visit.until(&format!("{width} === {first}"));
        // In a field they are letters.
        visit.value("document.getElementById('seek-seed').focus()");
        visit.press("-");
        visit.press("-");
        std::thread::sleep(Duration::from_millis(400));
        assert_eq!(visit.value(&format!("{width} === {first}")), true, "what is typed zooms the wall");
        visit.value("document.getElementById('seek-seed').blur()");
        visit.click("#smaller");
        visit.until(&format!("{width} < {first}"));
        visit.until("Number(new URLSearchParams(location.search).get('zoom')) < 0.9");
        visit.click("#larger");
        visit.until(&format!("{width} === {first}"));
        // A wheel with Ctrl is what two fingers on a touch pad send.
        visit.value(
            "document.getElementById('wall').dispatchEvent(new WheelEvent('wheel',
                 { deltaY: -60, ctrlKey: true, clientX: 900, clientY: 300, bubbles: true, cancelable: true }))",
        );
        visit.until(&format!("{width} > {first} * 1.2"));
        let wheeled = visit.number(width);
        let touch = |kind: &str, spread: f64| {
            let points = [-spread, spread].map(|dx| json!({ "x": 900.0 + dx, "y": 350.0, "id": i32::from(dx > 0.0) }));
            let points = if kind == "touchEnd" { json!([]) } else { json!(points) };
            visit.send(Touch(json!({ "type": kind, "touchPoints": points })));
        };
        touch("touchStart", 60.0);
        for step in 1..=6 {
            touch("touchMove", 60.0 + f64::from(step) * 12.0);
        }
        touch("touchEnd", 0.0);
        visit.until(&format!("{width} > {wheeled} * 1.5"));
        visit.until_full();
        assert_eq!(visit.value("location.pathname"), "/", "a pinch was taken for a click");
        visit.was_clean();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_creativity_changes_every_picture_and_leaves_none_blank() {
    browse(generator(TINY, 1), |browsing: &Browsing| {
        let visit = browsing.at("/?speed=0");
        // Those out of view too: what comes after the slider is moved is then what the slider asked for.
        visit.until("[...document.querySelectorAll('.tile')].every(({ tile }) => tile.picture?.naturalWidth > 0)");
        visit.comes_to_rest();
        let empty = format!("{IN_VIEW}.filter((tile) => tile.children.length === 0).length");
        visit.value(&format!(
            "window.worst = 0; window.order = [];
             window.watch = setInterval(() => {{ window.worst = Math.max(window.worst, {empty}); }}, 4);
             new MutationObserver((changes) => {{
                 for (const {{ target, addedNodes }} of changes) {{
                     if (!target.tile || addedNodes.length === 0) continue;
                     const box = target.getBoundingClientRect();
                     window.order.push(Math.hypot(box.left + box.width / 2 - innerWidth / 2, box.top + box.height / 2 - innerHeight / 2));
                 }}
             }}).observe(document.querySelector('.layer'), {{ childList: true, subtree: true }});"
        ));
        visit.slide("creativity", "1.6");
        visit.until("[...document.querySelectorAll('.tile')].every(({ tile }) => tile.picture?.dataset.psi === '1.6')");
        assert_eq!(visit.value("clearInterval(window.watch), window.worst"), 0, "a tile went blank");
        // Nearest the centre first: a few requests are under way together, so the order is so but for small steps.
        let mean = |part: &str| {
            visit.number(&format!("(() => {{ const a = window.order.{part}; return a.reduce((x, y) => x + y) / a.length; }})()"))
        };
        assert!(mean("slice(0, 10)") + 200.0 < mean("slice(-10)"), "the pictures do not come from the centre outwards");
        assert!(visit.text("document.querySelector('.tile').href").contains("?psi=1.6"));
        let spoken = visit.text("document.getElementById('creativity').getAttribute('aria-valuetext')");
        assert_eq!(spoken, "1.6, confused and strange");
        assert_eq!(
            visit.text("document.getElementById('spoken').textContent"),
            "Creativity 1.6, confused and strange. The pictures are being drawn anew."
        );
        assert_eq!(visit.value("document.querySelector('.risky #creativity') !== null"), true);
        visit.until("location.search.includes('psi=1.6')");

        // A surprise: half of the pictures or so are of a strange kind now, the others as they were.
        visit.slide("creativity", "0.7");
        visit.click("#surprise");
        visit.until(
            "(() => { const tiles = [...document.querySelectorAll('.tile')].map(({ tile }) => tile);
             const strange = tiles.filter(({ element }) => element.matches('.strange'));
             const plain = tiles.filter((tile) => !strange.includes(tile));
             return plain.every(({ recipe, picture }) => recipe.kind === 'single' && !recipe.a.path && picture?.dataset.psi === '0.7')
                 && strange.every(({ recipe, picture }) => (recipe.kind !== 'single' || recipe.a.path.length === 24) && Number(picture?.dataset.psi) >= 1.8)
                 && new Set(strange.map(({ recipe }) => recipe.kind)).size === 3
                 && strange.length > 0.35 * tiles.length && strange.length < 0.65 * tiles.length; })()",
        );
        visit.until("location.search.includes('surprise=1')");
        visit.was_clean();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keyboard_alone_is_enough() {
    browse(generator(TINY, 1), |browsing: &Browsing| {
        let visit = browsing.at("/");
        visit.until_full();
        // Space pauses wherever the focus is; arrows move the wall.
        visit.press(" ");
        visit.until("document.getElementById('pause').classList.contains('paused')");
        visit.comes_to_rest();
        let before = visit.number(ACROSS);
        visit.press("ArrowRight");
        visit.until(&format!("{ACROSS} < {before} - 50"));
        // Tab goes through the controls to the wall, arrows from picture to picture, Enter opens.
        let focused = "document.activeElement.classList.contains('tile')";
        for _ in 0..24 {
            if visit.value(focused) == true {
                break;
            }
            visit.press("Tab");
        }
        assert_eq!(visit.value(focused), true, "Tab does not reach the wall");
        let name = "document.activeElement.getAttribute('aria-label')";
        let first = visit.text(name);
        visit.press("ArrowRight");
        assert_ne!(visit.text(name), first);
        let second = visit.text("document.activeElement.tile.recipe.a.seed");
        visit.press("Enter");
        visit.until(&format!("location.pathname === '/p/{second}' && document.getElementById('room').open"));
        // Inside, the focus stays; outside, it returns to the picture.
        for _ in 0..30 {
            visit.press("Tab");
            let inside = "document.activeElement === document.body || document.activeElement.closest('#room') !== null";
            assert_eq!(visit.value(inside), true, "the focus left the room");
        }
        visit.press("Escape");
        visit.until("location.pathname === '/' && !document.getElementById('room').open");
        visit.until(&format!("document.activeElement.tile?.recipe.a.seed === '{second}'"));
        // B takes a picture, and on another one blends the two.
        visit.press("b");
        visit.press("ArrowLeft");
        visit.press("b");
        visit.until("location.pathname.includes('~') && document.getElementById('room').open");
        visit.was_clean();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn less_motion_and_less_data_are_respected() {
    browse(generator(TINY, 1), |browsing: &Browsing| {
        let visit = browsing.visit();
        visit.set_media("prefers-reduced-motion", "reduce");
        visit.go("/");
        visit.until_full();
        assert_eq!(visit.value("document.getElementById('pause').classList.contains('paused')"), true);
        assert!(!visit.moves_within(Duration::from_millis(600)), "the wall drifts although less motion was asked for");
        let usual = visit.number("document.querySelectorAll('.tile').length");
        visit.was_clean();

        let frugal = browsing.visit();
        frugal.send(DataSaver(json!({ "dataSaverEnabled": true })));
        frugal.go("/");
        frugal.until_full();
        assert!(frugal.number("document.querySelectorAll('.tile').length") < 0.8 * usual);
        assert_eq!(frugal.value("document.querySelector('.tile').tile.wished.includes('.jpg?')"), true);
        frugal.was_clean();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_server_the_wall_says_so_and_recovers() {
    browse(generator(TINY, 1), |browsing: &Browsing| {
        let visit = browsing.at("/?speed=0");
        visit.until_full();
        let network = |offline: bool| {
            visit.send(NetworkConditions(
                json!({ "offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1 }),
            ));
        };
        network(true);
        visit.slide("creativity", "1.7");
        visit.until("!document.getElementById('status').hidden");
        assert_eq!(visit.value(&format!("{IN_VIEW}.every((tile) => tile.children.length > 0)")), true);
        network(false);
        visit.until("document.getElementById('status').hidden");
        visit.until("[...document.querySelectorAll('.tile')].every(({ tile }) => tile.picture?.dataset.psi === '1.7')");
    })
    .await;
}
