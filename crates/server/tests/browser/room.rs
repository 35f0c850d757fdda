//! A picture's room: montage, creativity, downloads, blending, children, mixing, favourites, the walk.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::common::{TINY, generator, measured_generator, noisy_generator};
use crate::visit::{Browsing, Downloads, Visit, browse};

const SHOWN: &str = "document.querySelector('.stage-frame').lastElementChild?.naturalWidth > 0";
const TITLE: &str = "document.getElementById('room-title').textContent";

/// Waits until the stage shows a picture whose address has some text in it.
fn until_shown(visit: &Visit, address: &str) {
    visit.until(&format!(
        "document.querySelector('.stage-frame').lastElementChild?.dataset.address.includes('{address}') && {SHOWN}"
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_click_opens_a_picture_whose_creativity_lives() {
    browse(generator(TINY, 1), |browsing: &Browsing| {
        let visit = browsing.at("/?wall=0000beef&speed=0");
        visit.until_full();
        visit.comes_to_rest();
        let (x, y) = visit.picture_near(900.0, 350.0);
        visit.mouse("mousePressed", x, y);
        visit.mouse("mouseReleased", x, y);
        visit.until("document.getElementById('room').open && location.pathname.startsWith('/p/')");
        visit.until(SHOWN);
        let first = visit.text(TITLE);
        assert!(first.starts_with("Seed "), "{first}");
        visit.press("ArrowRight");
        visit.until(&format!("{TITLE} !== '{first}'"));

        // The slider redraws the large picture, and the address follows.
        visit.slide("psi", "1.45");
        until_shown(&visit, "psi=1.45");
        visit.until("location.search.includes('psi=1.45')");
        assert_eq!(visit.text("document.getElementById('psi-value').textContent"), "1.45");

        // The montage: eighteen levels, each a way to it.
        visit.until("document.querySelectorAll('#levels .psi-value').length === 18");
        visit.click("#levels [data-psi='0.5']");
        until_shown(&visit, "psi=0.5");
        assert_eq!(visit.value("document.querySelector('#levels [aria-current=true]').dataset.psi"), "0.5");

        // Back is the wall as it was.
        visit.press("Escape");
        visit.until("!document.getElementById('room').open && location.pathname === '/'");
        visit.until("location.search.includes('wall=0000beef')");
        visit.was_clean();

        // A link to a picture opens it; its neighbours are the seeds beside it.
        visit.go("/p/18446744073709551615?psi=0.7");
        visit.until(SHOWN);
        assert_eq!(visit.text(TITLE), "Seed 18446744073709551615");
        visit.click("[data-step='1']");
        visit.click("[data-step='-1']");
        visit.until("location.pathname === '/p/18446744073709551614'");
        visit.was_clean();
    })
    .await;
}

/// Waits for a file in a folder and reads it.
fn downloaded(folder: &Path, name: &str) -> Vec<u8> {
    let start = Instant::now();
    loop {
        assert!(start.elapsed() < Duration::from_mins(1), "{name} was not downloaded");
        match std::fs::read(folder.join(name)) {
            Ok(bytes) if !bytes.is_empty() => return bytes,
            _ => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn downloads_are_what_they_say() {
    browse(generator(TINY, 1), |browsing: &Browsing| {
        let folder = browsing.folder.path().join("downloads");
        std::fs::create_dir(&folder).unwrap();
        let visit = browsing.at("/p/42?psi=1.1");
        visit.send(Downloads(json!({ "behavior": "allow", "downloadPath": folder.to_str().unwrap() })));
        visit.until(SHOWN);
        visit.click("#downloads summary");
        for (kind, name, start) in [
            ("png", "tadne-42-psi-1.1.png", &b"\x89PNG"[..]),
            ("webp", "tadne-42-psi-1.1.webp", b"RIFF"),
            ("jpg", "tadne-42-psi-1.1.jpg", b"\xff\xd8\xff"),
            ("large", "tadne-42-psi-1.1-large.png", b"\x89PNG"),
            ("sweep.webp", "tadne-42-creativity.webp", b"RIFF"),
            ("sweep.png", "tadne-42-creativity.png", b"\x89PNG"),
            ("zip", "tadne-42-levels.zip", b"PK\x03\x04"),
        ] {
            visit.click(&format!("[data-file='{kind}']"));
            let file = downloaded(&folder, name);
            assert!(file.starts_with(start), "{name} begins with {:?}", &file[..4]);
        }
        visit.was_clean();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_laid_on_another_blends_with_it() {
    browse(generator(TINY, 1), |browsing: &Browsing| {
        let visit = browsing.at("/?speed=0");
        visit.until_full();
        visit.comes_to_rest();
        // A hand rests on a picture until it comes off the wall, and lays it on another one.
        let (x, y) = visit.picture_near(800.0, 300.0);
        let (to_x, to_y) = visit.picture_near(1150.0, 300.0);
        visit.mouse("mousePressed", x, y);
        visit.until("document.querySelector('.lifted') !== null");
        visit.mouse("mouseMoved", f64::midpoint(x, to_x), y);
        visit.mouse("mouseMoved", to_x, to_y);
        visit.until("document.querySelector('.tile.under') !== null");
        visit.mouse("mouseReleased", to_x, to_y);
        visit.until("/^\\/p\\/\\d+~\\d+~50$/.test(location.pathname) && document.getElementById('room').open");
        visit.until(SHOWN);

        // The slider goes from one to the other.
        let a = visit.text("location.pathname.split('/')[2].split('~')[0]");
        visit.slide("pair-amount", "0");
        until_shown(&visit, &format!("{a}~"));
        visit.until("location.pathname.endsWith('~0')");
        assert_eq!(visit.value("document.getElementById('tab-blend').getAttribute('aria-selected')"), "true");
        visit.click("#pair-swap");
        visit.until(&format!("location.pathname.endsWith('~{a}~100')"));
        // Another second picture: from those offered, or by its number.
        visit.click("#candidates li:nth-child(5) button");
        visit.until(&format!("!location.pathname.includes('~{a}~')"));
        visit.value("document.getElementById('pair-seed').value = 'x1'");
        visit.value("document.getElementById('pair-form').requestSubmit()");
        visit.value("document.getElementById('pair-form').noValidate = true");
        visit.value("document.getElementById('pair-form').requestSubmit()");
        visit.until("document.getElementById('pair-seed').getAttribute('aria-invalid') === 'true'");
        visit.value("document.getElementById('pair-seed').value = '777'");
        visit.value("document.getElementById('pair-form').requestSubmit()");
        visit.until("location.pathname.includes('~777~')");

        // The same two, mixed: A's shape, B's style.
        visit.click("#tab-mix");
        visit.until("/_777_\\d+$/.test(location.pathname)");
        visit.slide("pair-amount", "1");
        visit.until("location.pathname.endsWith('_4')");
        until_shown(&visit, "_777_4.");
        visit.was_clean();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn children_follow_each_other_and_the_way_can_be_walked_back() {
    browse(generator(TINY, 1), |browsing: &Browsing| {
        let visit = browsing.at("/p/42?psi=0.9");
        visit.until(SHOWN);
        visit.click("#tab-children");
        visit.until(
            "document.querySelectorAll('#children a').length === 16 && location.search.includes('tool=children')",
        );
        visit.click("#children li:nth-child(4) a");
        visit.until("location.pathname === '/p/42-3'");
        visit.click("#children li:nth-child(12) a");
        visit.until("location.pathname === '/p/42-3b'");
        until_shown(&visit, "/42-3b.");
        assert_eq!(visit.value("document.querySelectorAll('#path li').length"), 3);
        // Back walks the way one came, and the path does so as well.
        visit.value("history.back()");
        visit.until("location.pathname === '/p/42-3'");
        visit.until("document.querySelectorAll('#path li').length === 2");
        visit.click("#path li:first-child a");
        visit.until("location.pathname === '/p/42'");
        visit.until("document.querySelectorAll('#path li').length === 1");
        // The address alone brings it all back.
        visit.go("/p/42-3b?psi=0.9&tool=children");
        visit.until("document.querySelectorAll('#children a').length === 16");
        assert_eq!(visit.text(TITLE), "Descendant 42-3b");
        visit.was_clean();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn favourites_are_kept_exported_and_imported() {
    browse(generator(TINY, 1), |browsing: &Browsing| {
        let folder = browsing.folder.path().join("downloads");
        std::fs::create_dir(&folder).unwrap();
        let visit = browsing.at("/p/42~7~50?psi=1.2");
        visit.send(Downloads(json!({ "behavior": "allow", "downloadPath": folder.to_str().unwrap() })));
        visit.until(SHOWN);
        visit.click("#keep");
        visit.until("document.getElementById('keep').getAttribute('aria-pressed') === 'true'");
        // What is looked at for a moment goes into the history.
        visit.until("JSON.parse(localStorage.getItem('tadne.history') ?? '[]').length === 1");
        visit.go("/p/9?psi=0.7");
        visit.until(SHOWN);
        visit.click("#keep");
        visit.until("JSON.parse(localStorage.getItem('tadne.history')).length === 2");

        visit.go("/collection");
        visit.until("document.querySelectorAll('#favourites li').length === 2");
        visit.until("document.querySelectorAll('#history li').length === 2");
        visit.click("#export");
        let file = downloaded(&folder, "tadne-favourites.json");
        let read: serde_json::Value = serde_json::from_slice(&file).unwrap();
        assert_eq!(read["favourites"], json!([{ "recipe": "9", "psi": 0.7 }, { "recipe": "42~7~50", "psi": 1.2 }]));

        visit.click("#favourites [data-remove]");
        visit.until("document.querySelectorAll('#favourites li').length === 1");
        let import = |path: &Path| {
            visit.tab.find_element("#import").unwrap().set_input_files(&[path.to_str().unwrap()]).unwrap();
        };
        import(&folder.join("tadne-favourites.json"));
        visit.until("document.querySelectorAll('#favourites li').length === 2");
        assert_eq!(visit.text("document.getElementById('import-note').textContent"), "New favourites: 1.");
        // A file that is none changes nothing; one with unsound entries gives the sound ones.
        for (name, text, words) in [
            ("none.json", "{\"format\":\"other\"}", "That is no file of favourites."),
            ("broken.json", "{", "That is no file of favourites."),
            (
                "mixed.json",
                r#"{"format":"tadne-favourites","version":1,"favourites":[{"recipe":"x","psi":1},{"recipe":"5","psi":"9"},null,{"recipe":"6-a","psi":1}]}"#,
                "New favourites: 1.",
            ),
        ] {
            let path = folder.join(name);
            std::fs::write(&path, text).unwrap();
            visit.value("document.getElementById('import-note').textContent = ''");
            import(&path);
            visit.until(&format!("document.getElementById('import-note').textContent === '{words}'"));
        }
        visit.until("document.querySelectorAll('#favourites li').length === 3");
        visit.click("#favourites a");
        visit.until("location.pathname.startsWith('/p/') && document.getElementById('room').open");
        visit.was_clean();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_goes_on_from_picture_to_picture() {
    browse(generator(TINY, 1), |browsing: &Browsing| {
        let visit = browsing.at("/walk/42?psi=0.8");
        visit.until("document.querySelector('.walk-canvas.drawn') !== null");
        // The address names where it is, so that it can be shared on the way.
        visit.until("/^\\/walk\\/\\d+$/.test(location.pathname) && location.pathname !== '/walk/42'");
        let colours =
            "(() => { const paper = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
            paper.drawImage(document.querySelector('.walk-canvas'), 0, 0, 8, 8);
            return [...paper.getImageData(2, 2, 4, 4).data].join(); })()";
        let before = visit.text(colours);
        visit.until(&format!("{colours} !== '{before}'"));
        // What is made as large as the screen is no dialog, which browsers refuse, and has all of it inside.
        visit.value("Element.prototype.requestFullscreen = async function () { window.whole = this; }; null");
        visit.click("#walk-full");
        let whole = "window.whole.localName !== 'dialog' && ['.spoken', 'canvas', '.walk-bar', '[data-close]'].every((one) => window.whole.querySelector(one))";
        assert_eq!(visit.value(whole), true);
        visit.click("#walk-pause");
        visit.until("document.getElementById('walk-pause').classList.contains('paused')");
        visit.slide("walk-psi", "1.5");
        visit.until("location.search.includes('psi=1.5')");
        visit.press("Escape");
        visit.until("location.pathname === '/' && !document.getElementById('walk').open");
        visit.was_clean();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn noise_is_offered_where_the_model_has_it() {
    browse(noisy_generator(), |browsing: &Browsing| {
        let visit = browsing.at("/p/5?psi=1.0");
        visit.until(SHOWN);
        visit.click("#noise");
        until_shown(&visit, "noise=off");
        visit.until("location.search.includes('noise=off')");
        visit.was_clean();
    })
    .await;
    browse(generator(TINY, 1), |browsing: &Browsing| {
        let visit = browsing.at("/p/5");
        visit.until(SHOWN);
        assert_eq!(visit.value("document.getElementById('noise-control').hidden"), true);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_face_is_edited_by_sliders_and_the_address_carries_it() {
    browse(measured_generator(), |browsing: &Browsing| {
        let folder = browsing.folder.path().join("downloads");
        std::fs::create_dir(&folder).unwrap();
        let visit = browsing.at("/p/42?psi=0.9");
        visit.send(Downloads(json!({ "behavior": "allow", "downloadPath": folder.to_str().unwrap() })));
        visit.until(SHOWN);
        visit.click("#tab-edit");
        visit.until(
            "document.querySelectorAll('#edits input').length === 2 && !document.getElementById('tool-edit').hidden",
        );
        // A direction that the page has a word for, and one that it has not.
        let labels = visit.text("[...document.querySelectorAll('#edits label')].map((one) => one.textContent).join()");
        assert_eq!(labels, "Lighter hair,whiskers");
        visit.slide("edit-0", "15");
        until_shown(&visit, "pictures/42@0p15.jpg");
        visit.slide("edit-1", "-20");
        until_shown(&visit, "pictures/42@0p15@1m20.jpg");
        visit.until("location.pathname === '/p/42@0p15@1m20' && location.search.includes('tool=edit')");
        assert_eq!(visit.text(TITLE), "Seed 00042*");
        assert_eq!(visit.text("document.querySelectorAll('#edits output')[1].textContent"), "\u{2212}2.0");
        // Its children and levels are edited as well.
        visit.click("#tab-children");
        visit
            .until("[...document.querySelectorAll('#children a')].every((one) => one.pathname.endsWith('@0p15@1m20'))");
        visit.click("#tab-edit");
        visit.click("#edit-reset");
        until_shown(&visit, "pictures/42.jpg");
        assert_eq!(visit.text("document.getElementById('edit-0').value"), "0");
        // Back undoes the reset; a reload finds the edit again.
        visit.value("history.back()");
        visit.until("location.pathname === '/p/42@0p15@1m20'");
        visit.go("/p/42@0p15@1m20?psi=0.9&tool=edit");
        visit.until(
            "document.getElementById('edit-0').value === '15' && document.getElementById('edit-1').value === '-20'",
        );
        // So is the whole line of descent.
        visit.go("/p/42-3b@0p15?psi=0.9");
        visit.until(SHOWN);
        visit.click("[data-share=line]");
        visit.until("document.getElementById('room-note').textContent === 'The animation is in your downloads.'");
        let asked = |name: &str| visit.asked(&format!("/api/v1/pictures/{name}.webp?")) > 0;
        assert!(asked("42@0p15") && asked("42-3@0p15"), "the line is that of another face");
        assert!(!asked("42-3"), "the line is that of the face before it was edited");
        visit.was_clean();

        // A model without directions has no such tool.
        let plain = browsing.at("/p/42@7p1");
        plain.until("document.title.length > 0");
        assert_eq!(plain.value("document.getElementById('room')?.open ?? false"), false, "there is no direction 7");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_like_this_leads_from_likeness_to_likeness_and_to_the_kinds() {
    browse(measured_generator(), |browsing: &Browsing| {
        let visit = browsing.at("/p/42?psi=0.9&tool=like");
        visit.until("document.querySelectorAll('#like img').length === 12 && document.querySelectorAll('#kinds img').length === 4");
        let first = visit.text("document.querySelector('#like a').pathname");
        visit.click("#like a");
        visit.until(&format!("location.pathname === '{first}' && location.search.includes('tool=like')"));
        visit.until(&format!("document.querySelector('#like a').pathname !== '{first}'"));
        let kind = visit.text("document.querySelector('#kinds li:nth-child(3) a').pathname");
        visit.click("#kinds li:nth-child(3) a");
        visit.until(&format!("location.pathname === '{kind}'"));
        visit.value("history.go(-2)");
        visit.until("location.pathname === '/p/42'");
        visit.was_clean();
    })
    .await;
}

/// A `w` of the model's 16 numbers, as `tadne project` writes one into an address.
#[tokio::test(flavor = "multi_thread")]
async fn a_found_face_has_a_room_like_a_seeds() {
    browse(generator(TINY, 1), |browsing: &Browsing| {
        let digits = format!("2c00{}", "40c0".repeat(8));
        let visit = browsing.at(&format!("/p/7w{digits}?psi=1&tool=children"));
        visit.until("document.querySelectorAll('#children a').length === 16");
        assert_eq!(visit.text(TITLE), "A found face, 40c040c0");
        visit.until(SHOWN);
        // No seed comes before it or after it.
        let steps = "[...document.querySelectorAll('.stage-step')].filter((step) => step.checkVisibility()).length";
        assert_eq!(visit.value(steps), 0);
        let names = "[...document.querySelectorAll('[data-file]')].filter((link) => link.download).every((link) => link.download.length < 60)";
        assert_eq!(visit.value(names), true);
        visit.click("#children li:nth-child(4) a");
        visit.until(&format!("location.pathname === '/p/7w{digits}-3'"));
        visit.until(&format!("{TITLE} === 'Descendant w40c040c0-3'"));
        // It is kept and found again.
        visit.click("#keep");
        visit.go("/collection");
        visit.until(&format!("document.querySelector('a[href*=\"7w{digits}-3\"]') !== null"));
    })
    .await;
}
