//! The address: it is the wall from the first moment, and whoever comes back is where they left.

use std::time::Duration;

use serde_json::json;
use tokio::sync::oneshot;

use crate::common::{TINY, generator};
use crate::visit::{Browsing, NetworkConditions, Visit, browse, tour};

/// The seed in the middle of the window.
const MIDDLE: &str = "[...document.querySelectorAll('.tile')].map((tile) => [tile.tile.recipe.a.seed, tile.getBoundingClientRect()])
    .map(([seed, box]) => [seed, Math.hypot(box.left + box.width / 2 - innerWidth / 2, box.top + box.height / 2 - innerHeight / 2)])
    .sort((a, b) => a[1] - b[1])[0][0]";
const WALL: &str = "new URLSearchParams(location.search).get('wall')";
const ON_THE_WALL: &str = "location.pathname === '/' && document.querySelector('dialog[open]') === null";

/// Loads the page again and waits for it.
fn reload(visit: &Visit) {
    visit.value("window.left = true");
    visit.value("void location.reload()");
    visit.until("window.left === undefined && document.documentElement.classList.contains('live')");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_address_is_the_wall_from_the_first_moment() {
    browse(generator(TINY, 1), |browsing: &Browsing| {
        let visit = browsing.at("/");
        assert!(visit.value("/^[?]wall=[0-9a-f]{8}/.test(location.search)") == true, "{}", visit.text("location.href"));
        visit.until_full();
        // It drifts, and the address follows.
        visit.until("/&at=-?[0-9.]+,-?[0-9.]+/.test(location.search)");
        visit.stand_still();
        visit.drag(-700.0, -420.0);
        visit.comes_to_rest();
        let (wall, middle) = (visit.text(WALL), visit.text(MIDDLE));
        std::thread::sleep(Duration::from_millis(1300));
        reload(&visit);
        assert_eq!((visit.text(WALL), visit.text(MIDDLE)), (wall.clone(), middle.clone()), "after loading it again");

        // In another language it is the same place.
        visit.click(".languages a[lang=it]");
        visit.until("document.documentElement.lang === 'it' && document.documentElement.classList.contains('live')");
        assert_eq!((visit.text(WALL), visit.text(MIDDLE)), (wall.clone(), middle.clone()), "in Italian");

        // So it is behind a room that was loaded again, and in another language.
        visit.click("#to-walk");
        visit.until("document.getElementById('walk').open");
        visit.press("Escape");
        visit.until(ON_THE_WALL);
        visit.value("[...document.querySelectorAll('.tile')][40].click()");
        visit.until("document.querySelector('#room[open]:not([aria-busy])') !== null");
        reload(&visit);
        visit.until("document.querySelector('#room[open]:not([aria-busy])') !== null");
        visit.press("Escape");
        visit.until(ON_THE_WALL);
        assert_eq!((visit.text(WALL), visit.text(MIDDLE)), (wall.clone(), middle.clone()), "behind a room");

        // And for whoever comes back to the bare address.
        visit.go("/");
        assert_eq!((visit.text(WALL), visit.text(MIDDLE)), (wall.clone(), middle.clone()), "coming back");
        // A link that names another wall shows that one.
        visit.go("/?wall=0000beef");
        assert_eq!(visit.text(WALL), "0000beef");
        visit.was_clean();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seed_any_picture_and_another_wall_are_one_step_away() {
    browse(generator(TINY, 1), |browsing: &Browsing| {
        let visit = browsing.at("/?wall=0000beef&speed=0");
        visit.until_full();
        // A seed: its room, and behind it the place where it hangs.
        visit.value("document.getElementById('seek-seed').value = '77'");
        visit.value("document.getElementById('seek').requestSubmit()");
        visit.until("location.pathname === '/p/77' && document.querySelector('#room[open]:not([aria-busy])') !== null");
        visit.press("ArrowRight");
        visit.until("location.pathname !== '/p/77'");
        assert_ne!(visit.text("location.pathname"), "/p/78", "the neighbour is not the one on the wall");
        visit.press("ArrowLeft");
        visit.until("location.pathname === '/p/77'");
        visit.press("Escape");
        visit.until(ON_THE_WALL);
        assert_eq!(visit.text(MIDDLE), "77");
        // What is no seed is said, and nothing else happens; a seed of more than 32 bits and a descendant have rooms.
        visit.value("document.getElementById('seek-seed').value = 'x'");
        visit.value("document.getElementById('seek').requestSubmit()");
        assert_eq!(visit.text("document.getElementById('seek-seed').getAttribute('aria-invalid')"), "true");
        for name in ["18446744073709551615", "42-3b7"] {
            visit.value(&format!("document.getElementById('seek-seed').value = '{name}'"));
            visit.value("document.getElementById('seek').requestSubmit()");
            visit.until(&format!("location.pathname === '/p/{name}' && document.querySelector('#room[open]:not([aria-busy])') !== null"));
            visit.press("Escape");
            visit.until(ON_THE_WALL);
        }
        visit.click("#seek-any");
        visit.until("/^\\/p\\/\\d+$/.test(location.pathname) && document.querySelector('#room[open]:not([aria-busy])') !== null");
        visit.press("Escape");
        visit.until(ON_THE_WALL);
        // Another wall; Back is the one before, where it was.
        let middle = visit.text(MIDDLE);
        visit.click("#seek-wall");
        visit.until(&format!("{WALL} !== '0000beef'"));
        assert_ne!(visit.text(MIDDLE), middle);
        visit.value("history.back()");
        visit.until(&format!("{WALL} === '0000beef'"));
        visit.until(&format!("{MIDDLE} === '{middle}'"));
        visit.was_clean();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wall_can_be_seen_alone_and_stays_so() {
    browse(generator(TINY, 1), |browsing: &Browsing| {
        let visit = browsing.at("/?wall=0000beef&speed=0");
        visit.until_full();
        let panel = "document.getElementById('placard').checkVisibility()";
        visit.click_by_hand("#bare");
        visit.until(&format!("!{panel}"));
        assert_eq!(visit.text("document.activeElement.id"), "unbare");
        visit.until("location.search.includes('bare=1')");
        reload(&visit);
        assert_eq!(visit.value(panel), false, "not remembered");
        visit.press("Escape");
        visit.until(panel);
        visit.until("!location.search.includes('bare=1')");
        visit.was_clean();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn leaving_a_shared_link_leads_to_the_wall_whatever_was_done() {
    browse(generator(TINY, 1), |browsing: &Browsing| {
        for close in ["Escape", "x"] {
            let visit = browsing.at("/p/42%7E7%7E50?psi=0.9");
            visit.until("document.querySelector('#room[open]:not([aria-busy])') !== null");
            visit.click("#tab-children");
            visit.until("document.querySelectorAll('#children a').length === 16");
            visit.click("#children li:nth-child(4) a");
            visit.until("location.pathname === '/p/42-3'");
            visit.click("#children li:nth-child(5) a");
            visit.until("location.pathname === '/p/42-34'");
            if close == "x" {
                visit.click("#room [data-close]");
            } else {
                visit.press(close);
            }
            visit.until(ON_THE_WALL);
            visit.until(&format!("{WALL}?.length === 8"));
            visit.was_clean();
        }
        // Beyond its bounds creativity is bounded, and what is shown is what is drawn.
        let visit = browsing.at("/p/42?psi=0");
        visit.until("document.getElementById('psi-value').textContent === '0.0'");
        visit.go("/p/42?psi=1.23");
        visit.until("document.getElementById('psi-value').textContent === '1.23'");
        visit.go("/p/42?psi=9");
        visit.until("document.getElementById('psi-value').textContent === '2.0'");
        visit.was_clean();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_address_changes_no_more_often_than_browsers_allow_and_again_where_one_refuses() {
    browse(generator(TINY, 1), |browsing: &Browsing| {
        let visit = browsing.at("/p/42?psi=0.9");
        visit.until("document.querySelector('#room[open]:not([aria-busy])') !== null");
        // A quick hand on a slider: a few changes, and the last value is what the address says.
        visit.value(
            "(() => { window.written = 0;
             history.replaceState = (...how) => { window.written += 1; History.prototype.replaceState.apply(history, how); };
             const slider = document.getElementById('psi');
             for (let step = 1; step <= 40; step += 1) { slider.value = String(step / 20); slider.dispatchEvent(new Event('input')); } })()",
        );
        visit.until("location.search.includes('psi=2.0')");
        assert!(visit.number("window.written") < 5.0, "{} changes", visit.number("window.written"));
        visit.click("#tab-children");
        visit.until("document.querySelectorAll('#children a').length === 16");
        visit.value(
            "(() => { history.pushState = () => { delete history.pushState; throw new DOMException('too often', 'SecurityError'); }; })()",
        );
        visit.click("#children li:nth-child(4) a");
        visit.until("location.pathname === '/p/42-3'");
        visit.value("history.back()");
        visit.until("location.pathname === '/p/42' && location.search.includes('psi=2.0')");
        visit.was_clean();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn copied_links_are_for_readers_of_any_language() {
    browse(generator(TINY, 1), |browsing: &Browsing| {
        let visit = browsing.at("/p/42?psi=0.9&lang=it");
        visit.until("document.querySelector('#room[open]:not([aria-busy])') !== null");
        visit.value("navigator.clipboard.writeText = async (text) => { window.copied = text; }");
        visit.click("[data-share=copy]");
        visit.until("window.copied !== undefined");
        assert_eq!(visit.text("window.copied"), format!("{}/p/42?psi=0.9", browsing.origin));
        visit.was_clean();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_gone_is_asked_now_and_then() {
    browse(generator(TINY, 1), |browsing: &Browsing| {
        let visit = browsing.at("/?wall=0000beef&speed=10");
        visit.until_full();
        visit.send(NetworkConditions(
            json!({ "offline": true, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1 }),
        ));
        visit.until("!document.getElementById('status').hidden");
        let before = visit.asked("/api/v1/pictures/");
        std::thread::sleep(Duration::from_secs(20));
        let asked = visit.asked("/api/v1/pictures/") - before;
        eprintln!("{asked} requests in 20 s without a network, at the greatest speed");
        assert!(asked < 30, "{asked} requests in 20 s");
        // The text about it all cannot be fetched now, and is when the network is back.
        visit.click("#about-button");
        visit.send(NetworkConditions(
            json!({ "offline": false, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1 }),
        ));
        visit.until("document.getElementById('status').hidden");
        visit.until("document.querySelectorAll('#growth img').length === 5");
        visit.until("document.querySelectorAll('#facts dt').length > 2");
        visit.slide("speed", "0");
        visit.until_full();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_model_is_noticed_and_its_pictures_shown() {
    let service = server::Server::bind(&crate::common::config(), generator(TINY, 1)).await.unwrap();
    let addr = service.local_addr();
    let (stop, stopped) = oneshot::channel::<()>();
    let first = tokio::spawn(service.run(async move { drop(stopped.await) }));
    let (swap, swapped) = std::sync::mpsc::channel::<()>();
    let (done, finished) = std::sync::mpsc::channel::<()>();
    tokio::spawn(async move {
        tokio::task::spawn_blocking(move || swapped.recv().unwrap()).await.unwrap();
        stop.send(()).unwrap();
        first.await.unwrap().unwrap();
        let config = server::Config { addr, ..crate::common::config() };
        let second = server::Server::bind(&config, generator(TINY, 2)).await.unwrap();
        done.send(()).unwrap();
        second.run(std::future::pending()).await.unwrap();
    });
    tour(format!("http://{addr}"), move |browsing: &Browsing| {
        let visit = browsing.at("/?wall=0000beef&speed=0&psi=0.7");
        // Nothing is on its way any more when the model goes.
        visit.until("[...document.querySelectorAll('.tile')].every((tile) => tile.matches('.filled'))");
        let model = visit.text("document.documentElement.dataset.model");
        swap.send(()).unwrap();
        finished.recv().unwrap();
        let before = visit.asked("/api/v1/pictures/");
        visit.slide("creativity", "1.2");
        visit.until(&format!("document.documentElement.dataset.model !== '{model}' && document.documentElement.classList.contains('live')"));
        visit.until_full();
        let tiles = visit.number("document.querySelectorAll('.tile').length") as usize;
        let asked = visit.asked("/api/v1/pictures/") - before;
        eprintln!("{asked} requests for pictures until the wall of {tiles} showed the new model");
        assert!(asked < 2 * tiles + 60, "{asked} requests for {tiles} tiles");
        assert_eq!(visit.text(WALL), "0000beef");
        assert_eq!(visit.value("document.getElementById('creativity').value"), "1.2");
    })
    .await;
}
