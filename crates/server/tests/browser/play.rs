//! Playing in rooms and with what was kept: on slow and broken networks, on phones, with keys, and given away.

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use crate::common::{TINY, generator};
use crate::visit::{
    Browsing, Downloads, ExtraHeaders, NetworkConditions, PageScale, Touch, TouchScreen, Visit, browse,
};

const OPEN: &str = "document.querySelector('#room[open]:not([aria-busy])') !== null";
const SHOWN: &str = "document.querySelector('.stage-frame').lastElementChild?.naturalWidth > 0";
const ON_THE_WALL: &str = "location.pathname === '/' && document.querySelector('dialog[open]') === null";
/// Pictures of a list that are there.
const HERE: &str = "[...document.querySelectorAll('.panel:not([hidden]) .thumb img')].filter((image) => image.naturalWidth > 0).length";

fn network(visit: &Visit, offline: bool, latency: u32, throughput: i32) {
    visit.send(NetworkConditions(json!({
        "offline": offline, "latency": latency, "downloadThroughput": throughput, "uploadThroughput": throughput,
    })));
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_hold_their_place_and_fill_by_themselves() {
    browse(generator(TINY, 1), |browsing: &Browsing| {
        let visit = browsing.at("/p/42?psi=0.9");
        visit.until(&format!("{HERE} === 18"));
        let laid_out = "JSON.stringify([...document.querySelectorAll('#levels .thumb, .room-panel h2, .tabs')].map((one) => one.getBoundingClientRect()).map((box) => [box.top, box.height, box.width].map(Math.round)))";
        let before = visit.text(laid_out);
        network(&visit, true, 0, -1);
        visit.press("ArrowRight");
        visit.until("location.pathname === '/p/43' && document.querySelector('#levels a').href.includes('/p/43')");
        std::thread::sleep(Duration::from_millis(800));
        // Nothing is there, and nothing shows that: no broken icons, no words, and everything where it was.
        assert_eq!(visit.text(laid_out), before);
        let seen = "[...document.querySelectorAll('#levels .thumb img')].filter((image) => Number(getComputedStyle(image).opacity) > 0).length";
        assert_eq!(visit.value(seen), 0);
        assert!(visit.number("document.getElementById('room').scrollWidth") <= 1440.0);
        network(&visit, false, 0, -1);
        visit.until(&format!("{HERE} === 18 && {seen} === 18"));
        visit.until(SHOWN);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hand_that_steps_quickly_asks_for_little() {
    browse(generator(TINY, 1), |browsing: &Browsing| {
        let visit = browsing.at("/p/1000?psi=0.9");
        visit.until(&format!("{HERE} === 18"));
        let pictures = "/api/v1/pictures/10";
        let before = visit.asked(pictures);
        visit.value(
            "new Promise((done) => { let steps = 0; const timer = setInterval(() => {
                 document.activeElement.dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowRight', bubbles: true, cancelable: true }));
                 if ((steps += 1) === 60) { clearInterval(timer); done(); } }, 40); })",
        );
        visit.until("location.pathname === '/p/1060'");
        visit.until(&format!("{HERE} === 18 && document.querySelector('#levels a').href.includes('/p/1060')"));
        std::thread::sleep(Duration::from_millis(1500));
        let asked = visit.asked(pictures) - before;
        eprintln!("{asked} requests for pictures in 60 quick steps");
        // Each step's picture, and the tools' of the last; now and then a busy computer makes the hand rest.
        assert!(asked < 110, "{asked} requests in 60 steps");
        // What the first step's neighbours are played with is not fetched for a hand that goes on.
        assert_eq!(visit.asked("/api/v1/pictures/1001.jpg?psi=0.3"), 0);
        visit.was_clean();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_slow_network_a_room_shows_at_once_what_is_in_hand() {
    browse(generator(TINY, 1), |browsing: &Browsing| {
        let visit = browsing.at("/?wall=0000beef&speed=0");
        visit.until_full();
        network(&visit, false, 400, 50_000);
        let time = visit.number(
            "new Promise((done) => { const start = performance.now();
                 const look = () => document.querySelector('#room[open] .stage-frame canvas, #room[open] .stage-frame img')
                     ? done(performance.now() - start) : requestAnimationFrame(look);
                 [...document.querySelectorAll('.tile')].find((tile) => {
                     const box = tile.getBoundingClientRect();
                     return box.left > 700 && box.top > 0 && box.bottom < innerHeight;
                 }).click(); look(); })",
        );
        eprintln!("a picture after {time:.0} ms at 50 kB/s and 400 ms");
        assert!(time < 200.0, "{time} ms until a picture was shown");
        assert!(visit.text("document.getElementById('room-title').textContent").starts_with("Seed "));
        network(&visit, false, 0, -1);
        visit.until(SHOWN);
        visit.press("Escape");
        visit.until(ON_THE_WALL);
        visit.was_clean();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_that_is_left_before_its_scripts_are_here_is_closed() {
    browse(generator(TINY, 1), |browsing: &Browsing| {
        let visit = browsing.at("/?wall=0000beef&speed=0");
        // Before the page fetches them by itself.
        network(&visit, false, 2000, -1);
        visit.value("[...document.querySelectorAll('.tile')][40].click()");
        visit.until("location.pathname.startsWith('/p/') && document.getElementById('room').open");
        visit.value("history.back()");
        visit.until(ON_THE_WALL);
        network(&visit, false, 0, -1);
        visit.until_full();
        std::thread::sleep(Duration::from_secs(3));
        assert_eq!(visit.value(ON_THE_WALL), true, "it opens when its scripts have come");
        visit.was_clean();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn blend_and_style_have_ways_out() {
    browse(generator(TINY, 1), |browsing: &Browsing| {
        let visit = browsing.at("/?wall=0000beef&speed=0");
        visit.until_full();
        visit.value("window.here = true; [...document.querySelectorAll('.tile')][40].click()");
        visit.until(&format!("{OPEN} && location.pathname.startsWith('/p/')"));
        let picture = visit.text("location.pathname");
        for (tab, sign) in [("blend", "~"), ("mix", "_")] {
            visit.click(&format!("#tab-{tab}"));
            visit.until(&format!("location.pathname.includes('{sign}')"));
            // By another tool, by Back, and by the picture itself one is back at the picture.
            for way in [
                "document.getElementById('tab-levels').click()",
                "history.back()",
                "document.getElementById('pair-a').click()",
            ] {
                visit.until(&format!(
                    "location.pathname.includes('{sign}') && document.querySelector('#pair-a img') !== null"
                ));
                visit.value(&format!("void {way}"));
                visit.until(&format!("location.pathname === '{picture}'"));
                visit.until("document.getElementById('tab-levels').getAttribute('aria-selected') === 'true'");
                visit.click(&format!("#tab-{tab}"));
            }
            visit.until(&format!("location.pathname.includes('{sign}')"));
            visit.click("#tab-levels");
            visit.until(&format!("location.pathname === '{picture}'"));
        }
        assert_eq!(visit.value("window.here"), true, "the page was loaded again");
        visit.press("Escape");
        visit.until(&format!("{ON_THE_WALL} && location.search.includes('wall=0000beef')"));
        // The page of all levels leads back to the same wall as well.
        visit.go("/slider.html?seed=00042");
        visit.value("[...document.querySelectorAll('a')].find((link) => link.getAttribute('href') === '/').click()");
        visit.until("location.pathname === '/' && location.search.includes('wall=0000beef')");
        visit.was_clean();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn space_pauses_a_walk_from_its_first_moment() {
    browse(generator(TINY, 1), |browsing: &Browsing| {
        let visit = browsing.at("/walk/42?psi=0.8");
        visit.until("document.querySelector('.walk-canvas.drawn') !== null");
        let paused = "document.getElementById('walk-pause').classList.contains('paused')";
        for focus in ["", "document.getElementById('walk-here').focus()", "document.getElementById('walk-psi').focus()"]
        {
            visit.value(&format!("void ({})", if focus.is_empty() { "0" } else { focus }));
            visit.press(" ");
            visit.until(paused);
            visit.press(" ");
            visit.until(&format!("!{paused}"));
            assert_eq!(visit.value("document.getElementById('walk').open"), true, "Space left the walk");
        }
        visit.was_clean();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_reads_swipes_and_everything_fits() {
    browse(generator(TINY, 1), |browsing: &Browsing| {
        for language in ["en", "it", "ja"] {
            for (width, height) in [(390, 844), (320, 568)] {
                let visit = browsing.visit();
                visit.send(ExtraHeaders(json!({ "headers": { "Accept-Language": language } })));
                visit.send(TouchScreen(json!({ "enabled": true, "maxTouchPoints": 2 })));
                visit.set_window(width, height, true);
                visit.go("/p/42~7~50?psi=0.9");
                visit.until(SHOWN);
                visit.click("#downloads summary");
                let inside = "(() => { const box = document.querySelector('.menu-list').getBoundingClientRect(); return box.left >= 0 && box.right <= innerWidth && box.width > 100; })()";
                assert_eq!(visit.value(inside), true, "the menu is off the screen, {language}, {width}");
                visit.value("document.querySelector('[data-file=png]').addEventListener('click', (event) => event.preventDefault(), { once: true })");
                visit.click("[data-file=png]");
                visit.until("!document.getElementById('downloads').open");
                // The slider and the picture that it changes are seen together; nothing lies on a button.
                visit.value("document.getElementById('pair-amount').scrollIntoView({ block: 'end' })");
                let together = "(() => { const stage = document.getElementById('stage').getBoundingClientRect();
                    const slider = document.getElementById('pair-amount').getBoundingClientRect();
                    return stage.top >= 0 && stage.bottom <= slider.top + 2 && slider.bottom <= innerHeight + 1; })()";
                assert_eq!(visit.value(together), true, "slider and picture do not fit, {language}, {width}");
                let covered = visit.text(
                    "JSON.stringify([...document.querySelectorAll('#room button, #room summary, #room input')].filter((one) => {
                         if (!one.checkVisibility() || one.matches('.unseen')) return false;
                         const box = one.getBoundingClientRect();
                         const [x, y] = [box.left + box.width / 2, box.top + box.height / 2];
                         if (y < document.getElementById('stage').getBoundingClientRect().bottom && !one.closest('.stage-side, .corner')) return false;
                         if (y > innerHeight) return false;
                         const top = document.elementFromPoint(x, y);
                         return !one.contains(top) && !top?.contains(one);
                     }).map((one) => one.id || one.className))",
                );
                assert_eq!(covered, "[]", "covered in {language}, {width}");
                visit.was_clean();
            }
        }

        // Sideways to the neighbours, down to the wall; a child that is chosen far below is seen.
        let visit = browsing.visit();
        visit.send(TouchScreen(json!({ "enabled": true, "maxTouchPoints": 2 })));
        visit.set_window(390, 844, true);
        visit.go("/p/42?psi=0.9&tool=children");
        visit.until(SHOWN);
        visit.until("document.querySelectorAll('#children a').length === 16");
        let swipe = |dx: f64, dy: f64| {
            let (x, y) = (200.0, 150.0);
            visit.send(Touch(json!({ "type": "touchStart", "touchPoints": [{ "x": x, "y": y }] })));
            for step in 1..=5 {
                let part = f64::from(step) / 5.0;
                visit.send(Touch(json!({ "type": "touchMove", "touchPoints": [{ "x": x + dx * part, "y": y + dy * part }] })));
            }
            visit.send(Touch(json!({ "type": "touchEnd", "touchPoints": [] })));
        };
        swipe(-120.0, 10.0);
        visit.until("location.pathname === '/p/43'");
        swipe(120.0, -10.0);
        visit.until("location.pathname === '/p/42'");
        // What it is played with follows when the hand rests.
        visit.until("document.querySelector('#children li:last-child a').pathname === '/p/42-f'");
        visit.value("document.querySelector('#children li:last-child a').scrollIntoView({ block: 'end' })");
        visit.click("#children li:last-child a");
        visit.until("location.pathname === '/p/42-f'");
        let seen = "(() => { const box = document.getElementById('stage').getBoundingClientRect(); return box.top >= 0 && box.bottom <= innerHeight; })()";
        assert_eq!(visit.value(seen), true, "the child's picture is out of sight");
        visit.value("document.getElementById('room').scrollTop = 0");
        swipe(5.0, 160.0);
        visit.until(ON_THE_WALL);
        // On a page that was enlarged a finger looks around, and leads nowhere.
        visit.go("/p/42?psi=0.9");
        visit.until(SHOWN);
        visit.send(PageScale(json!({ "pageScaleFactor": 2.5 })));
        visit.until("visualViewport.scale > 2");
        swipe(-120.0, 10.0);
        std::thread::sleep(Duration::from_millis(700));
        assert_eq!(visit.text("location.pathname"), "/p/42");
        visit.was_clean();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_focus_is_never_lost_and_what_is_announced_is_heard() {
    browse(generator(TINY, 1), |browsing: &Browsing| {
        let visit = browsing.at("/p/42?psi=0.9&tool=children");
        visit.until("document.querySelectorAll('#children a').length === 16");
        visit.value("document.querySelector('#children li:nth-child(6) a').focus()");
        visit.press("Enter");
        visit.until("location.pathname === '/p/42-5'");
        visit.until("document.activeElement.closest('#children li:nth-child(6)') !== null");
        visit.value("document.querySelector('#path li:first-child a').focus()");
        visit.press("Enter");
        visit.until("location.pathname === '/p/42' && document.activeElement.closest('#path li') !== null");
        visit.click("#tab-blend");
        visit.until("document.querySelectorAll('#candidates img').length === 12");
        visit.value("document.querySelector('#candidates li:nth-child(5) button').focus()");
        visit.press("Enter");
        visit.until("document.activeElement.closest('#candidates li:nth-child(5)')?.querySelector('[aria-pressed=true]') !== null");
        // What is behind an open dialog is not spoken: it is said inside.
        visit.click("#keep");
        visit.until("document.querySelector('#room .spoken[aria-live]').textContent === 'Kept among the favourites.'");

        // Favourites: the focus goes on to the next, and what was taken out can be put back.
        visit.value("localStorage.setItem('tadne.favourites', JSON.stringify(['1', '2', '3'].map((recipe) => ({ recipe, psi: 1 }))))");
        visit.go("/collection");
        visit.until("document.querySelectorAll('#favourites li').length === 3");
        visit.value("document.querySelector('#favourites li:nth-child(2) button').focus()");
        visit.press("Enter");
        visit.until("document.querySelectorAll('#favourites li').length === 2");
        assert_eq!(visit.value("document.activeElement.closest('#favourites li:nth-child(2) button') !== null"), true);
        visit.click("#undo");
        visit.until("[...document.querySelectorAll('#favourites a')].map((link) => link.pathname).join() === '/p/1,/p/2,/p/3'");
        for _ in 0..3 {
            visit.value("document.querySelector('#favourites button').focus()");
            visit.press("Enter");
        }
        visit.until("document.activeElement.id === 'undo'");
        visit.press("Enter");
        visit.until("document.querySelectorAll('#favourites li').length === 1");
        visit.was_clean();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn from_the_collection_one_goes_through_it_and_back_to_it() {
    browse(generator(TINY, 1), |browsing: &Browsing| {
        let visit = browsing.at("/?wall=0000beef&speed=0");
        visit.value("localStorage.setItem('tadne.favourites', JSON.stringify([['5', 1], ['42~7~50', 0.8], ['9-3b', 1.2]].map(([recipe, psi]) => ({ recipe, psi }))))");
        visit.click("#to-collection");
        visit.go("/?wall=0000beef&speed=0");
        visit.click("#to-collection");
        visit.until("document.querySelectorAll('#favourites li').length === 3");
        // Back from a picture one is where one left.
        visit.value("document.querySelector('#favourites li:nth-child(2) a').focus()");
        visit.press("Enter");
        visit.until(&format!("location.pathname === '/p/42~7~50' && {OPEN}"));
        visit.press("Escape");
        visit.until("location.pathname === '/collection' && document.activeElement.closest('#favourites li:nth-child(2)') !== null");
        visit.click("#favourites a");
        visit.until(&format!("location.pathname === '/p/5' && {OPEN}"));
        visit.until("document.querySelector('[data-step=\"-1\"]').getAttribute('aria-disabled') === 'true'");
        assert_eq!(visit.text("document.querySelector('#room [data-close]').getAttribute('aria-label')"), "Back to the collection");
        visit.press("ArrowRight");
        visit.until("location.pathname === '/p/42~7~50' && location.search.includes('psi=0.8')");
        visit.press("ArrowRight");
        visit.until("location.pathname === '/p/9-3b' && location.search.includes('psi=1.2')");
        visit.until("document.querySelector('[data-step=\"1\"]').getAttribute('aria-disabled') === 'true'");
        // Even when it was loaded again on the way.
        visit.value("window.left = true; void location.reload()");
        visit.until(&format!("window.left === undefined && document.documentElement.classList.contains('live') && {OPEN}"));
        visit.press("Escape");
        visit.until("location.pathname === '/collection' && document.getElementById('collection').open && document.querySelector('#room[open]') === null");
        visit.press("Escape");
        visit.until(&format!("{ON_THE_WALL} && location.search.includes('wall=0000beef')"));

        // The history keeps its order under whoever goes through it, however long each picture is looked at.
        visit.value("localStorage.setItem('tadne.history', JSON.stringify(['5', '6', '7'].map((recipe) => ({ recipe, psi: 1 }))))");
        visit.go("/?wall=0000beef&speed=0");
        visit.click("#to-collection");
        visit.until("document.querySelectorAll('#history li').length === 3");
        visit.click("#history li:nth-child(2) a");
        visit.until(&format!("location.pathname === '/p/6' && {OPEN}"));
        std::thread::sleep(Duration::from_millis(1500));
        visit.press("ArrowRight");
        visit.until("location.pathname === '/p/7'");
        assert_eq!(visit.text("JSON.parse(localStorage.getItem('tadne.history')).map(({ recipe }) => recipe).join()"), "5,6,7");
        visit.press("Escape");
        visit.until("location.pathname === '/collection' && document.getElementById('collection').open && document.querySelector('#room[open]') === null");
        visit.press("Escape");
        visit.until(&format!("{ON_THE_WALL} && location.search.includes('wall=0000beef')"));

        // A walk from favourite to favourite.
        visit.click("#to-collection");
        visit.until("document.getElementById('collection').open");
        visit.click("#walk-favourites");
        visit.until("location.pathname === '/walk/5' && location.search.includes('through=favourites')");
        visit.until("document.getElementById('walk-here').textContent.includes('00042')");
        visit.press("Escape");
        visit.until(ON_THE_WALL);
        visit.was_clean();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_has_bounds_and_says_so() {
    browse(generator(TINY, 1), |browsing: &Browsing| {
        let visit = browsing.at("/collection");
        // A file that is given before the view is there is heard by nobody.
        visit.until("document.getElementById('collection').open");
        let folder = browsing.folder.path();
        let import = |name: &str, text: &[u8]| {
            let path = folder.join(name);
            std::fs::write(&path, text).unwrap();
            visit.value("document.getElementById('import-note').textContent = ''");
            visit.tab.find_element("#import").unwrap().set_input_files(&[path.to_str().unwrap()]).unwrap();
            visit.until("document.getElementById('import-note').textContent !== ''");
            visit.text("document.getElementById('import-note').textContent")
        };
        let file = |recipes: &[String]| {
            let favourites: Vec<_> = recipes.iter().map(|recipe| json!({ "recipe": recipe, "psi": 1 })).collect();
            json!({ "format": "tadne-favourites", "version": 1, "favourites": favourites }).to_string().into_bytes()
        };
        // A mixture that this model cannot draw is none of its favourites.
        assert_eq!(import("layer.json", &file(&["1_2_3".to_owned(), "1_2_99".to_owned()])), "New favourites: 1.");
        // Nothing that large is one; it is not even read.
        let huge = import("huge.json", &vec![b' '; 5_000_000]);
        assert_eq!(huge, "That file is too large to be one of favourites.");
        let many: Vec<_> = (0..2100).map(|seed| seed.to_string()).collect();
        let words = import("many.json", &file(&many));
        assert_eq!(words, "New favourites: 1,999. Another 101 found no room: the collection holds 2,000.");
        // A link carries as many as its address has room for, where `@` and `~` take three letters.
        let said = visit.text(
            "Promise.all([import('/js/router.js'), import('/js/recipe.js')]).then(([{ sharable, addressOf }, { parse }]) => {
                 const line = `-${'3b7'.repeat(8)}`;
                 const list = Array.from({ length: 60 }, (_, seed) => ({ recipe: parse(`${seed}${line}~${seed + 100}${line}~50`), psi: 1 }));
                 const shared = sharable(list);
                 const address = addressOf({ view: 'collection', shared: list });
                 const carried = new URL(address, location.href).searchParams.get('shared').split('*').length;
                 return [shared.length === carried, shared.length > 5, shared.length < 60, address.length < 1700].join(); })",
        );
        assert_eq!(said, "true,true,true,true");
        // A full shelf takes no more, and drops nothing without a word.
        visit.go("/p/5000?psi=1.0");
        visit.until(SHOWN);
        visit.click("#keep");
        visit.until("!document.getElementById('room-note').hidden");
        assert!(visit.text("document.getElementById('room-note').textContent").starts_with("The favourites are full."));
        assert_eq!(visit.text("document.getElementById('keep').getAttribute('aria-pressed')"), "false");
        assert_eq!(visit.value("JSON.parse(localStorage.getItem('tadne.favourites')).length"), 2000);
        visit.was_clean();
    })
    .await;
}

/// Waits for a file in a folder whose name begins and ends so, and reads it.
fn downloaded(folder: &Path, begins: &str, ends: &str) -> Vec<u8> {
    for _ in 0..1200 {
        let found = std::fs::read_dir(folder).unwrap().filter_map(Result::ok).find(|entry| {
            let name = entry.file_name().into_string().unwrap();
            name.starts_with(begins) && name.ends_with(ends)
        });
        if let Some(bytes) = found.and_then(|entry| std::fs::read(entry.path()).ok()).filter(|bytes| !bytes.is_empty())
        {
            return bytes;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{begins}*{ends} was not downloaded");
}

/// Frames of an animated WebP.
fn frames(file: &[u8]) -> usize {
    file.windows(4).filter(|name| name == b"ANMF").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_lines_walks_and_collections_are_given_away() {
    browse(generator(TINY, 1), |browsing: &Browsing| {
        let folder = browsing.folder.path().join("given");
        std::fs::create_dir(&folder).unwrap();
        let visit = browsing.visit();
        visit.send(Downloads(json!({ "behavior": "allow", "downloadPath": folder.to_str().unwrap() })));
        // What a phone has: a share sheet that takes files.
        let script = "navigator.share = async (what) => { window.given = { url: what.url, files: (what.files ?? []).map((file) => `${file.name} ${file.type} ${file.size > 100}`) }; };
             navigator.canShare = () => true;";
        visit.tab.call_method(crate::visit::BeforeScripts(json!({ "source": script }))).unwrap();
        visit.go("/p/42~7~50?psi=0.9&lang=it");
        visit.until(SHOWN);
        visit.click("[data-share=sheet]");
        visit.until("window.given !== undefined");
        assert_eq!(visit.text("window.given.url"), format!("{}/p/42~7~50?psi=0.9", browsing.origin));
        assert_eq!(visit.text("window.given.files.join()"), "tadne-42~7~50-psi-0.9.png image/png true");
        // From A to B, as the server animates it.
        for (kind, ends, starts) in [("morph.webp", "42~7.webp", &b"RIFF"[..]), ("morph.gif", "42~7.gif", b"GIF8")] {
            visit.click(&format!("[data-file='{kind}']"));
            assert!(downloaded(&folder, "tadne-", ends).starts_with(starts), "{kind}");
        }
        // And as a film, which lasts as long as it takes to make.
        let film = |begins: &str, ends: &str| {
            let film = downloaded(&folder, begins, ends);
            assert_eq!(&film[4..8], b"ftyp", "{ends}");
            assert!(film.windows(4).any(|name| name == b"mdat"), "{ends}");
        };
        visit.click("[data-share='morph.mp4']");
        film("tadne-42~7", "-morph.mp4");
        // The levels as one picture.
        visit.click("[data-file=montage]");
        assert!(downloaded(&folder, "tadne-42~7~50-montage", ".png").starts_with(b"\x89PNG"));
        // A line of descent: two steps of ten pictures each, and the end.
        visit.go("/p/42-3b?psi=0.9");
        visit.until(SHOWN);
        visit.click("[data-share=line]");
        assert_eq!(frames(&downloaded(&folder, "tadne-42-3b-line", ".webp")), 21);
        assert!(visit.value("document.querySelector('[data-share=\"morph.mp4\"]').checkVisibility()") == json!(false));
        visit.click("[data-share='line.mp4']");
        film("tadne-42-3b", "-line.mp4");
        // A stretch of a walk, there and back.
        visit.go("/walk/42?psi=0.9");
        visit.until("document.querySelector('.walk-canvas.drawn') !== null");
        visit.click("#walk-save");
        assert_eq!(frames(&downloaded(&folder, "tadne-walk-", ".webp")), 50);
        visit.click("#walk-film");
        film("tadne-walk-", ".mp4");

        // The collection: as one picture, and as a link that shows it to somebody else.
        visit.value("localStorage.setItem('tadne.favourites', JSON.stringify([['5', 1], ['42~7~50', 0.85], ['9_3_2', 1.2]].map(([recipe, psi]) => ({ recipe, psi }))))");
        visit.go("/collection");
        visit.until("document.querySelectorAll('#favourites li').length === 3");
        visit.click("#sheet");
        assert!(downloaded(&folder, "tadne-favourites", ".png").starts_with(b"\x89PNG"));
        visit.value("navigator.clipboard.writeText = async (text) => { window.copied = text; }");
        visit.click("#copy-shelf");
        visit.until("window.copied !== undefined");
        let link = visit.text("window.copied");
        visit.value("localStorage.clear()");
        visit.go(link.strip_prefix(&browsing.origin).unwrap());
        visit.until("document.querySelectorAll('#shared li').length === 3");
        visit.click("#keep-shared");
        visit.until("JSON.stringify(JSON.parse(localStorage.getItem('tadne.favourites')).map(({ recipe, psi }) => [recipe, psi])) === '[[\"9_3_2\",1.2],[\"42~7~50\",0.85],[\"5\",1]]'");
        // From a picture of somebody else's one is back at theirs.
        visit.click("#shared a");
        visit.until(&format!("location.pathname.startsWith('/p/') && {OPEN}"));
        visit.press("Escape");
        visit.until("location.pathname === '/collection' && document.querySelector('#room[open]') === null");
        visit.until("document.getElementById('collection').open && document.querySelectorAll('#shared li').length === 3");
        visit.was_clean();
    })
    .await;
}
